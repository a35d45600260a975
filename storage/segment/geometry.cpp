#include "storage/segment/geometry.h"

#include <algorithm>
#include <array>
#include <limits>

#include "storage/segment/format.h"
#include "storage/segment/superblock.h"

namespace storage::segment {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::array<std::uint64_t, 5> kZoneSizes = {256 * kMiB, 64 * kMiB, 16 * kMiB, 4 * kMiB, 1 * kMiB};
constexpr std::uint64_t kZonesMin = 64;

struct Row {
  unsigned domains;  // from this many on
  unsigned data;
};

// Ascending; m = 2 keeps a spare domain where the design's table does (8+2 only from 11 domains on).
constexpr std::array<Row, 1> kOneParity = {{{2, 1}}};
constexpr std::array<Row, 6> kTwoParity = {{{3, 1}, {4, 2}, {5, 3}, {6, 4}, {8, 6}, {11, 8}}};
constexpr std::array<Row, 6> kThreeParity = {{{4, 1}, {5, 2}, {6, 3}, {7, 4}, {9, 6}, {11, 8}}};
constexpr std::array<Row, 7> kFourParity = {{{5, 1}, {6, 2}, {7, 3}, {8, 4}, {10, 6}, {12, 8}, {16, 12}}};

std::span<const Row> rows_of(unsigned parity) {
  switch (parity) {
    case 1:
      return kOneParity;
    case 2:
      return kTwoParity;
    case 3:
      return kThreeParity;
    case 4:
      return kFourParity;
    default:
      return {};
  }
}

}  // namespace

std::uint64_t zone_bytes_for(std::uint64_t capacity_bytes) {
  for (const std::uint64_t size : kZoneSizes) {
    if (capacity_bytes / size >= kZonesMin) return size;
  }
  return 0;
}

bool valid_zone_bytes(std::uint64_t zone_bytes) {
  return std::find(kZoneSizes.begin(), kZoneSizes.end(), zone_bytes) != kZoneSizes.end();
}

std::uint32_t usable_zones(std::uint64_t capacity_bytes, std::uint64_t zone_bytes) {
  const std::uint64_t data_bytes = capacity_bytes / 8 * 7;
  if (data_bytes <= kReservedBytes) return 0;
  const std::uint64_t zones = (data_bytes - kReservedBytes) / zone_bytes;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(zones, std::numeric_limits<std::uint32_t>::max()));
}

unsigned parity_for(unsigned members) {
  if (members <= 1) return 0;
  if (members == 2) return 1;
  if (members <= 14) return 2;
  if (members <= 19) return 3;
  return 4;
}

erasure::Scheme scheme_of(unsigned parity, unsigned alive) {
  erasure::Scheme scheme;
  scheme.parity = parity;
  scheme.data = parity == 0 && alive >= 1 ? 1 : 0;
  for (const Row& row : rows_of(parity)) {
    if (alive >= row.domains) scheme.data = row.data;
  }
  return scheme;
}

std::uint32_t shard_blocks_max(erasure::Scheme scheme, std::uint64_t zone_bytes,
                               std::uint32_t shard_bytes_max, std::uint32_t small_body_bytes_max) {
  constexpr std::uint64_t block = io::kBlockBytes;
  const std::uint64_t zone_blocks = zone_bytes / block;
  const std::uint64_t largest = std::min<std::uint64_t>(shard_bytes_max / block, zone_blocks / 8);
  // So many stripes with one block of header each that they end where the zone does, little being left.
  const std::uint64_t stripes = (zone_blocks - 1 + largest) / (largest + 1);
  const std::uint64_t wanted = (zone_blocks - 1) / stripes - 1;
  const std::uint64_t body_share = (small_body_bytes_max + scheme.data - 1) / scheme.data;
  const std::uint64_t needed = (body_share + block - 1) / block;
  // One block of zone header and the largest shard header besides must fit the zone ...
  const std::uint64_t zone_limit = zone_blocks - 1 - kHeaderBlocksMax;
  // ... and all shards with their headers one buffer.
  const std::uint64_t buffer_limit =
      io::kMaxBufferBytes / block / (scheme.data + scheme.parity) - kHeaderBlocksMax;
  const std::uint64_t most = std::min<std::uint64_t>({zone_limit, buffer_limit, kShardBlocksMax});
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(std::max(wanted, needed), 1, most));
}

}  // namespace storage::segment
