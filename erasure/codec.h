// Codec: systematic Reed-Solomon over GF(2^8), k data and m parity shards, and the CRCs of the store.
//
// Matrix    fixed for all geometries: parity row r, column j holds
//             c(r,j) = inv((128+r) ^ j) * inv(inv(128 ^ j)),  0 <= r, j < 128
//           a Cauchy matrix whose columns are scaled so that row 0 is all ones (the first parity is XOR).
//           Row r of column j does not depend on k or m, so shards stay valid when k grows by zero shards.
//           Polynomial 0x11d, as ISA-L.
// Purity    no I/O, no coroutine, no global state but caches of tables. Thread-safe.
// Shapes    all shards of a call have one length in bytes, any length >= 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace erasure {

inline constexpr unsigned kDataShardsMax = 16;
inline constexpr unsigned kParityShardsMax = 4;

struct Scheme {
  unsigned data = 1;    // k, 1..kDataShardsMax
  unsigned parity = 0;  // m, 0..kParityShardsMax
  friend bool operator==(const Scheme&, const Scheme&) = default;
};

using Shard = std::byte*;

// The coefficient of parity row `row` and data column `column`.
std::uint8_t coefficient(unsigned row, unsigned column);

class Codec {
 public:
  explicit Codec(Scheme scheme);

  const Scheme& scheme() const { return scheme_; }

  // Computes the parity shards of one stripe.
  //   data    scheme().data pointers to `length` bytes;  parity  scheme().parity pointers, overwritten
  void encode(std::size_t length, std::span<const Shard> data, std::span<const Shard> parity) const;

  // Rebuilds lost shards of one stripe from any scheme().data others.
  //   present  numbers of exactly scheme().data readable shards, ascending (0..k-1 data, k..k+m-1 parity)
  //   source   their bytes, in the same order
  //   lost     numbers of the shards to make;  target  their memory, in the same order, overwritten
  // Errors   none: wrong counts are the caller's bug (assert).
  // Cost     reads scheme().data shards once; the decode table of a loss pattern is cached (bounded).
  void rebuild(std::size_t length, std::span<const unsigned> present, std::span<const Shard> source,
               std::span<const unsigned> lost, std::span<const Shard> target) const;

 private:
  Scheme scheme_;
  std::vector<std::uint8_t> encode_tables_;  // ISA-L's expanded form: made here, never persisted
};

// CRC-32C (Castagnoli, reflected, initial and final inversion; RFC 3720 B.4) of `bytes`, continuing from
// the CRC `seed` of what came before (0 at the start): crc32c(b, crc32c(a)) == crc32c(a ++ b).
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0);

// CRC-32 (IEEE 802.3, zlib) and CRC-64/NVME, with the same continuation rule.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t seed = 0);
std::uint64_t crc64nvme(std::span<const std::byte> bytes, std::uint64_t seed = 0);

// CRC of a ++ b from the CRCs of both and the length of b; O(log length).
std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b_bytes);
std::uint32_t crc32_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b_bytes);
std::uint64_t crc64nvme_combine(std::uint64_t crc_a, std::uint64_t crc_b, std::uint64_t length_b_bytes);

}  // namespace erasure
