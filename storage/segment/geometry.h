// The rules that fix a store's shape: zone size by drive size, k and m by number of domains, P by all of
// them. Pure functions.
#pragma once

#include <cstdint>

#include "erasure/codec.h"

namespace storage::segment {

inline constexpr std::uint64_t kDriveBytesMin = 64ULL * 1024 * 1024;  // 64 zones of the smallest size

// The largest of 1, 4, 16, 64, 256 MiB of which at least 64 fit `capacity_bytes`; 0 if not even 1 MiB does.
std::uint64_t zone_bytes_for(std::uint64_t capacity_bytes);
bool valid_zone_bytes(std::uint64_t zone_bytes);

// Zones of a drive: those that fit 7/8 of its capacity (the rest is for the metadata mirror) behind the
// superblocks.
std::uint32_t usable_zones(std::uint64_t capacity_bytes, std::uint64_t zone_bytes);

// m of a store created with this many members.
unsigned parity_for(unsigned members);

// The widest geometry of the design's table for this m with `alive` domains; data = 0 when fewer than m + 1
// are alive.
erasure::Scheme scheme_of(unsigned parity, unsigned alive);

// The largest P in blocks. Bounded by `shard_bytes_max` and an eighth of a zone, but large enough for a body
// of `small_body_bytes_max` where the zone allows; and a whole stripe with the largest headers fits one
// buffer.
std::uint32_t shard_blocks_max(erasure::Scheme scheme, std::uint64_t zone_bytes,
                               std::uint32_t shard_bytes_max, std::uint32_t small_body_bytes_max);

}  // namespace storage::segment
