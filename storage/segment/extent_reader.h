// ExtentReader: bytes of an extent, verified; decoded from other shards where a drive fails or lies.
//
// A whole extent is checked against its own CRC and costs one read a shard. A part of one is checked block by
// block against shard headers. Whatever fails either check is read again shard by shard with headers, and
// what is bad is rebuilt from k others. So is what a stuck or slow drive does not answer in time; where too few others are
// left, it is waited for after all.
#pragma once

#include <vector>

#include "storage/segment/repair_queue.h"
#include "storage/segment/shard_reader.h"
#include "storage/segment/shard_rebuilder.h"

namespace storage::segment {

class ExtentReader {
 public:
  ExtentReader(StoreContext& context, ShardReader& reader, ShardRebuilder& rebuilder, RepairQueue& repairs)
      : context_(context), reader_(reader), rebuilder_(rebuilder), repairs_(repairs) {}

  // As SegmentStore::read().
  Task<Result<Slice>> read(Extent extent, std::uint32_t begin, std::uint32_t length, io::BufferPool& pool);

 private:
  struct Plan {
    StripeRef stripe;
    std::vector<RangeRead> ranges;  // ascending by shard; contiguous in memory
    std::size_t blocks = 0;
    std::size_t skip = 0;  // bytes of the first block before the range wanted
  };
  static Plan plan(StripeRef stripe, std::uint32_t first_byte, std::uint32_t length);
  static void place(Plan& plan, std::span<std::byte> memory);

  Task<Result<Slice>> read_verified(Plan plan, std::uint32_t length, io::BufferPool& pool);
  Task<Result<Slice>> try_verified(Plan& plan, std::uint32_t length, io::BufferPool& pool, io::Patience patience);
  Task<Result<>> rebuild_bad(Plan& plan, io::BufferPool& pool);
  void avoid_slow(Plan& plan) const;

  StoreContext& context_;
  ShardReader& reader_;
  ShardRebuilder& rebuilder_;
  RepairQueue& repairs_;
};

// The stripe of an extent; Errc::corrupt_record if the extent cannot be one of this segment.
Result<StripeRef> stripe_of(const Extent& extent, SegmentPtr segment);

}  // namespace storage::segment
