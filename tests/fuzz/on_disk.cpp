// Any bytes as the structures of a drive. Their checksum is made good first: a fuzzer would never guess it, and what has a good
// checksum but an absurd content must be refused all the same. What is accepted must survive a round trip.
#include <cstdint>
#include <cstring>
#include <vector>

#include "erasure/codec.h"
#include "storage/base/check.h"
#include "storage/segment/format.h"
#include "storage/segment/superblock.h"

namespace {

using namespace storage;

// Every structure begins with 8 bytes of magic, the CRC of all behind itself, and its length (segment/README.md).
void repair_crc(std::vector<std::byte>& bytes) {
  constexpr std::size_t kCrcOffset = 8;
  constexpr std::size_t kLengthOffset = 12;
  if (bytes.size() < 16) return;
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + kLengthOffset, sizeof length);
  if (length < 16 || length > bytes.size()) return;
  const std::uint32_t crc = erasure::crc32c(std::span(bytes).subspan(kLengthOffset, length - kLengthOffset));
  std::memcpy(bytes.data() + kCrcOffset, &crc, sizeof crc);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 128 * 1024) return 0;
  const std::uint8_t which = data[0];
  std::vector<std::byte> bytes((size + io::kBlockBytes - 1) / io::kBlockBytes * io::kBlockBytes);
  std::memcpy(bytes.data(), data + 1, size - 1);
  repair_crc(bytes);
  switch (which % 3) {
    case 0: {
      const auto header = segment::decode_zone_header(std::span(bytes).first(io::kBlockBytes));
      if (!header) return 0;
      std::vector<std::byte> again(io::kBlockBytes);
      segment::encode_zone_header(*header, std::span<std::byte, io::kBlockBytes>(again.data(), io::kBlockBytes));
      CHECK(segment::decode_zone_header(again).has_value());
      return 0;
    }
    case 1: {
      const auto header = segment::decode_shard_header(bytes);
      if (!header) return 0;
      CHECK(header->block_crcs.size() == header->shard_blocks);
      std::vector<std::byte> again(header->header_blocks * io::kBlockBytes);
      segment::encode_shard_header(*header, again);
      CHECK(segment::decode_shard_header(again).has_value());
      return 0;
    }
    default: {
      [[maybe_unused]] const auto superblock = segment::decode_superblock(bytes);
      return 0;
    }
  }
}
