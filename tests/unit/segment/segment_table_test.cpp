// A segment in memory: when it takes appends, when nothing can name its bytes any more, what its stored record says. And
// the bound on bytes that wait to be appended.
#include "storage/segment/segment_table.h"

#include <gtest/gtest.h>

#include "storage/base/task_group.h"
#include "storage/segment/byte_quota.h"
#include "tests/support/run_task.h"

namespace storage::segment {
namespace {

SegmentRecord record_of(SegmentRecord::State state) {
  SegmentRecord record;
  record.id = 7;
  record.data = 1;
  record.parity = 1;
  record.epoch = 3;
  record.state = state;
  record.members.push_back({0, 4});
  record.members.push_back({2, 9});
  return record;
}

TEST(Segment, ASealedSegmentTakesNoAppend) {
  Segment earlier(record_of(SegmentRecord::State::sealed), 64);
  EXPECT_FALSE(earlier.reserve(1));
  Segment segment(record_of(SegmentRecord::State::open), 64);
  ASSERT_TRUE(segment.reserve(3));
  segment.end_write();
  EXPECT_TRUE(segment.seal());
  EXPECT_FALSE(segment.seal());
  EXPECT_FALSE(segment.reserve(1));
  EXPECT_EQ(segment.room_blocks(), 0u);
  EXPECT_FALSE(segment.accepts_appends());
}

TEST(Segment, StripesLieOneBehindTheOtherAndWithinTheZone) {
  Segment segment(record_of(SegmentRecord::State::open), 64);
  const auto first = segment.reserve(20);
  const auto second = segment.reserve(43);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->stripe_block, 1u);  // behind the zone header
  EXPECT_EQ(second->stripe_block, 21u);
  EXPECT_NE(first->sequence, second->sequence);
  EXPECT_FALSE(segment.reserve(1));
}

TEST(Segment, IsSettledOnlyWhenNoBytesAwaitTheirName) {
  Segment segment(record_of(SegmentRecord::State::open), 64);
  auto place = segment.reserve(3);
  ASSERT_TRUE(place);
  segment.end_write();
  EXPECT_FALSE(segment.settled());
  segment.seal();
  EXPECT_FALSE(segment.settled());  // the commit that names these bytes may still come
  place.reset();
  EXPECT_TRUE(segment.settled());
}

TEST(Segment, IsQuietOnlyWhenSealedAndEveryWriteHasEnded) {
  Segment segment(record_of(SegmentRecord::State::open), 64);
  EXPECT_FALSE(segment.quiet());
  ASSERT_TRUE(segment.reserve(3));
  segment.seal();
  EXPECT_FALSE(segment.quiet());
  segment.end_write();
  EXPECT_TRUE(segment.quiet());
}

TEST(Segment, AMovedSegmentIsStoredSealed) {
  Segment segment(record_of(SegmentRecord::State::open), 64);
  segment.seal();
  EXPECT_EQ(segment.stored_record().state, SegmentRecord::State::open);
  segment.move(1, {5, 1}, [] {});
  // A seal that comes late must see that the record says so already, and the members of now.
  EXPECT_EQ(segment.stored_record().state, SegmentRecord::State::sealed);
  EXPECT_EQ(segment.stored_record().members[1].drive, 5u);
}

Task<> take(ByteQuota& quota, std::uint64_t bytes, int& granted) {
  Result<> room = co_await quota.acquire(bytes, 3'600'000);
  if (room) ++granted;
}

Task<> join(TaskGroup& group) { co_await group.join(); }

TEST(ByteQuota, NeverGivesMoreThanItHasAndServesInOrder) {
  boost::asio::io_context context{1};
  ByteQuota quota(100);
  TaskGroup group;
  int granted = 0;
  for (int i = 0; i < 3; ++i) group.spawn(context.get_executor(), take(quota, 60, granted));
  group.spawn(context.get_executor(), take(quota, 40, granted));
  context.poll();
  EXPECT_EQ(granted, 1);  // the small one would fit, and waits behind those who came first
  EXPECT_EQ(quota.used_bytes(), 60u);
  quota.release(60);
  context.poll();
  EXPECT_EQ(granted, 2);
  EXPECT_EQ(quota.used_bytes(), 60u);
  quota.release(60);
  context.poll();
  EXPECT_EQ(granted, 4);
  EXPECT_EQ(quota.used_bytes(), 100u);
  context.restart();
  tests::run_task(context, join(group));
}

}  // namespace
}  // namespace storage::segment
