// The P of orders, shards and batches: every row of its table, every error, and how positions are dealt.
#include "storage/dataset/order_parameters.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace storage::dataset {
namespace {

OrderParameters good(std::string_view text, OrderUse use = OrderUse::batches) {
  const ParsedOrder parsed = parse_order(text, use);
  EXPECT_EQ(parsed.error, "") << text;
  return parsed.parameters;
}

std::string wrong(std::string_view text, OrderUse use = OrderUse::batches) {
  const ParsedOrder parsed = parse_order(text, use);
  EXPECT_NE(parsed.error, "") << text;
  return parsed.error;
}

TEST(OrderParametersTest, Defaults) {
  const OrderParameters p = good("seed=0");
  EXPECT_EQ(p.seed, 0u);
  EXPECT_EQ(p.epoch, 0u);
  EXPECT_EQ(p.size, 1000u);
  EXPECT_EQ(p.start, 0u);
  EXPECT_EQ(p.rank, 0u);
  EXPECT_EQ(p.world, 1u);
  EXPECT_EQ(p.query, "");
  EXPECT_EQ(p.labels, "all");
  EXPECT_FALSE(p.sealed_order);
  EXPECT_FALSE(p.drawn());
}

TEST(OrderParametersTest, EveryNameInAnyOrder) {
  const OrderParameters p = good(
      "world=4,rank=3,size=7,start=11,epoch=2,seed=18446744073709551615,query=a %3D 'x%2Fy%25%2C',balance=truth.class,"
      "labels=none,order=sealed");
  EXPECT_EQ(p.seed, UINT64_MAX);
  EXPECT_EQ(p.epoch, 2u);
  EXPECT_EQ(p.size, 7u);
  EXPECT_EQ(p.start, 11u);
  EXPECT_EQ(p.rank, 3u);
  EXPECT_EQ(p.world, 4u);
  EXPECT_EQ(p.query, "a = 'x/y%,'");
  EXPECT_EQ(p.balance, "truth.class");
  EXPECT_EQ(p.labels, "none");
  EXPECT_TRUE(p.sealed_order);
  EXPECT_TRUE(p.drawn());
  EXPECT_EQ(good("weight=score,order=random").weight, "score");
}

TEST(OrderParametersTest, WhatIsWrong) {
  for (const char* text :
       {"", ",", "seed", "=1", "seed=", "seed=-1", "seed=+1", "seed=1x", "seed= 1", "seed=18446744073709551616", "seed=1,",
        "seed=1,seed=1", "sed=1", "Seed=1", "size=0", "size=1000001", "rank=1", "rank=4,world=4", "world=0",
        "balance=a,weight=b", "balance=", "query=", "labels=", "order=shuffled", "query=a%3", "query=%zz", "query=a=1",
        "start=1.5", "epoch=0x1"}) {
    wrong(text);
  }
  wrong("rank=0", OrderUse::shards);
  wrong("world=1", OrderUse::shards);
  good("rank=1,world=2", OrderUse::order);
  EXPECT_NE(wrong("color=red").find("color"), std::string::npos);
}

TEST(OrderParametersTest, CanonicalTextIsTheSameForTheSameMeaning) {
  EXPECT_EQ(good("seed=1,epoch=2").canonical(), good("epoch=2,size=1000,seed=01").canonical());
  EXPECT_NE(good("seed=1").canonical(), good("seed=2").canonical());
  EXPECT_EQ(good("order=sealed,seed=1").canonical(), good("order=sealed,seed=2").canonical());
  EXPECT_EQ(good(good("query=a%2Cb %3D 1,labels=x").canonical()).query, "a,b = 1");
}

TEST(OrderParametersTest, TarNames) {
  EXPECT_EQ(tar_name(0), "000000.tar");
  EXPECT_EQ(tar_name(1'234'567), "1234567.tar");
  EXPECT_EQ(parse_tar_name("000042.tar"), std::optional<std::uint64_t>(42));
  EXPECT_EQ(parse_tar_name("1234567.tar"), std::optional<std::uint64_t>(1'234'567));
  for (const char* name : {"42.tar", "0000042.tar", "000042.TAR", "000042", ".tar", "00004x.tar", "-00042.tar"}) {
    EXPECT_FALSE(parse_tar_name(name)) << name;
  }
}

// Whatever the world, the start and the size: every position from the start on is in exactly one batch, in order.
TEST(OrderParametersTest, EveryPositionIsDealtOnce) {
  for (const std::uint64_t positions : {0u, 1u, 5u, 64u, 101u}) {
    for (const std::uint64_t world : {1u, 2u, 3u, 7u}) {
      for (const std::uint64_t start : {0u, 1u, 50u, 100u, 101u, 500u}) {
        for (const std::uint64_t size : {1u, 3u, 50u, 1000u}) {
          std::set<std::uint64_t> dealt;
          for (std::uint64_t rank = 0; rank < world; ++rank) {
            OrderParameters p;
            p.world = world;
            p.rank = rank;
            p.start = start;
            p.size = size;
            std::uint64_t count = 0;
            const std::uint64_t tars = tar_count(p, positions);
            std::optional<std::uint64_t> last;
            for (std::uint64_t number = 0; number < tars; ++number) {
              const PositionRange range = tar_positions(p, positions, number).value();
              ASSERT_GT(range.count, 0u);
              ASSERT_TRUE(range.count == size || number + 1 == tars);
              for (std::uint64_t i = 0; i < range.count; ++i) {
                const std::uint64_t position = range.at(i);
                ASSERT_TRUE(!last || *last < position);
                last = position;
                ASSERT_LT(position, positions);
                ASSERT_EQ((position - start) % world, rank);
                ASSERT_TRUE(dealt.insert(position).second);
                ++count;
              }
            }
            ASSERT_EQ(count, positions_of(p, positions).count);
            ASSERT_FALSE(tar_positions(p, positions, tars));
          }
          ASSERT_EQ(dealt.size(), positions > start ? positions - start : 0);
        }
      }
    }
  }
}

TEST(OrderParametersTest, NothingOverflows) {
  OrderParameters p;
  p.start = UINT64_MAX;
  p.rank = UINT64_MAX - 1;
  p.world = UINT64_MAX;
  EXPECT_EQ(tar_count(p, 1000), 0u);
  p.start = 999;
  p.rank = 0;
  EXPECT_EQ(tar_count(p, 1000), 1u);
  EXPECT_EQ(tar_positions(p, 1000, 0)->first, 999u);
}

}  // namespace
}  // namespace storage::dataset
