#include "storage/upkeep/live_counters.h"

#include <algorithm>
#include <utility>

namespace storage::upkeep {

void LiveCounters::Counts::add(const segment::Extent& extent) {
  by_segment[extent.segment] += extent.length;
  total += extent.length;
}

void LiveCounters::Counts::subtract(const segment::Extent& extent) {
  const auto found = by_segment.find(extent.segment);
  if (found == by_segment.end()) return;
  const std::uint64_t bytes = std::min<std::uint64_t>(found->second, extent.length);
  found->second -= bytes;
  total -= bytes;
  if (found->second == 0) by_segment.erase(found);
}

// Under the mutex.
bool LiveCounters::behind_walk(std::string_view row) const { return !walked_below_ || row < *walked_below_; }

void LiveCounters::apply(const LiveChange& change) {
  std::lock_guard lock(mutex_);
  ++changes_;
  for (const auto& [row, extent] : change.born) {
    counts_.add(extent);
    if (walking_ && behind_walk(row)) walk_counts_.add(extent);
  }
  for (const auto& [row, extent] : change.died) {
    counts_.subtract(extent);
    if (walking_ && behind_walk(row)) walk_counts_.subtract(extent);
  }
}

void LiveCounters::begin_walk() {
  std::lock_guard lock(mutex_);
  walking_ = true;
  walk_counts_ = Counts();
  walked_below_.emplace();
}

void LiveCounters::walked(const std::vector<segment::Extent>& extents, const std::optional<std::string>& next) {
  std::lock_guard lock(mutex_);
  if (!walking_) return;
  for (const segment::Extent& extent : extents) walk_counts_.add(extent);
  walked_below_ = next;
}

void LiveCounters::end_walk() {
  std::lock_guard lock(mutex_);
  if (!walking_) return;
  counts_ = std::exchange(walk_counts_, Counts());
  walking_ = false;
  filled_ = true;
  ++changes_;
}

void LiveCounters::abandon_walk() {
  std::lock_guard lock(mutex_);
  walking_ = false;
  walk_counts_ = Counts();
}

bool LiveCounters::filled() const {
  std::lock_guard lock(mutex_);
  return filled_;
}

std::uint64_t LiveCounters::live_bytes(segment::SegmentId segment) const {
  std::lock_guard lock(mutex_);
  const auto found = counts_.by_segment.find(segment);
  return found == counts_.by_segment.end() ? 0 : found->second;
}

std::uint64_t LiveCounters::total_bytes() const {
  std::lock_guard lock(mutex_);
  return counts_.total;
}

std::uint64_t LiveCounters::changes() const {
  std::lock_guard lock(mutex_);
  return changes_;
}

void LiveCounters::forget(segment::SegmentId segment) {
  std::lock_guard lock(mutex_);
  ++changes_;
  for (Counts* counts : {&counts_, &walk_counts_}) {
    const auto found = counts->by_segment.find(segment);
    if (found == counts->by_segment.end()) continue;
    counts->total -= found->second;
    counts->by_segment.erase(found);
  }
}

}  // namespace storage::upkeep
