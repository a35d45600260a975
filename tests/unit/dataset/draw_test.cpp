// Draws with replacement, and the sets that they and the queries are made of.
#include "storage/dataset/draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "storage/dataset/keyed_hash.h"
#include "storage/dataset/selection.h"

namespace storage::dataset {
namespace {

TEST(DrawTest, EveryClassIsEquallyLikelyAndEveryMemberOfIt) {
  // One of a class, nine of another, ninety of the third.
  std::vector<std::uint32_t> members;
  for (std::uint32_t i = 0; i < 100; ++i) members.push_back(i);
  const BalancedDraw draw(members, {1, 10, 100});
  const std::string digest = sha256("d");
  const DrawWords words({digest, 1, 2});
  std::vector<int> counts(100);
  constexpr int kDraws = 270'000;
  for (int p = 0; p < kDraws; ++p) ++counts[draw.at(words, static_cast<std::uint64_t>(p))];
  EXPECT_NEAR(counts[0], kDraws / 3, 1500);
  double chi = 0;
  for (std::size_t i = 10; i < 100; ++i) chi += (counts[i] - 1000.0) * (counts[i] - 1000.0) / 1000.0;
  EXPECT_LT(chi, 160);  // 89 degrees of freedom
  for (std::size_t i = 1; i < 10; ++i) EXPECT_NEAR(counts[i], 10'000, 500);
}

TEST(DrawTest, WeightsAreProportionsAndNothingElseIsDrawn) {
  WeightedDraw draw;
  draw.add(3, 1);
  draw.add(5, 0);
  draw.add(6, -4);
  draw.add(7, std::nan(""));
  draw.add(9, 3);
  draw.finish();
  const std::string digest = sha256("d");
  const DrawWords words({digest, 0, 0});
  int three = 0;
  constexpr int kDraws = 100'000;
  for (int p = 0; p < kDraws; ++p) {
    const std::uint64_t index = draw.at(words, static_cast<std::uint64_t>(p));
    ASSERT_TRUE(index == 3 || index == 9);
    three += index == 3;
  }
  EXPECT_NEAR(three, kDraws / 4, 700);
}

TEST(DrawTest, WeightsOfAnySizeAdd) {
  WeightedDraw draw;
  draw.add(0, 1e308);
  draw.add(1, 1e308);
  draw.add(2, 1e-300);
  draw.finish();
  const std::string digest = sha256("d");
  const DrawWords words({digest, 0, 0});
  int first = 0;
  for (std::uint64_t p = 0; p < 10'000; ++p) first += draw.at(words, p) == 0;
  EXPECT_NEAR(first, 5000, 300);
}

TEST(DrawTest, NothingToDrawFrom) {
  WeightedDraw weighted;
  weighted.add(1, 0);
  weighted.finish();
  EXPECT_TRUE(weighted.empty());
  EXPECT_TRUE(BalancedDraw({}, {}).empty());
}

// Part of the format, as the permutation's are.
TEST(DrawTest, GoldenVectors) {
  const std::string digest = sha256("granary");
  const DrawWords words({digest, 42, 3});
  EXPECT_EQ(words.at(0)[0], 16075648197174126465u);
  EXPECT_EQ(words.at(0)[1], 17045444846566147140u);
  EXPECT_EQ(words.at(1'000'000)[0], 9444707919891776302u);
  WeightedDraw draw;
  for (std::uint32_t i = 0; i < 1000; ++i) draw.add(i, 1 + i % 7);
  draw.finish();
  std::vector<std::uint64_t> drawn;
  for (std::uint64_t p = 0; p < 6; ++p) drawn.push_back(draw.at(words, p));
  EXPECT_EQ(drawn, (std::vector<std::uint64_t>{872, 52, 916, 391, 144, 209}));
}

TEST(SelectionTest, SelectsTheKthMember) {
  std::mt19937_64 random(5);
  for (const std::uint64_t size : {1u, 64u, 65u, 511u, 512u, 513u, 10'000u}) {
    for (const unsigned one_in : {1u, 2u, 100u}) {
      Selection selection(size);
      std::vector<std::uint64_t> members;
      for (std::uint64_t i = 0; i < size; ++i) {
        if (random() % one_in != 0) continue;
        selection.add(i);
        members.push_back(i);
      }
      selection.finish();
      ASSERT_EQ(selection.count(), members.size());
      for (std::size_t k = 0; k < members.size(); ++k) {
        ASSERT_EQ(selection.select(k), members[k]);
        ASSERT_EQ(selection.rank(members[k]), k);
      }
    }
  }
}

}  // namespace
}  // namespace storage::dataset
