#include <immintrin.h>
#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "erasure/codec.h"

namespace erasure {

namespace {

// Reflected polynomials: bit i of the constant is the coefficient of x^(width-1-i).
constexpr std::uint32_t kCrc32cPolynomial = 0x82f63b78u;
constexpr std::uint32_t kCrc32Polynomial = 0xedb88320u;
constexpr std::uint64_t kCrc64NvmePolynomial = 0x9a6c9329ac4bc9b5ull;

// ISA-L counts bytes in int for crc32_iscsi.
constexpr std::size_t kPieceBytesMax = std::size_t{1} << 30;

// Product of two polynomials modulo the reflected `polynomial`, all in reflected form (the top bit is x^0).
template <class Word>
constexpr Word multiply(Word a, Word b, Word polynomial) {
  Word product = 0;
  for (Word bit = Word{1} << (sizeof(Word) * 8 - 1); bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ polynomial : b >> 1;
  }
  return product;
}

// x^(8 * 2^i) for each i, so that x^(8n) is the product over the bits of n.
template <class Word>
constexpr std::array<Word, 64> byte_powers(Word polynomial) {
  std::array<Word, 64> powers{};
  powers[0] = Word{1} << (sizeof(Word) * 8 - 1 - 8);  // x^8
  for (std::size_t i = 1; i < powers.size(); ++i)
    powers[i] = multiply(powers[i - 1], powers[i - 1], polynomial);
  return powers;
}

// With equal initial and final inversion, crc(a ++ b) = crc(a) * x^(8 |b|) + crc(b).
template <class Word, Word Polynomial>
Word combine(Word crc_a, Word crc_b, std::uint64_t length_b_bytes) {
  static constexpr std::array<Word, 64> kPowers = byte_powers<Word>(Polynomial);
  for (unsigned i = 0; length_b_bytes != 0; ++i, length_b_bytes >>= 1) {
    if ((length_b_bytes & 1) != 0) crc_a = multiply(crc_a, kPowers[i], Polynomial);
  }
  return crc_a ^ crc_b;
}

// Tables of slicing by 16: table[s][v] is the effect of byte v that is followed by s zero bytes.
using SliceTables = std::array<std::array<std::uint64_t, 256>, 16>;

constexpr SliceTables make_slice_tables() {
  SliceTables tables{};
  for (std::uint64_t value = 0; value < 256; ++value) {
    std::uint64_t crc = value;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ kCrc64NvmePolynomial : crc >> 1;
    tables[0][value] = crc;
  }
  for (std::size_t slice = 1; slice < 16; ++slice) {
    for (std::size_t value = 0; value < 256; ++value) {
      const std::uint64_t crc = tables[slice - 1][value];
      tables[slice][value] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

// Made at the first use: as a constant the compiler would have to run 16 thousand steps in every build.
const SliceTables& slice_tables() {
  static const SliceTables tables = make_slice_tables();
  return tables;
}

std::uint64_t load64(const std::byte* at) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Advances the raw register (no inversions) over `bytes`.
std::uint64_t crc64nvme_tables(std::uint64_t crc, std::span<const std::byte> bytes) {
  const SliceTables& table = slice_tables();
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 16; left -= 16, at += 16) {
    const std::uint64_t low = crc ^ load64(at);
    const std::uint64_t high = load64(at + 8);
    crc = 0;
    for (unsigned i = 0; i < 8; ++i) {
      crc ^= table[15 - i][(low >> (8 * i)) & 0xff] ^ table[7 - i][(high >> (8 * i)) & 0xff];
    }
  }
  for (; left > 0; --left, ++at) crc = (crc >> 8) ^ table[0][(crc ^ static_cast<std::uint64_t>(*at)) & 0xff];
  return crc;
}

// x^exponent modulo the polynomial of CRC-64/NVME, reflected.
constexpr std::uint64_t nvme_power(std::uint64_t exponent) {
  std::uint64_t result = std::uint64_t{1} << 63;
  std::uint64_t square = std::uint64_t{1} << 62;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = multiply(result, square, kCrc64NvmePolynomial);
    square = multiply(square, square, kCrc64NvmePolynomial);
  }
  return result;
}

#define GRANARY_CARRYLESS __attribute__((target("pclmul")))

// A 128-bit accumulator holds the remainder of everything before it. Moving it on by `Bits` multiplies its
// first half by x^(Bits + 64) and its second by x^Bits; the product of two reflected 64-bit words comes out
// multiplied by x, so the constants have one power less. Source: Gopal et al., Fast CRC Computation Using
// PCLMULQDQ, Intel 2009.
template <std::uint64_t Bits>
GRANARY_CARRYLESS __m128i move_on(__m128i accumulator) {
  static constexpr std::uint64_t kFirst = nvme_power(Bits + 63);
  static constexpr std::uint64_t kSecond = nvme_power(Bits - 1);
  const __m128i constants = _mm_set_epi64x(static_cast<long long>(kSecond), static_cast<long long>(kFirst));
  return _mm_xor_si128(_mm_clmulepi64_si128(accumulator, constants, 0x00),
                       _mm_clmulepi64_si128(accumulator, constants, 0x11));
}

__m128i load128(const std::byte* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }

constexpr std::size_t kLanes = 8;
constexpr std::size_t kLaneBytes = 16;
constexpr std::size_t kFoldBytes = kLanes * kLaneBytes;

// As crc64nvme_tables, eight lanes side by side; `bytes` are at least kFoldBytes.
GRANARY_CARRYLESS std::uint64_t crc64nvme_carryless(std::uint64_t crc, std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  __m128i lanes[kLanes];  // std::array would lose the type's alignment attribute, g++ warns
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = load128(at + i * kLaneBytes);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, static_cast<long long>(crc)));
  for (at += kFoldBytes, left -= kFoldBytes; left >= kFoldBytes; at += kFoldBytes, left -= kFoldBytes) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      lanes[i] = _mm_xor_si128(move_on<kFoldBytes * 8>(lanes[i]), load128(at + i * kLaneBytes));
    }
  }
  __m128i rest = lanes[0];
  for (std::size_t i = 1; i < kLanes; ++i) rest = _mm_xor_si128(move_on<kLaneBytes * 8>(rest), lanes[i]);
  for (; left >= kLaneBytes; at += kLaneBytes, left -= kLaneBytes) {
    rest = _mm_xor_si128(move_on<kLaneBytes * 8>(rest), load128(at));
  }
  // What is left is a message of 16 bytes and the tail.
  std::array<std::byte, kLaneBytes> last;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(last.data()), rest);
  return crc64nvme_tables(crc64nvme_tables(0, last), {at, left});
}

#undef GRANARY_CARRYLESS

std::uint64_t crc64nvme_raw(std::uint64_t crc, std::span<const std::byte> bytes) {
  static const bool carryless = __builtin_cpu_supports("pclmul") != 0;
  if (carryless && bytes.size() >= kFoldBytes) return crc64nvme_carryless(crc, bytes);
  return crc64nvme_tables(crc, bytes);
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) {
  // crc32_iscsi takes and returns the raw register.
  std::uint32_t crc = ~seed;
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kPieceBytesMax));
    crc = crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<std::byte*>(piece.data())),
                      static_cast<int>(piece.size()), crc);
    bytes = bytes.subspan(piece.size());
  }
  return ~crc;
}

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t seed) {
  // crc32_gzip_refl inverts at both ends itself.
  if (bytes.empty()) return seed;
  return crc32_gzip_refl(seed, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::uint64_t crc64nvme(std::span<const std::byte> bytes, std::uint64_t seed) {
  return ~crc64nvme_raw(~seed, bytes);
}

std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b_bytes) {
  return combine<std::uint32_t, kCrc32cPolynomial>(crc_a, crc_b, length_b_bytes);
}

std::uint32_t crc32_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b_bytes) {
  return combine<std::uint32_t, kCrc32Polynomial>(crc_a, crc_b, length_b_bytes);
}

std::uint64_t crc64nvme_combine(std::uint64_t crc_a, std::uint64_t crc_b, std::uint64_t length_b_bytes) {
  return combine<std::uint64_t, kCrc64NvmePolynomial>(crc_a, crc_b, length_b_bytes);
}

}  // namespace erasure
