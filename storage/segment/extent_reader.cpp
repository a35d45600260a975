#include "storage/segment/extent_reader.h"

#include <algorithm>
#include <cstring>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace storage::segment {
namespace {

bool any_avoided(const std::vector<RangeRead>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [](const RangeRead& range) { return range.avoided; });
}

// Ranges that came late are not asked for again; returns whether there is a new one.
bool avoid_late(std::vector<RangeRead>& ranges) {
  bool found = false;
  for (RangeRead& range : ranges) {
    if (range.outcome != RangeOutcome::late || range.avoided) continue;
    range.avoided = true;
    found = true;
  }
  return found;
}

}  // namespace

Result<StripeRef> stripe_of(const Extent& extent, SegmentPtr segment) {
  StripeRef stripe;
  stripe.shape.scheme = segment->scheme();
  stripe.shape.header_blocks = extent.header_blocks;
  stripe.shape.shard_blocks = extent.shard_blocks;
  stripe.stripe_block = extent.stripe_block;
  const bool possible = extent.header_blocks >= 1 && extent.header_blocks <= kHeaderBlocksMax &&
                        extent.shard_blocks >= 1 && extent.shard_blocks <= kShardBlocksMax &&
                        extent.stripe_block >= 1 && extent.stripe_block < segment->zone_blocks() &&
                        stripe.shape.blocks() <= segment->zone_blocks() - extent.stripe_block &&
                        stripe.shape.memory_bytes() <= io::kMaxBufferBytes && extent.length >= 1 &&
                        std::uint64_t{extent.begin} + extent.length <= stripe.shape.space_bytes();
  if (!possible) {
    log_error("extent_impossible", {{"segment", extent.segment}, {"stripe_block", extent.stripe_block}});
    return Errc::corrupt_record;
  }
  stripe.segment = std::move(segment);
  return stripe;
}

// Which blocks of which shards hold bytes [first_byte, first_byte + length) of the address space.
ExtentReader::Plan ExtentReader::plan(StripeRef stripe, std::uint32_t first_byte, std::uint32_t length) {
  constexpr auto block_bytes = static_cast<std::uint32_t>(io::kBlockBytes);
  const std::uint32_t per_shard = stripe.shape.shard_blocks;
  std::uint32_t block = first_byte / block_bytes;
  const std::uint32_t end = (first_byte + length - 1) / block_bytes + 1;
  Plan plan;
  plan.stripe = std::move(stripe);
  plan.blocks = end - block;
  plan.skip = first_byte % block_bytes;
  while (block < end) {
    RangeRead range;
    range.shard = block / per_shard;
    range.first_block = block % per_shard;
    const std::uint32_t blocks = std::min(end - block, per_shard - range.first_block);
    // Only the length matters until place() gives the memory.
    range.into = std::span<std::byte>(static_cast<std::byte*>(nullptr), std::size_t{0});
    plan.ranges.push_back(range);
    block += blocks;
  }
  return plan;
}

// Lays the ranges one behind the other in `memory`.
void ExtentReader::place(Plan& plan, std::span<std::byte> memory) {
  std::size_t at = 0;
  std::size_t left = plan.blocks;
  for (RangeRead& range : plan.ranges) {
    const std::size_t blocks =
        std::min<std::size_t>(left, plan.stripe.shape.shard_blocks - range.first_block);
    range.into = memory.subspan(at, blocks * io::kBlockBytes);
    at += blocks * io::kBlockBytes;
    left -= blocks;
  }
  CHECK(left == 0);
}

Task<Result<Slice>> ExtentReader::read(Extent extent, std::uint32_t begin, std::uint32_t length,
                                       io::BufferPool& pool) {
  if (length == 0 || std::uint64_t{begin} + length > extent.length) co_return Errc::invalid_argument;
  SegmentPtr segment = context_.table.find(extent.segment);
  if (!segment) co_return Errc::not_found;
  Result<StripeRef> stripe = stripe_of(extent, std::move(segment));
  if (!stripe) co_return stripe.error();
  Plan wanted = plan(std::move(*stripe), extent.begin + begin, length);
  const bool whole = length == extent.length;
  avoid_slow(wanted);
  if (whole && !any_avoided(wanted.ranges)) {
    Result<io::Buffer> buffer =
        co_await pool.take(wanted.blocks * io::kBlockBytes, context_.options.wait_ms_max);
    if (!buffer) co_return buffer.error();
    auto memory = std::make_shared<io::Buffer>(std::move(*buffer));
    place(wanted, memory->span());
    const bool answered =
        co_await reader_.read_unverified(wanted.stripe, wanted.ranges, memory, context_.read_patience());
    if (answered) {
      Slice slice;
      slice.offset = wanted.skip;
      slice.length = length;
      slice.buffer = std::move(*memory);
      if (erasure::crc32c(slice.bytes()) == extent.crc) co_return slice;
    }
    avoid_late(wanted.ranges);
  }
  Result<Slice> verified = co_await read_verified(std::move(wanted), length, pool);
  if (!verified || !whole || erasure::crc32c(verified->bytes()) == extent.crc) co_return verified;
  // All shards are what was written, and yet not what the record says.
  context_.metrics.crc_failures.add();
  log_error("extent_crc_mismatch", {{"segment", extent.segment},
                                    {"stripe_block", extent.stripe_block},
                                    {"begin", extent.begin},
                                    {"length", extent.length}});
  co_return Errc::corrupt_data;
}

// Slow drives are not asked while others can make their shards.
void ExtentReader::avoid_slow(Plan& plan) const {
  const auto slow = [&](const RangeRead& range) { return reader_.read_last(plan.stripe, range.shard); };
  if (std::none_of(plan.ranges.begin(), plan.ranges.end(), slow)) return;
  const PlacementPtr placement = plan.stripe.segment->placement();
  const auto well = std::count_if(placement->members().begin(), placement->members().end(),
                                  [this](const SegmentRecord::Member& member) {
                                    return context_.drives.status(member.drive) == DriveStatus::alive &&
                                           !context_.drives.read_last(member.drive);
                                  });
  if (static_cast<std::size_t>(well) < plan.stripe.shape.scheme.data) return;
  for (RangeRead& range : plan.ranges) range.avoided = slow(range);
}

Task<Result<Slice>> ExtentReader::read_verified(Plan plan, std::uint32_t length, io::BufferPool& pool) {
  Result<Slice> slice = co_await try_verified(plan, length, pool, context_.read_patience());
  if (slice || slice.error() != Errc::corrupt_data || !any_avoided(plan.ranges)) co_return slice;
  // Too few others have it: whoever is late is waited for.
  for (RangeRead& range : plan.ranges) range.avoided = false;
  slice = co_await try_verified(plan, length, pool, context_.last_patience());
  if (!slice && slice.error() == Errc::corrupt_data && any_avoided(plan.ranges)) co_return Errc::io_error;
  co_return slice;
}

Task<Result<Slice>> ExtentReader::try_verified(Plan& plan, std::uint32_t length, io::BufferPool& pool,
                                               io::Patience patience) {
  const std::size_t header_bytes = plan.stripe.shape.header_blocks * io::kBlockBytes;
  ReadMemory memory;
  std::size_t headers = 0;
  // Each turn finds at least one more range late, and its drive may still write to the memory of that turn.
  do {
    headers = 0;
    for (RangeRead& range : plan.ranges) {
      range.header = reader_.cached(plan.stripe, range.shard);
      if (!range.header) ++headers;
    }
    Result<io::Buffer> buffer = co_await pool.take(headers * header_bytes + plan.blocks * io::kBlockBytes,
                                                   context_.options.wait_ms_max);
    if (!buffer) co_return buffer.error();
    memory = std::make_shared<io::Buffer>(std::move(*buffer));
    // Headers stand in front, the first shard's last, so that one read can take it together with its payload.
    std::size_t slot = headers;
    for (RangeRead& range : plan.ranges) {
      range.header_into = {};
      if (!range.header) range.header_into = memory->span().subspan(--slot * header_bytes, header_bytes);
    }
    place(plan, memory->span().subspan(headers * header_bytes));
    co_await reader_.read(plan.stripe, plan.ranges, memory, patience);
  } while (avoid_late(plan.ranges));
  Result<> complete = co_await rebuild_bad(plan, pool);
  if (!complete) co_return complete.error();
  Slice slice;
  slice.buffer = std::move(*memory);
  slice.offset = headers * header_bytes + plan.skip;
  slice.length = length;
  co_return slice;
}

// Replaces the bytes of the ranges that are not good.
Task<Result<>> ExtentReader::rebuild_bad(Plan& plan, io::BufferPool& pool) {
  ShardRebuilder::Request request;
  std::uint32_t end_block = 0;
  request.first_block = plan.stripe.shape.shard_blocks;
  for (const RangeRead& range : plan.ranges) {
    if (range.outcome == RangeOutcome::good) continue;
    request.lost.push_back(range.shard);
    request.first_block = std::min(request.first_block, range.first_block);
    end_block = std::max(end_block,
                         range.first_block + static_cast<std::uint32_t>(range.into.size() / io::kBlockBytes));
    if (range.outcome == RangeOutcome::late) {
      request.last_resort = false;  // the shard itself can be waited for
    } else {
      repairs_.add(plan.stripe, range.shard);
    }
  }
  if (request.lost.empty()) co_return success();
  context_.metrics.degraded_reads.add();
  request.stripe = plan.stripe;
  request.blocks = end_block - request.first_block;
  const std::uint32_t first_block = request.first_block;
  const std::size_t range_bytes = std::size_t{request.blocks} * io::kBlockBytes;
  Result<ShardRebuilder::Rebuilt> rebuilt = co_await rebuilder_.rebuild(std::move(request), pool);
  if (!rebuilt) co_return rebuilt.error();
  for (const RangeRead& source : rebuilt->damaged) repairs_.add(plan.stripe, source.shard);
  std::size_t index = 0;
  for (RangeRead& range : plan.ranges) {
    if (range.outcome == RangeOutcome::good) continue;
    const std::size_t skip = std::size_t{range.first_block - first_block} * io::kBlockBytes;
    std::memcpy(range.into.data(), rebuilt->memory->data() + index * range_bytes + skip, range.into.size());
    ++index;
  }
  co_return success();
}

}  // namespace storage::segment
