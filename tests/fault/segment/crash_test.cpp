// Power cut at every operation of a scripted life of the store, with several outcomes each for what was in
// flight. Afterwards: acknowledged means readable, whole; and no segment of the earlier process takes another
// byte.
#include <gtest/gtest.h>

#include "storage/base/log.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::FakeSource;
using tests::StoreRig;
using tests::StoreRigOptions;

struct Acknowledged {
  std::vector<Extent> extents;
  std::vector<std::byte> body;
};

class CrashTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }
};

constexpr std::uint64_t kOutcomes = 4;

// Lone bodies, a group, a stream of several stripes, more lone bodies: two lanes, several segments.
std::vector<Acknowledged> run_script(StoreRig& rig, std::uint64_t seed) {
  tests::SeededRandom random(seed);
  std::vector<Acknowledged> acknowledged;
  const auto remember = [&](const Result<Appended>& appended, const std::vector<std::byte>& body) {
    if (!appended || !rig.disks.powered()) return;
    Acknowledged entry;
    entry.extents.push_back(appended->extent);
    entry.body = body;
    acknowledged.push_back(std::move(entry));
  };
  const auto lone = [&](std::size_t size) {
    const auto body = tests::random_bytes(random, size);
    remember(rig.append(body), body);
  };
  lone(1);
  lone(70'000);
  std::vector<std::vector<std::byte>> bodies;
  for (int i = 0; i < 6; ++i) bodies.push_back(tests::random_bytes(random, 1 + random.below(60'000)));
  const auto results = rig.append_all(bodies);
  for (std::size_t i = 0; i < bodies.size(); ++i) remember(results[i], bodies[i]);
  const auto body = tests::random_bytes(random, 2'500'000);
  FakeSource source(std::span<const std::byte>(body).subspan(5000), 33'333);
  const auto streamed = rig.append_stream(std::span<const std::byte>(body).first(5000), source);
  if (streamed && rig.disks.powered()) {
    Acknowledged entry;
    for (const Appended& appended : *streamed) entry.extents.push_back(appended.extent);
    entry.body = body;
    acknowledged.push_back(std::move(entry));
  }
  lone(1'000'000);
  lone(900'000);
  lone(950'000);
  lone(12'345);
  return acknowledged;
}

void check(StoreRig& rig, const std::vector<Acknowledged>& acknowledged) {
  for (const Acknowledged& entry : acknowledged) {
    std::vector<std::byte> whole;
    for (const Extent& extent : entry.extents) {
      const auto back = rig.read(extent);
      ASSERT_TRUE(back) << back.error().message();
      ASSERT_TRUE(rig.all_shards_stand(extent));
      whole.insert(whole.end(), back->begin(), back->end());
    }
    ASSERT_EQ(whole.size(), entry.body.size());
    ASSERT_TRUE(whole == entry.body);
  }
}

TEST_F(CrashTest, WhatWasAcknowledgedSurvivesACutAtEveryOperation) {
  const std::uint64_t seed = tests::test_seed(11);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  {
    StoreRig rig{StoreRigOptions{}};
    ASSERT_TRUE(rig.boot()) << rig.why;
    first = rig.disks.operations();
    const auto acknowledged = run_script(rig, seed);
    ASSERT_EQ(acknowledged.size(), 13u);
    last = rig.disks.operations();
    check(rig, acknowledged);
  }
  ASSERT_GT(last, first + 60);
  for (std::uint64_t cut = first; cut < last; ++cut) {
    for (std::uint64_t outcome = 0; outcome < kOutcomes; ++outcome) {
      StoreRigOptions options;
      options.seed = seed * 1000 + outcome;
      StoreRig rig{options};
      SCOPED_TRACE(testing::Message() << "seed " << seed << " cut " << cut << " outcome " << outcome);
      ASSERT_TRUE(rig.boot()) << rig.why;
      rig.disks.jitter(outcome > 1 ? 3 : 0);
      rig.disks.cut_power_at(cut);
      const auto acknowledged = run_script(rig, seed);
      rig.halt();
      rig.disks.reboot();
      const SegmentId before = rig.catalog.highest_id;
      ASSERT_TRUE(rig.boot()) << rig.why;
      for (const auto& [id, record] : rig.catalog.records) {
        ASSERT_EQ(record.state, SegmentRecord::State::sealed);
      }
      check(rig, acknowledged);
      tests::SeededRandom random(cut);
      const auto body = tests::random_bytes(random, 80'000);
      const auto appended = rig.append(body);
      ASSERT_TRUE(appended) << appended.error().message();
      ASSERT_GT(appended->extent.segment, before);
      const auto back = rig.read(appended->extent);
      ASSERT_TRUE(back && *back == body);
      check(rig, acknowledged);
    }
  }
}

TEST_F(CrashTest, ACutWhileFormattingLeavesDrivesThatCanBeFormatted) {
  std::uint64_t operations = 0;
  {
    StoreRig rig{StoreRigOptions{}};
    ASSERT_TRUE(rig.boot());
    operations = rig.disks.operations();
  }
  for (std::uint64_t cut = 0; cut < operations; ++cut) {
    for (std::uint64_t outcome = 0; outcome < kOutcomes; ++outcome) {
      StoreRigOptions options;
      options.seed = 100 + outcome;
      StoreRig rig{options};
      SCOPED_TRACE(testing::Message() << "cut " << cut << " outcome " << outcome);
      rig.disks.cut_power_at(cut);
      const Result<> cut_off = rig.boot();
      EXPECT_TRUE(!cut_off || cut + 1 == operations);
      rig.halt();
      rig.disks.reboot();
      ASSERT_TRUE(rig.boot()) << rig.why;
      EXPECT_EQ(rig.drives->alive_count(), 6u);
      std::vector<std::byte> body(10'000, std::byte{5});
      ASSERT_TRUE(rig.append(body));
    }
  }
}

// Superblocks of many members are longer than what a drive writes at once, so that one may be torn.
TEST_F(CrashTest, ACutWhileFormattingManyDrivesLeavesDrivesThatCanBeFormatted) {
  constexpr std::uint64_t kDrives = 20;
  // Both copies of each drive are read first; then each drive is marked and the first superblocks are written.
  for (std::uint64_t cut = 2 * kDrives; cut < 5 * kDrives; cut += 3) {
    for (std::uint64_t outcome = 0; outcome < kOutcomes; ++outcome) {
      StoreRigOptions options;
      options.disks = kDrives;
      options.seed = 200 + outcome;
      StoreRig rig{options};
      SCOPED_TRACE(testing::Message() << "cut " << cut << " outcome " << outcome);
      rig.disks.cut_power_at(cut);
      EXPECT_FALSE(rig.boot());
      rig.halt();
      rig.disks.reboot();
      ASSERT_TRUE(rig.boot()) << rig.why;
      EXPECT_EQ(rig.drives->alive_count(), kDrives);
    }
  }
}

TEST_F(CrashTest, ACutInsideRecoveryIsRecoveredFrom) {
  const std::uint64_t seed = tests::test_seed(13);
  for (std::uint64_t cut = 0; cut < 40; ++cut) {
    StoreRigOptions options;
    options.seed = seed + cut;
    StoreRig rig{options};
    ASSERT_TRUE(rig.boot()) << rig.why;
    const auto acknowledged = run_script(rig, seed);
    rig.disks.cut_power();
    rig.halt();
    rig.disks.reboot();
    rig.disks.cut_power_at(rig.disks.operations() + cut);
    [[maybe_unused]] const Result<> interrupted = rig.boot();  // succeeds where the cut falls behind it
    rig.halt();
    rig.disks.reboot();
    SCOPED_TRACE(testing::Message() << "seed " << seed << " cut " << cut);
    ASSERT_TRUE(rig.boot()) << rig.why;
    check(rig, acknowledged);
  }
}

}  // namespace
}  // namespace storage::segment
