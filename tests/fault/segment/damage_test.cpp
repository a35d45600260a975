// Lost drives, rotten bytes, refused writes: what is acknowledged stays readable while k shards of its stripe
// are.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "storage/base/log.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::FakeSource;
using tests::FaultMatch;
using tests::StoreRig;
using tests::StoreRigOptions;

struct Stored {
  Extent extent;
  std::vector<std::byte> body;
};

class DamageTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }

  // Lone bodies, a group and a stream.
  std::vector<Stored> fill(StoreRig& rig) {
    std::vector<Stored> stored;
    for (const std::size_t size : {10UL, 50'000UL, 700'000UL}) {
      const auto body = tests::random_bytes(random, size);
      const auto appended = rig.append(body);
      EXPECT_TRUE(appended);
      stored.push_back({appended->extent, body});
    }
    std::vector<std::vector<std::byte>> bodies;
    for (int i = 0; i < 12; ++i) bodies.push_back(tests::random_bytes(random, 20'000));
    const auto results = rig.append_all(bodies);
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      EXPECT_TRUE(results[i]);
      stored.push_back({results[i]->extent, bodies[i]});
    }
    const auto body = tests::random_bytes(random, 1'500'000);
    FakeSource source(body, 100'000);
    const auto streamed = rig.append_stream({}, source);
    EXPECT_TRUE(streamed);
    std::size_t at = 0;
    for (const Appended& appended : *streamed) {
      const auto begin = body.begin() + static_cast<std::ptrdiff_t>(at);
      stored.push_back({appended.extent, std::vector<std::byte>(begin, begin + appended.extent.length)});
      at += appended.extent.length;
    }
    EXPECT_EQ(at, body.size());
    return stored;
  }

  void check(StoreRig& rig, const std::vector<Stored>& stored) {
    for (const Stored& entry : stored) {
      const auto back = rig.read(entry.extent);
      ASSERT_TRUE(back) << back.error().message();
      ASSERT_TRUE(*back == entry.body);
      const auto begin = static_cast<std::uint32_t>(random.below(entry.body.size()));
      const auto length = static_cast<std::uint32_t>(1 + random.below(entry.body.size() - begin));
      const auto part = rig.read(entry.extent, begin, length);
      ASSERT_TRUE(part) << part.error().message();
      ASSERT_TRUE(std::equal(part->begin(), part->end(), entry.body.begin() + begin));
      ASSERT_EQ(part->size(), length);
    }
  }

  tests::SeededRandom random{tests::test_seed(23)};
};

TEST_F(DamageTest, EveryPairOfDrivesMayBeMissing) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot());
  const auto stored = fill(rig);
  for (std::size_t a = 0; a < 6; ++a) {
    for (std::size_t b = a + 1; b < 6; ++b) {
      SCOPED_TRACE(testing::Message() << "without " << a << " and " << b);
      rig.halt();
      std::vector<std::size_t> left;
      for (std::size_t disk = 0; disk < 6; ++disk) {
        if (disk != a && disk != b) left.push_back(disk);
      }
      ASSERT_TRUE(rig.open_drives(left)) << rig.why;
      ASSERT_TRUE(rig.open_store());
      EXPECT_EQ(rig.drives->alive_count(), 4u);
      check(rig, stored);
      // What is written now has another geometry, and is read with all drives back.
      const auto body = tests::random_bytes(random, 5000);
      const auto appended = rig.append(body);
      ASSERT_TRUE(appended) << appended.error().message();
      EXPECT_EQ(rig.catalog.records.at(appended->extent.segment).data, 2u);
      check(rig, {{appended->extent, body}});
    }
  }
}

TEST_F(DamageTest, EveryPairOfDrivesMayBePulledWhileRunning) {
  for (std::size_t a = 0; a < 6; ++a) {
    for (std::size_t b = a + 1; b < 6; ++b) {
      StoreRig rig{StoreRigOptions{}};
      ASSERT_TRUE(rig.boot());
      auto stored = fill(rig);
      rig.disks.pull(a);
      rig.disks.pull(b);
      check(rig, stored);
      const auto more = fill(rig);  // the open segments lost members: the bodies go elsewhere
      stored.insert(stored.end(), more.begin(), more.end());
      check(rig, stored);
      EXPECT_EQ(rig.drives->status(static_cast<std::uint32_t>(a)), DriveStatus::lost);
    }
  }
}

TEST_F(DamageTest, FewerThanOneMoreThanParityIsReadOnly) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot());
  const auto stored = fill(rig);
  for (const std::uint32_t member : {0U, 1U, 2U, 3U}) {
    rig.drives->report_error(member, io::Operation::Kind::write, Errc::io_error);
  }
  EXPECT_EQ(rig.drives->alive_count(), 2u);
  const std::vector<std::byte> body(100, std::byte{1});
  const auto refused = rig.append(body);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::read_only);
  FakeSource source(body, 10);
  const auto stream = rig.append_stream({}, source);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error(), Errc::read_only);
  check(rig, stored);  // suspect drives are read from
}

TEST_F(DamageTest, ThreeLostShardsAreCorruptData) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot());
  const auto body = tests::random_bytes(random, 200'000);
  const auto appended = rig.append(body);
  ASSERT_TRUE(appended);
  for (const unsigned shard : {0U, 2U, 5U}) rig.disks.pull(rig.disk_of(appended->extent, shard));
  const auto back = rig.read(appended->extent);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error(), Errc::corrupt_data);
}

// Flips bits of one class of structure in every combination of up to two shards; reads; lets the repair run;
// and finds the very bytes that stood there before.
TEST_F(DamageTest, RottenShardsAreReadAroundAndRepairedInPlace) {
  enum class Class { header, payload, both };
  for (const std::size_t size : {3000UL, 50'000UL, 600'000UL}) {
    for (const Class rot : {Class::header, Class::payload, Class::both}) {
      for (unsigned a = 0; a < 6; ++a) {
        for (unsigned b = a; b < 6; ++b) {
          StoreRig rig{StoreRigOptions{}};
          ASSERT_TRUE(rig.boot());
          const auto body = tests::random_bytes(random, size);
          const auto appended = rig.append(body);
          ASSERT_TRUE(appended);
          const Extent extent = appended->extent;
          const std::size_t header_bytes = extent.header_blocks * io::kBlockBytes;
          const std::size_t shard_bytes = header_bytes + extent.shard_blocks * io::kBlockBytes;
          std::vector<std::vector<std::byte>> before;
          for (const unsigned shard : {a, b}) {
            before.emplace_back(shard_bytes);
            rig.disks.peek(rig.disk_of(extent, shard), rig.offset_of(extent, shard, 0), before.back());
          }
          for (const unsigned shard : {a, b}) {
            const std::uint64_t at = rig.offset_of(extent, shard, 0);
            if (rot != Class::payload) rig.disks.rot(rig.disk_of(extent, shard), at, 64);
            if (rot != Class::header) {
              rig.disks.rot(rig.disk_of(extent, shard), at + header_bytes, shard_bytes - header_bytes, 3);
            }
          }
          SCOPED_TRACE(testing::Message()
                       << "size " << size << " class " << static_cast<int>(rot) << " " << a << b);
          rig.store->start(rig.context.get_executor());
          check(rig, {{extent, body}});
          while (rig.store->usage().repairs_queued > 0) rig.context.run_one();
          check(rig, {{extent, body}});
          while (rig.store->usage().repairs_queued > 0) rig.context.run_one();
          // Only shards that a read touched are known to be damaged: data shards that hold bytes of the body,
          // with rot that matters to a read. Each that was repaired is the old one, bit for bit.
          const std::uint64_t repairs = rig.metrics.counter("storage_repairs_total", "").value();
          std::uint64_t restored = 0;
          std::size_t index = 0;
          for (const unsigned shard : {a, b}) {
            std::vector<std::byte> now(shard_bytes);
            rig.disks.peek(rig.disk_of(extent, shard), rig.offset_of(extent, shard, 0), now);
            if (now == before[index++] && (shard == a || a != b)) ++restored;
          }
          if (a == b) restored = std::min<std::uint64_t>(restored, 1);
          EXPECT_GE(restored, repairs);
          const bool touched = extent.begin / (extent.shard_blocks * io::kBlockBytes) == a;
          if (touched && rot != Class::header) {
            EXPECT_GE(repairs, 1u);
          }
        }
      }
    }
  }
}

TEST_F(DamageTest, AFailedWriteSealsTheSegmentAndTheBatchSucceedsElsewhere) {
  for (const auto code : {boost::system::errc::io_error, boost::system::errc::no_space_on_device}) {
    for (std::uint64_t skip = 0; skip < 24; ++skip) {
      SCOPED_TRACE(testing::Message() << "write " << skip << " fails");
      StoreRigOptions options;
      options.seed = 50 + skip;
      StoreRig rig{options};
      ASSERT_TRUE(rig.boot());
      FaultMatch match;
      match.kind = io::Operation::Kind::write;
      match.skip = skip;
      tests::Fault fault;
      fault.error = make_error_code(code);
      rig.disks.inject(match, fault);
      const auto stored = fill(rig);
      // Readable is not enough: what was acknowledged has all its shards, the failed write's included.
      for (const Stored& entry : stored) ASSERT_TRUE(rig.all_shards_stand(entry.extent));
      check(rig, stored);
      EXPECT_EQ(rig.drives->alive_count(), 5u);
      std::size_t suspects = 0;
      for (const MemberInfo& member : rig.drives->members()) {
        if (member.status != DriveStatus::suspect) continue;
        ++suspects;
        // No open segment may still count on it.
        rig.settle();
        for (const auto& [id, record] : rig.catalog.records) {
          if (record.state == SegmentRecord::State::sealed) continue;
          for (const auto& place : record.members) EXPECT_NE(place.drive, member.number);
        }
      }
      EXPECT_EQ(suspects, 1u);
    }
  }
}

// A shard that is sound and belongs to another stripe: only its identity tells.
TEST_F(DamageTest, AShardThatBelongsElsewhereIsNotBelieved) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot());
  std::vector<Stored> stored;
  for (int i = 0; i < 2; ++i) {
    const auto body = tests::random_bytes(random, 50'000);
    const auto appended = rig.append(body);
    ASSERT_TRUE(appended);
    stored.push_back({appended->extent, body});
  }
  const Extent& from = stored[0].extent;
  const Extent& to = stored[1].extent;
  ASSERT_EQ(from.segment, to.segment);
  ASSERT_EQ(from.shard_blocks, to.shard_blocks);
  rig.halt();
  rig.disks.reboot();
  ASSERT_TRUE(rig.boot());  // no header is remembered
  std::vector<std::byte> shard((from.header_blocks + from.shard_blocks) * io::kBlockBytes);
  for (const unsigned index : {0U, 1U}) {
    rig.disks.peek(rig.disk_of(from, index), rig.offset_of(from, index, 0), shard);
    rig.disks.poke(rig.disk_of(to, index), rig.offset_of(to, index, 0), shard);
  }
  // Ranges: no CRC of the whole body stands behind them.
  for (const std::uint32_t begin : {0U, 100U, 20'000U}) {
    const auto part = rig.read(to, begin, 10'000);
    ASSERT_TRUE(part);
    EXPECT_TRUE(std::equal(part->begin(), part->end(), stored[1].body.begin() + begin));
  }
  check(rig, stored);
}

TEST_F(DamageTest, LostAndMisdirectedWritesAreFoundByTheRead) {
  for (const auto kind :
       {tests::Fault::Kind::lost, tests::Fault::Kind::misdirected, tests::Fault::Kind::flip}) {
    for (std::uint64_t skip = 6; skip < 18; ++skip) {
      StoreRigOptions options;
      options.seed = skip;
      StoreRig rig{options};
      ASSERT_TRUE(rig.boot());
      FaultMatch match;
      match.kind = io::Operation::Kind::write;
      match.skip = skip;
      tests::Fault fault;
      fault.kind = kind;
      // A misdirected write that hits a second shard of the stripe, or a superblock, is one fault too many to
      // ask for: it lands in the unused end of the drive.
      fault.misdirect_to = 63 << 20;
      rig.disks.inject(match, fault);
      const auto stored = fill(rig);
      check(rig, stored);
    }
  }
}

TEST_F(DamageTest, AStaleDriveThatReturnsIsReadAround) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot());
  auto stored = fill(rig);
  rig.halt();
  const auto old_image = rig.disks.image(2);
  ASSERT_TRUE(rig.boot());
  const auto more = fill(rig);
  stored.insert(stored.end(), more.begin(), more.end());
  rig.halt();
  rig.disks.restore(2, old_image);
  ASSERT_TRUE(rig.boot()) << rig.why;
  EXPECT_EQ(rig.drives->alive_count(), 6u);
  check(rig, stored);
}

}  // namespace
}  // namespace storage::segment
