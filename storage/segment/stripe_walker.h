// StripeWalker: which stripes a sealed segment holds, and what their directories say.
//
// Every shard of a stripe carries the whole directory, so one sound header of k+m is enough. Where no shard has one (a
// write that failed, rot beyond m), the walk goes on block by block to the next sound header.
//
// Errors   Errc::io_error where more than m shards could not be read: then nobody can say that there is no stripe;
//          Errc::overloaded (no memory for headers).
// Memory   one buffer of at most kMaxBufferBytes from the batches pool during a call.
// Threads  any.
#pragma once

#include <optional>
#include <vector>

#include "storage/segment/format.h"
#include "storage/segment/store_context.h"

namespace storage::segment {

class StripeWalker {
 public:
  explicit StripeWalker(StoreContext& context) : context_(context) {}

  // As SegmentStore::next_stripe(), of a sealed segment.
  Task<Result<std::optional<StripeInfo>>> next(SegmentPtr segment, std::uint32_t from_block);

 private:
  struct Kept;
  // A stretch of blocks that is searched for headers, and on how many shards.
  struct Window {
    std::uint32_t first_block = 0;  // headers may begin at first_block ...
    std::uint32_t starts = 1;       // ... and this many blocks on
    std::uint32_t blocks = 0;       // blocks to read: the last header's length beyond `starts`
    unsigned shards = 1;            // enough once so many have answered
  };
  Task<Result<std::optional<StripeInfo>>> search(SegmentPtr segment, Window window);
  Window window_at(const Segment& segment, std::uint32_t first_block, std::uint32_t starts, unsigned shards) const;
  io::PatientOperation operation(const Placement& placement, unsigned shard, const Window& window,
                                 std::span<std::byte> into) const;
  std::vector<unsigned> reading_order(const Segment& segment, std::uint32_t turn) const;

  StoreContext& context_;
};

}  // namespace storage::segment
