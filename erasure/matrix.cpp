#include "erasure/matrix.h"

#include <isa-l/erasure_code.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>

#include "erasure/codec.h"

namespace erasure {

namespace {

// Row of shard `shard` in the generator matrix: a unit vector for data, coefficients for parity.
void generator_row(unsigned data, unsigned shard, std::uint8_t* row) {
  for (unsigned column = 0; column < data; ++column) {
    row[column] =
        shard < data ? static_cast<std::uint8_t>(shard == column) : coefficient(shard - data, column);
  }
}

}  // namespace

std::vector<std::uint8_t> invert(unsigned n, std::vector<std::uint8_t> matrix) {
  assert(matrix.size() == std::size_t{n} * n);
  std::vector<std::uint8_t> inverse(matrix.size());
  if (gf_invert_matrix(matrix.data(), inverse.data(), static_cast<int>(n)) != 0) inverse.clear();
  return inverse;
}

std::vector<std::uint8_t> decode_matrix(unsigned data, std::span<const unsigned> present,
                                        std::span<const unsigned> lost) {
  assert(present.size() == data);
  std::vector<std::uint8_t> rows(std::size_t{data} * data);
  for (unsigned i = 0; i < data; ++i) generator_row(data, present[i], rows.data() + std::size_t{i} * data);
  const std::vector<std::uint8_t> inverse = invert(data, std::move(rows));
  if (inverse.empty()) {
    // Impossible for distinct shard numbers; going on would make wrong bytes.
    std::fputs("erasure: singular decode matrix, shard numbers repeated?\n", stderr);
    std::abort();
  }
  // data = inverse * present, and every shard is its generator row * data.
  std::vector<std::uint8_t> result(lost.size() * data);
  std::vector<std::uint8_t> row(data);
  for (std::size_t r = 0; r < lost.size(); ++r) {
    generator_row(data, lost[r], row.data());
    for (unsigned column = 0; column < data; ++column) {
      std::uint8_t sum = 0;
      for (unsigned i = 0; i < data; ++i) {
        sum ^= gf_mul(row[i], inverse[std::size_t{i} * data + column]);
      }
      result[r * data + column] = sum;
    }
  }
  return result;
}

}  // namespace erasure
