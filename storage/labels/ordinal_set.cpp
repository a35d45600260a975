#include "storage/labels/ordinal_set.h"

#include <roaring/roaring64map.hh>

namespace storage::labels {

struct OrdinalSet::Bitmap {
  Roaring64Map map;
};

OrdinalSet::OrdinalSet() : bitmap_(std::make_unique<Bitmap>()) {}
OrdinalSet::~OrdinalSet() = default;
OrdinalSet::OrdinalSet(const OrdinalSet& other) : bitmap_(std::make_unique<Bitmap>(*other.bitmap_)) {}
OrdinalSet::OrdinalSet(OrdinalSet&& other) noexcept = default;
OrdinalSet& OrdinalSet::operator=(OrdinalSet&& other) noexcept = default;
OrdinalSet& OrdinalSet::operator=(const OrdinalSet& other) {
  if (this != &other) bitmap_ = std::make_unique<Bitmap>(*other.bitmap_);
  return *this;
}

void OrdinalSet::add(Ordinal ordinal) { bitmap_->map.add(ordinal); }

void OrdinalSet::add_all(const std::vector<Ordinal>& ordinals) {
  if (!ordinals.empty()) bitmap_->map.addMany(ordinals.size(), ordinals.data());
}

void OrdinalSet::remove(Ordinal ordinal) { bitmap_->map.remove(ordinal); }
bool OrdinalSet::contains(Ordinal ordinal) const { return bitmap_->map.contains(ordinal); }
std::uint64_t OrdinalSet::size() const { return bitmap_->map.cardinality(); }
bool OrdinalSet::empty() const { return bitmap_->map.isEmpty(); }
std::uint64_t OrdinalSet::bytes() const { return sizeof(Bitmap) + bitmap_->map.getSizeInBytes(); }

OrdinalSet& OrdinalSet::operator&=(const OrdinalSet& other) {
  bitmap_->map &= other.bitmap_->map;
  return *this;
}

OrdinalSet& OrdinalSet::operator|=(const OrdinalSet& other) {
  bitmap_->map |= other.bitmap_->map;
  return *this;
}

OrdinalSet& OrdinalSet::operator-=(const OrdinalSet& other) {
  bitmap_->map -= other.bitmap_->map;
  return *this;
}

bool operator==(const OrdinalSet& a, const OrdinalSet& b) {
  if (a.size() != b.size()) return false;
  OrdinalSet only_a(a);
  only_a -= b;
  return only_a.empty();
}

std::vector<Ordinal> OrdinalSet::slice(Ordinal from, std::size_t limit) const {
  std::vector<Ordinal> ordinals;
  auto it = bitmap_->map.begin();
  const auto end = bitmap_->map.end();
  if (it != end && *it < from) it.move(from);
  for (; it != end && ordinals.size() < limit; ++it) ordinals.push_back(*it);
  return ordinals;
}

}  // namespace storage::labels
