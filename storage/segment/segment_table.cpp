#include "storage/segment/segment_table.h"

#include <atomic>
#include <utility>

#include "storage/base/check.h"

namespace storage::segment {

Placement::~Placement() {
  if (on_end_) on_end_();
}

std::optional<unsigned> Placement::shard_on(std::uint32_t member) const {
  for (unsigned shard = 0; shard < members_.size(); ++shard) {
    if (members_[shard].drive == member) return shard;
  }
  return std::nullopt;
}

Segment::Segment(SegmentRecord record, std::uint32_t zone_blocks)
    : record_(std::move(record)),
      scheme_{record_.data, record_.parity},
      zone_blocks_(zone_blocks),
      opened_here_(record_.state == SegmentRecord::State::open),
      placement_(std::make_shared<Placement>(record_.members)),
      sealed_(record_.state == SegmentRecord::State::sealed),
      stored_sealed_(sealed_) {}

PlacementPtr Segment::placement() const {
  std::lock_guard lock(mutex_);
  return placement_;
}

std::vector<SegmentRecord::Member> Segment::members() const { return placement()->members(); }

SegmentRecord Segment::record() const {
  SegmentRecord record = record_;
  std::lock_guard lock(mutex_);
  record.members = placement_->members();
  record.state = sealed_ ? SegmentRecord::State::sealed : SegmentRecord::State::open;
  return record;
}

SegmentRecord Segment::stored_record() const {
  SegmentRecord record = record_;
  std::lock_guard lock(mutex_);
  record.members = placement_->members();
  record.state = stored_sealed_ ? SegmentRecord::State::sealed : SegmentRecord::State::open;
  return record;
}

void Segment::seal_stored() {
  std::lock_guard lock(mutex_);
  stored_sealed_ = true;
}

void Segment::lose_stored() {
  std::lock_guard lock(mutex_);
  stored_known_ = false;
}

bool Segment::stored_known() const {
  std::lock_guard lock(mutex_);
  return stored_known_;
}

void Segment::move(unsigned shard, SegmentRecord::Member to, std::function<void()> on_end) {
  std::shared_ptr<Placement> left;
  {
    std::lock_guard lock(mutex_);
    std::vector<SegmentRecord::Member> members = placement_->members();
    members.at(shard) = to;
    auto next = std::make_shared<Placement>(std::move(members));
    placement_->next_ = next;
    placement_->on_end_ = std::move(on_end);
    left = std::exchange(placement_, std::move(next));
    stored_sealed_ = true;
  }
  // `left` dies here, outside the mutex, unless a reader still holds it.
}

std::optional<Segment::Place> Segment::reserve(std::uint32_t blocks) {
  std::lock_guard lock(mutex_);
  if (sealed_ || blocks > zone_blocks_ - next_block_) return std::nullopt;
  Place place;
  place.stripe_block = next_block_;
  place.sequence = next_sequence_++;
  place.unsettled = unsettled_;
  next_block_ += blocks;
  ++writes_;
  return place;
}

void Segment::end_write() {
  std::lock_guard lock(mutex_);
  CHECK(writes_ > 0);
  --writes_;
}

bool Segment::quiet() const {
  std::lock_guard lock(mutex_);
  return sealed_ && writes_ == 0;
}

bool Segment::placement_in_use() const {
  std::lock_guard lock(mutex_);
  return placement_.use_count() != 1;
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
  if (found->second.use_count() != 1 || found->second->placement_in_use()) return nullptr;
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
