// What the directories of stripes name, read from the drives alone: for the day on which the metadata is lost.
//
// A superset  of what was stored: deleted and replaced objects are listed until their zones are written again, and a key may
//             be listed many times. Nothing says which of its pieces was the last.
// Found       zones by their headers, stripes by their shard headers, on whatever drives are there; one readable shard is
//             enough for a stripe.
// Cost        reads the headers of all zones, and of each segment the shard headers of every zone of it.
// Threads     one executor. Lifetime: drives, pool and callback outlive the call.
#pragma once

#include <cstdint>
#include <functional>

#include "storage/base/task.h"
#include "storage/io/buffer.h"
#include "storage/segment/segment_store.h"

namespace storage::segment {

struct ScannedPiece {
  SegmentId segment = 0;
  std::int64_t segment_created_ms = 0;
  std::uint32_t stripe_block = 0;
  std::uint64_t sequence = 0;  // of the stripe in its segment
  Piece piece;
};

struct ScanTotals {
  std::uint64_t zones = 0;  // with a sound header
  std::uint64_t segments = 0;
  std::uint64_t stripes = 0;
  std::uint64_t pieces = 0;
  std::uint64_t unreadable = 0;  // reads that failed
};

// Calls `found` for every piece, segment by segment in the order of their ids. Errc::overloaded: no memory.
Task<Result<ScanTotals>> scan_directories(const DriveSet& drives, io::BufferPool& pool,
                                          std::function<void(const ScannedPiece&)> found);

}  // namespace storage::segment
