#include "storage/upkeep/rebuilder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "storage/base/log.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::upkeep {
namespace {

using segment::Extent;
using segment::SegmentId;
using tests::StoreRig;
using tests::StoreRigOptions;

class TestClock final : public Clock {
 public:
  std::int64_t wall_ms() const override { return now_ns / 1'000'000; }
  std::int64_t monotonic_ns() const override { return now_ns; }
  void advance_s(std::int64_t seconds) { now_ns += seconds * 1'000'000'000; }
  std::int64_t now_ns = 1'000'000'000;
};

Task<Result<>> note_segment(std::vector<SegmentId>& asked, SegmentId id) {
  asked.push_back(id);
  co_return success();
}

Rebuilder::Options one_at_a_time() {
  Rebuilder::Options options;
  options.parallel_max = 1;
  return options;
}

class RebuilderTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }

  struct Stored {
    Extent extent;
    std::vector<std::byte> body;
  };

  void boot(std::size_t disks) { boot_first(disks, disks); }

  // A store on the first `members` of `disks` disks.
  void boot_first(std::size_t members, std::size_t disks) {
    StoreRigOptions options;
    options.disks = disks;
    rig = std::make_unique<StoreRig>(options);
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < members; ++i) which.push_back(i);
    ASSERT_TRUE(rig->open_drives(which)) << rig->why;
    ASSERT_TRUE(rig->open_store());
    pacer = std::make_unique<Pacer>(clock, std::function<std::uint64_t()>(), Pacer::Options{});
    make_rebuilder({});
  }

  void make_rebuilder(Rebuilder::Hooks hooks) {
    rebuilder = std::make_unique<Rebuilder>(*rig->drives, *rig->store, clock, rig->metrics, *pacer, rig->pool,
                                            std::move(hooks), Rebuilder::Options{});
  }

  void fill(int bodies) {
    for (int i = 0; i < bodies; ++i) {
      std::vector<std::byte> body = tests::random_bytes(random, 200'000 + random.below(700'000));
      const auto appended = rig->append(body);
      ASSERT_TRUE(appended) << appended.error().message();
      stored.push_back({appended->extent, std::move(body)});
    }
  }

  void check() {
    for (const Stored& entry : stored) {
      const auto back = rig->read(entry.extent);
      ASSERT_TRUE(back) << back.error().message();
      ASSERT_TRUE(*back == entry.body);
    }
  }

  void round() { tests::run_task(rig->context, rebuilder->round()); }

  bool named(std::uint32_t member) const {
    return std::any_of(rig->catalog.records.begin(), rig->catalog.records.end(), [&](const auto& entry) {
      const auto& members = entry.second.members;
      return std::any_of(members.begin(), members.end(),
                         [&](const auto& each) { return each.drive == member; });
    });
  }

  void lose(std::uint32_t member) {
    rig->disks.pull(member);
    rig->drives->report_error(member, io::Operation::Kind::read, Errc::drive_lost);
  }

  TestClock clock;
  tests::SeededRandom random{tests::test_seed(41)};
  std::unique_ptr<StoreRig> rig;
  std::unique_ptr<Pacer> pacer;
  std::unique_ptr<Rebuilder> rebuilder;
  std::vector<Stored> stored;
};

TEST_F(RebuilderTest, WaitsForTheGraceTimeThenMovesEverything) {
  boot(7);
  fill(12);
  round();
  EXPECT_EQ(rebuilder->progress().state, Rebuilder::State::idle);
  lose(1);
  round();
  rig->settle();
  round();
  EXPECT_EQ(rebuilder->progress().state, Rebuilder::State::waiting);
  EXPECT_TRUE(named(1));
  clock.advance_s(599);
  round();
  EXPECT_TRUE(named(1));
  clock.advance_s(1);
  round();
  EXPECT_FALSE(named(1));
  const Rebuilder::Progress progress = rebuilder->progress();
  EXPECT_EQ(progress.state, Rebuilder::State::idle);
  EXPECT_EQ(progress.segments_degraded, 0u);
  EXPECT_GT(progress.segments_done, 0u);
  EXPECT_GT(progress.bytes, 0u);
  check();
  for (const Stored& entry : stored) EXPECT_TRUE(rig->all_shards_stand(entry.extent));
  // The full tolerance is there again: two more may go.
  lose(2);
  lose(5);
  check();
}

TEST_F(RebuilderTest, ADriveThatComesBackInTimeIsLeftAlone) {
  boot(7);
  fill(3);
  rig->halt();
  ASSERT_TRUE(rig->open_drives({0, 1, 2, 3, 4, 5}));
  ASSERT_TRUE(rig->open_store());
  make_rebuilder({});
  round();
  clock.advance_s(300);
  round();
  const auto before = rig->catalog.records;
  rig->halt();
  ASSERT_TRUE(rig->boot());
  make_rebuilder({});
  clock.advance_s(1000);
  round();
  EXPECT_EQ(rig->catalog.records, before);
  EXPECT_EQ(rebuilder->progress().state, Rebuilder::State::idle);
}

TEST_F(RebuilderTest, TheMostEndangeredSegmentsComeFirst) {
  boot(10);
  fill(60);
  rebuilder = std::make_unique<Rebuilder>(*rig->drives, *rig->store, clock, rig->metrics, *pacer, rig->pool,
                                          Rebuilder::Hooks{}, one_at_a_time());
  const auto shards_on_lost = [](const segment::SegmentRecord& record) {
    return std::count_if(record.members.begin(), record.members.end(),
                         [](const auto& member) { return member.drive == 0 || member.drive == 4; });
  };
  lose(0);
  lose(4);
  round();
  rig->settle();
  clock.advance_s(600);
  std::map<SegmentId, std::ptrdiff_t> before;
  for (const auto& [id, record] : rig->catalog.records) before[id] = shards_on_lost(record);
  std::vector<SegmentId> order;  // in which segments got rid of the lost drives
  const auto look = [&] {
    for (const auto& [id, record] : rig->catalog.records) {
      const bool done = before[id] > 0 && shards_on_lost(record) == 0;
      if (done && std::find(order.begin(), order.end(), id) == order.end()) order.push_back(id);
    }
  };
  rig->disks.on_operation([&](const tests::OperationRecord&) { look(); });
  round();
  rig->disks.on_operation({});
  look();
  ASSERT_GT(order.size(), 3u);
  for (std::size_t i = 1; i < order.size(); ++i) EXPECT_GE(before[order[i - 1]], before[order[i]]);
  EXPECT_GT(before[order.front()], before[order.back()]);
}

TEST_F(RebuilderTest, TwoLostDrivesAreEmptiedOntoTheRest) {
  boot(10);
  fill(30);
  lose(0);
  lose(4);
  round();
  rig->settle();
  clock.advance_s(600);
  round();
  EXPECT_FALSE(named(0));
  EXPECT_FALSE(named(4));
  check();
  EXPECT_EQ(rebuilder->progress().segments_degraded, 0u);
}

// What a replaced drive held goes to the new one although others have as much room.
TEST_F(RebuilderTest, TheReplacementIsPreferred) {
  boot(10);
  fill(20);
  std::map<SegmentId, bool> on_nine;
  for (const auto& [id, record] : rig->catalog.records) {
    for (const auto& member : record.members) on_nine[id] = on_nine[id] || member.drive == 9;
  }
  rebuilder->prefer(1, 9);
  ASSERT_TRUE(rig->begin_retire(1));
  round();
  rig->settle();
  round();
  EXPECT_FALSE(named(1));
  for (const auto& [id, record] : rig->catalog.records) {
    bool now = false;
    for (const auto& member : record.members) now = now || member.drive == 9;
    EXPECT_TRUE(now) << "segment " << id;
  }
  check();
}

TEST_F(RebuilderTest, WithoutASpareDriveTheSegmentsAreRewritten) {
  boot(6);
  fill(4);
  std::vector<SegmentId> asked;
  Rebuilder::Hooks hooks;
  hooks.rewrite = [&asked](SegmentId id) { return note_segment(asked, id); };
  make_rebuilder(std::move(hooks));
  const std::size_t segments = rig->catalog.records.size();
  lose(3);
  round();
  rig->settle();
  clock.advance_s(600);
  round();
  EXPECT_EQ(asked.size(), segments);
  EXPECT_GT(rebuilder->progress().segments_degraded, 0u);
  check();
}

Task<Result<>> note_member(std::vector<std::uint32_t>& emptied, std::uint32_t member) {
  emptied.push_back(member);
  co_return success();
}

TEST_F(RebuilderTest, ARetiringDriveIsReportedEmptyOnlyWhenNothingNamesIt) {
  boot_first(6, 7);
  fill(2);
  std::vector<std::uint32_t> emptied;
  Rebuilder::Hooks hooks;
  hooks.emptied = [&](std::uint32_t member) { return note_member(emptied, member); };
  make_rebuilder(std::move(hooks));
  ASSERT_TRUE(rig->begin_retire(3)) << rig->why;
  round();
  rig->settle();
  round();
  EXPECT_TRUE(named(3));  // there is no other drive for its shards
  EXPECT_TRUE(emptied.empty());
  ASSERT_TRUE(rig->add_drive(6)) << rig->why;
  clock.advance_s(600);  // what could not be done has rested
  round();
  rig->settle();
  round();
  EXPECT_FALSE(named(3));
  EXPECT_FALSE(emptied.empty());
  check();
}

TEST_F(RebuilderTest, WithoutRewriteItSaysThatItIsStuckAndRests) {
  boot(6);
  fill(2);
  lose(3);
  round();
  rig->settle();
  clock.advance_s(600);
  round();
  round();
  EXPECT_EQ(rebuilder->progress().state, Rebuilder::State::stuck);
  EXPECT_GT(rebuilder->progress().segments_stuck, 0u);
}

TEST_F(RebuilderTest, EveryPairInBothOrdersDuringARebuild) {
  for (std::uint32_t first = 0; first < 6; ++first) {
    for (std::uint32_t second = 0; second < 6; ++second) {
      if (first == second) continue;
      stored.clear();
      boot_first(6, 8);
      fill(4);
      ASSERT_EQ(rig->catalog.records.begin()->second.data, 4u);
      // Two more drives take what the lost ones held; the segments stay 4+2.
      ASSERT_TRUE(rig->add_drive(6)) << rig->why;
      ASSERT_TRUE(rig->add_drive(7)) << rig->why;
      lose(first);
      round();
      rig->settle();
      clock.advance_s(600);
      // The second goes while the first is being rebuilt, at a moment that differs from pair to pair.
      std::uint64_t left = 1 + random.below(12);
      rig->disks.on_operation([&](const tests::OperationRecord& operation) {
        if (operation.kind != io::Operation::Kind::write || left == 0 || --left > 0) return;
        rig->disks.pull(second);
      });
      round();
      rig->disks.on_operation({});
      rig->disks.pull(second);
      rig->drives->report_error(second, io::Operation::Kind::read, Errc::drive_lost);
      ASSERT_NO_FATAL_FAILURE(check()) << first << ' ' << second;
      round();
      rig->settle();
      clock.advance_s(1200);
      round();
      clock.advance_s(1200);
      round();
      ASSERT_FALSE(named(first)) << first << ' ' << second;
      ASSERT_FALSE(named(second)) << first << ' ' << second;
      ASSERT_NO_FATAL_FAILURE(check()) << first << ' ' << second;
      for (const Stored& entry : stored) ASSERT_TRUE(rig->all_shards_stand(entry.extent));
    }
  }
}

}  // namespace
}  // namespace storage::upkeep
