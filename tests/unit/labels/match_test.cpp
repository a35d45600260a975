#include "storage/labels/match.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/seeded_random.h"

namespace storage::labels {
namespace {

constexpr Ordinal kUniverse = 40;

OrdinalSet set_of(const std::set<Ordinal>& ordinals) {
  OrdinalSet set;
  set.add_all({ordinals.begin(), ordinals.end()});
  return set;
}

TEST(OrdinalSet, BehavesAsASet) {
  OrdinalSet set = set_of({1, 5, 70'000, 1ULL << 40});
  EXPECT_EQ(set.size(), 4U);
  EXPECT_TRUE(set.contains(1ULL << 40));
  set.remove(5);
  set.remove(6);
  EXPECT_EQ(set.slice(0, 10), (std::vector<Ordinal>{1, 70'000, 1ULL << 40}));
  EXPECT_EQ(set.slice(2, 1), (std::vector<Ordinal>{70'000}));
  EXPECT_EQ(set.slice(70'001, 9), (std::vector<Ordinal>{1ULL << 40}));
  EXPECT_TRUE(set.slice((1ULL << 40) + 1, 9).empty());
  OrdinalSet copy(set);
  copy.add(2);
  EXPECT_FALSE(set.contains(2));
  EXPECT_FALSE(set == copy);
  copy -= set;
  EXPECT_EQ(copy, set_of({2}));
  copy |= set;
  copy &= set_of({2, 70'000});
  EXPECT_EQ(copy, set_of({2, 70'000}));
  EXPECT_TRUE(OrdinalSet().empty());
  EXPECT_TRUE(OrdinalSet().slice(0, 5).empty());
}

// A random expression over random sets with doubts, next to what is true of each ordinal whatever the doubts turn out to be.
struct Expression {
  Match match;
  std::vector<bool> truth;  // with the doubts settled at random
};

Expression random_expression(tests::SeededRandom& random, int depth) {
  Expression result;
  const auto kind = depth == 0 ? random.below(2) : random.below(5);
  if (kind == 0) {
    std::set<Ordinal> in;
    std::set<Ordinal> doubt;
    for (Ordinal i = 0; i < kUniverse; ++i) {
      const bool member = random.below(2) == 0;
      const bool doubted = member && random.below(4) == 0;
      if (member) in.insert(i);
      if (doubted) doubt.insert(i);
      result.truth.push_back(member && (!doubted || random.below(2) == 0));
    }
    result.match = Match::of(std::make_shared<const OrdinalSet>(set_of(in)), std::make_shared<const OrdinalSet>(set_of(doubt)));
    return result;
  }
  if (kind == 1) {
    result.match = Match::unknown();
    for (Ordinal i = 0; i < kUniverse; ++i) result.truth.push_back(random.below(2) == 0);
    return result;
  }
  if (kind == 2) {
    result = random_expression(random, depth - 1);
    result.match = negation(std::move(result.match));
    result.truth.flip();
    return result;
  }
  const bool all = kind == 3;
  std::vector<Match> matches;
  result.truth.assign(kUniverse, all);
  const auto parts = 1 + random.below(4);
  for (std::uint64_t i = 0; i < parts; ++i) {
    Expression part = random_expression(random, depth - 1);
    for (std::size_t at = 0; at < kUniverse; ++at) {
      result.truth[at] = all ? result.truth[at] && part.truth[at] : result.truth[at] || part.truth[at];
    }
    matches.push_back(std::move(part.match));
  }
  result.match = all ? all_of(std::move(matches)) : any_of(std::move(matches));
  return result;
}

TEST(Match, BoundsHoldForEveryExpression) {
  tests::SeededRandom random(20261121);
  for (int round = 0; round < 3000; ++round) {
    const Expression expression = random_expression(random, 4);
    for (Ordinal i = 0; i < kUniverse; ++i) {
      if (expression.match.surely.contains(i)) {
        EXPECT_TRUE(expression.truth[i]) << round << " " << i;
      }
      if (expression.truth[i]) {
        EXPECT_TRUE(expression.match.perhaps.contains(i)) << round << " " << i;
      }
    }
  }
}

TEST(Match, StaysExactWithoutDoubts) {
  const auto set = [](std::set<Ordinal> of) { return Match::of(std::make_shared<const OrdinalSet>(set_of(of)), nullptr); };
  std::vector<Match> parts;
  parts.push_back(set({1, 2, 3}));
  parts.push_back(negation(set({2})));
  const Match match = all_of(std::move(parts));
  EXPECT_TRUE(match.exact());
  EXPECT_EQ(*match.perhaps.set, set_of({1, 3}));
  EXPECT_TRUE(Match::nobody().perhaps.none());
  EXPECT_FALSE(Match::unknown().exact());
}

}  // namespace
}  // namespace storage::labels
