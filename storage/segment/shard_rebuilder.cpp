#include "storage/segment/shard_rebuilder.h"

#include <algorithm>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace storage::segment {

// The sources that were found so far, and where the next are read to.
struct ShardRebuilder::Search {
  unsigned needed = 0;
  std::size_t slot_bytes = 0;
  std::vector<unsigned> untried;
  std::vector<unsigned> late;
  bool waiting = false;  // for those that were late
  std::vector<RangeRead> good;
  std::vector<RangeRead> damaged;
  ReadMemory memory;                        // of `slots`
  std::vector<std::span<std::byte>> slots;  // free
  std::vector<ReadMemory> memories;         // of all that is in `good`

  void use(ReadMemory taken, std::size_t from, std::size_t count) {
    memory = std::move(taken);
    memories.push_back(memory);
    slots.clear();
    for (std::size_t i = 0; i < count; ++i) slots.push_back(memory->span().subspan(from + i * slot_bytes, slot_bytes));
  }
};

// Shards that may serve as sources, those of healthy drives first, those of slow ones last.
std::vector<unsigned> ShardRebuilder::candidates(const Request& request) const {
  const PlacementPtr placement = request.stripe.segment->placement();
  const auto rank = [&](unsigned shard) {
    const std::uint32_t member = (*placement)[shard].drive;
    const DriveStatus status = context_.drives.status(member);
    if (status != DriveStatus::alive && status != DriveStatus::suspect) return 3;
    if (context_.drives.read_last(member)) return 2;
    return status == DriveStatus::alive ? 0 : 1;
  };
  std::vector<unsigned> shards;
  for (int wanted = 0; wanted < 3; ++wanted) {
    for (unsigned shard = 0; shard < request.stripe.shape.width(); ++shard) {
      const bool lost = std::binary_search(request.lost.begin(), request.lost.end(), shard);
      if (!lost && rank(shard) == wanted) shards.push_back(shard);
    }
  }
  return shards;
}

Task<Result<ShardRebuilder::Rebuilt>> ShardRebuilder::rebuild(Request request, io::BufferPool& pool) {
  const std::size_t range_bytes = std::size_t{request.blocks} * io::kBlockBytes;
  Search search;
  search.needed = request.stripe.shape.scheme.data;
  search.slot_bytes = request.stripe.shape.header_blocks * io::kBlockBytes + range_bytes;
  search.untried = candidates(request);
  Rebuilt rebuilt;
  if (search.untried.size() >= search.needed) {
    const std::size_t targets = request.lost.size() * range_bytes;
    Result<io::Buffer> memory =
        co_await pool.take(targets + search.needed * search.slot_bytes, context_.options.wait_ms_max);
    if (!memory) co_return memory.error();
    rebuilt.memory = std::make_shared<io::Buffer>(std::move(*memory));
    search.use(rebuilt.memory, targets, search.needed);
    Result<> found = co_await find_sources(request, search, pool);
    if (!found) co_return found.error();
  }
  if (search.good.size() < search.needed) {
    if (request.last_resort) {
      log_error("stripe_unreadable", {{"segment", request.stripe.segment->id()},
                                      {"stripe_block", request.stripe.stripe_block},
                                      {"shards_left", std::max(search.good.size(), search.untried.size())},
                                      {"shards_needed", search.needed}});
    }
    co_return Errc::corrupt_data;
  }
  rebuilt.damaged = std::move(search.damaged);
  decode(request, search.good, rebuilt);
  co_return rebuilt;
}

// Asks until enough good sources are there, or nobody is left to be asked.
Task<Result<>> ShardRebuilder::find_sources(const Request& request, Search& search, io::BufferPool& pool) {
  while (search.good.size() < search.needed) {
    if (search.good.size() + search.untried.size() < search.needed) {
      if (search.waiting || search.late.empty()) break;
      search.waiting = true;
      search.untried.insert(search.untried.end(), search.late.begin(), search.late.end());
      search.late.clear();
      continue;
    }
    Result<> asked = co_await ask(request, search, pool);
    if (!asked) co_return asked;
  }
  co_return success();
}

// Reads as many shards as are lacking.
Task<Result<>> ShardRebuilder::ask(const Request& request, Search& search, io::BufferPool& pool) {
  const std::size_t header_bytes = request.stripe.shape.header_blocks * io::kBlockBytes;
  std::vector<RangeRead> reads(search.needed - search.good.size());
  if (search.slots.size() < reads.size()) {
    Result<io::Buffer> more = co_await pool.take(reads.size() * search.slot_bytes, context_.options.wait_ms_max);
    if (!more) co_return more.error();
    search.use(std::make_shared<io::Buffer>(std::move(*more)), 0, reads.size());
  }
  for (RangeRead& read : reads) {
    read.shard = search.untried.front();
    search.untried.erase(search.untried.begin());
    read.first_block = request.first_block;
    const std::span<std::byte> slot = search.slots.back();
    search.slots.pop_back();
    read.into = slot.subspan(header_bytes, search.slot_bytes - header_bytes);
    if (!request.fresh_headers) read.header = reader_.cached(request.stripe, read.shard);
    if (!read.header) read.header_into = slot.first(header_bytes);
  }
  const io::Patience patience = search.waiting ? context_.last_patience() : context_.read_patience();
  co_await reader_.read(request.stripe, reads, search.memory, patience);
  bool late = false;
  for (RangeRead& read : reads) {
    if (read.outcome == RangeOutcome::good) {
      search.good.push_back(std::move(read));
      continue;
    }
    if (read.outcome == RangeOutcome::late) {
      late = true;
      search.late.push_back(read.shard);
      continue;
    }
    search.slots.emplace_back(read.into.data() - header_bytes, search.slot_bytes);
    if (read.outcome == RangeOutcome::rotten) search.damaged.push_back(std::move(read));
  }
  if (late) search.slots.clear();  // a late drive has this memory: others are read elsewhere
  co_return success();
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
    target.push_back(rebuilt.memory->data() + i * range_bytes);
  codec_for(request.stripe.shape.scheme).rebuild(range_bytes, present, source, request.lost, target);
  rebuilt.header = ordered.front()->header;
}

}  // namespace storage::segment
