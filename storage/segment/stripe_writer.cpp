#include "storage/segment/stripe_writer.h"

#include <memory>
#include <utility>

namespace storage::segment {
namespace {

// What a write of a shard needs that a stuck drive does not end: its memory, and the zone, which is nobody else's before.
struct Kept {
  Kept(PlacementPtr where, std::shared_ptr<const io::Buffer> what) : placement(std::move(where)), memory(std::move(what)) {}
  PlacementPtr placement;
  std::shared_ptr<const io::Buffer> memory;
};

// However the write ends, the segment may be moved afterwards.
class EndOfWrite {
 public:
  explicit EndOfWrite(Segment& segment) : segment_(segment) {}
  EndOfWrite(const EndOfWrite&) = delete;
  EndOfWrite& operator=(const EndOfWrite&) = delete;
  ~EndOfWrite() { segment_.end_write(); }

 private:
  Segment& segment_;
};

}  // namespace

Task<Result<>> StripeWriter::write(SegmentPtr segment, Segment::Place place, Stripe& stripe,
                                   const std::vector<Piece>& pieces) {
  const EndOfWrite end(*segment);
  stripe.stamp(*segment, place, pieces);
  const unsigned width = segment->width();
  const PlacementPtr placement = segment->placement();
  std::vector<io::PatientOperation> writes;
  writes.reserve(width);
  for (unsigned shard = 0; shard < width; ++shard) {
    writes.push_back(context_.shard_write((*placement)[shard], place.stripe_block, stripe.shard(shard)));
  }
  auto kept = std::make_shared<Kept>(placement, stripe.memory());
  // Every shard is durable, or has an error, when this returns (invariant 3).
  co_await io::run_patiently(writes, context_.stripe_patience(), std::move(kept));
  context_.metrics.syncs.add(width);
  Error failed;
  for (unsigned shard = 0; shard < width; ++shard) {
    if (!writes[shard].error) continue;
    failed = writes[shard].error;
    context_.report((*placement)[shard].drive, writes[shard]);
  }
  if (failed) co_return failed;
  context_.metrics.stripes.add();
  co_return success();
}

SegmentPin append_pin(SegmentPtr segment, const Segment::Place& place) {
  struct Hold {
    SegmentPtr segment;
    std::shared_ptr<const void> unsettled;
  };
  auto hold = std::make_shared<Hold>();
  hold->segment = std::move(segment);
  hold->unsettled = place.unsettled;
  return SegmentPin(std::move(hold));
}

Extent extent_of(const Segment& segment, Segment::Place place, const StripeShape& shape, std::uint32_t begin,
                 std::uint32_t length, std::uint32_t crc) {
  Extent extent;
  extent.segment = segment.id();
  extent.stripe_block = place.stripe_block;
  extent.header_blocks = static_cast<std::uint16_t>(shape.header_blocks);
  extent.shard_blocks = static_cast<std::uint16_t>(shape.shard_blocks);
  extent.begin = begin;
  extent.length = length;
  extent.crc = crc;
  return extent;
}

}  // namespace storage::segment
