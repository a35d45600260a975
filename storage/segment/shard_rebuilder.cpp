#include "storage/segment/shard_rebuilder.h"

#include <algorithm>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace storage::segment {

// Shards that may serve as sources, those of healthy drives first.
std::vector<unsigned> ShardRebuilder::candidates(const Request& request) const {
  const PlacementPtr placement = request.stripe.segment->placement();
  const auto status = [&](unsigned shard) { return context_.drives.status((*placement)[shard].drive); };
  std::vector<unsigned> shards;
  for (const DriveStatus wanted : {DriveStatus::alive, DriveStatus::suspect}) {
    for (unsigned shard = 0; shard < request.stripe.shape.width(); ++shard) {
      const bool lost = std::binary_search(request.lost.begin(), request.lost.end(), shard);
      if (!lost && status(shard) == wanted) shards.push_back(shard);
    }
  }
  return shards;
}

Task<Result<ShardRebuilder::Rebuilt>> ShardRebuilder::rebuild(Request request, io::BufferPool& pool) {
  const unsigned needed = request.stripe.shape.scheme.data;
  const std::size_t range_bytes = std::size_t{request.blocks} * io::kBlockBytes;
  const std::size_t header_bytes = request.stripe.shape.header_blocks * io::kBlockBytes;
  const std::size_t slot_bytes = header_bytes + range_bytes;
  std::vector<unsigned> untried = candidates(request);
  if (untried.size() < needed) {
    log_error("stripe_unreadable", {{"segment", request.stripe.segment->id()},
                                    {"stripe_block", request.stripe.stripe_block},
                                    {"shards_left", untried.size()},
                                    {"shards_needed", needed}});
    co_return Errc::corrupt_data;
  }
  Rebuilt rebuilt;
  Result<io::Buffer> memory = co_await pool.take(request.lost.size() * range_bytes + needed * slot_bytes,
                                                 context_.options.wait_ms_max);
  if (!memory) co_return memory.error();
  rebuilt.memory = std::move(*memory);

  std::vector<RangeRead> good;
  std::vector<std::span<std::byte>> slots;
  for (unsigned i = 0; i < needed; ++i) {
    slots.push_back(
        rebuilt.memory.span().subspan(request.lost.size() * range_bytes + i * slot_bytes, slot_bytes));
  }
  while (good.size() < needed && good.size() + untried.size() >= needed) {
    std::vector<RangeRead> reads(needed - good.size());
    for (RangeRead& read : reads) {
      read.shard = untried.front();
      untried.erase(untried.begin());
      read.first_block = request.first_block;
      const std::span<std::byte> slot = slots.back();
      slots.pop_back();
      read.into = slot.subspan(header_bytes);
      if (!request.fresh_headers) read.header = reader_.cached(request.stripe, read.shard);
      if (!read.header) read.header_into = slot.first(header_bytes);
    }
    co_await reader_.read(request.stripe, reads);
    for (RangeRead& read : reads) {
      if (read.outcome == RangeOutcome::good) {
        good.push_back(std::move(read));
        continue;
      }
      slots.emplace_back(read.into.data() - header_bytes, slot_bytes);
      if (read.outcome == RangeOutcome::rotten) rebuilt.damaged.push_back(std::move(read));
    }
  }
  if (good.size() < needed) {
    log_error("stripe_unreadable", {{"segment", request.stripe.segment->id()},
                                    {"stripe_block", request.stripe.stripe_block},
                                    {"shards_left", good.size()},
                                    {"shards_needed", needed}});
    co_return Errc::corrupt_data;
  }
  decode(request, good, rebuilt);
  co_return rebuilt;
}

void ShardRebuilder::decode(const Request& request, const std::vector<RangeRead>& sources,
                            Rebuilt& rebuilt) const {
  const std::size_t range_bytes = std::size_t{request.blocks} * io::kBlockBytes;
  std::vector<const RangeRead*> ordered;
  for (const RangeRead& source : sources) ordered.push_back(&source);
  std::sort(ordered.begin(), ordered.end(),
            [](const RangeRead* a, const RangeRead* b) { return a->shard < b->shard; });
  std::vector<unsigned> present;
  std::vector<erasure::Shard> source;
  for (const RangeRead* read : ordered) {
    present.push_back(read->shard);
    source.push_back(read->into.data());
  }
  std::vector<erasure::Shard> target;
  for (std::size_t i = 0; i < request.lost.size(); ++i)
    target.push_back(rebuilt.memory.data() + i * range_bytes);
  codec_for(request.stripe.shape.scheme).rebuild(range_bytes, present, source, request.lost, target);
  rebuilt.header = ordered.front()->header;
}

}  // namespace storage::segment
