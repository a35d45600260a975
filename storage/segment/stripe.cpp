#include "storage/segment/stripe.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>

#include "storage/base/check.h"

namespace storage::segment {
namespace {

constexpr std::size_t kCopyBytes = 16 * 1024;  // copied and checksummed while in the first-level cache

}  // namespace

const erasure::Codec& codec_for(erasure::Scheme scheme) {
  static std::mutex mutex;
  static std::array<std::array<std::optional<erasure::Codec>, erasure::kParityShardsMax + 1>,
                    erasure::kDataShardsMax + 1>
      codecs;
  CHECK(scheme.data >= 1 && scheme.data <= erasure::kDataShardsMax);
  CHECK(scheme.parity <= erasure::kParityShardsMax);
  std::lock_guard lock(mutex);
  auto& codec = codecs[scheme.data][scheme.parity];
  if (!codec) codec.emplace(scheme);
  return *codec;
}

std::vector<std::uint32_t> block_crcs_of(std::span<const std::byte> payload) {
  std::vector<std::uint32_t> crcs(payload.size() / io::kBlockBytes);
  for (std::size_t block = 0; block < crcs.size(); ++block) {
    crcs[block] = erasure::crc32c(payload.subspan(block * io::kBlockBytes, io::kBlockBytes));
  }
  return crcs;
}

Stripe::Stripe(io::Buffer memory, StripeShape shape) : memory_(std::make_shared<io::Buffer>(std::move(memory))), shape_(shape) {
  CHECK(memory_->size() >= shape_.memory_bytes());
}

std::span<std::byte> Stripe::shard(unsigned index) const {
  const std::size_t bytes = std::size_t{shape_.blocks()} * io::kBlockBytes;
  return memory_->span().subspan(index * bytes, bytes);
}

std::span<std::byte> Stripe::payload(unsigned index) const {
  return shard(index).subspan(shape_.header_blocks * io::kBlockBytes);
}

std::uint32_t Stripe::put(std::uint32_t begin, std::span<const std::byte> bytes) {
  std::uint32_t crc = 0;
  std::size_t done = 0;
  for_range(begin, static_cast<std::uint32_t>(bytes.size()), [&](std::span<std::byte> into) {
    while (!into.empty()) {
      const std::size_t part = std::min(into.size(), kCopyBytes);
      std::memcpy(into.data(), bytes.data() + done, part);
      // Over the source: a copy gone wrong then fails the check of the first read.
      crc = erasure::crc32c(bytes.subspan(done, part), crc);
      into = into.subspan(part);
      done += part;
    }
  });
  return crc;
}

void Stripe::zero(std::uint32_t begin, std::uint32_t end) {
  for_range(begin, end - begin, [](std::span<std::byte> into) { std::memset(into.data(), 0, into.size()); });
}

std::uint32_t Stripe::crc(std::uint32_t begin, std::uint32_t length) const {
  std::uint32_t crc = 0;
  for_range(begin, length, [&](std::span<std::byte> bytes) { crc = erasure::crc32c(bytes, crc); });
  return crc;
}

void Stripe::shrink_to(std::uint32_t used) {
  CHECK(used >= 1 && used <= shape_.space_bytes());
  const std::size_t per_stripe = shape_.scheme.data * io::kBlockBytes;
  StripeShape smaller = shape_;
  smaller.shard_blocks = static_cast<std::uint32_t>((used + per_stripe - 1) / per_stripe);
  const std::size_t old_bytes = shape_.payload_bytes();
  const std::size_t new_bytes = smaller.payload_bytes();
  const std::size_t header = shape_.header_blocks * io::kBlockBytes;
  if (new_bytes < old_bytes) {
    // In the smaller form each byte lies at or behind its old place, so the move goes from the end to the
    // front.
    std::size_t end = used;
    while (end > 0) {
      const std::size_t shard_start = (end - 1) / new_bytes * new_bytes;
      const std::size_t old_start = (end - 1) / old_bytes * old_bytes;
      const std::size_t start = std::max(shard_start, old_start);
      const std::size_t to = start + (start / new_bytes + 1) * header;
      const std::size_t from = start + (start / old_bytes + 1) * header;
      std::memmove(memory_->data() + to, memory_->data() + from, end - start);
      end = start;
    }
  }
  shape_ = smaller;
  zero(used, static_cast<std::uint32_t>(shape_.space_bytes()));
}

void Stripe::encode() {
  std::vector<erasure::Shard> data;
  std::vector<erasure::Shard> parity;
  for (unsigned i = 0; i < shape_.scheme.data; ++i) data.push_back(payload(i).data());
  for (unsigned i = shape_.scheme.data; i < shape_.width(); ++i) parity.push_back(payload(i).data());
  if (!parity.empty()) codec_for(shape_.scheme).encode(shape_.payload_bytes(), data, parity);
  payload_crcs_.clear();
  block_crcs_.clear();
  for (unsigned i = 0; i < shape_.width(); ++i) {
    block_crcs_.push_back(block_crcs_of(payload(i)));
    std::uint32_t crc = 0;
    for (const std::uint32_t block_crc : block_crcs_.back()) {
      crc = erasure::crc32c_combine(crc, block_crc, io::kBlockBytes);
    }
    payload_crcs_.push_back(crc);
  }
}

void Stripe::stamp(const Segment& segment, Segment::Place place, const std::vector<Piece>& pieces) {
  CHECK(segment.scheme() == shape_.scheme);
  CHECK(block_crcs_.size() == shape_.width());
  ShardHeader header;
  header.segment = segment.id();
  header.epoch = segment.epoch();
  header.sequence = place.sequence;
  header.stripe_block = place.stripe_block;
  header.header_blocks = static_cast<std::uint16_t>(shape_.header_blocks);
  header.shard_blocks = static_cast<std::uint16_t>(shape_.shard_blocks);
  header.scheme = shape_.scheme;
  header.payload_crcs = payload_crcs_;
  header.pieces = pieces;
  for (unsigned i = 0; i < shape_.width(); ++i) {
    header.shard_index = static_cast<std::uint16_t>(i);
    header.block_crcs = block_crcs_[i];
    encode_shard_header(header, shard(i).first(shape_.header_blocks * io::kBlockBytes));
  }
}

}  // namespace storage::segment
