#include "storage/segment/segment_table.h"

#include <atomic>

#include "storage/base/check.h"

namespace storage::segment {

Segment::Segment(SegmentRecord record, std::uint32_t zone_blocks)
    : record_(std::move(record)),
      scheme_{record_.data, record_.parity},
      zone_blocks_(zone_blocks),
      opened_here_(record_.state == SegmentRecord::State::open),
      sealed_(record_.state == SegmentRecord::State::sealed) {}

SegmentRecord Segment::record() const {
  SegmentRecord record = record_;
  std::lock_guard lock(mutex_);
  record.state = sealed_ ? SegmentRecord::State::sealed : SegmentRecord::State::open;
  return record;
}

std::optional<Segment::Place> Segment::reserve(std::uint32_t blocks) {
  std::lock_guard lock(mutex_);
  if (sealed_ || blocks > zone_blocks_ - next_block_) return std::nullopt;
  Place place;
  place.stripe_block = next_block_;
  place.sequence = next_sequence_++;
  place.unsettled = unsettled_;
  next_block_ += blocks;
  return place;
}

bool Segment::accepts_appends() const {
  std::lock_guard lock(mutex_);
  return !sealed_;
}

std::uint32_t Segment::room_blocks() const {
  std::lock_guard lock(mutex_);
  return sealed_ ? 0 : zone_blocks_ - next_block_;
}

bool Segment::settled() const {
  std::lock_guard lock(mutex_);
  // Once sealed, copies are made from other copies only: a count of one cannot grow.
  if (!sealed_ || unsettled_.use_count() != 1) return false;
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
}

bool Segment::empty() const {
  std::lock_guard lock(mutex_);
  return next_sequence_ == 1;
}

std::uint32_t Segment::end_block() const {
  std::lock_guard lock(mutex_);
  return opened_here_ ? next_block_ : zone_blocks_;
}

bool Segment::seal() {
  std::lock_guard lock(mutex_);
  if (sealed_) return false;
  sealed_ = true;
  return true;
}

void SegmentTable::insert(SegmentPtr segment) {
  std::lock_guard lock(mutex_);
  const SegmentId id = segment->id();
  const bool inserted = segments_.emplace(id, std::move(segment)).second;
  CHECK(inserted);  // segment ids are never reused (invariant 5)
}

SegmentPtr SegmentTable::find(SegmentId id) const {
  std::lock_guard lock(mutex_);
  const auto found = segments_.find(id);
  return found == segments_.end() ? nullptr : found->second;
}

SegmentPtr SegmentTable::take_unreferenced(SegmentId id) {
  std::lock_guard lock(mutex_);
  const auto found = segments_.find(id);
  if (found == segments_.end() || found->second->accepts_appends()) return nullptr;
  // References are made from others or by find(), under this mutex: a count of one cannot grow meanwhile.
  if (found->second.use_count() != 1) return nullptr;
  std::atomic_thread_fence(std::memory_order_acquire);
  SegmentPtr segment = std::move(found->second);
  segments_.erase(found);
  return segment;
}

void SegmentTable::erase(SegmentId id) {
  std::lock_guard lock(mutex_);
  segments_.erase(id);
}

std::size_t SegmentTable::size() const {
  std::lock_guard lock(mutex_);
  return segments_.size();
}

std::vector<SegmentPtr> SegmentTable::all() const {
  std::lock_guard lock(mutex_);
  std::vector<SegmentPtr> segments;
  segments.reserve(segments_.size());
  for (const auto& [id, segment] : segments_) segments.push_back(segment);
  return segments;
}

}  // namespace storage::segment
