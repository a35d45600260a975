#include "storage/segment/shard_reader.h"

#include <utility>

#include "storage/base/log.h"

namespace storage::segment {
namespace {

// What a read needs that a stuck drive does not end.
struct Kept {
  Kept(PlacementPtr where, ReadMemory into) : placement(std::move(where)), memory(std::move(into)) {}
  PlacementPtr placement;
  ReadMemory memory;
};

}  // namespace

ShardHeaderPtr HeaderCache::find(SegmentId segment, std::uint32_t stripe_block, unsigned shard) {
  std::lock_guard lock(mutex_);
  const auto found = index_.find(Key(segment, stripe_block, shard));
  if (found == index_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->header;
}

void HeaderCache::insert(const ShardHeader& header) {
  auto kept = std::make_shared<ShardHeader>(header);
  kept->pieces.clear();
  kept->pieces.shrink_to_fit();
  const Key key(header.segment, header.stripe_block, header.shard_index);
  std::lock_guard lock(mutex_);
  if (index_.contains(key)) return;
  Entry entry{key, std::move(kept)};
  recent_.push_front(std::move(entry));
  index_.emplace(key, recent_.begin());
  if (recent_.size() > kEntriesMax) {
    index_.erase(recent_.back().key);
    recent_.pop_back();
  }
}

void HeaderCache::erase(SegmentId segment, std::uint32_t stripe_block, unsigned shard) {
  std::lock_guard lock(mutex_);
  const auto found = index_.find(Key(segment, stripe_block, shard));
  if (found == index_.end()) return;
  recent_.erase(found->second);
  index_.erase(found);
}

ShardHeaderPtr ShardReader::cached(const StripeRef& stripe, unsigned shard) {
  return cache_.find(stripe.segment->id(), stripe.stripe_block, shard);
}

io::PatientOperation ShardReader::operation(const StripeRef& stripe, const Placement& placement, const RangeRead& range,
                                            std::uint32_t block, std::span<std::byte> into) const {
  io::PatientOperation read = context_.shard_read(placement[range.shard], stripe.stripe_block + block, into);
  if (range.avoided) read.drive = nullptr;
  return read;
}

bool ShardReader::read_last(const StripeRef& stripe, unsigned shard) const {
  return context_.drives.read_last((*stripe.segment->placement())[shard].drive);
}

void ShardReader::report(const Placement& placement, const std::vector<io::PatientOperation>& reads,
                         const std::vector<std::size_t>& range_of, std::span<RangeRead> ranges) {
  for (RangeRead& range : ranges) range.outcome = range.avoided ? RangeOutcome::late : RangeOutcome::good;
  for (std::size_t i = 0; i < reads.size(); ++i) {
    RangeRead& range = ranges[range_of[i]];
    if (!reads[i].error || range.avoided) continue;
    // Late counts more than failed: the memory is not the caller's.
    if (range.outcome != RangeOutcome::late) range.outcome = reads[i].late ? RangeOutcome::late : RangeOutcome::failed;
    context_.report(placement[range.shard].drive, reads[i]);
  }
}

Task<> ShardReader::read(StripeRef stripe, std::span<RangeRead> ranges, ReadMemory memory, io::Patience patience) {
  PlacementPtr placement = stripe.segment->placement();  // held until the last read has ended
  std::vector<io::PatientOperation> reads;
  std::vector<std::size_t> range_of;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const RangeRead& range = ranges[i];
    const bool joined = !range.header_into.empty() && range.first_block == 0 &&
                        range.header_into.data() + range.header_into.size() == range.into.data();
    if (joined) {
      const std::span<std::byte> both(range.header_into.data(), range.header_into.size() + range.into.size());
      reads.push_back(operation(stripe, *placement, range, 0, both));
      range_of.push_back(i);
      continue;
    }
    reads.push_back(operation(stripe, *placement, range, stripe.shape.header_blocks + range.first_block, range.into));
    range_of.push_back(i);
    if (range.header_into.empty()) continue;
    reads.push_back(operation(stripe, *placement, range, 0, range.header_into));
    range_of.push_back(i);
  }
  auto kept = std::make_shared<Kept>(placement, std::move(memory));
  co_await io::run_patiently(reads, patience, std::move(kept));
  report(*placement, reads, range_of, ranges);
  for (RangeRead& range : ranges) {
    if (range.outcome == RangeOutcome::good) verify(stripe, *placement, range);
  }
}

Task<bool> ShardReader::read_unverified(StripeRef stripe, std::span<RangeRead> ranges, ReadMemory memory,
                                        io::Patience patience) {
  PlacementPtr placement = stripe.segment->placement();  // held until the last read has ended
  std::vector<io::PatientOperation> reads;
  std::vector<std::size_t> range_of;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    reads.push_back(operation(stripe, *placement, ranges[i], stripe.shape.header_blocks + ranges[i].first_block,
                              ranges[i].into));
    if (reads.back().drive == nullptr) co_return false;
    range_of.push_back(i);
  }
  auto kept = std::make_shared<Kept>(placement, std::move(memory));
  co_await io::run_patiently(reads, patience, std::move(kept));
  report(*placement, reads, range_of, ranges);
  for (const RangeRead& range : ranges) {
    if (range.outcome != RangeOutcome::good) co_return false;
  }
  co_return true;
}

void ShardReader::verify(const StripeRef& stripe, const Placement& placement, RangeRead& range) {
  const SegmentRecord::Member& member = placement[range.shard];
  const auto rotten = [&](const char* what, std::uint32_t block) {
    range.outcome = RangeOutcome::rotten;
    context_.metrics.crc_failures.add();
    log_error("shard_damaged", {{"what", what},
                                {"drive", member.drive},
                                {"zone", member.zone},
                                {"offset", context_.drive_offset(member.zone, stripe.stripe_block + block)},
                                {"segment", stripe.segment->id()}});
  };
  if (!range.header) {
    Result<ShardHeader> header = decode_shard_header(range.header_into);
    if (!header) return rotten("header", 0);
    const bool ours = header->segment == stripe.segment->id() && header->epoch == stripe.segment->epoch() &&
                      header->stripe_block == stripe.stripe_block && header->shard_index == range.shard &&
                      header->scheme == stripe.shape.scheme &&
                      header->header_blocks == stripe.shape.header_blocks &&
                      header->shard_blocks == stripe.shape.shard_blocks;
    if (!ours) return rotten("identity", 0);
    cache_.insert(*header);
    range.header = std::make_shared<const ShardHeader>(std::move(*header));
  }
  const std::size_t blocks = range.into.size() / io::kBlockBytes;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::uint32_t crc = erasure::crc32c(range.into.subspan(block * io::kBlockBytes, io::kBlockBytes));
    if (crc == range.header->block_crcs[range.first_block + block]) continue;
    return rotten("payload",
                  stripe.shape.header_blocks + range.first_block + static_cast<std::uint32_t>(block));
  }
}

}  // namespace storage::segment
