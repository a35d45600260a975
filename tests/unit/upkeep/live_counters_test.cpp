#include "storage/upkeep/live_counters.h"

#include <gtest/gtest.h>

namespace storage::upkeep {
namespace {

segment::Extent extent(segment::SegmentId segment, std::uint32_t length) {
  segment::Extent made;
  made.segment = segment;
  made.length = length;
  return made;
}

LiveChange born(const std::string& row, segment::Extent what) {
  LiveChange change;
  change.born.emplace_back(row, what);
  return change;
}

LiveChange died(const std::string& row, segment::Extent what) {
  LiveChange change;
  change.died.emplace_back(row, what);
  return change;
}

TEST(LiveCounters, FollowCommits) {
  LiveCounters counters;
  counters.apply(born("a", extent(1, 100)));
  counters.apply(born("b", extent(2, 50)));
  LiveChange moved = died("a", extent(1, 100));
  moved.born.emplace_back("a", extent(3, 100));
  counters.apply(moved);
  EXPECT_EQ(counters.live_bytes(1), 0u);
  EXPECT_EQ(counters.live_bytes(2), 50u);
  EXPECT_EQ(counters.live_bytes(3), 100u);
  EXPECT_EQ(counters.total_bytes(), 150u);
}

TEST(LiveCounters, AWalkCountsEachRowOnceWhateverIsCommittedMeanwhile) {
  LiveCounters counters;
  counters.begin_walk();
  EXPECT_FALSE(counters.filled());
  counters.apply(born("z", extent(9, 7)));  // ahead of the walk: it will be seen
  counters.walked({extent(1, 100)}, std::optional<std::string>("m"));
  counters.apply(born("b", extent(1, 10)));   // behind it: counted now
  counters.apply(died("a", extent(1, 100)));
  counters.walked({extent(9, 7)}, std::nullopt);
  counters.apply(born("y", extent(2, 3)));  // behind it too
  counters.end_walk();
  EXPECT_TRUE(counters.filled());
  EXPECT_EQ(counters.live_bytes(1), 10u);
  EXPECT_EQ(counters.live_bytes(2), 3u);
  EXPECT_EQ(counters.live_bytes(9), 7u);
  EXPECT_EQ(counters.total_bytes(), 20u);
}

TEST(LiveCounters, AnAbandonedWalkChangesNothing) {
  LiveCounters counters;
  counters.apply(born("a", extent(1, 5)));
  counters.begin_walk();
  counters.walked({extent(1, 99)}, std::nullopt);
  counters.abandon_walk();
  EXPECT_FALSE(counters.filled());
  EXPECT_EQ(counters.live_bytes(1), 5u);
}

TEST(LiveCounters, NeverGoBelowNothing) {
  LiveCounters counters;
  counters.apply(born("a", extent(1, 5)));
  counters.apply(died("a", extent(1, 500)));
  counters.apply(died("a", extent(2, 500)));
  EXPECT_EQ(counters.live_bytes(1), 0u);
  EXPECT_EQ(counters.total_bytes(), 0u);
}

TEST(LiveCounters, ForgetASegmentThatIsGoneAndCountChanges) {
  LiveCounters counters;
  counters.apply(born("a", extent(1, 5)));
  counters.apply(born("b", extent(2, 6)));
  const std::uint64_t changes = counters.changes();
  counters.forget(1);
  EXPECT_NE(counters.changes(), changes);
  EXPECT_EQ(counters.live_bytes(1), 0u);
  EXPECT_EQ(counters.total_bytes(), 6u);
}

}  // namespace
}  // namespace storage::upkeep
