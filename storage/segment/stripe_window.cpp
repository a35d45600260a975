#include "storage/segment/stripe_window.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "storage/base/check.h"

namespace storage::segment {
namespace {

constexpr std::uint32_t kWindowBlocksMax = 1024;  // 4 MiB a drive: larger reads bring nothing

bool has_magic(std::span<const std::byte> block) {
  ByteReader reader(block);
  return reader.u64() == kShardHeaderMagic;
}

// What lies behind the written part of a new file cannot be read: it holds nothing, which is an answer too.
// Returns whether anything is left to be read.
bool clip_to_written(io::PatientOperation& read) {
  const std::uint64_t written = read.drive->prepared_bytes() / io::kBlockBytes * io::kBlockBytes;
  std::span<std::byte>& into = read.operation.memory;
  const std::uint64_t there = written <= read.operation.offset ? 0 : written - read.operation.offset;
  if (there >= into.size()) return true;
  std::memset(into.data() + there, 0, into.size() - there);
  into = into.first(static_cast<std::size_t>(there));
  return !into.empty();
}

// What all headers of one stripe have in common.
bool same_stripe(const ShardHeader& a, const ShardHeader& b) {
  return a.sequence == b.sequence && a.header_blocks == b.header_blocks && a.shard_blocks == b.shard_blocks &&
         a.payload_crcs == b.payload_crcs && a.pieces.size() == b.pieces.size();
}

}  // namespace

unsigned StripeFound::sources() const {
  return static_cast<unsigned>(std::count_if(shards.begin(), shards.end(), is_source));
}

StripeInfo info_of(const StripeFound& found) {
  StripeInfo info;
  info.block = found.stripe.stripe_block;
  info.header_blocks = found.stripe.shape.header_blocks;
  info.shard_blocks = found.stripe.shape.shard_blocks;
  info.sequence = found.header->sequence;
  info.pieces = found.header->pieces;
  info.next_block = found.end_block();
  return info;
}

std::uint32_t StripeWindow::blocks_max(unsigned width) {
  // A stripe with its headers is at most one buffer, so whatever the width the largest stripe fits.
  return std::min(kWindowBlocksMax,
                  static_cast<std::uint32_t>(io::kMaxBufferBytes / io::kBlockBytes / width));
}

StripeWindow::StripeWindow(StoreContext& context, SegmentPtr segment, io::Buffer memory,
                           std::uint32_t first_block, std::uint32_t blocks)
    : context_(&context),
      segment_(std::move(segment)),
      memory_(std::make_shared<io::Buffer>(std::move(memory))),
      first_block_(first_block),
      blocks_(blocks),
      shards_(segment_->width(), Loading::not_asked) {}

Task<Result<StripeWindow>> StripeWindow::make(StoreContext& context, SegmentPtr segment,
                                              std::uint32_t first_block, std::uint32_t blocks,
                                              io::BufferPool& pool) {
  CHECK(blocks >= 1 && blocks <= blocks_max(segment->width()));
  CHECK(first_block >= 1 && first_block + blocks <= segment->zone_blocks());
  const std::size_t bytes = std::size_t{segment->width()} * blocks * io::kBlockBytes;
  Result<io::Buffer> memory = co_await pool.take(bytes, context.options.wait_ms_max);
  if (!memory) co_return memory.error();
  co_return StripeWindow(context, std::move(segment), std::move(*memory), first_block, blocks);
}

std::span<std::byte> StripeWindow::bytes(unsigned shard, std::uint32_t block, std::uint32_t blocks) const {
  const std::size_t at = std::size_t{shard} * blocks_ + (block - first_block_);
  return memory_->span().subspan(at * io::kBlockBytes, std::size_t{blocks} * io::kBlockBytes);
}

struct StripeWindow::Kept {
  PlacementPtr placement;
  std::shared_ptr<io::Buffer> memory;
};

std::shared_ptr<const StripeWindow::Kept> StripeWindow::keep(PlacementPtr placement) const {
  auto kept = std::make_shared<Kept>();
  kept->placement = std::move(placement);
  kept->memory = memory_;
  return kept;
}

Task<> StripeWindow::load(std::vector<unsigned> shards) {
  const PlacementPtr placement = segment_->placement();  // held until the last read has ended
  std::vector<io::PatientOperation> reads;
  std::vector<unsigned> asked;
  for (const unsigned shard : shards) {
    if (shards_[shard] != Loading::not_asked) continue;
    shards_[shard] = Loading::failed;
    const SegmentRecord::Member& member = (*placement)[shard];
    io::PatientOperation read = context_->shard_read(member, first_block_, bytes(shard, first_block_, blocks_));
    read.compared = false;
    if (read.drive == nullptr) continue;
    if (!clip_to_written(read)) {
      shards_[shard] = Loading::loaded;
      continue;
    }
    reads.push_back(read);
    asked.push_back(shard);
  }
  if (reads.empty()) co_return;
  co_await io::run_patiently(reads, context_->last_patience(), keep(placement));
  for (std::size_t i = 0; i < reads.size(); ++i) {
    if (reads[i].error) {
      context_->report((*placement)[asked[i]].drive, reads[i]);
      if (reads[i].late) shards_[asked[i]] = Loading::late;
      continue;
    }
    shards_[asked[i]] = Loading::loaded;
    bytes_read_ += reads[i].operation.memory.size();
  }
}

Task<> StripeWindow::load_all() {
  std::vector<unsigned> shards(segment_->width());
  std::iota(shards.begin(), shards.end(), 0U);
  co_await load(std::move(shards));
}

unsigned StripeWindow::failed() const {
  return static_cast<unsigned>(std::count_if(shards_.begin(), shards_.end(), [](Loading loading) {
    return loading == Loading::failed || loading == Loading::late;
  }));
}

bool StripeWindow::all_asked() const {
  return std::find(shards_.begin(), shards_.end(), Loading::not_asked) == shards_.end();
}

std::optional<ShardHeader> StripeWindow::header_at(unsigned shard, std::uint32_t block) const {
  if (!has_magic(bytes(shard, block, 1))) return std::nullopt;
  const std::uint32_t left = std::min(end_block() - block, kHeaderBlocksMax);
  Result<ShardHeader> header = decode_shard_header(bytes(shard, block, left));
  if (!header) return std::nullopt;
  StripeShape shape;
  shape.scheme = segment_->scheme();
  shape.header_blocks = header->header_blocks;
  shape.shard_blocks = header->shard_blocks;
  const bool ours =
      header->segment == segment_->id() && header->epoch == segment_->epoch() &&
      header->stripe_block == block && header->shard_index == shard && header->scheme == segment_->scheme() &&
      shape.blocks() <= segment_->zone_blocks() - block && shape.memory_bytes() <= io::kMaxBufferBytes &&
      shard_header_bytes(header->scheme, header->shard_blocks, header->pieces) <=
          std::size_t{header->header_blocks} * io::kBlockBytes;
  if (!ours) return std::nullopt;
  return std::move(*header);
}

Task<StripeWindow::Next> StripeWindow::next(std::uint32_t from) {
  Next next;
  next.block = from;
  while (next.block < end_block()) {
    const std::optional<std::uint32_t> begins = begins_at(next.block);
    if ((!begins || *begins != next.block) && !all_asked()) {
      co_await load_all();
      continue;
    }
    if (!begins || *begins != next.block) next.crossed_hole = true;
    next.block = begins.value_or(end_block());
    if (!begins) break;
    next.stripe = at(next.block);
    if (next.stripe || next.block > first_block_) break;  // without one: it ends in the next window
    ++next.block;
  }
  co_return next;
}

// The block of a stripe that begins at or behind `block` in a loaded shard, whether or not it ends in the
// window.
std::optional<std::uint32_t> StripeWindow::begins_at(std::uint32_t block) const {
  for (std::uint32_t at = block; at < end_block(); ++at) {
    for (unsigned shard = 0; shard < segment_->width(); ++shard) {
      if (shards_[shard] != Loading::loaded || !has_magic(bytes(shard, at, 1))) continue;
      // A header of several blocks may reach beyond the window: its first block is looked at again from
      // there.
      if (end_block() - at < kHeaderBlocksMax && end_block() < segment_->zone_blocks() && at > first_block_)
        return at;
      if (header_at(shard, at)) return at;
    }
  }
  return std::nullopt;
}

// The stripe with a header at `block` in a loaded shard, if it ends in the window; its shards are judged.
std::optional<StripeFound> StripeWindow::at(std::uint32_t block) const {
  for (unsigned shard = 0; shard < segment_->width(); ++shard) {
    if (shards_[shard] != Loading::loaded) continue;
    std::optional<ShardHeader> header = header_at(shard, block);
    if (!header) continue;
    StripeFound found;
    found.stripe.segment = segment_;
    found.stripe.stripe_block = block;
    found.stripe.shape.scheme = segment_->scheme();
    found.stripe.shape.header_blocks = header->header_blocks;
    found.stripe.shape.shard_blocks = header->shard_blocks;
    if (found.end_block() > end_block()) return std::nullopt;
    found.header = std::make_shared<const ShardHeader>(std::move(*header));
    judge(found);
    return found;
  }
  return std::nullopt;
}

ShardState StripeWindow::judge_shard(const StripeFound& found, unsigned shard) const {
  const StripeShape& shape = found.stripe.shape;
  const std::optional<ShardHeader> own = header_at(shard, found.stripe.stripe_block);
  const std::span<const std::byte> payload =
      bytes(shard, found.stripe.stripe_block + shape.header_blocks, shape.shard_blocks);
  const bool header_good = own && same_stripe(*own, *found.header);
  bool blocks_good = header_good;
  std::uint32_t crc = 0;
  for (std::uint32_t block = 0; block < shape.shard_blocks; ++block) {
    const std::uint32_t block_crc =
        erasure::crc32c(payload.subspan(block * io::kBlockBytes, io::kBlockBytes));
    if (header_good && own->block_crcs[block] != block_crc) blocks_good = false;
    crc = erasure::crc32c_combine(crc, block_crc, io::kBlockBytes);
  }
  if (crc != found.header->payload_crcs[shard]) return ShardState::rotten;
  return blocks_good ? ShardState::good : ShardState::payload;
}

void StripeWindow::judge(StripeFound& found) const {
  found.shards.resize(segment_->width(), ShardState::unread);
  for (unsigned shard = 0; shard < segment_->width(); ++shard) {
    if (found.shards[shard] != ShardState::unread || shards_[shard] != Loading::loaded) continue;
    found.shards[shard] = judge_shard(found, shard);
  }
}

Task<> StripeWindow::reread(StripeFound& found) {
  const PlacementPtr placement = segment_->placement();  // held until the last read has ended
  std::vector<io::PatientOperation> reads;
  std::vector<unsigned> asked;
  for (unsigned shard = 0; shard < segment_->width(); ++shard) {
    const SegmentRecord::Member& member = (*placement)[shard];
    io::PatientOperation read =
        context_->shard_read(member, found.stripe.stripe_block, shard_bytes(found, shard));
    read.compared = false;
    if (shards_[shard] != Loading::failed || found.shards[shard] != ShardState::unread ||
        read.drive == nullptr)
      continue;
    reads.push_back(read);
    asked.push_back(shard);
  }
  if (reads.empty()) co_return;
  co_await io::run_patiently(reads, context_->last_patience(), keep(placement));
  for (std::size_t i = 0; i < reads.size(); ++i) {
    ShardState& state = found.shards[asked[i]];
    if (reads[i].error) {
      const std::uint32_t member = (*placement)[asked[i]].drive;
      context_->report(member, reads[i]);
      if (reads[i].late) {
        shards_[asked[i]] = Loading::late;
        continue;
      }
      if (context_->drives.drive(member) != nullptr) state = ShardState::refused;
      continue;
    }
    bytes_read_ += reads[i].operation.memory.size();
    state = judge_shard(found, asked[i]);
  }
}

std::span<std::byte> StripeWindow::shard_bytes(const StripeFound& found, unsigned shard) const {
  return bytes(shard, found.stripe.stripe_block, found.stripe.shape.blocks());
}

bool StripeWindow::is_codeword(const StripeFound& found) const {
  const StripeShape& shape = found.stripe.shape;
  if (shape.scheme.parity == 0) return true;
  std::array<std::byte, io::kBlockBytes> made[erasure::kParityShardsMax];
  std::vector<erasure::Shard> data(shape.scheme.data);
  std::vector<erasure::Shard> parity;
  for (unsigned i = 0; i < shape.scheme.parity; ++i) parity.push_back(made[i].data());
  const std::uint32_t begin = found.stripe.stripe_block + shape.header_blocks;
  for (std::uint32_t block = 0; block < shape.shard_blocks; ++block) {
    for (unsigned i = 0; i < shape.scheme.data; ++i) data[i] = bytes(i, begin + block, 1).data();
    codec_for(shape.scheme).encode(io::kBlockBytes, data, parity);
    for (unsigned i = 0; i < shape.scheme.parity; ++i) {
      const std::span<const std::byte> stored = bytes(shape.scheme.data + i, begin + block, 1);
      if (std::memcmp(stored.data(), made[i].data(), io::kBlockBytes) != 0) return false;
    }
  }
  return true;
}

bool StripeWindow::rebuild(const StripeFound& found, unsigned shard, std::span<std::byte> into) const {
  const StripeShape& shape = found.stripe.shape;
  const std::size_t header_bytes = shape.header_blocks * io::kBlockBytes;
  CHECK(into.size() == std::size_t{shape.blocks()} * io::kBlockBytes);
  std::vector<unsigned> present;
  std::vector<erasure::Shard> source;
  for (unsigned i = 0; i < shape.width() && present.size() < shape.scheme.data; ++i) {
    if (i == shard || !is_source(found.shards[i])) continue;
    present.push_back(i);
    source.push_back(shard_bytes(found, i).data() + header_bytes);
  }
  const std::span<std::byte> payload = into.subspan(header_bytes);
  if (is_source(found.shards[shard])) {
    std::memcpy(payload.data(), shard_bytes(found, shard).data() + header_bytes, payload.size());
  } else {
    CHECK(present.size() == shape.scheme.data);
    const std::array<unsigned, 1> lost{shard};
    const std::array<erasure::Shard, 1> target{payload.data()};
    codec_for(shape.scheme).rebuild(payload.size(), present, source, lost, target);
  }
  ShardHeader header = *found.header;
  header.shard_index = static_cast<std::uint16_t>(shard);
  header.block_crcs = block_crcs_of(payload);
  std::uint32_t crc = 0;
  for (const std::uint32_t block_crc : header.block_crcs) {
    crc = erasure::crc32c_combine(crc, block_crc, io::kBlockBytes);
  }
  if (crc != header.payload_crcs[shard]) return false;
  encode_shard_header(header, into.first(header_bytes));
  return true;
}

}  // namespace storage::segment
