#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include "erasure/codec.h"

namespace erasure {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::byte> random_bytes(std::size_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(size);
  for (auto& value : bytes) value = static_cast<std::byte>(random());
  return bytes;
}

// Bit by bit, straight from the definition of a reflected CRC.
template <class Word>
Word by_definition(std::span<const std::byte> bytes, Word polynomial) {
  Word crc = static_cast<Word>(~Word{0});
  for (std::byte value : bytes) {
    crc ^= static_cast<Word>(value);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ polynomial : crc >> 1;
  }
  return ~crc;
}

TEST(Crc, CheckValues) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32(bytes_of("123456789")), 0xcbf43926u);
  EXPECT_EQ(crc64nvme(bytes_of("123456789")), 0xae8b14860a799888ull);
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc32({}), 0u);
  EXPECT_EQ(crc64nvme({}), 0u);
  // RFC 3720 B.4: 32 bytes of zeros, of ones.
  EXPECT_EQ(crc32c(std::vector<std::byte>(32)), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43u);
}

TEST(Crc, EveryLengthAndAlignmentAgreesWithTheDefinition) {
  const auto bytes = random_bytes(700, 1);
  for (std::size_t begin = 0; begin < 17; ++begin) {
    for (std::size_t size = 0; begin + size <= bytes.size(); size += size < 300 ? 1 : 37) {
      const auto part = std::span(bytes).subspan(begin, size);
      ASSERT_EQ(crc32c(part), by_definition<std::uint32_t>(part, 0x82f63b78u));
      ASSERT_EQ(crc32(part), by_definition<std::uint32_t>(part, 0xedb88320u));
      ASSERT_EQ(crc64nvme(part), by_definition<std::uint64_t>(part, 0x9a6c9329ac4bc9b5ull));
    }
  }
  const auto large = random_bytes(1 << 20, 2);
  EXPECT_EQ(crc64nvme(large), by_definition<std::uint64_t>(large, 0x9a6c9329ac4bc9b5ull));
}

TEST(Crc, ContinuesAndCombines) {
  const auto bytes = random_bytes(10'000, 3);
  const std::span<const std::byte> all(bytes);
  for (std::size_t split : {0u, 1u, 7u, 8u, 15u, 16u, 255u, 256u, 4096u, 9999u, 10'000u}) {
    const auto a = all.first(split);
    const auto b = all.subspan(split);
    EXPECT_EQ(crc32c(b, crc32c(a)), crc32c(all));
    EXPECT_EQ(crc32(b, crc32(a)), crc32(all));
    EXPECT_EQ(crc64nvme(b, crc64nvme(a)), crc64nvme(all));
    EXPECT_EQ(crc32c_combine(crc32c(a), crc32c(b), b.size()), crc32c(all));
    EXPECT_EQ(crc32_combine(crc32(a), crc32(b), b.size()), crc32(all));
    EXPECT_EQ(crc64nvme_combine(crc64nvme(a), crc64nvme(b), b.size()), crc64nvme(all));
  }
}

TEST(Crc, CombiningIsAssociativeForLengthsNobodyCanStore) {
  const std::uint64_t exabyte = std::uint64_t{1} << 60;
  const std::uint64_t left = crc64nvme_combine(crc64nvme_combine(1, 2, exabyte), 3, exabyte + 5);
  const std::uint64_t right = crc64nvme_combine(1, crc64nvme_combine(2, 3, exabyte + 5), 2 * exabyte + 5);
  EXPECT_EQ(left, right);
}

}  // namespace
}  // namespace erasure
