// The algebra behind Codec: which linear combination of the shards at hand gives the lost ones.
//
// Pure functions over GF(2^8) with polynomial 0x11d. Private to this folder and its tests.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace erasure {

// Inverts the n x n matrix (row by row). Returns an empty vector if it is singular.
std::vector<std::uint8_t> invert(unsigned n, std::vector<std::uint8_t> matrix);

// Rows, one for each of `lost`, of `data` coefficients each: shard lost[r] = sum of row r over the shards
// `present` (ascending, exactly `data` of them), numbered as in Codec. Every such set is invertible, because
// the parity rows are a Cauchy matrix with scaled columns.
std::vector<std::uint8_t> decode_matrix(unsigned data, std::span<const unsigned> present,
                                        std::span<const unsigned> lost);

}  // namespace erasure
