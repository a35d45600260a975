#include "storage/segment/format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "erasure/codec.h"
#include "storage/segment/superblock.h"
#include "tests/support/simulated_drive.h"

namespace storage::segment {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

Uuid uuid(std::uint8_t first) {
  Uuid id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(first + i);
  return id;
}

Superblock example_superblock() {
  Superblock block;
  block.store = uuid(0x10);
  block.drive = uuid(0x40);
  block.generation = 7;
  block.zone_bytes = 1 << 20;
  block.capacity_bytes = 64 << 20;
  block.number = 1;
  block.zones = 55;
  block.parity = 1;
  block.state = Superblock::State::active;
  block.mirrors.epoch = 3;
  block.mirrors.members = {0, 1};
  block.members.resize(2);
  block.members[0].uuid = uuid(0x30);
  block.members[0].capacity_bytes = 64 << 20;
  block.members[0].path = "/d/0";
  block.members[1].uuid = uuid(0x40);
  block.members[1].capacity_bytes = 64 << 20;
  block.members[1].path = "/d/1";
  return block;
}

ZoneHeader example_zone_header() {
  ZoneHeader header;
  header.store = uuid(0x10);
  header.drive = uuid(0x40);
  header.segment = 0x0102030405060708;
  header.epoch = 9;
  header.created_ms = 1'700'000'000'000;
  header.zone = 12;
  header.shard_index = 2;
  header.scheme = {2, 1};
  header.members = {{0, 5}, {1, 6}, {2, 12}};
  return header;
}

ShardHeader example_shard_header() {
  ShardHeader header;
  header.segment = 0x0102030405060708;
  header.epoch = 9;
  header.sequence = 4;
  header.stripe_block = 1;
  header.header_blocks = 1;
  header.shard_blocks = 2;
  header.shard_index = 1;
  header.scheme = {2, 1};
  header.payload_crcs = {0x11111111, 0x22222222, 0x33333333};
  header.block_crcs = {0xaaaaaaaa, 0xbbbbbbbb};
  header.pieces.resize(1);
  header.pieces[0].name.blob = uuid(0x60);
  header.pieces[0].name.bucket = "b";
  header.pieces[0].name.key = "k/1";
  header.pieces[0].begin = 0;
  header.pieces[0].length = 5000;
  return header;
}

// Overwrites a field behind the CRC and makes the CRC right again.
void forge(std::span<std::byte> image, std::size_t offset, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) image[offset + i] = static_cast<std::byte>(value >> (8 * i));
  std::uint32_t length = 0;
  for (int i = 3; i >= 0; --i)
    length = length << 8 | std::to_integer<std::uint32_t>(image[12 + static_cast<std::size_t>(i)]);
  length = std::clamp<std::uint32_t>(length, kEnvelopeBytes, static_cast<std::uint32_t>(image.size()));
  end_envelope(image, length);
}

constexpr char kSuperblockGolden[] =
    "004752414e534231849018d0b00000000100000000000000101112131415161718191a1b1c1d1e1f4041424344454647"
    "48494a4b4c4d4e4f07000000000000000000100000000000000000040000000003000000000000000100000002000200"
    "37000000010200000000000001000000303132333435363738393a3b3c3d3e3f0000000400000000010004002f642f30"
    "404142434445464748494a4b4c4d4e4f0000000400000000010004002f642f31";
constexpr char kZoneHeaderGolden[] =
    "004752414e5a4831f2b16e0b700000000100000000000000101112131415161718191a1b1c1d1e1f4041424344454647"
    "48494a4b4c4d4e4f080706050403020109000000000000000068e5cf8b0100000c000000020002010000000005000000"
    "0100000006000000020000000c000000";
constexpr char kShardHeaderGolden[] =
    "004752414e5348312f6db850740000000100000000000000080706050403020109000000000000000400000000000000"
    "01000000010002000100020101000000111111112222222233333333aaaaaaaabbbbbbbb606162636465666768696a6b"
    "6c6d6e6f000000008813000001000300626b2f31";

TEST(Format, TheSuperblockIsThisImage) {
  const auto image = encode_superblock(example_superblock());
  EXPECT_EQ(image.size(), io::kBlockBytes);
  EXPECT_EQ(hex(std::span(image).first(176)), kSuperblockGolden);
  const Result<Superblock> back = decode_superblock(image);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->store, uuid(0x10));
  EXPECT_EQ(back->generation, 7u);
  EXPECT_EQ(back->mirrors.members, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(back->members[1].path, "/d/1");
  EXPECT_EQ(encode_superblock(*back), image);
}

TEST(Format, TheZoneHeaderIsThisImage) {
  std::array<std::byte, io::kBlockBytes> image;
  encode_zone_header(example_zone_header(), image);
  EXPECT_EQ(hex(std::span(image).first(112)), kZoneHeaderGolden);
  const Result<ZoneHeader> back = decode_zone_header(image);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->segment, 0x0102030405060708u);
  EXPECT_EQ(back->members[2].zone, 12u);
  EXPECT_EQ(back->scheme, (erasure::Scheme{2, 1}));
}

TEST(Format, TheShardHeaderIsThisImage) {
  std::vector<std::byte> image(io::kBlockBytes);
  encode_shard_header(example_shard_header(), image);
  EXPECT_EQ(hex(std::span(image).first(116)), kShardHeaderGolden);
  const Result<ShardHeader> back = decode_shard_header(image);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->pieces[0].name.key, "k/1");
  EXPECT_EQ(back->pieces[0].length, 5000u);
  std::vector<std::byte> again(io::kBlockBytes);
  encode_shard_header(*back, again);
  EXPECT_EQ(again, image);
}

TEST(Format, EveryFlippedBitIsRefused) {
  std::vector<std::byte> shard(io::kBlockBytes);
  encode_shard_header(example_shard_header(), shard);
  for (std::size_t bit = 0; bit < 116 * 8; ++bit) {
    shard[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_FALSE(decode_shard_header(shard)) << "bit " << bit;
    shard[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
  }
  auto super = encode_superblock(example_superblock());
  for (std::size_t bit = 0; bit < 176 * 8; ++bit) {
    super[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_FALSE(decode_superblock(super)) << "bit " << bit;
    super[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
  }
}

TEST(Format, EveryTruncationIsRefused) {
  std::vector<std::byte> image(io::kBlockBytes);
  encode_shard_header(example_shard_header(), image);
  for (std::size_t size = 0; size < 116; ++size)
    EXPECT_FALSE(decode_shard_header(std::span(image).first(size)));
}

TEST(Format, ALaterVersionOrAnUnknownFeatureIsUnsupported) {
  auto image = encode_superblock(example_superblock());
  forge(image, 16, 2, 4);
  EXPECT_EQ(decode_superblock(image).error(), Errc::unsupported);
  image = encode_superblock(example_superblock());
  forge(image, 20, 1, 4);
  EXPECT_EQ(decode_superblock(image).error(), Errc::unsupported);
}

TEST(Format, AWellSealedLieIsRefused) {
  struct Lie {
    std::size_t offset;
    std::uint64_t value;
    std::size_t size;
  };
  // Shard header: segment 0, stripe block 0, header blocks 0 and 17, shard blocks 0 and 257, index = width, k
  // = 0 and 17, m = 5, more pieces than bytes, a piece past the address space, names longer than the rest.
  for (const Lie lie :
       {Lie{24, 0, 8}, Lie{48, 0, 4}, Lie{52, 0, 2}, Lie{52, 17, 2}, Lie{54, 0, 2}, Lie{54, 257, 2},
        Lie{56, 3, 2}, Lie{58, 0, 1}, Lie{58, 17, 1}, Lie{59, 5, 1}, Lie{60, 0xffffffff, 4}, Lie{60, 0, 4},
        Lie{100, 16384, 4}, Lie{104, 0, 4}, Lie{108, 256, 2}, Lie{110, 1025, 2}, Lie{110, 4, 2}}) {
    std::vector<std::byte> image(io::kBlockBytes);
    encode_shard_header(example_shard_header(), image);
    forge(image, lie.offset, lie.value, lie.size);
    EXPECT_FALSE(decode_shard_header(image)) << "offset " << lie.offset << " value " << lie.value;
  }
  // Superblock: odd zone size, number beyond the table, no members, a mirror beyond the table, m = 5, state
  // 3, zones beyond the capacity, a path longer than the rest.
  for (const Lie lie :
       {Lie{64, 5 << 20, 8}, Lie{88, 2, 4}, Lie{88, 0, 4}, Lie{92, 0, 2}, Lie{92, 300, 2}, Lie{104, 2, 4},
        Lie{100, 5, 1}, Lie{101, 3, 1}, Lie{96, 56, 4}, Lie{96, 0, 4}, Lie{138, 255, 2}}) {
    auto image = encode_superblock(example_superblock());
    forge(image, lie.offset, lie.value, lie.size);
    EXPECT_FALSE(decode_superblock(image)) << "offset " << lie.offset << " value " << lie.value;
  }
}

TEST(Format, RandomBytesBehindAGoodCrcNeverCrashTheDecoders) {
  tests::SeededRandom random(tests::test_seed(3));
  std::vector<std::byte> image(io::kBlockBytes);
  for (int round = 0; round < 20'000; ++round) {
    encode_shard_header(example_shard_header(), image);
    const std::uint64_t changes = 1 + random.below(4);
    for (std::uint64_t i = 0; i < changes; ++i) forge(image, 24 + random.below(92), random.next(), 1);
    [[maybe_unused]] const auto shard = decode_shard_header(image);
    image = encode_superblock(example_superblock());
    for (std::uint64_t i = 0; i < changes; ++i) forge(image, 24 + random.below(152), random.next(), 1);
    [[maybe_unused]] const auto super = decode_superblock(image);
    for (std::byte& byte : image) byte = static_cast<std::byte>(random.next());
    EXPECT_FALSE(decode_zone_header(image));
  }
}

TEST(Format, TheLargestTableOfMembersFits) {
  Superblock block = example_superblock();
  block.members.assign(kMembersMax, block.members[1]);
  for (auto& member : block.members) member.path = std::string(1000, 'p');
  block.mirrors.members.clear();
  for (std::uint32_t i = 0; i < kMembersMax; ++i) block.mirrors.members.push_back(i);
  const auto image = encode_superblock(block);
  EXPECT_LE(image.size(), kSuperblockBytesMax);
  const auto back = decode_superblock(image);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->members.back().path.size(), kPathHintBytesMax);
}

}  // namespace
}  // namespace storage::segment
