// LiveCounters: how many bytes of each segment are live, in memory. They choose what to collect; they never justify
// freeing anything, and they may be a little wrong.
//
// Filled   by a walk over all records, once; from then on by what commits add and take. A commit that falls into the
//          page being read at that moment may be counted twice or not at all.
// Threads  any. Memory: a few dozen bytes a segment.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/segment/segment_store.h"

namespace storage::upkeep {

// What one commit makes live and what it kills; applied once it went through.
struct LiveChange {
  // The row's key, and what it holds. What a version of an object holds is named by the head of its key, current or older.
  using Named = std::pair<std::string, segment::Extent>;
  std::vector<Named> born;
  std::vector<Named> died;
};

class LiveCounters {
 public:
  void apply(const LiveChange& change);

  // A walk: begin, the pages in order, end. Until the first has ended nothing is known.
  void begin_walk();
  // `next` is where the following page begins; empty after the last.
  void walked(const std::vector<segment::Extent>& extents, const std::optional<std::string>& next);
  void end_walk();
  void abandon_walk();

  bool filled() const;
  std::uint64_t live_bytes(segment::SegmentId segment) const;
  std::uint64_t total_bytes() const;
  // Grows with every change; equal values mean that nothing has changed.
  std::uint64_t changes() const;
  // The segment is gone.
  void forget(segment::SegmentId segment);

 private:
  struct Counts {
    std::unordered_map<segment::SegmentId, std::uint64_t> by_segment;
    std::uint64_t total = 0;
    void add(const segment::Extent& extent);
    void subtract(const segment::Extent& extent);
  };
  bool behind_walk(std::string_view row) const;

  mutable std::mutex mutex_;
  Counts counts_;
  bool filled_ = false;
  std::uint64_t changes_ = 0;
  bool walking_ = false;
  Counts walk_counts_;
  std::optional<std::string> walked_below_;  // rows below it are counted in walk_counts_; empty: all
};

}  // namespace storage::upkeep
