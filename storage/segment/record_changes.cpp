#include "storage/segment/record_changes.h"

#include "storage/base/log.h"

namespace storage::segment {
namespace {

// Errors that say that nothing was stored.
bool is_refusal(Error error) {
  return error == Errc::conflict || error == Errc::overloaded || error == Errc::shutting_down ||
         error == Errc::no_space || error == Errc::not_found || error == Errc::corrupt_record;
}

}  // namespace

Task<Result<>> record_seal(StoreContext& context, SegmentPtr segment) {
  AsyncLock::Hold hold = co_await context.record_changes.lock();
  if (!segment->stored_known()) co_return Errc::conflict;
  SegmentRecord expected = segment->stored_record();
  if (expected.state == SegmentRecord::State::sealed) co_return success();  // a move came first
  SegmentRecord sealed = expected;
  sealed.state = SegmentRecord::State::sealed;
  Result<> replaced = co_await context.catalog.replace(std::move(expected), std::move(sealed));
  if (replaced) {
    segment->seal_stored();
  } else if (!is_refusal(replaced.error())) {
    segment->lose_stored();
  }
  co_return replaced;
}

Task<MoveOutcome> record_move(StoreContext& context, SegmentPtr segment, unsigned shard,
                              SegmentRecord::Member from, SegmentRecord::Member to) {
  AsyncLock::Hold hold = co_await context.record_changes.lock();
  SegmentRecord expected = segment->stored_record();
  if (!segment->stored_known() || expected.members[shard] != from) co_return MoveOutcome::refused;
  SegmentRecord moved = expected;
  moved.state = SegmentRecord::State::sealed;
  moved.members[shard] = to;
  Result<> replaced = co_await context.catalog.replace(std::move(expected), std::move(moved));
  if (!replaced) {
    log_warn("segment_move_not_recorded",
             {{"segment", segment->id()}, {"shard", shard}, {"error", replaced.error().message()}});
    if (is_refusal(replaced.error())) co_return MoveOutcome::refused;
    segment->lose_stored();
    co_return MoveOutcome::unknown;
  }
  // The last holder of the old placement frees the zone. That may be an operation on a stuck drive, which outlives the
  // store's calls; the registry of the gauge outlives the drives.
  segment->move(shard, to, [zones = context.shared_zones, gauge = &context.metrics.zones_free, from] {
    zones->release(from);
    gauge->set(static_cast<std::int64_t>(zones->free_zones()));
  });
  co_return MoveOutcome::moved;
}

}  // namespace storage::segment
