#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "storage/segment/format.h"
#include "storage/segment/geometry.h"
#include "storage/segment/stripe_layout.h"
#include "storage/segment/zone_allocator.h"
#include "tests/support/simulated_drive.h"

namespace storage::segment {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

TEST(Geometry, ZonesAreTheLargestOfWhichSixtyFourFit) {
  EXPECT_EQ(zone_bytes_for(64 * kMiB - 1), 0u);
  EXPECT_EQ(zone_bytes_for(64 * kMiB), kMiB);
  EXPECT_EQ(zone_bytes_for(256 * kMiB), 4 * kMiB);
  EXPECT_EQ(zone_bytes_for(4096 * kMiB), 64 * kMiB);
  EXPECT_EQ(zone_bytes_for(1ULL << 50), 256 * kMiB);
  EXPECT_EQ(usable_zones(64 * kMiB, kMiB), 55u);
}

TEST(Geometry, FollowsTheTableOfDomains) {
  const std::vector<std::tuple<unsigned, unsigned, unsigned>> rows = {
      {1, 1, 0},  {2, 1, 1},  {3, 1, 2},  {4, 2, 2},  {5, 3, 2},  {6, 4, 2},   {7, 4, 2},   {8, 6, 2},
      {10, 6, 2}, {11, 8, 2}, {14, 8, 2}, {15, 8, 3}, {19, 8, 3}, {20, 12, 4}, {255, 12, 4}};
  for (const auto& [members, data, parity] : rows) {
    EXPECT_EQ(parity_for(members), parity);
    EXPECT_EQ(scheme_of(parity, members).data, data) << members;
  }
  for (unsigned parity = 1; parity <= 4; ++parity) {
    EXPECT_EQ(scheme_of(parity, parity).data, 0u);
    for (unsigned alive = parity + 1; alive < 40; ++alive) {
      const erasure::Scheme scheme = scheme_of(parity, alive);
      EXPECT_GE(scheme.data, 1u);
      EXPECT_LE(scheme.data + parity, alive);
    }
  }
  EXPECT_EQ(scheme_of(2, 5).data, 3u);  // six members, five alive
}

TEST(Geometry, AStripeFitsABufferAndAZone) {
  for (unsigned parity = 0; parity <= 4; ++parity) {
    for (unsigned data = 1; data <= 16; ++data) {
      for (const std::uint64_t zone : {kMiB, 4 * kMiB, 256 * kMiB}) {
        const std::uint32_t blocks = shard_blocks_max({data, parity}, zone, kMiB, kMiB);
        EXPECT_GE(blocks, 1u);
        EXPECT_LE((data + parity) * (blocks + kHeaderBlocksMax) * io::kBlockBytes, io::kMaxBufferBytes);
        EXPECT_LE((1 + kHeaderBlocksMax + blocks) * io::kBlockBytes, zone);
        // A small body of the largest size fits one stripe, except on tiny zones with one data shard.
        if (zone > kMiB || data >= 2) {
          EXPECT_GE(std::uint64_t{data} * blocks * io::kBlockBytes, kMiB);
        }
      }
    }
  }
}

void check(const StripeLayout& layout, unsigned data, std::uint32_t blocks_max,
           const std::vector<std::uint32_t>& sizes) {
  ASSERT_EQ(layout.begins.size(), sizes.size());
  ASSERT_LE(layout.shard_blocks, blocks_max);
  const std::uint64_t shard_bytes = std::uint64_t{layout.shard_blocks} * io::kBlockBytes;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  std::size_t whole = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::uint64_t end = std::uint64_t{layout.begins[i]} + sizes[i];
    ranges.emplace_back(layout.begins[i], end);
    if (layout.begins[i] / shard_bytes == (end - 1) / shard_bytes) ++whole;
    ASSERT_LE(end, data * shard_bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) ASSERT_LE(ranges[i - 1].second, ranges[i].first);
  ASSERT_EQ(layout.whole, whole);
}

TEST(StripeLayout, EqualBodiesEachLieInOneShardAtLittleCost) {
  const std::vector<std::uint32_t> sizes(32, 50'000);
  const StripeLayout layout = lay_out(4, 256, sizes);
  check(layout, 4, 256, sizes);
  EXPECT_EQ(layout.whole, sizes.size());
  // 6 shards with two blocks of header each, against 1.6 MB of bodies.
  EXPECT_LE(6.0 * (layout.shard_blocks + 2) * io::kBlockBytes, 1.6 * 32 * 50'000);
}

TEST(StripeLayout, ALoneBodyIsSpreadOverAllDataShards) {
  const StripeLayout layout = lay_out(4, 256, std::vector<std::uint32_t>(1, 50'000));
  EXPECT_EQ(layout.shard_blocks, 4u);
  EXPECT_EQ(layout.begins[0], 0u);
}

TEST(StripeLayout, RandomBatchesFitWithoutOverlap) {
  tests::SeededRandom random(tests::test_seed(5));
  std::size_t bodies = 0;
  std::size_t whole = 0;
  for (int round = 0; round < 3000; ++round) {
    const unsigned data = static_cast<unsigned>(1 + random.below(12));
    const std::uint32_t blocks_max = static_cast<std::uint32_t>(1 + random.below(256));
    std::vector<std::uint32_t> sizes;
    std::uint64_t left = std::uint64_t{data} * blocks_max * io::kBlockBytes;
    const std::uint64_t largest = 1 + random.below(std::min<std::uint64_t>(left, 200'000));
    while (sizes.size() < 400) {
      const auto size = static_cast<std::uint32_t>(1 + random.below(largest));
      if (size > left) break;
      sizes.push_back(size);
      left -= size;
    }
    if (sizes.empty()) continue;
    const StripeLayout layout = lay_out(data, blocks_max, sizes);
    check(layout, data, blocks_max, sizes);
    if (sizes.size() >= 4 * data) {
      bodies += sizes.size();
      whole += layout.whole;
    }
  }
  EXPECT_GT(whole, bodies * 95 / 100);
}

TEST(ZoneAllocator, TakesDistinctMembersWithMostFreeZones) {
  ZoneAllocator zones({10, 20, 20, 20});
  const auto all = [](std::uint32_t) { return true; };
  const auto first = zones.allocate(3, 0, 0, all);
  ASSERT_TRUE(first);
  EXPECT_EQ((*first)[0].drive, 1u);
  EXPECT_EQ((*first)[1].drive, 2u);
  EXPECT_EQ((*first)[2].drive, 3u);
  const auto rotated = zones.allocate(3, 1, 0, all);
  ASSERT_TRUE(rotated);
  EXPECT_EQ((*rotated)[0].drive, 2u);
  EXPECT_EQ((*rotated)[2].drive, 1u);
  EXPECT_EQ((*rotated)[0].zone, 1u);
}

TEST(ZoneAllocator, LeavesTheReserve) {
  ZoneAllocator zones({5, 5, 5});
  const auto all = [](std::uint32_t) { return true; };
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(zones.allocate(3, 0, 2, all));
  EXPECT_EQ(zones.allocate(3, 0, 2, all).error(), Errc::no_space);
  ASSERT_TRUE(zones.allocate(3, 0, 1, all));  // the collector may go further
  EXPECT_EQ(zones.free_zones(), 3u);
  EXPECT_EQ(zones.allocate(3, 0, 0, [](std::uint32_t member) { return member != 1; }).error(),
            Errc::no_space);
}

TEST(ZoneAllocator, AZoneInPreparationIsNoReasonToRefuse) {
  ZoneAllocator zones({5, 5, 5});
  const auto all = [](std::uint32_t) { return true; };
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(zones.allocate(3, 0, 2, all));
  const auto preparing = zones.begin_preparing(1, 3);
  ASSERT_TRUE(preparing.has_value());
  EXPECT_TRUE(zones.allocate(3, 0, 2, all));  // the third and last, exactly as without the preparation
  EXPECT_EQ(zones.allocate(3, 0, 2, all).error(), Errc::no_space);
  zones.end_preparing(1, *preparing, true);
  EXPECT_EQ(zones.allocate(3, 0, 2, all).error(), Errc::no_space);
}

TEST(ZoneAllocator, AZoneIsNeverGivenTwice) {
  ZoneAllocator zones({8, 8});
  EXPECT_TRUE(zones.claim({0, 3}));
  EXPECT_FALSE(zones.claim({0, 3}));
  EXPECT_FALSE(zones.claim({0, 8}));
  EXPECT_FALSE(zones.claim({2, 0}));
  std::vector<bool> taken(8, false);
  for (int i = 0; i < 7; ++i) {
    const auto got = zones.allocate(1, 0, 0, [](std::uint32_t member) { return member == 0; });
    ASSERT_TRUE(got);
    EXPECT_NE((*got)[0].zone, 3u);
    EXPECT_FALSE(taken[(*got)[0].zone]);
    taken[(*got)[0].zone] = true;
  }
  zones.release({0, 3});
  EXPECT_TRUE(zones.is_free({0, 3}));
}

TEST(ZoneAllocator, PrefersPreparedZonesAndKeepsThoseBeingPreparedApart) {
  ZoneAllocator zones({6});
  const auto all = [](std::uint32_t) { return true; };
  const auto preparing = zones.begin_preparing(0, 2);
  ASSERT_EQ(preparing, 0u);
  const auto meanwhile = zones.allocate(1, 0, 0, all);
  ASSERT_TRUE(meanwhile);
  EXPECT_EQ((*meanwhile)[0].zone, 1u);
  zones.end_preparing(0, 0, true);
  ASSERT_EQ(zones.begin_preparing(0, 2), 2u);
  zones.end_preparing(0, 2, true);
  EXPECT_EQ(zones.begin_preparing(0, 2), std::nullopt);
  EXPECT_EQ((*zones.allocate(1, 0, 0, all))[0].zone, 0u);
  EXPECT_EQ((*zones.allocate(1, 0, 0, all))[0].zone, 2u);
  zones.set_prepared_below(0, 6);
  EXPECT_EQ(zones.begin_preparing(0, 2), std::nullopt);
}

}  // namespace
}  // namespace storage::segment
