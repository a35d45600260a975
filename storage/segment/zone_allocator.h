// ZoneAllocator: which zones of which drives are free. In memory only: the truth is the segment records.
//
// Choice    the members with most free zones; on each the lowest prepared zone, else the lowest free one.
// Reserve   an allocation leaves zones for `reserved_segments` more of its width, for the collector.
// Threads   any.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "storage/base/result.h"
#include "storage/segment/segment_store.h"

namespace storage::segment {

class ZoneAllocator {
 public:
  // `zones[member]`: how many zones each member has; all free at first. Members only ever join: add_member().
  explicit ZoneAllocator(std::vector<std::uint32_t> zones);

  // Marks a zone that a record names. False if it does not exist or is taken already.
  bool claim(SegmentRecord::Member zone);

  // Takes one zone of each of `width` distinct members for which `usable` holds, in ascending order of
  // members rotated by `rotation`. Errc::no_space when fewer have room, or when less than the reserve would
  // be left.
  Result<std::vector<SegmentRecord::Member>> allocate(
      unsigned width, std::uint64_t rotation, unsigned reserved_segments,
      const std::function<bool(std::uint32_t member)>& usable);

  // How many segments of `width` the usable members have zones for, at most `limit`.
  unsigned segments_left(unsigned width, unsigned limit, const std::function<bool(std::uint32_t member)>& usable) const;

  // Takes one zone of `member`, if it has more than `spared` free ones; else Errc::no_space.
  Result<SegmentRecord::Member> allocate_on(std::uint32_t member, std::uint32_t spared);

  void release(SegmentRecord::Member zone);

  // The next member, with this many zones, all free.
  void add_member(std::uint32_t zones);
  std::size_t member_count() const;

  // Preparation: zones below `prepared_zones[member]`, and those marked, cost no allocation in the file
  // system.
  void set_prepared_below(std::uint32_t member, std::uint32_t zone);
  // Takes the lowest free zone that is not prepared, if fewer than `wanted` free zones are; give it back with
  // end_preparing().
  std::optional<std::uint32_t> begin_preparing(std::uint32_t member, std::uint32_t wanted);
  void end_preparing(std::uint32_t member, std::uint32_t zone, bool prepared);

  std::uint64_t free_zones() const;
  std::uint64_t free_zones(std::uint32_t member) const;
  std::uint64_t total_zones() const;
  bool is_free(SegmentRecord::Member zone) const;

 private:
  struct Drive {
    std::vector<bool> free;
    std::vector<bool> prepared;
    std::uint32_t free_count = 0;
    std::uint32_t preparing = 0;  // neither free nor taken: begin_preparing() .. end_preparing()
    std::uint32_t prepared_below = 0;
    std::uint32_t first_free = 0;  // no zone below it is free
    bool is_prepared(std::uint32_t zone) const { return zone < prepared_below || prepared[zone]; }
  };
  std::uint32_t take(Drive& drive);

  mutable std::mutex mutex_;
  std::vector<Drive> drives_;
};

}  // namespace storage::segment
