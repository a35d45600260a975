// LiveIndex: what the records say of the bytes in segments, as the collector needs it. A seam: the rows belong to the
// object store, which implements it.
//
// Live        a piece is live exactly when a record holds this very extent of its blob: a version of its key, current or older, or
//             a chunk row of the blob (those rows go with the blob's last holder).
// Settled     of a settled segment (SegmentStore::settled) a piece that is not live never becomes live again, so the
//             answers of live() hold for good where they say "not live".
// Durability  move() is durable when it returns. Its precondition is that each row is still as it was read.
// Threads     any executor; calls resume on the caller's. Lifetime: the index outlives its calls.
// Errors      those of the metadata store; Errc::corrupt_record for a row that does not parse.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/segment/segment_store.h"

namespace storage::upkeep {

struct LivePiece {
  std::string row;  // key of the row that holds the extent
  segment::PieceName name;
  segment::Extent extent;
};

struct Move {
  LivePiece piece;
  std::vector<segment::Extent> to;  // the same bytes, in order
};

enum class MoveOutcome : std::uint8_t {
  moved,      // the record names the new place
  gone,       // no record names the old place any more: the new bytes have no name and die with their segment
  contended,  // writers were faster: the old place is still named, maybe by another row
};

class LiveIndex {
 public:
  virtual ~LiveIndex() = default;

  // Those pieces of the stripe that are live, with their extents as the records have them.
  virtual Task<Result<std::vector<LivePiece>>> live(segment::SegmentId segment, segment::StripeInfo stripe) = 0;

  // Makes records name the new places; one outcome a move, in order. The caller holds pins of the new places. No client's
  // write fails for it: rows are changed under the locks of their writers.
  virtual Task<Result<std::vector<MoveOutcome>>> move(std::vector<Move> moves) = 0;

  // Every extent that any record holds, a page at a time. `cursor` is empty at first, then the last page's `next`.
  struct Page {
    std::vector<segment::Extent> extents;
    std::vector<std::string> holders;  // by extent: what holds it, in words for people
    std::optional<std::string> next;  // all rows below it have been seen
  };
  virtual Task<Result<Page>> walk(std::string cursor, std::uint32_t rows_max) = 0;
};

}  // namespace storage::upkeep
