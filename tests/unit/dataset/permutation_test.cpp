// The order of an epoch: a bijection of any size, the same for ever, and as random as chi-square and serial tests can tell.
#include "storage/dataset/permutation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "storage/dataset/keyed_hash.h"
#include "storage/dataset/splits.h"

namespace storage::dataset {
namespace {

OrderKey key(std::uint64_t seed, std::uint64_t epoch = 0) {
  static const std::string kDigest = sha256("a dataset");
  return {kDigest, seed, epoch};
}

TEST(PermutationTest, IsABijectionOfEverySizeAndKnowsItsInverse) {
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t size = 1; size <= 70; ++size) sizes.push_back(size);
  for (const std::uint64_t size : {255u, 256u, 257u, 1000u, 1023u, 1024u, 1025u, 4096u, 65'537u}) sizes.push_back(size);
  for (const std::uint64_t size : sizes) {
    const Permutation order(key(size), size);
    std::vector<bool> seen(size);
    for (std::uint64_t position = 0; position < size; ++position) {
      const std::uint64_t value = order.at(position);
      ASSERT_LT(value, size);
      ASSERT_FALSE(seen[value]) << "size " << size;
      seen[value] = true;
      ASSERT_EQ(order.position_of(value), position);
    }
  }
}

TEST(PermutationTest, WorksUpToTheLargestSize) {
  const std::uint64_t size = Permutation::kSizeMax;
  for (const std::uint64_t of : {size, size - 1, size / 2 + 1, size / 4}) {
    const Permutation order(key(1), of);
    std::set<std::uint64_t> seen;
    for (std::uint64_t position = 0; position < 2000; ++position) {
      const std::uint64_t value = order.at(position * (of / 2000));
      ASSERT_LT(value, of);
      ASSERT_TRUE(seen.insert(value).second);
      ASSERT_EQ(order.position_of(value), position * (of / 2000));
    }
  }
}

TEST(PermutationTest, AnotherSeedEpochOrDatasetIsAnotherOrder) {
  const std::string other = sha256("another dataset");
  const Permutation orders[] = {Permutation(key(0, 0), 1000), Permutation(key(1, 0), 1000), Permutation(key(0, 1), 1000),
                                Permutation({other, 0, 0}, 1000)};
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = a + 1; b < 4; ++b) {
      int same = 0;
      for (std::uint64_t position = 0; position < 1000; ++position) same += orders[a].at(position) == orders[b].at(position);
      EXPECT_LT(same, 10);  // one is to be expected
    }
  }
}

// Chi-square of a value's place over many keys. Of 99 degrees of freedom 1 in 100,000 is above 170.
TEST(PermutationTest, EveryPlaceIsEquallyLikely) {
  for (const std::uint64_t size : {100u, 300u, 5000u}) {
    std::vector<int> counts(100);
    constexpr int kKeys = 20'000;
    for (int seed = 0; seed < kKeys; ++seed) {
      const Permutation order(key(static_cast<std::uint64_t>(seed), 7), size);
      ++counts[order.at(size / 3) * 100 / size];
    }
    double chi = 0;
    for (const int count : counts) chi += (count - kKeys / 100.0) * (count - kKeys / 100.0) / (kKeys / 100.0);
    EXPECT_LT(chi, 170) << "size " << size;
    EXPECT_GT(chi, 45) << "size " << size;
  }
}

// All orders of four are equally likely. Of 23 degrees of freedom 1 in 100,000 is above 66.
TEST(PermutationTest, EveryOrderOfAFewIsEquallyLikely) {
  std::map<std::vector<std::uint64_t>, int> counts;
  constexpr int kKeys = 24'000;
  for (int seed = 0; seed < kKeys; ++seed) {
    const Permutation order(key(static_cast<std::uint64_t>(seed)), 4);
    ++counts[{order.at(0), order.at(1), order.at(2), order.at(3)}];
  }
  ASSERT_EQ(counts.size(), 24u);
  double chi = 0;
  for (const auto& [order, count] : counts) chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi, 66);
}

// The serial test: what comes next says nothing of what came. Neighbours fall into the cells of a 10 by 10 board.
TEST(PermutationTest, NeighboursAreIndependent) {
  constexpr std::uint64_t kSize = 200'000;
  const Permutation order(key(42), kSize);
  std::vector<int> cells(100);
  double product = 0;
  for (std::uint64_t position = 0; position + 1 < kSize; ++position) {
    const std::uint64_t here = order.at(position);
    const std::uint64_t next = order.at(position + 1);
    ++cells[here * 10 / kSize * 10 + next * 10 / kSize];
    product += (static_cast<double>(here) / kSize - 0.5) * (static_cast<double>(next) / kSize - 0.5);
  }
  double chi = 0;
  const double expected = (kSize - 1) / 100.0;
  for (const int count : cells) chi += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi, 150);  // 81 degrees of freedom
  // Correlation of neighbours: its standard deviation is 1/12/sqrt(n).
  EXPECT_LT(std::abs(product / kSize), 5.0 / 12 / std::sqrt(static_cast<double>(kSize)));
}

// Part of the format: a training job that resumes meets the order that it left. These numbers never change;
// a second implementation, in another language, gave them too.
TEST(PermutationTest, GoldenVectors) {
  const std::string digest = sha256("granary");
  const auto first = [&](std::uint64_t seed, std::uint64_t epoch, std::uint64_t size) {
    const Permutation order({digest, seed, epoch}, size);
    std::vector<std::uint64_t> values;
    for (std::uint64_t position = 0; position < std::min<std::uint64_t>(size, 8); ++position) values.push_back(order.at(position));
    return values;
  };
  using Values = std::vector<std::uint64_t>;
  EXPECT_EQ(first(0, 0, 10), (Values{5, 9, 0, 6, 4, 3, 2, 7}));
  EXPECT_EQ(first(42, 3, 1000), (Values{304, 769, 230, 231, 849, 356, 839, 537}));
  EXPECT_EQ(first(UINT64_MAX, 1, 100'000'000), (Values{23591537, 65391225, 9574138, 52252395, 82142019, 11528181, 80142952, 27936474}));
}

TEST(SplitsTest, GoldenVectors) {
  EXPECT_DOUBLE_EQ(split_point(0, "patient-1"), 0.15669588998848694);
  EXPECT_DOUBLE_EQ(split_point(7, "patient-1"), 0.4033793959059897);
  EXPECT_DOUBLE_EQ(split_point(0, ""), 0.9751601469611182);
}

TEST(SplitsTest, FractionsAreKeptAndGroupsStayWhereTheyAre) {
  const Splits splits({{"train", 0.8}, {"val", 0.1}, {"test", 0.1}}, 0);
  const Splits smaller({{"train", 0.5}, {"test", 0.1}}, 0);
  std::vector<int> counts(3);
  int nowhere = 0;
  constexpr int kGroups = 20'000;
  for (int i = 0; i < kGroups; ++i) {
    const std::string group = "writer-" + std::to_string(i);
    ++counts[*splits.of(group)];
    // "test" comes first in both, with the same interval.
    EXPECT_EQ(*splits.of(group) == 0, smaller.of(group) == std::optional<std::size_t>(0));
    if (!smaller.of(group)) ++nowhere;
  }
  EXPECT_NEAR(counts[0], kGroups * 0.1, 200);
  EXPECT_NEAR(counts[1], kGroups * 0.8, 300);
  EXPECT_NEAR(counts[2], kGroups * 0.1, 200);
  EXPECT_NEAR(nowhere, kGroups * 0.4, 350);
}

TEST(SplitsTest, OnlyFractionsThatFitAreTaken) {
  EXPECT_TRUE(Splits::valid({{"a", 0.8}, {"b", 0.1}, {"c", 0.1}}));
  EXPECT_TRUE(Splits::valid({{"a", 0}, {"b", 1}}));
  EXPECT_FALSE(Splits::valid({{"a", 0.8}, {"b", 0.3}}));
  EXPECT_FALSE(Splits::valid({{"a", -0.1}, {"b", 0.3}}));
  EXPECT_FALSE(Splits::valid({{"a", std::nan("")}}));
}

TEST(SplitsTest, NamesOfDatasets) {
  for (const char* name : {"a", "digits-v1", "0", "a--b"}) EXPECT_TRUE(is_dataset_name(name)) << name;
  for (const char* name : {"", "-a", "a-", "A", "a.b", "a_b", "a/b"}) EXPECT_FALSE(is_dataset_name(name)) << name;
}

}  // namespace
}  // namespace storage::dataset
