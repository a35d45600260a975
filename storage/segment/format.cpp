#include "storage/segment/format.h"

#include <algorithm>
#include <cstring>

#include "storage/base/check.h"

namespace storage::segment {
namespace {

constexpr std::size_t kCrcOffset = 8;
constexpr std::size_t kCrcBegin = 12;  // the CRC covers everything behind itself
constexpr std::uint32_t kKnownFeatures = 0;

bool valid_scheme(unsigned data, unsigned parity) {
  return data >= 1 && data <= erasure::kDataShardsMax && parity <= erasure::kParityShardsMax;
}

bool read_pieces(ByteReader& in, std::uint32_t count, std::uint64_t space_bytes, std::vector<Piece>& pieces) {
  if (count > in.remaining() / kPieceFixedBytes) return false;
  pieces.resize(count);
  for (Piece& piece : pieces) {
    in.bytes(piece.name.blob);
    piece.begin = in.u32();
    piece.length = in.u32();
    const std::uint16_t bucket_bytes = in.u16();
    const std::uint16_t key_bytes = in.u16();
    if (!in.ok() || bucket_bytes > kBucketBytesMax || key_bytes > kKeyBytesMax) return false;
    piece.name.bucket = in.text(bucket_bytes);
    piece.name.key = in.text(key_bytes);
    if (piece.length == 0 || std::uint64_t{piece.begin} + piece.length > space_bytes) return false;
  }
  return in.ok();
}

}  // namespace

ByteWriter begin_envelope(std::span<std::byte> into, std::uint64_t magic, std::uint32_t length) {
  CHECK(length >= kEnvelopeBytes && length <= into.size());
  std::memset(into.data(), 0, into.size());
  ByteWriter out(into.first(length));
  out.u64(magic);
  out.u32(0);
  out.u32(length);
  out.u32(kFormatVersion);
  out.u32(kKnownFeatures);
  return out;
}

void end_envelope(std::span<std::byte> structure, std::uint32_t length) {
  const std::uint32_t crc = erasure::crc32c(structure.subspan(kCrcBegin, length - kCrcBegin));
  ByteWriter out(structure.subspan(kCrcOffset, sizeof crc));
  out.u32(crc);
}

Result<ByteReader> open_envelope(std::span<const std::byte> from, std::uint64_t magic) {
  ByteReader in(from);
  const std::uint64_t found = in.u64();
  const std::uint32_t crc = in.u32();
  const std::uint32_t length = in.u32();
  const std::uint32_t version = in.u32();
  const std::uint32_t features = in.u32();
  if (!in.ok() || found != magic || length < kEnvelopeBytes || length > from.size())
    return Errc::corrupt_data;
  if (erasure::crc32c(from.subspan(kCrcBegin, length - kCrcBegin)) != crc) return Errc::corrupt_data;
  if (version != kFormatVersion || (features & ~kKnownFeatures) != 0) return Errc::unsupported;
  return ByteReader(from.subspan(kEnvelopeBytes, length - kEnvelopeBytes));
}

ZoneHeader zone_header_of(const SegmentRecord& record, unsigned shard) {
  ZoneHeader header;
  header.segment = record.id;
  header.epoch = record.epoch;
  header.created_ms = record.created_ms;
  header.zone = record.members.at(shard).zone;
  header.shard_index = static_cast<std::uint16_t>(shard);
  header.scheme = {record.data, record.parity};
  header.members = record.members;
  return header;
}

void encode_zone_header(const ZoneHeader& header, std::span<std::byte, io::kBlockBytes> into) {
  CHECK(header.members.size() == header.scheme.data + header.scheme.parity);
  const auto length =
      static_cast<std::uint32_t>(kZoneHeaderFixedBytes + header.members.size() * kZoneHeaderMemberBytes);
  ByteWriter out = begin_envelope(into, kZoneHeaderMagic, length);
  out.bytes(header.store);
  out.bytes(header.drive);
  out.u64(header.segment);
  out.u64(header.epoch);
  out.u64(static_cast<std::uint64_t>(header.created_ms));
  out.u32(header.zone);
  out.u16(header.shard_index);
  out.u8(static_cast<std::uint8_t>(header.scheme.data));
  out.u8(static_cast<std::uint8_t>(header.scheme.parity));
  CHECK(out.position() == kZoneHeaderFixedBytes);
  for (const SegmentRecord::Member& member : header.members) {
    out.u32(member.drive);
    out.u32(member.zone);
  }
  CHECK(out.position() == length);
  end_envelope(into, length);
}

Result<ZoneHeader> decode_zone_header(std::span<const std::byte> block) {
  Result<ByteReader> opened = open_envelope(block, kZoneHeaderMagic);
  if (!opened) return opened.error();
  ByteReader& in = *opened;
  ZoneHeader header;
  in.bytes(header.store);
  in.bytes(header.drive);
  header.segment = in.u64();
  header.epoch = in.u64();
  header.created_ms = static_cast<std::int64_t>(in.u64());
  header.zone = in.u32();
  header.shard_index = in.u16();
  header.scheme.data = in.u8();
  header.scheme.parity = in.u8();
  if (!in.ok() || !valid_scheme(header.scheme.data, header.scheme.parity)) return Errc::corrupt_data;
  const unsigned width = header.scheme.data + header.scheme.parity;
  if (header.segment == 0 || header.shard_index >= width) return Errc::corrupt_data;
  header.members.resize(width);
  for (SegmentRecord::Member& member : header.members) {
    member.drive = in.u32();
    member.zone = in.u32();
  }
  if (!in.ok() || in.remaining() != 0) return Errc::corrupt_data;
  return header;
}

std::size_t piece_bytes_in_header(const PieceName& name) {
  return kPieceFixedBytes + name.bucket.size() + name.key.size();
}

std::size_t shard_header_bytes(erasure::Scheme scheme, std::uint32_t shard_blocks,
                               std::span<const Piece> pieces) {
  std::size_t bytes =
      kShardHeaderFixedBytes + 4 * std::size_t{scheme.data + scheme.parity} + 4 * std::size_t{shard_blocks};
  for (const Piece& piece : pieces) bytes += piece_bytes_in_header(piece.name);
  return bytes;
}

void encode_shard_header(const ShardHeader& header, std::span<std::byte> into) {
  CHECK(header.payload_crcs.size() == header.scheme.data + header.scheme.parity);
  CHECK(header.block_crcs.size() == header.shard_blocks);
  CHECK(into.size() == std::size_t{header.header_blocks} * io::kBlockBytes);
  const auto length =
      static_cast<std::uint32_t>(shard_header_bytes(header.scheme, header.shard_blocks, header.pieces));
  ByteWriter out = begin_envelope(into, kShardHeaderMagic, length);
  out.u64(header.segment);
  out.u64(header.epoch);
  out.u64(header.sequence);
  out.u32(header.stripe_block);
  out.u16(header.header_blocks);
  out.u16(header.shard_blocks);
  out.u16(header.shard_index);
  out.u8(static_cast<std::uint8_t>(header.scheme.data));
  out.u8(static_cast<std::uint8_t>(header.scheme.parity));
  out.u32(static_cast<std::uint32_t>(header.pieces.size()));
  CHECK(out.position() == kShardHeaderFixedBytes);
  for (const std::uint32_t crc : header.payload_crcs) out.u32(crc);
  for (const std::uint32_t crc : header.block_crcs) out.u32(crc);
  for (const Piece& piece : header.pieces) {
    CHECK(piece.name.bucket.size() <= kBucketBytesMax);
    CHECK(piece.name.key.size() <= kKeyBytesMax);
    out.bytes(piece.name.blob);
    out.u32(piece.begin);
    out.u32(piece.length);
    out.u16(static_cast<std::uint16_t>(piece.name.bucket.size()));
    out.u16(static_cast<std::uint16_t>(piece.name.key.size()));
    out.text(piece.name.bucket);
    out.text(piece.name.key);
  }
  CHECK(out.position() == length);
  end_envelope(into, length);
}

Result<ShardHeader> decode_shard_header(std::span<const std::byte> from) {
  Result<ByteReader> opened = open_envelope(from, kShardHeaderMagic);
  if (!opened) return opened.error();
  ByteReader& in = *opened;
  ShardHeader header;
  header.segment = in.u64();
  header.epoch = in.u64();
  header.sequence = in.u64();
  header.stripe_block = in.u32();
  header.header_blocks = in.u16();
  header.shard_blocks = in.u16();
  header.shard_index = in.u16();
  header.scheme.data = in.u8();
  header.scheme.parity = in.u8();
  const std::uint32_t piece_count = in.u32();
  if (!in.ok() || !valid_scheme(header.scheme.data, header.scheme.parity)) return Errc::corrupt_data;
  const unsigned width = header.scheme.data + header.scheme.parity;
  if (header.segment == 0 || header.stripe_block == 0 || header.shard_index >= width)
    return Errc::corrupt_data;
  if (header.header_blocks == 0 || header.header_blocks > kHeaderBlocksMax) return Errc::corrupt_data;
  if (header.shard_blocks == 0 || header.shard_blocks > kShardBlocksMax) return Errc::corrupt_data;
  if (in.remaining() < 4 * (std::size_t{width} + header.shard_blocks)) return Errc::corrupt_data;
  header.payload_crcs.resize(width);
  for (std::uint32_t& crc : header.payload_crcs) crc = in.u32();
  header.block_crcs.resize(header.shard_blocks);
  for (std::uint32_t& crc : header.block_crcs) crc = in.u32();
  const std::uint64_t space_bytes = std::uint64_t{header.scheme.data} * header.shard_blocks * io::kBlockBytes;
  if (!read_pieces(in, piece_count, space_bytes, header.pieces)) return Errc::corrupt_data;
  if (in.remaining() != 0) return Errc::corrupt_data;
  return header;
}

}  // namespace storage::segment
