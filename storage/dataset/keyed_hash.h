// Keyed hashes that orders, draws and splits stand on. Their values are part of what a seed means: they never change.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/dataset/permutation.h"

namespace storage::dataset {

// SHA-256, 32 raw bytes.
std::string sha256(std::string_view bytes);

// Eight words of key for one purpose: SHA-256 over purpose, 00, digest, seed and epoch (8 bytes little-endian each) and a
// counter byte 0 and 1, taken as little-endian words.
std::array<std::uint64_t, 8> derive_key(std::string_view purpose, const OrderKey& key);

// A bijective mix of 64 bits in which each bit of the input moves every bit of the output.
constexpr std::uint64_t mix(std::uint64_t value) {
  constexpr std::uint64_t kFactor = 0xd6e8feb86659fd93ULL;
  value ^= value >> 32;
  value *= kFactor;
  value ^= value >> 32;
  value *= kFactor;
  return value ^ value >> 32;
}

// floor(word * bound / 2^64): a word of 64 uniform bits as a number below `bound`.
constexpr std::uint64_t scale(std::uint64_t word, std::uint64_t bound) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(word) * bound >> 64);
}

// The first 53 of 64 uniform bits as a number in [0, 1).
constexpr double unit_interval(std::uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

// Where a group falls in [0, 1): the first 8 bytes, big-endian, of SHA-256 over "granary-split-1", 00, `split_seed` (8 bytes
// little-endian) and the group's bytes.
double split_point(std::uint64_t split_seed, std::string_view group);

}  // namespace storage::dataset
