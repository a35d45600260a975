// StripeWriter: takes one built stripe to its drives. Here a PUT's bytes become durable.
//
// Errors    that of the last shard that failed; the drive was reported and the segment must take no more
// stripes:
//           nothing is retried in place (invariant 13). A drive that has not answered long after the others fails
//           the stripe, too; the unfinished write keeps the stripe's memory (Stripe::lent()) and its zone until it ends,
//           and since the stripe failed, nobody minds what it leaves there.
#pragma once

#include <vector>

#include "storage/segment/store_context.h"
#include "storage/segment/stripe.h"

namespace storage::segment {

class StripeWriter {
 public:
  explicit StripeWriter(StoreContext& context) : context_(context) {}

  // Stamps `stripe` for `place` of `segment` and writes all k+m shards; completes when the last write has
  // or is given up, with success only if all are durable. `stripe` and `pieces` outlive the call.
  Task<Result<>> write(SegmentPtr segment, Segment::Place place, Stripe& stripe,
                       const std::vector<Piece>& pieces);

 private:
  StoreContext& context_;
};

// Keeps the segment, and keeps it unsettled: for bytes that await their name.
SegmentPin append_pin(SegmentPtr segment, const Segment::Place& place);

// The extent of [begin, begin + length) of a stripe at `place`.
Extent extent_of(const Segment& segment, Segment::Place place, const StripeShape& shape, std::uint32_t begin,
                 std::uint32_t length, std::uint32_t crc);

}  // namespace storage::segment
