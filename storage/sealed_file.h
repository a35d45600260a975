// SealedFile: one of the immutable files of a sealed manifest, read anywhere. Its bytes are extents of a blob in the segments.
//
// Reads    every byte was checked against its extent's CRC. The collector may move extents meanwhile: then their rows are read
//          again. Errc::not_found once the dataset is dropped and its bytes are collected.
// Memory   where the extents lie (32 bytes a MiB); pages come from a shelf with a bound.
// Threads  any. Lifetime: the store's state outlives it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/memory_shelf.h"
#include "storage/object_store_state.h"

namespace storage {

class SealedFile {
 public:
  static constexpr std::uint64_t kPageBytes = 16 * 1024;
  static constexpr std::uint64_t kReadBytesMax = 4 * 1024 * 1024;
  using Pages = MemoryShelf<const std::string>;

  // `pages` outlives the file.
  SealedFile(ObjectStore::State& state, records::SealedFile row, Pages& pages);

  std::uint64_t size() const { return row_.size(); }
  // Bytes [offset, offset + length) of the file, length <= kReadBytesMax, without the shelf.
  Task<Result<std::string>> read(std::uint64_t offset, std::uint64_t length);
  // The same through the shelf, for small reads that come again nearby.
  Task<Result<std::string>> read_paged(std::uint64_t offset, std::uint64_t length);

 private:
  struct Place {
    std::uint64_t begin;  // in the file
    segment::Extent extent;
  };
  using Places = std::shared_ptr<const std::vector<Place>>;

  Task<Result<Places>> load_places();
  Places places() const;
  Task<Result<>> read_at(Places places, std::uint64_t offset, std::uint64_t length, std::string& into);

  ObjectStore::State& state_;
  const records::SealedFile row_;
  Pages& pages_;
  mutable std::mutex mutex_;
  Places places_;
};

}  // namespace storage
