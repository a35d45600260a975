#include "storage/segment/drive_set.h"

#include <gtest/gtest.h>

#include "storage/base/log.h"
#include "storage/segment/superblock.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::StoreRig;
using tests::StoreRigOptions;

class DriveSetTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }

  static Task<Result<>> write_mirrors(DriveSet& drives, MirrorSet set) {
    co_return co_await drives.write_mirror_set(std::move(set));
  }
  static Result<> mirrors(StoreRig& rig, std::uint64_t epoch, std::vector<std::uint32_t> members) {
    MirrorSet set;
    set.epoch = epoch;
    set.members = std::move(members);
    return tests::run_task(rig.context, write_mirrors(*rig.drives, std::move(set)));
  }
  static void swap_disks(StoreRig& a, std::size_t from, StoreRig& b, std::size_t to) {
    std::vector<std::byte> bytes(1 << 20);
    a.disks.peek(from, 0, bytes);
    b.disks.poke(to, 0, bytes);
  }
};

TEST_F(DriveSetTest, FormatsBlankDrivesOnceAndKnowsThemAfterwards) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.open_drives({0, 1, 2, 3, 4, 5})) << rig.why;
  EXPECT_TRUE(rig.drives->created());
  EXPECT_EQ(rig.drives->parity(), 2u);
  EXPECT_EQ(rig.drives->zone_bytes(), 1u << 20);
  EXPECT_EQ(rig.drives->zone_offset(2), 3u << 20);
  EXPECT_EQ(rig.drives->scheme_for(6).data, 4u);
  const std::string store = rig.drives->store_uuid();
  const std::string third = rig.drives->members()[3].uuid;
  rig.halt();
  ASSERT_TRUE(rig.open_drives({5, 4, 3, 2, 1, 0})) << rig.why;  // the order of configuration means nothing
  EXPECT_FALSE(rig.drives->created());
  EXPECT_EQ(rig.drives->store_uuid(), store);
  EXPECT_EQ(rig.drives->members()[3].uuid, third);
  EXPECT_EQ(rig.drives->members()[3].path, "disk3");
}

TEST_F(DriveSetTest, MissingMembersAreMissingAndABlankDriveIsLeftAlone) {
  StoreRigOptions options;
  options.disks = 7;
  StoreRig rig{options};
  ASSERT_TRUE(rig.open_drives({0, 1, 2, 3, 4, 5}));
  rig.halt();
  ASSERT_TRUE(rig.open_drives({0, 1, 2, 3, 6})) << rig.why;
  EXPECT_EQ(rig.drives->members().size(), 6u);
  EXPECT_EQ(rig.drives->alive_count(), 4u);
  EXPECT_EQ(rig.drives->status(4), DriveStatus::missing);
  EXPECT_EQ(rig.drives->drive(4), nullptr);
  EXPECT_EQ(rig.drives->members()[4].zones, 55u);
  std::vector<std::byte> first(4096, std::byte{1});
  rig.disks.peek(6, 0, first);
  EXPECT_EQ(first, std::vector<std::byte>(4096));
  rig.halt();
  ASSERT_TRUE(rig.open_drives({0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(rig.drives->alive_count(), 6u);
}

TEST_F(DriveSetTest, RefusesStrangersCopiesAndOtherData) {
  StoreRigOptions other_options;
  other_options.seed = 2;
  StoreRig other{other_options};
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.open_drives({0, 1, 2}));
  rig.halt();
  ASSERT_TRUE(other.open_drives({3, 4, 5}));  // other uuids come later in the sequence
  other.halt();
  // The generators of both rigs count alike: change the store's uuid of the other by formatting twice.
  other.disks.replace(0);
  ASSERT_TRUE(other.open_drives({0}));
  other.halt();
  swap_disks(other, 0, rig, 3);
  EXPECT_FALSE(rig.open_drives({0, 1, 2, 3}));
  EXPECT_NE(rig.why.find("belongs to store"), std::string::npos) << rig.why;

  swap_disks(rig, 0, rig, 4);
  const auto copied = rig.open_drives({0, 1, 2, 4});
  ASSERT_FALSE(copied);
  EXPECT_NE(rig.why.find("a copy of drive"), std::string::npos) << rig.why;

  const std::vector<std::byte> foreign(4096, std::byte{0x53});
  rig.disks.poke(5, 4096, foreign);
  ASSERT_FALSE(rig.open_drives({0, 1, 2, 5}));
  EXPECT_NE(rig.why.find("holds other data"), std::string::npos) << rig.why;

  ASSERT_FALSE(rig.open_drives({0, 0}));
  EXPECT_NE(rig.why.find("given twice"), std::string::npos) << rig.why;
  ASSERT_FALSE(rig.open_drives({}));
  ASSERT_TRUE(rig.open_drives({0, 1, 2})) << rig.why;
}

TEST_F(DriveSetTest, RefusesARetiredDriveAndAnUnknownFeature) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.open_drives({0, 1, 2}));
  rig.halt();
  std::vector<std::byte> image(4096);
  rig.disks.peek(0, 0, image);
  Result<Superblock> block = decode_superblock(image);
  ASSERT_TRUE(block);
  block->members[1].state = Superblock::Member::State::retired;
  ++block->generation;
  const auto retired = encode_superblock(*block);
  rig.disks.poke(0, 0, retired);
  ASSERT_FALSE(rig.open_drives({0, 1, 2}));
  EXPECT_NE(rig.why.find("was retired"), std::string::npos) << rig.why;
  EXPECT_TRUE(rig.open_drives({0, 2})) << rig.why;
  rig.halt();

  image[20] = std::byte{1};
  end_envelope(image, 0x100);  // any length that the CRC covers
  rig.disks.peek(2, 0, image);
  image[20] = std::byte{1};
  std::uint32_t length = 0;
  for (int i = 3; i >= 0; --i)
    length = length << 8 | std::to_integer<std::uint32_t>(image[12 + static_cast<std::size_t>(i)]);
  end_envelope(image, length);
  rig.disks.poke(2, 0, image);
  const auto newer = rig.open_drives({0, 2});
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error(), Errc::unsupported);
  EXPECT_NE(rig.why.find("newer version"), std::string::npos) << rig.why;
}

TEST_F(DriveSetTest, TooSmallADriveIsRefused) {
  StoreRigOptions options;
  options.capacity_bytes = (64 << 20) - 4096;
  StoreRig rig{options};
  ASSERT_FALSE(rig.open_drives({0, 1}));
  EXPECT_NE(rig.why.find("too small"), std::string::npos) << rig.why;
}

TEST_F(DriveSetTest, OneSoundCopyOfTheSuperblockIsEnoughAndNoneIsNot) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.open_drives({0, 1, 2}));
  rig.halt();
  rig.disks.rot(0, 0, 100, 1);
  rig.disks.rot(1, 512 * 1024, 100, 1);
  ASSERT_TRUE(rig.open_drives({0, 1, 2})) << rig.why;
  EXPECT_EQ(rig.drives->alive_count(), 3u);
  rig.halt();
  // The start has written the damaged copies anew: either alone may go again, both may not.
  rig.disks.rot(0, 512 * 1024 + 100, 4, 1);
  ASSERT_TRUE(rig.open_drives({0, 1, 2})) << rig.why;
  rig.halt();
  rig.disks.rot(0, 0, 100, 1);
  rig.disks.rot(0, 512 * 1024 + 100, 4, 1);
  ASSERT_FALSE(rig.open_drives({0, 1, 2}));
  EXPECT_NE(rig.why.find("damaged"), std::string::npos) << rig.why;
}

TEST_F(DriveSetTest, TheNewestMirrorSetWinsWhereverItIsFound) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.open_drives({0, 1, 2, 3}));
  ASSERT_TRUE(mirrors(rig, 5, {0, 1, 2}));
  EXPECT_FALSE(mirrors(rig, 5, {0, 1}));  // an epoch is written once
  EXPECT_FALSE(mirrors(rig, 6, {9}));
  rig.halt();
  ASSERT_TRUE(rig.open_drives({2, 3}));
  EXPECT_EQ(rig.drives->mirror_set().epoch, 5u);
  ASSERT_TRUE(mirrors(rig, 6, {2, 3}));
  rig.halt();
  ASSERT_TRUE(rig.open_drives({2, 0, 3, 1}));
  EXPECT_EQ(rig.drives->mirror_set().epoch, 6u);
  EXPECT_EQ(rig.drives->mirror_set().members, (std::vector<std::uint32_t>{2, 3}));
}

TEST_F(DriveSetTest, ADriveThatRefusesTheMirrorSetIsLost) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.open_drives({0, 1, 2, 3}));
  tests::FaultMatch match;
  match.disk = 1;
  match.kind = io::Operation::Kind::write;
  rig.disks.inject(match, tests::Fault{});
  ASSERT_TRUE(mirrors(rig, 1, {0, 2, 3}));
  EXPECT_EQ(rig.drives->status(1), DriveStatus::lost);
  EXPECT_EQ(rig.drives->alive_count(), 3u);
}

TEST_F(DriveSetTest, ErrorsDegradeADriveOnceAndTellTheListener) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.open_drives({0, 1, 2}));
  std::vector<std::pair<std::uint32_t, DriveStatus>> seen;
  rig.drives->on_status_change(
      [&seen](std::uint32_t member, DriveStatus status) { seen.emplace_back(member, status); });
  rig.drives->report_error(1, io::Operation::Kind::read, Errc::io_error);
  EXPECT_EQ(rig.drives->status(1), DriveStatus::alive);
  rig.drives->report_error(1, io::Operation::Kind::write, Errc::io_error);
  rig.drives->report_error(1, io::Operation::Kind::write, Errc::io_error);
  EXPECT_EQ(rig.drives->status(1), DriveStatus::suspect);
  EXPECT_NE(rig.drives->drive(1), nullptr);
  rig.drives->report_error(1, io::Operation::Kind::read, Errc::drive_lost);
  EXPECT_EQ(rig.drives->status(1), DriveStatus::lost);
  EXPECT_EQ(rig.drives->drive(1), nullptr);
  rig.drives->report_error(1, io::Operation::Kind::write, Errc::io_error);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].second, DriveStatus::suspect);
  EXPECT_EQ(seen[1].second, DriveStatus::lost);
}

TEST_F(DriveSetTest, BytesBeyondTheEndOfANewFileCountAsBlank) {
  StoreRigOptions options;
  options.prepared_bytes = 0;
  StoreRig rig{options};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const std::vector<std::byte> body(10'000, std::byte{9});
  const auto appended = rig.append(body);
  ASSERT_TRUE(appended);
  rig.halt();
  ASSERT_TRUE(rig.boot()) << rig.why;
  EXPECT_EQ(*rig.read(appended->extent), body);
}

}  // namespace
}  // namespace storage::segment
