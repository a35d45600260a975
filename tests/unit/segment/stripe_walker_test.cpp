#include <gtest/gtest.h>

#include <map>

#include "storage/base/log.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::run_task;
using tests::StoreRig;
using tests::StoreRigOptions;

Task<Result<std::optional<StripeInfo>>> next_of(SegmentStore& store, SegmentId segment, std::uint32_t from) {
  co_return co_await store.next_stripe(segment, from);
}

Task<Result<>> free_one(SegmentStore& store, SegmentId segment) {
  std::vector<SegmentId> ids(1, segment);
  co_return co_await store.free_segments(std::move(ids));
}

class StripeWalkerTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }

  // Small stripes, then one of 1 MiB: all in one segment. Sealed by a restart.
  void fill(StoreRig& rig) {
    ASSERT_TRUE(rig.boot()) << rig.why;
    for (const std::size_t size : {10, 5'000, 70'000, 300'000, 20, 1'000}) {
      auto appended = rig.append(tests::random_bytes(random, size), "key-" + std::to_string(size));
      ASSERT_TRUE(appended);
      extents.push_back(appended->extent);
    }
    reboot(rig);
  }

  void reboot(StoreRig& rig) {
    rig.halt();
    rig.disks.reboot();
    ASSERT_TRUE(rig.boot()) << rig.why;
  }

  // Blocks of the stripes found; empty after an error.
  std::vector<std::uint32_t> walk(StoreRig& rig, SegmentId segment) {
    std::vector<std::uint32_t> blocks;
    error = Error();
    std::uint32_t from = 0;
    while (true) {
      Result<std::optional<StripeInfo>> stripe = run_task(rig.context, next_of(*rig.store, segment, from));
      if (!stripe) {
        error = stripe.error();
        return {};
      }
      if (!*stripe) return blocks;
      EXPECT_GE((*stripe)->block, from);
      EXPECT_GT((*stripe)->next_block, (*stripe)->block);
      blocks.push_back((*stripe)->block);
      last = **stripe;
      from = (*stripe)->next_block;
    }
  }

  std::vector<std::uint32_t> expected() const {
    std::vector<std::uint32_t> blocks;
    for (const Extent& extent : extents) blocks.push_back(extent.stripe_block);
    return blocks;
  }

  // Makes the header of one shard unreadable.
  void spoil(StoreRig& rig, const Extent& extent, unsigned shard) {
    rig.disks.rot(rig.disk_of(extent, shard), rig.offset_of(extent, shard, 0) + 30, 8);
  }

  tests::SeededRandom random{tests::test_seed(7)};
  std::vector<Extent> extents;
  StripeInfo last;
  Error error;
};

TEST_F(StripeWalkerTest, FindsEveryStripeWithItsDirectory) {
  StoreRig rig{StoreRigOptions{}};
  fill(rig);
  EXPECT_EQ(walk(rig, extents[0].segment), expected());
  EXPECT_FALSE(error);
  ASSERT_EQ(last.pieces.size(), 1u);
  EXPECT_EQ(last.pieces[0].name.key, "key-1000");
  EXPECT_EQ(last.pieces[0].length, 1'000u);
  EXPECT_EQ(last.shard_blocks, extents.back().shard_blocks);
  EXPECT_EQ(last.header_blocks, extents.back().header_blocks);
  EXPECT_EQ(last.sequence, extents.size());
  EXPECT_EQ(rig.store->segments().size(), 1u);
}

TEST_F(StripeWalkerTest, OneSoundHeaderIsEnough) {
  StoreRig rig{StoreRigOptions{}};
  fill(rig);
  for (std::size_t i = 0; i < extents.size(); ++i) {
    for (unsigned shard = 0; shard < 6; ++shard) {
      if (shard != i % 6) spoil(rig, extents[i], shard);
    }
  }
  EXPECT_EQ(walk(rig, extents[0].segment), expected());
}

TEST_F(StripeWalkerTest, GoesOnBehindAHole) {
  StoreRig rig{StoreRigOptions{}};
  fill(rig);
  for (const std::size_t hole : {0, 3}) {
    for (unsigned shard = 0; shard < 6; ++shard) spoil(rig, extents[hole], shard);
  }
  std::vector<std::uint32_t> rest = expected();
  rest.erase(rest.begin() + 3);
  rest.erase(rest.begin());
  EXPECT_EQ(walk(rig, extents[0].segment), rest);
}

TEST_F(StripeWalkerTest, AStripeBehindAHoleShowsOnAnyOfEnoughShards) {
  StoreRig rig{StoreRigOptions{}};
  fill(rig);
  for (unsigned shard = 0; shard < 6; ++shard) spoil(rig, extents[2], shard);
  for (unsigned first = 0; first < 6; ++first) {
    // m shards of the next stripe are rotten too: another pair each time.
    SCOPED_TRACE(first);
    const Extent& behind = extents[3];
    std::map<unsigned, std::vector<std::byte>> before;
    for (const unsigned shard : {first, (first + 1) % 6}) {
      before[shard].resize(io::kBlockBytes);
      rig.disks.peek(rig.disk_of(behind, shard), rig.offset_of(behind, shard, 0), before[shard]);
      spoil(rig, behind, shard);
    }
    std::vector<std::uint32_t> rest = expected();
    rest.erase(rest.begin() + 2);
    EXPECT_EQ(walk(rig, behind.segment), rest);
    for (const auto& [shard, bytes] : before) {
      rig.disks.poke(rig.disk_of(behind, shard), rig.offset_of(behind, shard, 0), bytes);
    }
  }
}

TEST_F(StripeWalkerTest, SilentDrivesWithinToleranceAreNoMatterAndMoreAreAnError) {
  StoreRig rig{StoreRigOptions{}};
  fill(rig);
  rig.disks.pull(1);
  rig.disks.pull(4);
  EXPECT_EQ(walk(rig, extents[0].segment), expected());
  rig.disks.pull(0);
  EXPECT_TRUE(walk(rig, extents[0].segment).empty());
  EXPECT_EQ(error, Errc::io_error);
}

TEST_F(StripeWalkerTest, AnotherSegmentsHeadersAreNotOurs) {
  StoreRig rig{StoreRigOptions{}};
  fill(rig);
  const SegmentId old = extents[0].segment;
  const SegmentRecord zones = rig.catalog.records.at(old);
  extents.clear();
  // Freed and written again, until the shards lie on the same drives: the zones carry both segments' headers, those of
  // the first behind those of the second.
  Result<> freed = run_task(rig.context, free_one(*rig.store, old));
  ASSERT_TRUE(freed);
  while (extents.empty()) {
    auto appended = rig.append(tests::random_bytes(random, 10));
    ASSERT_TRUE(appended);
    const Extent extent = appended->extent;
    appended = Errc::not_found;
    reboot(rig);
    if (rig.catalog.records.at(extent.segment).members == zones.members) {
      extents.push_back(extent);
      continue;
    }
    ASSERT_LT(extent.segment, old + 12);
    freed = run_task(rig.context, free_one(*rig.store, extent.segment));
    ASSERT_TRUE(freed);
  }
  EXPECT_EQ(walk(rig, extents[0].segment), expected());
}

TEST_F(StripeWalkerTest, SpaceThatWasNeverWrittenIsEmptyNotUnreadable) {
  StoreRigOptions options;
  options.prepared_bytes = 0;
  StoreRig rig{options};
  fill(rig);
  EXPECT_EQ(walk(rig, extents[0].segment), expected());
  EXPECT_FALSE(error);
}

TEST_F(StripeWalkerTest, OpenAndUnknownSegmentsAreRefused) {
  StoreRig rig{StoreRigOptions{}};
  fill(rig);
  auto appended = rig.append(tests::random_bytes(random, 10));
  ASSERT_TRUE(appended);
  walk(rig, appended->extent.segment);
  EXPECT_EQ(error, Errc::conflict);
  walk(rig, 999);
  EXPECT_EQ(error, Errc::not_found);
}

}  // namespace
}  // namespace storage::segment
