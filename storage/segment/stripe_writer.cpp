#include "storage/segment/stripe_writer.h"

namespace storage::segment {
namespace {

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
  std::vector<io::GroupedOperation> writes;
  writes.reserve(width);
  for (unsigned shard = 0; shard < width; ++shard) {
    const SegmentRecord::Member& member = (*placement)[shard];
    io::GroupedOperation write{context_.drive_for_write(member.drive),
                               {io::Operation::Kind::write,
                                context_.drive_offset(member.zone, place.stripe_block), stripe.shard(shard)},
                               {}};
    writes.push_back(write);
  }
  co_await io::run_all(writes);  // every shard is durable, or has an error, when this returns (invariant 3)
  context_.metrics.syncs.add(width);
  Error failed;
  for (unsigned shard = 0; shard < width; ++shard) {
    if (!writes[shard].error) continue;
    failed = writes[shard].error;
    // No drive: it is out of service already, perhaps only suspect, and must not look lost for being skipped.
    if (writes[shard].drive == nullptr) continue;
    context_.drives.report_error((*placement)[shard].drive, io::Operation::Kind::write, failed);
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
