// Members that join, leave and come back.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "storage/base/log.h"
#include "storage/segment/superblock.h"
#include "tests/support/scratch_directory.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::StoreRig;
using tests::StoreRigOptions;

constexpr std::int64_t kSecond = 1'000'000'000;

class MembershipTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }

  static StoreRigOptions disks(std::size_t count) {
    StoreRigOptions options;
    options.disks = count;
    return options;
  }
  // A store on the first `members` disks.
  static Result<> boot(StoreRig& rig, std::size_t members) {
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < members; ++i) which.push_back(i);
    Result<> opened = rig.open_drives(which);
    if (!opened) return opened;
    return rig.open_store();
  }
  Extent put(StoreRig& rig, std::vector<std::byte>& body) {
    body = tests::random_bytes(random, 60'000);
    const auto appended = rig.append(body);
    EXPECT_TRUE(appended) << appended.error().message();
    return appended ? appended->extent : Extent{};
  }

  tests::SeededRandom random{tests::test_seed(51)};
};

TEST_F(MembershipTest, AnAddedDriveWidensNewSegmentsAtOnceAndIsKnownAfterwards) {
  StoreRig rig{disks(8)};
  ASSERT_TRUE(boot(rig, 5));
  std::vector<std::byte> first;
  const Extent before = put(rig, first);
  EXPECT_EQ(rig.catalog.records.at(before.segment).data, 3u);
  const auto number = rig.add_drive(6);
  ASSERT_TRUE(number) << rig.why;
  EXPECT_EQ(*number, 5u);
  EXPECT_EQ(rig.drives->alive_count(), 6u);
  EXPECT_EQ(rig.drives->members()[5].path, "disk6");
  std::vector<std::byte> second;
  const Extent after = put(rig, second);
  EXPECT_NE(after.segment, before.segment);
  EXPECT_EQ(rig.catalog.records.at(after.segment).data, 4u);
  EXPECT_EQ(rig.store->usage().zones_total, 6u * 55);
  rig.halt();
  ASSERT_TRUE(rig.open_drives({0, 1, 2, 3, 4, 6})) << rig.why;
  ASSERT_TRUE(rig.open_store());
  EXPECT_EQ(rig.drives->alive_count(), 6u);
  EXPECT_EQ(*rig.read(before), first);
  EXPECT_EQ(*rig.read(after), second);
}

TEST_F(MembershipTest, RefusesDrivesThatAreNotBlank) {
  StoreRig rig{disks(8)};
  ASSERT_TRUE(boot(rig, 3));
  EXPECT_EQ(rig.add_drive(2).error(), Errc::conflict);
  EXPECT_NE(rig.why.find("already"), std::string::npos) << rig.why;
  rig.disks.poke(5, 512 * 1024, std::vector<std::byte>(512, std::byte{3}));
  EXPECT_FALSE(rig.add_drive(5));
  EXPECT_FALSE(rig.why.empty());
  rig.disks.pull(4);
  EXPECT_FALSE(rig.add_drive(4));
  EXPECT_EQ(rig.drives->members().size(), 3u);
}

TEST_F(MembershipTest, ParityFollowsTheTableOnlyAfterMirrorsExist) {
  StoreRig rig{disks(16)};
  ASSERT_TRUE(boot(rig, 14));
  ASSERT_TRUE(rig.write_mirrors(1, {0, 1, 2}));
  ASSERT_TRUE(rig.add_drive(14));
  EXPECT_EQ(rig.drives->parity(), 2u);
  EXPECT_EQ(rig.drives->parity_wanted(), 3u);
  EXPECT_EQ(rig.set_parity(3).error(), Errc::conflict);
  ASSERT_TRUE(rig.write_mirrors(2, {0, 1, 2, 14}));
  ASSERT_TRUE(rig.set_parity(3));
  EXPECT_EQ(rig.drives->parity(), 3u);
  std::vector<std::byte> body;
  const Extent extent = put(rig, body);
  EXPECT_EQ(rig.catalog.records.at(extent.segment).parity, 3u);
  rig.halt();
  ASSERT_TRUE(boot(rig, 15)) << rig.why;
  EXPECT_EQ(rig.drives->parity(), 3u);
}

TEST_F(MembershipTest, ARetiringDriveGetsNoZonesAndLeavesWhenItIsEmpty) {
  StoreRig rig{disks(7)};
  ASSERT_TRUE(boot(rig, 7));
  std::vector<std::byte> body;
  const Extent extent = put(rig, body);
  const std::uint32_t leaving = rig.catalog.records.at(1).members[2].drive;
  ASSERT_TRUE(rig.begin_retire(leaving)) << rig.why;
  EXPECT_EQ(rig.drives->alive_count(), 6u);
  EXPECT_EQ(rig.drives->status(leaving), DriveStatus::alive);
  std::vector<std::byte> another;
  for (int i = 0; i < 5; ++i) {
    const Extent later = put(rig, another);
    const SegmentRecord& record = rig.catalog.records.at(later.segment);
    for (const auto& member : record.members) EXPECT_NE(member.drive, leaving);
  }
  std::uint32_t outside = 0;
  while (std::any_of(rig.catalog.records.at(1).members.begin(), rig.catalog.records.at(1).members.end(),
                     [&](const auto& member) { return member.drive == outside; })) {
    ++outside;
  }
  rig.settle();
  ASSERT_TRUE(rig.move_shard(1, 2, outside));
  ASSERT_TRUE(rig.write_mirrors(1, {leaving}));
  EXPECT_EQ(rig.finish_retire(leaving).error(), Errc::conflict);
  ASSERT_TRUE(rig.write_mirrors(2, {outside}));
  ASSERT_TRUE(rig.finish_retire(leaving)) << rig.why;
  EXPECT_EQ(rig.drives->status(leaving), DriveStatus::retired);
  EXPECT_EQ(rig.drives->drive(leaving), nullptr);
  EXPECT_EQ(*rig.read(extent), body);
  rig.halt();
  EXPECT_FALSE(boot(rig, 7));
  EXPECT_NE(rig.why.find("retired"), std::string::npos) << rig.why;
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < 7; ++i) {
    if (i != leaving) rest.push_back(i);
  }
  ASSERT_TRUE(rig.open_drives(rest)) << rig.why;
  ASSERT_TRUE(rig.open_store());
  EXPECT_EQ(*rig.read(extent), body);
  EXPECT_EQ(rig.add_drive(leaving).error(), Errc::conflict);
}

TEST_F(MembershipTest, RefusesToRetireBelowTheDrivesThatWritesNeed) {
  StoreRig rig{disks(4)};
  ASSERT_TRUE(boot(rig, 4));
  ASSERT_TRUE(rig.begin_retire(0)) << rig.why;
  EXPECT_EQ(rig.begin_retire(1).error(), Errc::conflict);
  EXPECT_NE(rig.why.find("add a drive first"), std::string::npos);
  EXPECT_EQ(rig.begin_retire(9).error(), Errc::not_found);
  EXPECT_EQ(rig.finish_retire(1).error(), Errc::invalid_argument);
  rig.halt();
  ASSERT_TRUE(boot(rig, 4));
  EXPECT_TRUE(rig.drives->members()[0].retiring);
  EXPECT_EQ(rig.drives->alive_count(), 3u);
}

TEST_F(MembershipTest, ALostDriveThatIsBackIsReadmitted) {
  StoreRig rig{disks(6)};
  ASSERT_TRUE(boot(rig, 6));
  std::vector<std::byte> body;
  const Extent extent = put(rig, body);
  rig.disks.pull(2);
  rig.look(1 * kSecond);
  EXPECT_EQ(rig.drives->status(2), DriveStatus::lost);
  rig.look(10 * kSecond);
  EXPECT_EQ(rig.drives->status(2), DriveStatus::lost);
  rig.disks.put_back(2);
  rig.look(11 * kSecond);  // it rests after the failed attempt
  EXPECT_EQ(rig.drives->status(2), DriveStatus::lost);
  rig.look(30 * kSecond);
  EXPECT_EQ(rig.drives->status(2), DriveStatus::alive);
  for (const std::size_t other : {0, 1}) rig.disks.pull(other);
  EXPECT_EQ(*rig.read(extent), body);  // its shards count again
}

TEST_F(MembershipTest, AMissingMemberIsReadmittedWhereverItIs) {
  StoreRig rig{disks(7)};
  ASSERT_TRUE(boot(rig, 6));
  std::vector<std::byte> body;
  const Extent extent = put(rig, body);
  rig.halt();
  ASSERT_TRUE(boot(rig, 5));
  EXPECT_EQ(rig.drives->status(5), DriveStatus::missing);
  EXPECT_EQ(rig.readmit(5, "disk4").error(), Errc::conflict);
  EXPECT_EQ(rig.readmit(5, "disk6").error(), Errc::conflict);
  EXPECT_FALSE(rig.why.empty());
  std::vector<std::byte> bytes(1 << 20);
  rig.disks.peek(5, 0, bytes);
  rig.disks.poke(6, 0, bytes);
  ASSERT_TRUE(rig.readmit(5, "disk6")) << rig.why;
  EXPECT_EQ(rig.drives->members()[5].path, "disk6");
  EXPECT_EQ(rig.drives->status(5), DriveStatus::alive);
  // Only the superblocks were carried over: what else should lie there is noticed, and repaired by a scrub.
  EXPECT_EQ(*rig.read(extent), body);
  const auto scrubbed = rig.scrub(extent.segment, {}, 5);
  ASSERT_TRUE(scrubbed);
  EXPECT_GT(scrubbed->shards_repaired, 0u);
  EXPECT_EQ(*rig.read(extent), body);
}

TEST_F(MembershipTest, EveryByteClassOfASuperblockIsNoticedAndWrittenAnew) {
  StoreRig rig{disks(6)};
  ASSERT_TRUE(boot(rig, 6));
  for (const std::uint64_t copy : {0UL, 512UL * 1024}) {
    for (const std::uint64_t at : {1UL,  9UL,  13UL, 17UL, 21UL,  25UL,  41UL,  57UL,  65UL,  73UL, 81UL,
                                   89UL, 92UL, 94UL, 97UL, 100UL, 101UL, 105UL, 120UL, 130UL, 200UL}) {
      rig.disks.rot(4, copy + at, 1);
      ASSERT_EQ(rig.scrub_superblocks(), 1u) << copy << ' ' << at;
      ASSERT_EQ(rig.scrub_superblocks(), 0u);
    }
  }
  // Noticed at a start, too, and written anew before the other copy can go.
  rig.disks.rot(2, 50, 8);
  rig.halt();
  ASSERT_TRUE(boot(rig, 6)) << rig.why;
  EXPECT_EQ(rig.scrub_superblocks(), 0u);
}

TEST_F(MembershipTest, AMemberThatTheConfigurationDoesNotNameIsFoundWhereItWas) {
  StoreRig rig{disks(8)};
  ASSERT_TRUE(boot(rig, 6));
  ASSERT_TRUE(rig.add_drive(7));
  rig.halt();
  rig.search_last_paths = true;
  ASSERT_TRUE(boot(rig, 6)) << rig.why;
  EXPECT_EQ(rig.drives->alive_count(), 7u);
  EXPECT_EQ(rig.drives->members()[6].path, "disk7");
}

Task<Result<std::unique_ptr<DriveSet>>> open_set(DriveSet::Options options, std::string& why) {
  co_return co_await DriveSet::open(std::move(options), why);
}
Task<> look_at(DriveSet& set, std::int64_t now_ns) { co_await set.look(now_ns); }
Task<Result<std::uint32_t>> add_to(DriveSet& set, DriveSpec spec, std::string& why) {
  co_return co_await set.add(std::move(spec), why);
}

// With files, the lock of the drive that was lost must not stand in its own way.
TEST_F(MembershipTest, ADirectoryThatIsTakenAwayAndBroughtBackIsReadmitted) {
  tests::ScratchDirectory scratch;
  boost::asio::io_context context(1);
  DriveSet::Options options;
  options.engine = io::Engine::thread_pool;
  for (const char* name : {"a", "b", "c"}) options.drives.push_back({scratch.file(name), 64 << 20});
  std::string why;
  auto opened = tests::run_task(context, open_set(std::move(options), why));
  ASSERT_TRUE(opened) << why;
  DriveSet& set = **opened;
  std::int64_t now_ns = 1 * kSecond;
  for (int round = 0; round < 3; ++round) {
    std::filesystem::rename(scratch.file("b"), scratch.file("away"));
    tests::run_task(context, look_at(set, now_ns += kSecond));
    EXPECT_EQ(set.status(1), DriveStatus::lost);
    std::filesystem::rename(scratch.file("away"), scratch.file("b"));
    tests::run_task(context, look_at(set, now_ns += 400 * kSecond));
    EXPECT_EQ(set.status(1), DriveStatus::alive);
  }
  EXPECT_EQ(set.metadata_directory(1), scratch.file("b") + "/metadata");
  DriveSpec spec;
  spec.path = scratch.file("d");
  spec.capacity_bytes = 64 << 20;
  const auto added = tests::run_task(context, add_to(set, spec, why));
  ASSERT_TRUE(added) << why;
  EXPECT_EQ(*added, 3u);
  EXPECT_EQ(tests::run_task(context, add_to(set, spec, why)).error(), Errc::conflict);
  EXPECT_NE(why.find("already"), std::string::npos) << why;
}

TEST_F(MembershipTest, ASuspectDriveComesBackOnlyAfterAProbe) {
  StoreRig rig{disks(6)};
  ASSERT_TRUE(boot(rig, 6));
  rig.drives->report_error(3, io::Operation::Kind::write, Error(EIO, boost::system::system_category()));
  EXPECT_EQ(rig.drives->status(3), DriveStatus::suspect);
  tests::FaultMatch match;
  match.disk = 3;
  match.kind = io::Operation::Kind::write;
  match.begin = kScratchOffset;
  match.end = kReservedBytes;
  rig.disks.inject(match, tests::Fault{});
  rig.look(1 * kSecond);
  rig.look(6 * kSecond);
  EXPECT_EQ(rig.drives->status(3), DriveStatus::suspect);
  rig.look(17 * kSecond);
  EXPECT_EQ(rig.drives->status(3), DriveStatus::alive);
  EXPECT_EQ(rig.drives->alive_count(), 6u);
}

}  // namespace
}  // namespace storage::segment
