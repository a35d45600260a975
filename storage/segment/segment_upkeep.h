// What upkeep asks of a SegmentStore: moving a shard to another drive, and scrubbing a segment piece by
// piece.
//
// Memory    from the pool that the request names, so that upkeep never takes what appends wait for: at most
// two buffers of
//           kMaxBufferBytes a call.
// Lifetime  pool and callbacks outlive the call. Callbacks run on the caller's executor.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "storage/segment/segment_store.h"

namespace storage::segment {

// Whether a record refers to a piece of this stripe. Asked only of stripes that cannot be read whole any
// more; such a stripe that nothing names is what a cut or a failed write left, not a loss. Without this
// function all count as named.
using Referenced = std::function<Task<Result<bool>>(SegmentId, StripeInfo)>;

// Waits until `bytes` more may be read or written. An error ends the call with it. Empty: no limit.
using Pace = std::function<Task<Result<>>(std::uint64_t bytes)>;

struct MoveRequest {
  SegmentId segment = 0;
  unsigned shard = 0;
  std::uint32_t to_member = 0;
  io::BufferPool* pool = nullptr;
  Pace pace;
  Referenced referenced;
};

struct ScrubRequest {
  SegmentId segment = 0;
  std::uint32_t first_block = 1;  // where the call before ended
  std::optional<std::uint32_t>
      member;  // look at this drive's shards only; the others are read where they are needed
  io::BufferPool* pool = nullptr;
  Referenced referenced;
  bool repair = true;  // else damage is only counted
};

// What one call of SegmentStore::scrub() found. Shards are counted as they were before they were repaired.
struct ScrubStep {
  std::uint32_t next_block = 0;  // where to go on; 0: the segment is done
  std::uint64_t bytes = 0;       // read
  std::uint64_t stripes = 0;
  std::uint64_t zone_headers_repaired = 0;
  std::uint64_t shards_damaged = 0;
  std::uint64_t shards_repaired = 0;
  std::uint64_t shards_absent = 0;       // on drives that are not there: a rebuild's business
  std::uint64_t stripes_unreadable = 0;  // named by a record, fewer than k good shards, but a drive is away
  std::uint64_t stripes_lost = 0;        // named by a record, and no drive that could help is away
  std::uint64_t stripes_torn = 0;        // beyond repair and named by nothing
};

}  // namespace storage::segment
