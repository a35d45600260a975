#include "storage/segment/stripe_walker.h"

#include <algorithm>
#include <cstring>

#include "storage/base/log.h"

namespace storage::segment {
namespace {

// Blocks whose beginnings are tried with one read. With the longest header behind the last of them and m + 1 of the
// widest geometry's shards this stays below kMaxBufferBytes.
constexpr std::uint32_t kStartsMax = 96;
constexpr unsigned kShardsAtOnceMax = 16;

static_assert(kShardsAtOnceMax * (kStartsMax + kHeaderBlocksMax) * io::kBlockBytes <= io::kMaxBufferBytes);

bool looks_like_header(std::span<const std::byte> block) {
  ByteReader in(block);
  return in.u64() == kShardHeaderMagic;
}

// The header at `first_block` + `start`, if it is sound and that of this place.
std::optional<StripeInfo> header_at(const Segment& segment, unsigned shard, std::uint32_t block,
                                    std::span<const std::byte> from) {
  if (!looks_like_header(from)) return std::nullopt;
  Result<ShardHeader> header = decode_shard_header(from);
  if (!header) return std::nullopt;
  const bool ours = header->segment == segment.id() && header->epoch == segment.epoch() &&
                    header->stripe_block == block && header->shard_index == shard &&
                    header->scheme == segment.scheme();
  if (!ours) return std::nullopt;
  const std::uint32_t blocks = std::uint32_t{header->header_blocks} + header->shard_blocks;
  if (blocks > segment.zone_blocks() - block) return std::nullopt;
  StripeInfo stripe;
  stripe.block = block;
  stripe.header_blocks = header->header_blocks;
  stripe.shard_blocks = header->shard_blocks;
  stripe.sequence = header->sequence;
  stripe.pieces = std::move(header->pieces);
  stripe.next_block = block + blocks;
  return stripe;
}

}  // namespace

StripeWalker::Window StripeWalker::window_at(const Segment& segment, std::uint32_t first_block, std::uint32_t starts,
                                             unsigned shards) const {
  const std::uint32_t end = segment.end_block();
  Window window;
  window.first_block = first_block;
  window.starts = std::min(starts, end - first_block);
  window.blocks = std::min(window.starts + kHeaderBlocksMax - 1, segment.zone_blocks() - first_block);
  window.shards = shards;
  return window;
}

// Healthy drives first, and each stripe begins with another one, so that a walk loads all drives alike.
std::vector<unsigned> StripeWalker::reading_order(const Segment& segment, std::uint32_t turn) const {
  const std::vector<SegmentRecord::Member> members = segment.members();
  const auto width = static_cast<unsigned>(members.size());
  std::vector<unsigned> order(width);
  for (unsigned i = 0; i < width; ++i) order[i] = (turn + i) % width;
  std::stable_partition(order.begin(), order.end(), [&](unsigned shard) {
    const std::uint32_t member = members[shard].drive;
    return context_.drives.status(member) == DriveStatus::alive && !context_.drives.read_last(member);
  });
  return order;
}

io::PatientOperation StripeWalker::operation(const Placement& placement, unsigned shard, const Window& window,
                                             std::span<std::byte> into) const {
  const SegmentRecord::Member member = placement[shard];
  io::PatientOperation read = context_.shard_read(member, window.first_block, into);
  read.compared = false;
  return read;
}

// What reads need that a stuck drive does not end.
struct StripeWalker::Kept {
  PlacementPtr placement;
  io::Buffer memory;
};

Task<Result<std::optional<StripeInfo>>> StripeWalker::search(SegmentPtr segment, Window window) {
  const std::vector<unsigned> order = reading_order(*segment, window.first_block);
  const unsigned parity = segment->scheme().parity;
  const std::size_t slot_bytes = std::size_t{window.blocks} * io::kBlockBytes;
  const std::size_t at_once = std::min({std::size_t{window.shards}, order.size(), std::size_t{kShardsAtOnceMax}});
  std::shared_ptr<Kept> kept;

  std::optional<StripeInfo> found;
  unsigned answered = 0;
  unsigned failed = 0;
  for (std::size_t next = 0; next < order.size() && answered < window.shards;) {
    std::vector<io::PatientOperation> reads;
    std::vector<unsigned> shards;
    if (!kept) {
      Result<io::Buffer> memory = co_await context_.pool.take(at_once * slot_bytes, context_.options.wait_ms_max);
      if (!memory) co_return memory.error();
      kept = std::make_shared<Kept>();
      kept->placement = segment->placement();
      kept->memory = std::move(*memory);
    }
    bool late = false;
    for (; reads.size() < at_once && next < order.size(); ++next) {
      const std::span<std::byte> slot = kept->memory.span().subspan(reads.size() * slot_bytes, slot_bytes);
      io::PatientOperation read = operation(*kept->placement, order[next], window, slot);
      if (read.drive != nullptr) {
        // What lies behind the written part of a new file does not exist yet, which is an answer too: nothing.
        const std::uint64_t exists = read.drive->prepared_bytes() / io::kBlockBytes * io::kBlockBytes;
        const std::uint64_t wanted = read.operation.offset + slot.size();
        const auto lacking = static_cast<std::size_t>(
            std::min<std::uint64_t>(slot.size(), wanted > exists ? wanted - exists : 0));
        std::memset(slot.data() + slot.size() - lacking, 0, lacking);
        read.operation.memory = slot.first(slot.size() - lacking);
        if (read.operation.memory.empty()) {
          ++answered;
          continue;
        }
      }
      reads.push_back(read);
      shards.push_back(order[next]);
    }
    co_await io::run_patiently(reads, context_.last_patience(), kept);
    for (std::size_t i = 0; i < reads.size(); ++i) {
      if (reads[i].error) {
        ++failed;
        late = late || reads[i].late;
        context_.report((*kept->placement)[shards[i]].drive, reads[i]);
        continue;
      }
      ++answered;
      const std::span<const std::byte> bytes = kept->memory.span().subspan(i * slot_bytes, slot_bytes);
      for (std::uint32_t start = 0; start < window.starts; ++start) {
        const std::uint32_t block = window.first_block + start;
        if (found && found->block <= block) break;
        std::optional<StripeInfo> stripe =
            header_at(*segment, shards[i], block, bytes.subspan(start * io::kBlockBytes));
        if (!stripe) continue;
        found = std::move(stripe);
        break;
      }
    }
    if (late) kept.reset();  // a late drive has this memory: the next are read elsewhere
  }
  // With m or fewer silent shards a stripe that was acknowledged shows itself on one of the others.
  if (!found && failed > parity) {
    log_warn("segment_unreadable", {{"segment", segment->id()}, {"block", window.first_block}, {"shards", failed}});
    co_return Errc::io_error;
  }
  co_return found;
}

Task<Result<std::optional<StripeInfo>>> StripeWalker::next(SegmentPtr segment, std::uint32_t from_block) {
  const std::uint32_t end = segment->end_block();
  std::uint32_t block = std::max(from_block, 1U);
  if (block >= end) co_return std::optional<StripeInfo>();
  const unsigned all = segment->width();
  for (const unsigned shards : {1U, all}) {
    Result<std::optional<StripeInfo>> here = co_await search(segment, window_at(*segment, block, 1, shards));
    // One silent shard is no reason to give up: all of them are asked next.
    if (!here && (shards == all || here.error() != Errc::io_error)) co_return here;
    if (here && *here) co_return here;
  }
  // A hole. A stripe behind it has its header on every shard, m of which may be rotten.
  const unsigned enough = std::min(segment->scheme().parity + 1, all);
  for (++block; block < end;) {
    const Window window = window_at(*segment, block, kStartsMax, enough);
    Result<std::optional<StripeInfo>> found = co_await search(segment, window);
    if (!found || *found) co_return found;
    block += window.starts;
  }
  co_return std::optional<StripeInfo>();
}

}  // namespace storage::segment
