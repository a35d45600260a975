// OpenSegments: the segments that take appends at this moment, one a lane.
//
// Opening   record durable in the catalogue, then zone headers durable on all members, then the first stripe.
// Sealing   at once in memory; the record follows in the background. Losing that is harmless: recover() seals
//           whatever an earlier process left open.
// Space     two segments' worth of zones is left to the survivors. Fresh data without a zone waits a bounded time while
//           space is being reclaimed.
// Threads   any. Lifetime: its background tasks belong to StoreContext::tasks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "storage/segment/gate.h"
#include "storage/segment/store_context.h"

namespace storage::segment {

// Survivors are what the collector moves: apart from fresh data, since what has lived long will live on.
enum class Lane : std::uint8_t { batch = 0, stream = 1, survivors = 2 };
inline constexpr std::size_t kLanes = 3;

class OpenSegments {
 public:
  explicit OpenSegments(StoreContext& context) : context_(context) {}

  // Ids are given from `next` on. Before any other call.
  void set_next_id(SegmentId next) { next_id_.store(next, std::memory_order_relaxed); }

  // The segment that takes the lane's next stripe, all of whose members are alive; opened now if need be.
  // Errors  Errc::read_only, Errc::no_space, Errc::overloaded (no memory for headers), the catalogue's.
  Task<Result<SegmentPtr>> current(Lane lane);

  // No stripe is begun in `segment` any more. Its record is replaced by a task on `executor`.
  void seal(const SegmentPtr& segment, Executor executor);

 private:
  struct LaneState {
    AsyncLock opening;
    SegmentPtr segment;                          // under mutex_
    std::atomic<std::uint64_t> waits_in_vain{0};  // for space; changed under opening
  };

  SegmentPtr usable(Lane lane);
  bool members_alive(const Segment& segment) const;
  Task<Result<SegmentPtr>> open(Lane lane);
  Task<Result<SegmentPtr>> open_or_wait(Lane lane, bool waited);
  Task<Result<>> write_zone_headers(const Segment& segment, std::shared_ptr<ZoneHold> zones);
  Task<> abandon(SegmentPtr segment, std::shared_ptr<ZoneHold> zones);

  StoreContext& context_;
  std::atomic<SegmentId> next_id_{1};
  std::mutex mutex_;
  std::array<LaneState, kLanes> lanes_;
};

}  // namespace storage::segment
