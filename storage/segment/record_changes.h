// Changes of segment records in the catalogue: sealing, and moving a shard to another zone. Each is one
// conditional replace, and one at a time in this process (StoreContext::record_changes), so that neither
// undoes the other.
//
// Errors    the catalogue's. After one that leaves open whether the change was stored (anything but a
// refusal) the record
//           is not changed again by this process: Errc::conflict. The next start reads what it says.
// Private to this folder.
#pragma once

#include "storage/segment/store_context.h"

namespace storage::segment {

// The stored record says `sealed` when this succeeds. The segment is sealed in memory.
Task<Result<>> record_seal(StoreContext& context, SegmentPtr segment);

// What became of a move.
enum class MoveOutcome : std::uint8_t {
  moved,    // the record names `to`; the zone left is free as soon as nobody uses it
  refused,  // the record is as it was: `to` is still the caller's
  unknown,  // both zones stay taken until the next start
};

// The record of `segment`, sealed, names `to` for `shard` instead of `from`, if it still names `from`.
Task<MoveOutcome> record_move(StoreContext& context, SegmentPtr segment, unsigned shard,
                              SegmentRecord::Member from, SegmentRecord::Member to);

}  // namespace storage::segment
