// StripeScrubber: reads a sealed segment in large pieces, verifies every stripe, repairs in place what is
// damaged.
//
// Verified  header and identity of each shard, its payload against the CRC that all headers hold, and that
// the stripe is a
//           codeword. A repair writes the identical bytes (invariant 4), made from k verified shards.
// Loss      is only said of stripes that a record refers to: what a cut left torn is nobody's.
// Threads   any. Private to this folder.
#pragma once

#include "storage/segment/repair_queue.h"
#include "storage/segment/segment_upkeep.h"
#include "storage/segment/stripe_window.h"

namespace storage::segment {

class StripeScrubber {
 public:
  StripeScrubber(StoreContext& context, RepairQueue& repairs) : context_(context), repairs_(repairs) {}

  // As SegmentStore::scrub().
  Task<Result<ScrubStep>> step(ScrubRequest request);

 private:
  struct Kept;
  Task<Result<>> check(const ScrubRequest& request, StripeWindow& window, StripeFound& found,
                       ScrubStep& step);
  Task<Result<>> repair(const ScrubRequest& request, const StripeWindow& window, const StripeFound& found,
                        ScrubStep& step);
  Task<Result<>> check_zone_headers(const ScrubRequest& request, SegmentPtr segment, ScrubStep& step);
  Task<Result<>> judge_loss(const ScrubRequest& request, const StripeWindow& window, const StripeFound& found,
                            ScrubStep& step);

  StoreContext& context_;
  RepairQueue& repairs_;
};

}  // namespace storage::segment
