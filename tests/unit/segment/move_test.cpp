// Moving shards between drives, and scrubbing: what lies where afterwards, and what readers see meanwhile.
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/base/log.h"
#include "storage/segment/stripe.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::StoreRig;
using tests::StoreRigOptions;

struct Stored {
  Extent extent;
  std::vector<std::byte> body;
};

class MoveTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }

  // Seven drives, so that one lies outside of every segment of 4+2.
  static StoreRigOptions seven() {
    StoreRigOptions options;
    options.disks = 7;
    return options;
  }

  // Lone bodies and groups in segment 1, which is sealed.
  std::vector<Stored> fill(StoreRig& rig) {
    std::vector<Stored> stored;
    for (const std::size_t size : {10UL, 50'000UL, 300'000UL, 4096UL}) {
      std::vector<std::byte> body = tests::random_bytes(random, size);
      const auto appended = rig.append(body);
      EXPECT_TRUE(appended);
      stored.push_back({appended->extent, std::move(body)});
    }
    std::vector<std::vector<std::byte>> bodies;
    for (int i = 0; i < 9; ++i) bodies.push_back(tests::random_bytes(random, 9'000));
    const auto results = rig.append_all(bodies);
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      EXPECT_TRUE(results[i]);
      stored.push_back({results[i]->extent, bodies[i]});
    }
    for (const Stored& entry : stored) EXPECT_EQ(entry.extent.segment, 1u);
    EXPECT_TRUE(rig.seal(1));
    return stored;
  }

  static void check(StoreRig& rig, const std::vector<Stored>& stored) {
    for (const Stored& entry : stored) {
      const auto back = rig.read(entry.extent);
      ASSERT_TRUE(back) << back.error().message();
      ASSERT_TRUE(*back == entry.body);
      ASSERT_TRUE(rig.all_shards_stand(entry.extent));
    }
  }

  // The member that holds no shard of the segment.
  static std::uint32_t outsider(const StoreRig& rig, SegmentId segment = 1) {
    const auto& members = rig.catalog.records.at(segment).members;
    std::uint32_t member = 0;
    while (
        std::any_of(members.begin(), members.end(), [&](const auto& each) { return each.drive == member; }))
      ++member;
    return member;
  }

  tests::SeededRandom random{tests::test_seed(31)};
};

TEST_F(MoveTest, AShardOfAnAliveDriveIsCopiedAndItsZoneIsFree) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  const SegmentRecord before = rig.catalog.records.at(1);
  const std::uint64_t free = rig.store->usage().zones_free;
  const std::uint32_t to = outsider(rig);
  ASSERT_TRUE(rig.move_shard(1, 3, to));
  const SegmentRecord after = rig.catalog.records.at(1);
  EXPECT_EQ(after.members[3].drive, to);
  EXPECT_EQ(after.state, SegmentRecord::State::sealed);
  for (unsigned shard = 0; shard < 6; ++shard) {
    if (shard != 3) EXPECT_EQ(after.members[shard], before.members[shard]);
  }
  EXPECT_EQ(rig.store->usage().zones_free, free);
  check(rig, stored);
  const auto scrubbed = rig.scrub(1);
  ASSERT_TRUE(scrubbed);
  EXPECT_EQ(scrubbed->shards_damaged, 0u);
  EXPECT_GE(scrubbed->stripes, 5u);
  rig.halt();
  ASSERT_TRUE(rig.boot()) << rig.why;
  check(rig, stored);
}

TEST_F(MoveTest, TheZoneLeftWaitsForThoseWhoStillReadThere) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  const std::uint32_t left = rig.catalog.records.at(1).members[0].drive;
  tests::FaultMatch match;
  match.disk = left;
  match.kind = io::Operation::Kind::read;
  match.begin = rig.offset_of(stored[1].extent, 0, 1);
  match.end = match.begin + 4096;
  rig.disks.inject(match, tests::Fault{tests::Fault::Kind::stuck});
  TaskGroup group;
  Result<std::vector<std::byte>> read = Errc::shutting_down;
  rig.spawn_read(group, stored[1].extent, read);
  rig.settle();
  const std::uint64_t free = rig.store->usage().zones_free;
  ASSERT_TRUE(rig.move_shard(1, 0, outsider(rig)));
  // One zone more is taken: the old one may yet be read, and must not become another segment's.
  EXPECT_EQ(rig.store->usage().zones_free, free - 1);
  ASSERT_TRUE(rig.move_shard(1, 0, left));
  EXPECT_EQ(rig.store->usage().zones_free, free - 2);
  check(rig, stored);
  rig.disks.release_stuck();
  rig.join(group);
  ASSERT_TRUE(read && *read == stored[1].body);
  EXPECT_EQ(rig.store->usage().zones_free, free);
}

TEST_F(MoveTest, AShardOfALostDriveIsMadeFromTheOthers) {
  for (unsigned lost = 0; lost < 6; ++lost) {
    StoreRig rig{seven()};
    ASSERT_TRUE(rig.boot()) << rig.why;
    const auto stored = fill(rig);
    const std::uint32_t to = outsider(rig);
    rig.disks.pull(rig.catalog.records.at(1).members[lost].drive);
    const unsigned second = (lost + 2) % 6;
    const std::uint32_t also = rig.catalog.records.at(1).members[second].drive;
    rig.disks.rot(also, rig.offset_of(stored[0].extent, second, 0), 400'000, 500);
    ASSERT_TRUE(rig.move_shard(1, lost, to)) << lost;
    ASSERT_TRUE(rig.scrub(1));
    check(rig, stored);
  }
}

TEST_F(MoveTest, RefusesWhatWouldBreakASegment) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  const SegmentRecord before = rig.catalog.records.at(1);
  EXPECT_EQ(rig.move_shard(1, 0, before.members[1].drive).error(), Errc::invalid_argument);
  EXPECT_EQ(rig.move_shard(1, 0, before.members[0].drive).error(), Errc::invalid_argument);
  EXPECT_EQ(rig.move_shard(1, 6, outsider(rig)).error(), Errc::invalid_argument);
  EXPECT_EQ(rig.move_shard(99, 0, outsider(rig)).error(), Errc::not_found);
  EXPECT_EQ(rig.move_shard(1, 0, 77).error(), Errc::drive_lost);
  ASSERT_TRUE(rig.append(std::vector<std::byte>(5000)));
  EXPECT_EQ(rig.move_shard(2, 0, outsider(rig, 2)).error(), Errc::conflict);  // it still takes appends
  EXPECT_EQ(rig.catalog.records.at(1), before);
  check(rig, stored);
}

TEST_F(MoveTest, AFailedWriteLeavesTheRecordAndFreesTheNewZone) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  const SegmentRecord before = rig.catalog.records.at(1);
  const std::uint32_t to = outsider(rig);
  tests::FaultMatch match;
  match.disk = to;
  match.kind = io::Operation::Kind::write;
  match.skip = 1;
  rig.disks.inject(match, tests::Fault{});
  EXPECT_FALSE(rig.move_shard(1, 2, to));
  EXPECT_EQ(rig.drives->status(to), DriveStatus::suspect);
  EXPECT_EQ(rig.catalog.records.at(1), before);
  check(rig, stored);
}

TEST_F(MoveTest, AReferencedStripeBeyondRepairKeepsTheZoneItMayComeBackIn) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  const SegmentRecord before = rig.catalog.records.at(1);
  const std::uint32_t to = outsider(rig);
  for (const unsigned shard : {0U, 1U, 2U}) rig.disks.pull(before.members[shard].drive);
  EXPECT_FALSE(rig.move_shard(1, 0, to));
  EXPECT_EQ(rig.catalog.records.at(1), before);
}

TEST_F(MoveTest, WhereTooManyShardsAreSilentAHoleIsNotTakenForEmpty) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto appended = rig.append(std::vector<std::byte>(5000, std::byte{7}));
  ASSERT_TRUE(appended);
  ASSERT_TRUE(rig.seal(1));
  const SegmentRecord before = rig.catalog.records.at(1);
  const std::uint32_t to = outsider(rig);
  for (const unsigned shard : {0U, 1U, 2U}) rig.disks.pull(before.members[shard].drive);
  // The other three say nothing of the stripe, which the pulled ones may hold.
  for (const unsigned shard : {3U, 4U, 5U}) {
    rig.disks.rot(before.members[shard].drive, rig.offset_of(appended->extent, shard, 0), 4096, 500);
  }
  EXPECT_FALSE(rig.move_shard(1, 0, to));
  EXPECT_EQ(rig.catalog.records.at(1), before);
}

Task<Result<bool>> nobody(SegmentId, StripeInfo) { co_return false; }

TEST_F(MoveTest, AStripeThatNothingNamesMayBeLost) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  for (const unsigned shard : {0U, 1U, 4U}) {
    rig.disks.rot(rig.disk_of(stored[2].extent, shard), rig.offset_of(stored[2].extent, shard, 1), 4096, 9);
  }
  const auto named = rig.scrub(1);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->stripes_lost, 1u);
  const auto torn = rig.scrub(1, nobody);
  ASSERT_TRUE(torn);
  EXPECT_EQ(torn->stripes_lost, 0u);
  EXPECT_EQ(torn->stripes_torn, 1u);
  EXPECT_FALSE(rig.move_shard(1, 0, outsider(rig)));
  EXPECT_TRUE(rig.move_shard(1, 0, outsider(rig), nobody));
}

TEST_F(MoveTest, ScrubRepairsEveryKindOfByteInPlace) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  const Extent& extent = stored[2].extent;
  std::uint64_t rotten = 0;
  for (unsigned shard = 0; shard < 6; ++shard) {
    for (const std::size_t at : {0UL,  9UL,  13UL, 17UL, 21UL, 25UL, 33UL, 41UL,  49UL,   53UL,
                                 55UL, 57UL, 58UL, 59UL, 61UL, 66UL, 90UL, 120UL, 4096UL, 8191UL}) {
      std::vector<std::byte> byte(1);
      const std::uint64_t offset = rig.offset_of(extent, shard, 0) + at;
      rig.disks.peek(rig.disk_of(extent, shard), offset, byte);
      byte[0] ^= std::byte{0x10};
      rig.disks.poke(rig.disk_of(extent, shard), offset, byte);
      const auto scrubbed = rig.scrub(1);
      ASSERT_TRUE(scrubbed);
      ASSERT_EQ(scrubbed->shards_damaged, 1u) << "shard " << shard << " byte " << at;
      ASSERT_EQ(scrubbed->shards_repaired, 1u);
      ++rotten;
      byte[0] ^= std::byte{0x10};
      std::vector<std::byte> now(1);
      rig.disks.peek(rig.disk_of(extent, shard), offset, now);
      ASSERT_EQ(now, byte) << "identical bytes";
    }
  }
  EXPECT_EQ(rig.metrics.counter("storage_repairs_total", "").value(), rotten);
  check(rig, stored);
}

// Every CRC is right, and yet the parity is not that of the data: only the code itself tells.
TEST_F(MoveTest, ScrubNoticesShardsThatContradictEachOther) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  const Extent& extent = stored[1].extent;
  const std::size_t header_bytes = extent.header_blocks * io::kBlockBytes;
  std::vector<std::vector<std::byte>> shards(6);
  for (unsigned shard = 0; shard < 6; ++shard) {
    shards[shard].resize(header_bytes + extent.shard_blocks * io::kBlockBytes);
    rig.disks.peek(rig.disk_of(extent, shard), rig.offset_of(extent, shard, 0), shards[shard]);
  }
  shards[5].back() ^= std::byte{1};
  const std::span<const std::byte> wrong = std::span(shards[5]).subspan(header_bytes);
  for (unsigned shard = 0; shard < 6; ++shard) {
    const std::span<std::byte> head = std::span(shards[shard]).first(header_bytes);
    Result<ShardHeader> header = decode_shard_header(head);
    ASSERT_TRUE(header);
    header->payload_crcs[5] = erasure::crc32c(wrong);
    if (shard == 5) header->block_crcs = block_crcs_of(wrong);
    encode_shard_header(*header, head);
    rig.disks.poke(rig.disk_of(extent, shard), rig.offset_of(extent, shard, 0), shards[shard]);
  }
  const auto scrubbed = rig.scrub(1);
  ASSERT_TRUE(scrubbed);
  EXPECT_EQ(scrubbed->stripes_lost, 1u);
  EXPECT_EQ(scrubbed->shards_repaired, 0u);
}

TEST_F(MoveTest, ScrubWritesDamagedZoneHeadersAnew) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  ASSERT_TRUE(rig.move_shard(1, 1, outsider(rig)));
  const auto clean = rig.scrub(1);
  ASSERT_TRUE(clean);
  EXPECT_EQ(clean->zone_headers_repaired, 0u);
  const SegmentRecord record = rig.catalog.records.at(1);
  for (unsigned shard = 0; shard < 6; ++shard) {
    for (const std::uint64_t at :
         {1UL, 9UL, 13UL, 17UL, 30UL, 45UL, 57UL, 65UL, 73UL, 81UL, 85UL, 86UL, 87UL, 90UL, 130UL}) {
      rig.disks.rot(record.members[shard].drive, rig.drives->zone_offset(record.members[shard].zone) + at, 1);
      const auto scrubbed = rig.scrub(1);
      ASSERT_TRUE(scrubbed);
      ASSERT_EQ(scrubbed->zone_headers_repaired, 1u) << "shard " << shard << " byte " << at;
      ASSERT_EQ(scrubbed->shards_damaged, 0u);
    }
  }
  const auto again = rig.scrub(1);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->zone_headers_repaired, 0u);
  check(rig, stored);
}

// One sector that a drive refuses costs its own stripe only, and is written anew.
TEST_F(MoveTest, ABadSectorIsWrittenAnewAndHidesNoOtherStripe) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto stored = fill(rig);
  const SegmentRecord record = rig.catalog.records.at(1);
  tests::FaultMatch match;
  match.disk = record.members[1].drive;
  match.kind = io::Operation::Kind::read;
  match.begin = rig.offset_of(stored[2].extent, 1, 1);
  match.end = match.begin + 4096;
  match.count = tests::FaultMatch::kAlways;
  rig.disks.inject(match, tests::Fault{});
  const auto scrubbed = rig.scrub(1);
  ASSERT_TRUE(scrubbed);
  EXPECT_EQ(scrubbed->shards_damaged, 1u);
  EXPECT_EQ(scrubbed->shards_repaired, 1u);
  EXPECT_EQ(scrubbed->shards_absent, 0u);
  // Two drives lost beside it: only the stripe with the bad sector is out of reach.
  rig.disks.pull(record.members[0].drive);
  rig.disks.pull(record.members[5].drive);
  EXPECT_FALSE(rig.move_shard(1, 0, outsider(rig)));
  EXPECT_TRUE(rig.move_shard(1, 0, outsider(rig), nobody));
  rig.disks.clear_faults();
}

TEST_F(MoveTest, ScrubOfOneDriveFindsWhatAStaleDriveLost) {
  StoreRig rig{seven()};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const std::uint32_t blank = 2;
  const auto image = rig.disks.image(blank);
  const auto stored = fill(rig);
  rig.halt();
  rig.disks.restore(blank, image);
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto scrubbed = rig.scrub(1, {}, blank);
  ASSERT_TRUE(scrubbed);
  const auto& members = rig.catalog.records.at(1).members;
  const bool member =
      std::any_of(members.begin(), members.end(), [&](const auto& each) { return each.drive == blank; });
  EXPECT_EQ(scrubbed->shards_repaired > 0, member);
  check(rig, stored);
  const auto again = rig.scrub(1);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->shards_damaged, 0u);
}

}  // namespace
}  // namespace storage::segment
