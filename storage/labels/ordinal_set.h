// OrdinalSet: a set of ordinals, as a compressed bitmap.
//
// Threads  as any container. Source: Roaring bitmaps (CRoaring), one for each 2^32 ordinals.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "storage/labels/rows.h"

namespace storage::labels {

class OrdinalSet {
 public:
  OrdinalSet();
  ~OrdinalSet();
  OrdinalSet(const OrdinalSet& other);
  OrdinalSet(OrdinalSet&& other) noexcept;
  OrdinalSet& operator=(const OrdinalSet& other);
  OrdinalSet& operator=(OrdinalSet&& other) noexcept;

  void add(Ordinal ordinal);
  void add_all(const std::vector<Ordinal>& ordinals);
  void remove(Ordinal ordinal);
  bool contains(Ordinal ordinal) const;
  std::uint64_t size() const;
  bool empty() const;
  std::uint64_t bytes() const;  // of memory, about

  OrdinalSet& operator&=(const OrdinalSet& other);
  OrdinalSet& operator|=(const OrdinalSet& other);
  OrdinalSet& operator-=(const OrdinalSet& other);
  friend bool operator==(const OrdinalSet& a, const OrdinalSet& b);

  // At most `limit` of them that are >= from, ascending.
  std::vector<Ordinal> slice(Ordinal from, std::size_t limit) const;

 private:
  struct Bitmap;
  std::unique_ptr<Bitmap> bitmap_;
};

}  // namespace storage::labels
