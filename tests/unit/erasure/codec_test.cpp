#include "erasure/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <random>
#include <thread>
#include <vector>

#include "erasure/matrix.h"

namespace erasure {
namespace {

using Bytes = std::vector<std::byte>;

// Product in GF(2^8) modulo 0x11d, from the definition.
std::uint8_t multiply(unsigned a, unsigned b) {
  unsigned product = 0;
  for (; b != 0; b >>= 1) {
    if ((b & 1) != 0) product ^= a;
    a <<= 1;
    if ((a & 0x100) != 0) a ^= 0x11d;
  }
  return static_cast<std::uint8_t>(product);
}

std::uint8_t inverse(unsigned value) {
  for (unsigned other = 1; other < 256; ++other) {
    if (multiply(value, other) == 1) return static_cast<std::uint8_t>(other);
  }
  return 0;
}

struct Stripe {
  std::vector<Bytes> shards;

  Stripe(const Codec& codec, std::size_t length, unsigned seed) {
    std::mt19937_64 random(seed);
    const Scheme scheme = codec.scheme();
    shards.resize(scheme.data + scheme.parity, Bytes(length));
    for (unsigned i = 0; i < scheme.data; ++i) {
      for (auto& value : shards[i]) value = static_cast<std::byte>(random());
    }
    std::vector<Shard> pointers;
    for (auto& shard : shards) pointers.push_back(shard.data());
    codec.encode(length, std::span(pointers).first(scheme.data), std::span(pointers).subspan(scheme.data));
  }
};

// Loses the shards of `lost` and rebuilds them from the first k others (or the last k, to use other rows).
void expect_rebuilt(const Codec& codec, Stripe& stripe, std::uint32_t lost_bits, bool last) {
  const unsigned total = codec.scheme().data + codec.scheme().parity;
  const std::size_t length = stripe.shards[0].size();
  std::vector<unsigned> present, lost;
  for (unsigned i = 0; i < total; ++i) ((lost_bits >> i & 1) != 0 ? lost : present).push_back(i);
  if (last) present.erase(present.begin(), present.end() - codec.scheme().data);
  present.resize(codec.scheme().data);
  std::vector<Shard> source, target;
  std::vector<Bytes> made(lost.size(), Bytes(length, std::byte{0x5a}));
  for (unsigned shard : present) source.push_back(stripe.shards[shard].data());
  for (auto& bytes : made) target.push_back(bytes.data());
  codec.rebuild(length, present, source, lost, target);
  for (std::size_t i = 0; i < lost.size(); ++i) {
    ASSERT_EQ(made[i], stripe.shards[lost[i]]) << codec.scheme().data << "+" << codec.scheme().parity
                                               << " lost " << lost_bits << " shard " << lost[i];
  }
}

TEST(Coefficient, FollowsTheDefinitionEverywhere) {
  std::array<std::uint8_t, 256> inverses{};
  for (unsigned value = 1; value < 256; ++value) inverses[value] = inverse(value);
  for (unsigned row = 0; row < 128; ++row) {
    for (unsigned column = 0; column < 128; ++column) {
      ASSERT_EQ(coefficient(row, column),
                multiply(inverses[(128 + row) ^ column], inverses[inverses[128 ^ column]]));
    }
  }
}

TEST(Coefficient, TheFirstParityIsTheXorOfTheData) {
  for (unsigned column = 0; column < 128; ++column) ASSERT_EQ(coefficient(0, column), 1);
}

// These bytes are on drives: a change here is a change of the on-disk format.
TEST(Coefficient, GoldenRows) {
  const std::array<std::array<std::uint8_t, 16>, 4> rows{
      {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
       {85, 26, 28, 160, 205, 125, 177, 229, 48, 72, 44, 38, 104, 82, 244, 3},
       {94, 59, 55, 169, 212, 124, 249, 132, 79, 91, 147, 99, 5, 246, 167, 211},
       {38, 255, 253, 44, 204, 48, 72, 133, 118, 104, 82, 218, 3, 7, 186, 244}}};
  for (unsigned row = 0; row < 4; ++row) {
    for (unsigned column = 0; column < 16; ++column) EXPECT_EQ(coefficient(row, column), rows[row][column]);
  }
}

TEST(Codec, GoldenParity) {
  const Codec codec({4, 3});
  std::array<std::array<std::byte, 5>, 7> shards{};
  for (unsigned i = 0; i < 4; ++i) {
    for (unsigned j = 0; j < 5; ++j) shards[i][j] = static_cast<std::byte>(i * 67 + j * 29 + 1);
  }
  std::vector<Shard> pointers;
  for (auto& shard : shards) pointers.push_back(shard.data());
  codec.encode(5, std::span(pointers).first(4), std::span(pointers).subspan(4));
  const std::array<std::array<unsigned, 5>, 3> parity{
      {{8, 60, 128, 60, 8}, {132, 197, 237, 20, 150}, {130, 199, 89, 32, 254}}};
  for (unsigned row = 0; row < 3; ++row) {
    for (unsigned j = 0; j < 5; ++j) {
      EXPECT_EQ(static_cast<unsigned>(shards[4 + row][j]), parity[row][j]);
    }
  }
}

TEST(Codec, EncodeFollowsTheMatrixForEveryGeometry) {
  for (unsigned data = 1; data <= kDataShardsMax; ++data) {
    for (unsigned parity = 0; parity <= kParityShardsMax; ++parity) {
      const Codec codec({data, parity});
      Stripe stripe(codec, 67, data * 10 + parity);
      for (unsigned row = 0; row < parity; ++row) {
        for (std::size_t at = 0; at < 67; ++at) {
          unsigned sum = 0;
          for (unsigned j = 0; j < data; ++j) {
            sum ^= multiply(coefficient(row, j), static_cast<unsigned>(stripe.shards[j][at]));
          }
          ASSERT_EQ(static_cast<unsigned>(stripe.shards[data + row][at]), sum);
        }
      }
    }
  }
}

TEST(Codec, ParityDoesNotDependOnTrailingZeroShards) {
  const std::size_t length = 100;
  const Codec narrow({3, 4});
  Stripe stripe(narrow, length, 9);
  for (unsigned data = 4; data <= kDataShardsMax; ++data) {
    const Codec wide({data, 4});
    std::vector<Bytes> shards(stripe.shards.begin(), stripe.shards.begin() + 3);
    shards.resize(data + 4, Bytes(length));
    std::vector<Shard> pointers;
    for (auto& shard : shards) pointers.push_back(shard.data());
    wide.encode(length, std::span(pointers).first(data), std::span(pointers).subspan(data));
    for (unsigned row = 0; row < 4; ++row) ASSERT_EQ(shards[data + row], stripe.shards[3 + row]);
  }
}

TEST(Codec, EveryLossPatternOfEveryGeometryIsRebuilt) {
  for (unsigned data = 1; data <= kDataShardsMax; ++data) {
    for (unsigned parity = 1; parity <= kParityShardsMax; ++parity) {
      const Codec codec({data, parity});
      Stripe stripe(codec, 35, data * 100 + parity);
      for (std::uint32_t lost = 1; lost < std::uint32_t{1} << (data + parity); ++lost) {
        if (static_cast<unsigned>(std::popcount(lost)) > parity) continue;
        ASSERT_NO_FATAL_FAILURE(expect_rebuilt(codec, stripe, lost, false));
        ASSERT_NO_FATAL_FAILURE(expect_rebuilt(codec, stripe, lost, true));
      }
    }
  }
}

TEST(Codec, EveryChoiceOfPresentShardsIsInvertible) {
  for (unsigned data = 1; data <= kDataShardsMax; ++data) {
    const unsigned total = data + kParityShardsMax;
    for (std::uint32_t absent = 0; absent < std::uint32_t{1} << total; ++absent) {
      if (std::popcount(absent) != static_cast<int>(kParityShardsMax)) continue;
      std::vector<std::uint8_t> matrix;
      for (unsigned shard = 0; shard < total; ++shard) {
        if ((absent >> shard & 1) != 0) continue;
        for (unsigned column = 0; column < data; ++column) {
          matrix.push_back(shard < data ? shard == column : coefficient(shard - data, column));
        }
      }
      const auto inverted = invert(data, matrix);
      ASSERT_FALSE(inverted.empty()) << data << "+4 without " << absent;
    }
  }
}

TEST(Codec, ASingularMatrixIsReported) { EXPECT_TRUE(invert(2, {1, 2, 1, 2}).empty()); }

TEST(Codec, LengthsAroundTheVectorWidths) {
  const Codec codec({6, 2});
  for (std::size_t length : {1u, 2u, 15u, 16u, 31u, 32u, 33u, 63u, 64u, 65u, 127u, 4096u, 65537u}) {
    Stripe stripe(codec, length, static_cast<unsigned>(length));
    ASSERT_NO_FATAL_FAILURE(expect_rebuilt(codec, stripe, 0b00010010, false));
    ASSERT_NO_FATAL_FAILURE(expect_rebuilt(codec, stripe, 0b01000001, true));
  }
}

TEST(Codec, LostShardsMayBeNamedInAnyOrder) {
  const Codec codec({4, 2});
  Stripe stripe(codec, 64, 3);
  const std::array<unsigned, 4> present{0, 2, 4, 5};
  const std::array<unsigned, 2> lost{3, 1};
  std::vector<Shard> source;
  for (unsigned shard : present) source.push_back(stripe.shards[shard].data());
  Bytes three(64), one(64);
  const std::array<Shard, 2> target{three.data(), one.data()};
  codec.rebuild(64, present, source, lost, target);
  EXPECT_EQ(three, stripe.shards[3]);
  EXPECT_EQ(one, stripe.shards[1]);
}

TEST(Codec, ManyThreadsShareTheTableCache) {
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([seed] {
      const Codec codec({10, 4});
      Stripe stripe(codec, 40, seed);
      std::mt19937 random(seed);
      for (int i = 0; i < 2000; ++i) {
        std::uint32_t lost = 0;
        for (int j = 0; j < 4; ++j) lost |= std::uint32_t{1} << (random() % 14);
        expect_rebuilt(codec, stripe, lost, random() % 2 == 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace erasure
