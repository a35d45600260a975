// Tars: lengths known beforehand, and headers as POSIX has them.
#include "storage/dataset/tar_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace storage::dataset {
namespace {

std::string text(std::string_view header, std::size_t at, std::size_t width) {
  return std::string(header.substr(at, width).data(), strnlen(header.data() + at, width));
}

unsigned checksum(std::string header) {
  std::fill(header.begin() + 148, header.begin() + 156, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  return sum;
}

TEST(TarFormatTest, AShortNameIsOneBlock) {
  const std::string header = tar_header("a/b.jpg", 1234);
  ASSERT_EQ(header.size(), 512u);
  EXPECT_EQ(text(header, 0, 100), "a/b.jpg");
  EXPECT_EQ(text(header, 100, 8), "0000644");
  EXPECT_EQ(text(header, 108, 8), "0000000");
  EXPECT_EQ(text(header, 116, 8), "0000000");
  EXPECT_EQ(text(header, 124, 12), "00000002322");
  EXPECT_EQ(text(header, 136, 12), "00000000000");
  EXPECT_EQ(header[156], '0');
  EXPECT_EQ(header.substr(257, 8), std::string("ustar\0" "00", 8));
  EXPECT_EQ(std::stoul(header.substr(148, 6), nullptr, 8), checksum(header));
  EXPECT_EQ(tar_member_bytes(7, 1234), 512u + 1536u);
  EXPECT_EQ(tar_member_bytes(7, 0), 512u);
  EXPECT_EQ(tar_padding_bytes(512), 0u);
}

TEST(TarFormatTest, LongNamesAndLargeSizesStandInAPaxHeader) {
  for (std::size_t length = 95; length < 1100; ++length) {
    const std::string name(length, 'n');
    const std::string header = tar_header(name, 5);
    ASSERT_EQ(header.size(), tar_header_bytes(length, 5));
    if (length <= 100) {
      ASSERT_EQ(header.size(), 512u);
      continue;
    }
    ASSERT_EQ(header[156], 'x');
    const std::size_t bytes = std::stoul(text(header, 124, 12), nullptr, 8);
    const std::string pax = header.substr(512, bytes);
    const std::size_t blank = pax.find(' ');
    ASSERT_EQ(std::stoul(pax.substr(0, blank)), pax.size());
    ASSERT_EQ(pax.substr(blank + 1), "path=" + name + "\n");
  }
  const std::uint64_t large = std::uint64_t{1} << 33;
  EXPECT_EQ(tar_header("a", large - 1).size(), 512u);
  const std::string header = tar_header("a", large);
  EXPECT_EQ(header.size(), 1536u);
  EXPECT_NE(header.find(" size=8589934592\n"), std::string::npos);
  EXPECT_EQ(tar_member_bytes(1, large), 1536 + large);
}

}  // namespace
}  // namespace storage::dataset
