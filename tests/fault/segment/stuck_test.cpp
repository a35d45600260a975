// Drives that are stuck or slow: others do their work in bounded time, nothing acknowledged is lost, and what they still owe
// keeps its memory and its zone. The simulated drives CHECK that the memory of a write does not change until it ends.
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/base/log.h"
#include "storage/io/patience.h"
#include "storage/segment/superblock.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using io::Operation;
using tests::Fault;
using tests::FaultMatch;
using tests::StoreRig;
using tests::StoreRigOptions;

constexpr std::int64_t kSecondNs = 1'000'000'000;

StoreRigOptions impatient() {
  StoreRigOptions options;
  options.store.write_limit_ms = 2 * io::kTickMs;
  options.store.read_limit_ms = io::kTickMs;
  options.store.answer_ms_max = 4 * io::kTickMs;
  options.store.prepared_zones = 0;
  return options;
}

struct Stored {
  Extent extent;
  std::vector<std::byte> body;
};

class StuckTest : public testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::off);
    rig.drive_limit_ms = 2 * io::kTickMs;
    ASSERT_TRUE(rig.boot());
  }
  void TearDown() override {
    release();
    EXPECT_EQ(io::abandoned_operations(), 0U);
    EXPECT_EQ(rig.pool.used_bytes(), 0U);
    rig.halt();
    set_log_level(LogLevel::info);
  }

  void stick(std::size_t disk, std::optional<Operation::Kind> kind = std::nullopt,
             std::uint64_t count = FaultMatch::kAlways) {
    FaultMatch match;
    match.disk = disk;
    match.kind = kind;
    match.count = count;
    Fault fault;
    fault.kind = Fault::Kind::stuck;
    rig.disks.inject(match, fault);
  }
  void release() {
    rig.disks.clear_faults();
    rig.disks.release_stuck();
    rig.settle();
  }

  void append(std::size_t size) {
    const auto body = tests::random_bytes(random, size);
    const auto appended = rig.append(body);
    ASSERT_TRUE(appended) << appended.error().message();
    stored.push_back({appended->extent, body});
  }
  void append_stream(std::size_t size) {
    const auto body = tests::random_bytes(random, size);
    tests::FakeSource source(body, 100'000);
    const auto streamed = rig.append_stream({}, source);
    ASSERT_TRUE(streamed) << streamed.error().message();
    auto begin = body.begin();
    for (const Appended& appended : *streamed) {
      stored.push_back({appended.extent, std::vector<std::byte>(begin, begin + appended.extent.length)});
      begin += appended.extent.length;
    }
    ASSERT_TRUE(begin == body.end());
  }
  void fill() {
    for (const std::size_t size : {10UL, 50'000UL, 700'000UL}) append(size);
    append_stream(9'000'000);
  }
  void check() {
    for (const Stored& entry : stored) {
      const auto back = rig.read(entry.extent);
      ASSERT_TRUE(back) << back.error().message() << "\n" << rig.disks.describe();
      ASSERT_TRUE(*back == entry.body);
      const auto begin = static_cast<std::uint32_t>(random.below(entry.body.size()));
      const auto length = static_cast<std::uint32_t>(1 + random.below(entry.body.size() - begin));
      const auto part = rig.read(entry.extent, begin, length);
      ASSERT_TRUE(part) << part.error().message();
      ASSERT_TRUE(std::equal(part->begin(), part->end(), entry.body.begin() + begin));
    }
  }
  // The times of a suspect drive's first two trials.
  void look_until_tried() {
    for (const std::int64_t second : {0, 6}) rig.look((now += 1000) * kSecondNs + second * kSecondNs);
  }

  StoreRig rig{impatient()};
  std::vector<Stored> stored;
  std::int64_t now = 0;
  tests::SeededRandom random{tests::test_seed(41)};
};

TEST_F(StuckTest, WritesGoElsewhereWhicheverDriveIsStuck) {
  fill();
  for (std::uint32_t disk = 0; disk < 6; ++disk) {
    stick(disk, Operation::Kind::write);
    append(30'000);
    EXPECT_EQ(rig.drives->status(disk), DriveStatus::suspect);
    EXPECT_GT(rig.disks.pending(), 0U);
    for (unsigned shard = 0; shard < 5; ++shard) EXPECT_NE(rig.disk_of(stored.back().extent, shard), disk);
    append_stream(5'000'000);
    check();
    release();
    look_until_tried();
    EXPECT_EQ(rig.drives->status(disk), DriveStatus::alive);
  }
}

TEST_F(StuckTest, AStreamThatIsUnderWayGoesElsewhere) {
  FaultMatch match;
  match.disk = 2;
  match.kind = Operation::Kind::write;
  match.skip = 2;
  match.count = FaultMatch::kAlways;
  rig.disks.inject(match, Fault{Fault::Kind::stuck});
  append_stream(20'000'000);
  EXPECT_EQ(rig.drives->status(2), DriveStatus::suspect);
  check();
  release();
  check();
}

TEST_F(StuckTest, TwoStuckDrivesLeaveTheStoreWritable) {
  fill();
  stick(1, Operation::Kind::write);
  stick(4, Operation::Kind::write);
  append(30'000);
  append_stream(5'000'000);
  EXPECT_EQ(rig.drives->alive_count(), 4U);
  check();
}

TEST_F(StuckTest, AZoneIsNotFreeWhileAWriteThereIsUnfinished) {
  append(1000);
  const SegmentId segment = stored.front().extent.segment;
  stick(3, Operation::Kind::write);
  append(1000);
  ASSERT_NE(stored.back().extent.segment, segment);
  const auto conflict = rig.free(segment);
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error(), Errc::conflict);
  release();
  EXPECT_TRUE(rig.free(segment));
  stored.erase(stored.begin());
  check();
}

TEST_F(StuckTest, AZoneWhoseHeaderIsUnfinishedIsNotFree) {
  const std::uint32_t zones = rig.store->zones_free(3);
  stick(3, Operation::Kind::write);
  append(1000);
  EXPECT_EQ(rig.store->zones_free(3), zones - 1);
  EXPECT_EQ(rig.catalog.records.size(), 1U);
  release();
  EXPECT_EQ(rig.store->zones_free(3), zones);
  check();
}

TEST_F(StuckTest, ReadsGoRoundAnyTwoStuckDrives) {
  fill();
  for (std::size_t a = 0; a < 6; ++a) {
    stick(a, Operation::Kind::read);
    stick((a + 2) % 6, Operation::Kind::read);
    check();
    release();
    look_until_tried();
    EXPECT_EQ(rig.drives->alive_count(), 6U);
  }
}

TEST_F(StuckTest, ADriveThatOwesReadsIsSuspectAndNotAsked) {
  for (int i = 0; i < 40; ++i) append(3000 + static_cast<std::size_t>(i));
  const std::uint32_t disk = rig.disk_of(stored.front().extent, 0);
  stick(disk, Operation::Kind::read);
  check();
  EXPECT_EQ(rig.drives->status(disk), DriveStatus::suspect);
  EXPECT_EQ(rig.drives->load(disk)->abandoned(), DriveSet::kAbandonedMax);
  EXPECT_EQ(rig.drives->drive(disk), nullptr);
  const std::size_t pending = rig.disks.pending();
  check();
  EXPECT_EQ(rig.disks.pending(), pending);
  EXPECT_EQ(rig.store->usage().repairs_queued, 0U);  // late is not damaged
  look_until_tried();
  EXPECT_EQ(rig.drives->status(disk), DriveStatus::suspect);
  release();
  look_until_tried();
  EXPECT_EQ(rig.drives->status(disk), DriveStatus::alive);
  check();
}

TEST_F(StuckTest, WithoutOthersALateDriveIsWaitedFor) {
  append(30'000);
  const Extent extent = stored.front().extent;
  const std::uint32_t disk = rig.disk_of(extent, 0);
  rig.disks.pull(rig.disk_of(extent, 1));
  rig.disks.pull(rig.disk_of(extent, 5));
  stick(disk, Operation::Kind::read, 1);
  check();
  // It does not answer at all: an error in bounded time, and no verdict on the data.
  stick(disk, Operation::Kind::read);
  const auto refused = rig.read(extent);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::io_error);
  release();
  check();
}

TEST_F(StuckTest, ASlowDriveIsLeftAndComesBack) {
  fill();
  FaultMatch match;
  match.disk = 0;
  match.count = FaultMatch::kAlways;
  Fault fault;
  fault.kind = Fault::Kind::slow;
  fault.delay_ns = 100'000'000;
  rig.disks.inject(match, fault);
  append(30'000);
  EXPECT_EQ(rig.drives->status(0), DriveStatus::suspect);
  check();
  EXPECT_EQ(rig.disks.now_ns(), 0U);  // nobody waited for it
  rig.disks.advance(fault.delay_ns);
  rig.settle();
  look_until_tried();  // probes are as slow as all else
  EXPECT_EQ(rig.drives->status(0), DriveStatus::suspect);
  rig.disks.advance(fault.delay_ns);
  rig.settle();
  rig.disks.clear_faults();
  look_until_tried();
  EXPECT_EQ(rig.drives->status(0), DriveStatus::alive);
  check();
}

TEST_F(StuckTest, ADriveMuchSlowerThanTheOthersIsSuspect) {
  const auto answer = [&](std::uint64_t nanoseconds, std::uint32_t disk) {
    for (int i = 0; i < 20; ++i) rig.drives->load(disk)->answered(Operation::Kind::write, nanoseconds);
  };
  for (int second = 1; second <= 4; ++second) {
    EXPECT_EQ(rig.drives->status(4), DriveStatus::alive);
    for (std::uint32_t disk = 0; disk < 6; ++disk) answer(disk == 4 ? 10'000'000 : 100'000, disk);
    if (second == 2) continue;  // answers of two seconds are one look
    rig.look(second * kSecondNs);
  }
  EXPECT_EQ(rig.drives->status(4), DriveStatus::suspect);
  EXPECT_TRUE(rig.drives->read_last(4));
  look_until_tried();
  EXPECT_EQ(rig.drives->status(4), DriveStatus::alive);
  // All of them slow: the machine is busy, and no drive is to blame.
  for (int second = 1; second <= 5; ++second) {
    for (std::uint32_t disk = 0; disk < 6; ++disk) answer(30'000'000, disk);
    rig.look((now + 2000 + second) * kSecondNs);
  }
  EXPECT_EQ(rig.drives->alive_count(), 6U);
}

TEST_F(StuckTest, LoadThatMakesAllDrivesLateBlamesNone) {
  for (int i = 0; i < 20; ++i) {
    for (std::uint32_t disk = 0; disk < 6; ++disk) rig.drives->report_late(disk, Operation::Kind::read);
  }
  EXPECT_TRUE(rig.drives->all_late());
  EXPECT_EQ(rig.drives->alive_count(), 6U);
  rig.look(kSecondNs);
  EXPECT_TRUE(rig.drives->all_late());
  rig.look(2 * kSecondNs);  // a second without late answers
  EXPECT_FALSE(rig.drives->all_late());
}

TEST_F(StuckTest, WhereNoDriveCanBeSparedALateWriteIsWaitedForLonger) {
  rig.disks.pull(4);
  rig.disks.pull(5);
  rig.look(kSecondNs);
  stick(3, Operation::Kind::write);
  append(1000);  // 1+2 is left
  ASSERT_EQ(rig.drives->alive_count(), 3U);
  FaultMatch match;
  match.disk = 0;
  match.kind = Operation::Kind::write;
  Fault fault;
  fault.kind = Fault::Kind::slow;
  fault.delay_operations = 1;  // ends with the next that is started: it must still be waited for then
  rig.disks.inject(match, fault);
  append(1000);
  EXPECT_EQ(rig.drives->alive_count(), 3U);
  check();
}

TEST_F(StuckTest, SuperblocksAreWrittenWithoutAStuckDrive) {
  stick(2, Operation::Kind::write);
  ASSERT_TRUE(rig.write_mirrors(7, {0, 1, 3}));
  EXPECT_EQ(rig.drives->status(2), DriveStatus::lost);
  EXPECT_EQ(rig.drives->mirror_set().epoch, 7U);
  fill();
  look_until_tried();
  EXPECT_EQ(rig.drives->status(2), DriveStatus::lost);  // it owes a write of an old superblock
  release();
  look_until_tried();
  EXPECT_EQ(rig.drives->status(2), DriveStatus::alive);
  check();
}

TEST_F(StuckTest, ADriveMustAnswerSeveralProbesInARow) {
  fill();
  stick(5, Operation::Kind::write, 1);
  append(1000);
  ASSERT_EQ(rig.drives->status(5), DriveStatus::suspect);
  release();
  FaultMatch match;
  match.disk = 5;
  match.kind = Operation::Kind::read;
  match.skip = 2;  // the third probe's
  rig.disks.inject(match, Fault{Fault::Kind::stuck});
  look_until_tried();
  EXPECT_EQ(rig.drives->status(5), DriveStatus::suspect);
  release();
  look_until_tried();
  EXPECT_EQ(rig.drives->status(5), DriveStatus::alive);
}

TEST_F(StuckTest, AStoreStopsWithAStuckDrive) {
  fill();
  stick(1);
  append(1000);
  check();
  rig.stop_store();
  EXPECT_GT(io::abandoned_operations(), 0U);
  rig.store.reset();
  release();  // completions that come after the store
}

TEST_F(StuckTest, AStoreStartsWithoutADriveThatDoesNotAnswer) {
  fill();
  rig.halt();
  stick(3);
  ASSERT_TRUE(rig.boot());
  EXPECT_EQ(rig.drives->status(3), DriveStatus::missing);
  check();
  append(1000);
  release();
}

TEST_F(StuckTest, UpkeepEndsWithAStuckDrive) {
  fill();
  const Extent extent = stored.front().extent;
  ASSERT_TRUE(rig.seal(extent.segment));
  const std::uint32_t disk = rig.disk_of(extent, 2);
  stick(disk);
  const auto step = rig.scrub(extent.segment);
  ASSERT_TRUE(step) << step.error().message();
  EXPECT_EQ(step->shards_damaged, 0U);
  check();
  release();
  EXPECT_TRUE(rig.scrub(extent.segment));
}

}  // namespace
}  // namespace storage::segment
