// The structures that this folder keeps on drives: their common envelope, the zone header and the shard
// header. (The superblock has a file of its own.) Byte by byte: README.md.
//
// Integers  little-endian, unsigned unless said otherwise. All structures start at a multiple of 4096.
// Errors    of every decode: Errc::corrupt_data for bytes that are not the structure, whole and plausible;
//           Errc::unsupported for a sound one of a later version or with an unknown incompatible feature bit.
// Purity    no I/O, no state; hostile bytes are expected.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "erasure/codec.h"
#include "storage/base/result.h"
#include "storage/io/buffer.h"
#include "storage/segment/little_endian.h"
#include "storage/segment/segment_store.h"

namespace storage::segment {

using Uuid = std::array<std::uint8_t, 16>;

inline constexpr std::size_t kEnvelopeBytes = 24;
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kZoneHeaderFixedBytes = 88;
inline constexpr std::size_t kZoneHeaderMemberBytes = 8;
inline constexpr std::size_t kShardHeaderFixedBytes = 64;
inline constexpr std::size_t kPieceFixedBytes = 28;

inline constexpr unsigned kWidthMax = erasure::kDataShardsMax + erasure::kParityShardsMax;  // k + m
inline constexpr std::uint32_t kHeaderBlocksMax = 16;                                       // 64 KiB
inline constexpr std::uint32_t kShardBlocksMax = 256;  // P is at most 1 MiB
inline constexpr std::size_t kBucketBytesMax = 255;
inline constexpr std::size_t kKeyBytesMax = 1024;

static_assert(kZoneHeaderFixedBytes + kWidthMax * kZoneHeaderMemberBytes <= io::kBlockBytes,
              "a zone header is one block");
static_assert(kShardHeaderFixedBytes + 4 * kWidthMax + 4 * kShardBlocksMax + kPieceFixedBytes +
                      kBucketBytesMax + kKeyBytesMax <=
                  io::kBlockBytes,
              "the header of a shard with one piece is one block");

// The envelope: magic, CRC, length, version and feature bits in front of every structure.
// Starts a structure of `length` bytes in `into` and returns the writer of what follows the envelope.
ByteWriter begin_envelope(std::span<std::byte> into, std::uint64_t magic, std::uint32_t length);
// Computes the CRC over the finished structure and stores it.
void end_envelope(std::span<std::byte> structure, std::uint32_t length);
// Checks the envelope of the structure at the start of `from`; returns a reader of what follows it.
Result<ByteReader> open_envelope(std::span<const std::byte> from, std::uint64_t magic);

inline constexpr std::uint64_t kSuperblockMagic = 0x31'42'53'4e'41'52'47'00;   // "\0GRANSB1"
inline constexpr std::uint64_t kZoneHeaderMagic = 0x31'48'5a'4e'41'52'47'00;   // "\0GRANZH1"
inline constexpr std::uint64_t kShardHeaderMagic = 0x31'48'53'4e'41'52'47'00;  // "\0GRANSH1"

// Block 0 of a zone: to whom the zone is bound.
struct ZoneHeader {
  Uuid store{};
  Uuid drive{};
  SegmentId segment = 0;
  std::uint64_t epoch = 0;
  std::int64_t created_ms = 0;
  std::uint32_t zone = 0;
  std::uint16_t shard_index = 0;
  erasure::Scheme scheme;
  std::vector<SegmentRecord::Member> members;  // k + m, as of the opening
};

// The header of shard `shard`'s zone; `store` and `drive` are the owner's to fill in.
ZoneHeader zone_header_of(const SegmentRecord& record, unsigned shard);

// Writes one block.
void encode_zone_header(const ZoneHeader& header, std::span<std::byte, io::kBlockBytes> into);
Result<ZoneHeader> decode_zone_header(std::span<const std::byte> block);

// What stands in front of a shard's payload. All shards of a stripe have the same but for `shard_index` and
// `block_crcs`.
struct ShardHeader {
  SegmentId segment = 0;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;  // of the stripe in its segment, from 1
  std::uint32_t stripe_block = 0;
  std::uint16_t header_blocks = 0;
  std::uint16_t shard_blocks = 0;
  std::uint16_t shard_index = 0;
  erasure::Scheme scheme;
  std::vector<std::uint32_t> payload_crcs;  // k + m: of every shard's whole payload
  std::vector<std::uint32_t> block_crcs;    // shard_blocks: of this shard's payload
  std::vector<Piece> pieces;
};

// Bytes of the header of a shard with these pieces.
std::size_t shard_header_bytes(erasure::Scheme scheme, std::uint32_t shard_blocks,
                               std::span<const Piece> pieces);
std::size_t piece_bytes_in_header(const PieceName& name);

// Fills `into`, header_blocks * 4096 bytes; the rest of it is zeroed.
void encode_shard_header(const ShardHeader& header, std::span<std::byte> into);
Result<ShardHeader> decode_shard_header(std::span<const std::byte> from);

}  // namespace storage::segment
