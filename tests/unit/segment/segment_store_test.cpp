#include "storage/segment/segment_store.h"

#include <gtest/gtest.h>

#include "erasure/codec.h"
#include "storage/base/log.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::FakeSource;
using tests::StoreRig;
using tests::StoreRigOptions;

class SegmentStoreTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }
  tests::SeededRandom random{tests::test_seed(7)};
};

TEST_F(SegmentStoreTest, ALoneBodyIsReadBackWhole) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  for (const std::size_t size : {1, 100, 4096, 4097, 50'000, 1'000'000}) {
    const auto body = tests::random_bytes(random, size);
    const auto appended = rig.append(body);
    ASSERT_TRUE(appended) << appended.error().message();
    EXPECT_EQ(appended->extent.length, size);
    EXPECT_EQ(appended->extent.crc, erasure::crc32c(body));
    const auto back = rig.read(appended->extent);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, body);
  }
}

TEST_F(SegmentStoreTest, WaitingBodiesShareAStripeAndAreEachOneRead) {
  StoreRigOptions options;
  options.store.batches_in_flight_max = 1;
  StoreRig rig{options};
  ASSERT_TRUE(rig.boot()) << rig.why;
  // The first goes alone; while it is being written the others wait and become the next stripe.
  ASSERT_TRUE(rig.append(std::vector<std::byte>(1)));
  std::vector<std::vector<std::byte>> bodies;
  for (int i = 0; i < 33; ++i) bodies.push_back(tests::random_bytes(random, 25'000));
  const auto results = rig.append_all(bodies);
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    ASSERT_TRUE(results[i]) << results[i].error().message();
    const std::uint64_t before = rig.reads();
    const auto back = rig.read(results[i]->extent);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, bodies[i]);
    if (i > 0) {
      EXPECT_EQ(rig.reads() - before, 1u) << "body " << i;
    }
  }
}

TEST_F(SegmentStoreTest, ABatchCostsLittleMoreThanItsBytes) {
  StoreRigOptions options;
  options.capacity_bytes = 256 << 20;  // zones of 4 MiB
  options.store.batches_in_flight_max = 1;
  StoreRig rig{options};
  ASSERT_TRUE(rig.boot()) << rig.why;
  // All queue while the segment is being opened.
  std::vector<std::vector<std::byte>> bodies(32, tests::random_bytes(random, 50'000));
  const auto results = rig.append_all(bodies);
  const Extent& extent = results[0]->extent;
  for (std::size_t i = 1; i < results.size(); ++i)
    EXPECT_EQ(results[i]->extent.stripe_block, extent.stripe_block);
  const double bytes = 6.0 * (extent.header_blocks + extent.shard_blocks) * io::kBlockBytes;
  EXPECT_LE(bytes, 1.6 * 32 * 50'000);
}

TEST_F(SegmentStoreTest, ARangeCostsOneReadWhenItStartsAtTheShardOrItsHeaderIsKnown) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto body = tests::random_bytes(random, 900'000);
  FakeSource source(body, 65'536);
  const auto streamed = rig.append_stream({}, source);
  ASSERT_TRUE(streamed);
  const Extent extent = streamed->front().extent;
  const std::uint32_t piece = rig.store->piece_bytes(extent, 0);
  EXPECT_EQ(piece, extent.shard_blocks * io::kBlockBytes);
  const auto reads_of = [&](std::uint32_t begin, std::uint32_t length) {
    const std::uint64_t before = rig.reads();
    const auto back = rig.read(extent, begin, length);
    EXPECT_TRUE(back && std::equal(back->begin(), back->end(), body.begin() + begin));
    return rig.reads() - before;
  };
  EXPECT_EQ(reads_of(0, piece), 1u);          // header and payload in one
  EXPECT_EQ(reads_of(100, 1), 1u);            // the header is cached now
  EXPECT_EQ(reads_of(piece + 5000, 10), 2u);  // another shard: payload and header in parallel
  EXPECT_EQ(reads_of(piece + 9000, 10), 1u);
  EXPECT_EQ(reads_of(piece - 10, 20), 2u);    // a byte on each side of the border
  EXPECT_EQ(reads_of(0, extent.length), 4u);  // one a data shard, no header
}

TEST_F(SegmentStoreTest, StreamsOfEveryLengthNearABorderComeBack) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const std::size_t stripe = 1 << 20;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4097}, stripe - 1, stripe,
                                 stripe + 1, 2 * stripe, 2 * stripe + 70'000}) {
    for (const std::size_t head : {std::size_t{0}, size / 2, size}) {
      const auto body = tests::random_bytes(random, size);
      FakeSource source(std::span<const std::byte>(body).subspan(head), 100'001);
      const auto streamed = rig.append_stream(std::span<const std::byte>(body).first(head), source);
      ASSERT_TRUE(streamed) << streamed.error().message();
      EXPECT_EQ(streamed->size(), (size + stripe - 1) / stripe);
      std::vector<std::byte> back;
      for (const Appended& appended : *streamed) {
        const auto part = rig.read(appended.extent);
        ASSERT_TRUE(part);
        back.insert(back.end(), part->begin(), part->end());
      }
      EXPECT_TRUE(back == body) << size << " " << head;
    }
  }
}

TEST_F(SegmentStoreTest, ASourceThatFailsEndsTheStreamWithItsError) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto body = tests::random_bytes(random, 1'300'000);
  FakeSource source(body, 50'000);
  source.fail_at_end = make_error_code(boost::system::errc::connection_reset);
  const auto streamed = rig.append_stream({}, source);
  ASSERT_FALSE(streamed);
  EXPECT_EQ(streamed.error(), boost::system::errc::connection_reset);
}

TEST_F(SegmentStoreTest, AFullStoreSaysSoAndStillReads) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  std::vector<std::pair<Extent, std::byte>> stored;
  Error ended;
  for (int i = 0; i < 400 && !ended; ++i) {
    const std::vector<std::byte> body(1'000'000, static_cast<std::byte>(i));
    const auto appended = rig.append(body);
    if (appended) {
      stored.emplace_back(appended->extent, body.front());
    } else {
      ended = appended.error();
    }
  }
  EXPECT_EQ(ended, Errc::no_space);
  EXPECT_EQ(rig.store->usage().zones_free, 12u);  // two segments' worth, for the collector
  for (const auto& [extent, byte] : stored) {
    const auto back = rig.read(extent);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->front(), byte);
  }
}

Task<Result<>> free_one(SegmentStore& store, SegmentId id) {
  std::vector<SegmentId> ids(1, id);
  co_return co_await store.free_segments(std::move(ids));
}

TEST_F(SegmentStoreTest, OnlySealedAndUnpinnedSegmentsAreFreed) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto body = tests::random_bytes(random, 5000);
  Extent extent;
  {
    const auto appended = rig.append(body);
    ASSERT_TRUE(appended);
    extent = appended->extent;
  }
  EXPECT_EQ(tests::run_task(rig.context, free_one(*rig.store, extent.segment)).error(),
            Errc::conflict);  // open
  rig.halt();
  ASSERT_TRUE(rig.boot());
  const std::uint64_t before = rig.store->usage().zones_free;
  {
    const auto pin = rig.store->pin(extent.segment);
    ASSERT_TRUE(pin);
    EXPECT_EQ(tests::run_task(rig.context, free_one(*rig.store, extent.segment)).error(), Errc::conflict);
  }
  EXPECT_TRUE(rig.read(extent));
  EXPECT_TRUE(tests::run_task(rig.context, free_one(*rig.store, extent.segment)));
  EXPECT_EQ(rig.store->usage().zones_free, before + 6);
  EXPECT_EQ(rig.store->pin(extent.segment).error(), Errc::not_found);
  EXPECT_EQ(rig.read(extent).error(), Errc::not_found);
}

TEST_F(SegmentStoreTest, RecordsThatContradictEachOtherStopTheStart) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  ASSERT_TRUE(rig.append(tests::random_bytes(random, 5000)));
  rig.halt();
  ASSERT_EQ(rig.catalog.records.size(), 1u);
  const SegmentRecord good = rig.catalog.records.begin()->second;
  SegmentRecord other = good;
  other.id = 99;
  rig.catalog.records[99] = other;  // the same zones
  EXPECT_EQ(rig.boot().error(), Errc::corrupt_record);
  rig.halt();
  for (SegmentRecord::Member& member : other.members) member.zone += 20;
  other.members[1].drive = other.members[0].drive;
  ++other.members[1].zone;
  rig.catalog.records[99] = other;
  EXPECT_EQ(rig.boot().error(), Errc::corrupt_record);
  rig.halt();
  rig.catalog.records.erase(99);
  EXPECT_TRUE(rig.boot());
}

TEST_F(SegmentStoreTest, ImpossibleExtentsAndRangesAreRefused) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const auto appended = rig.append(tests::random_bytes(random, 5000));
  ASSERT_TRUE(appended);
  const Extent good = appended->extent;
  EXPECT_EQ(rig.read(good, 0, 0).error(), Errc::invalid_argument);
  EXPECT_EQ(rig.read(good, 4000, 1001).error(), Errc::invalid_argument);
  EXPECT_EQ(rig.read(good, 0xffffffff, 2).error(), Errc::invalid_argument);
  Extent bad = good;
  bad.stripe_block = 256;
  EXPECT_EQ(rig.read(bad).error(), Errc::corrupt_record);
  bad = good;
  bad.begin = 0xffffff00;
  EXPECT_EQ(rig.read(bad).error(), Errc::corrupt_record);
  bad = good;
  bad.header_blocks = 0;
  EXPECT_EQ(rig.read(bad).error(), Errc::corrupt_record);
  bad = good;
  bad.crc ^= 1;  // every shard is sound, and yet these are not the bytes of the record
  EXPECT_EQ(rig.read(bad).error(), Errc::corrupt_data);
}

TEST_F(SegmentStoreTest, NamesAndSizesBeyondTheBoundsAreRefused) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const std::vector<std::byte> body((1 << 20) + 1);
  EXPECT_EQ(rig.append(body).error(), Errc::too_large);
  EXPECT_EQ(rig.append(std::span<const std::byte>(body).first(0)).error(), Errc::invalid_argument);
  EXPECT_EQ(rig.append(std::span<const std::byte>(body).first(1), std::string(1025, 'k')).error(), Errc::invalid_argument);
  EXPECT_TRUE(rig.append(std::span<const std::byte>(body).first(1), std::string(1024, 'k')));
}

TEST_F(SegmentStoreTest, AFullDirectoryClosesTheBatch) {
  StoreRigOptions options;
  options.store.batches_in_flight_max = 1;
  StoreRig rig{options};
  ASSERT_TRUE(rig.boot()) << rig.why;
  // 3,000 entries of 28 + 6 + ~7 bytes are about 123 KiB of directory: more than one header holds.
  std::vector<std::vector<std::byte>> bodies(3000, std::vector<std::byte>(10, std::byte{3}));
  const auto results = rig.append_all(bodies);
  std::set<std::pair<SegmentId, std::uint32_t>> stripes;
  for (const auto& result : results) {
    ASSERT_TRUE(result);
    EXPECT_LE(result->extent.header_blocks, 16u);
    stripes.emplace(result->extent.segment, result->extent.stripe_block);
  }
  EXPECT_GE(stripes.size(), 2u);
  EXPECT_LE(stripes.size(), 4u);
}

TEST_F(SegmentStoreTest, ACatalogueThatRefusesFailsTheAppendAndLeaksNoZone) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const std::uint64_t free = rig.store->usage().zones_free;
  rig.catalog.fail_adds = true;
  const std::vector<std::byte> body(100);
  EXPECT_EQ(rig.append(body).error(), Errc::io_error);
  EXPECT_EQ(rig.store->usage().zones_free, free);
  rig.catalog.fail_adds = false;
  EXPECT_TRUE(rig.append(body));
}

TEST_F(SegmentStoreTest, ZonesArePreparedAheadOfNeed) {
  StoreRigOptions options;
  options.disks = 3;
  options.prepared_bytes = 0;
  StoreRig rig{options};
  ASSERT_TRUE(rig.boot()) << rig.why;
  rig.context.restart();
  rig.store->start(rig.context.get_executor());
  const std::uint64_t wanted = (1 << 20) + 2 * rig.drives->zone_bytes();
  const auto ready = [&] {
    for (std::uint32_t member = 0; member < 3; ++member) {
      if (rig.drives->drive(member)->prepared_bytes() < wanted) return false;
    }
    return true;
  };
  while (!ready()) ASSERT_GT(rig.context.run_one(), 0u);
  EXPECT_EQ(rig.store->usage().zones_free, rig.store->usage().zones_total);
  const auto body = tests::random_bytes(random, 10'000);
  const auto appended = rig.append(body);
  ASSERT_TRUE(appended);
  EXPECT_EQ(*rig.read(appended->extent), body);
}

TEST_F(SegmentStoreTest, EveryNumberOfDrivesStoresAndReads) {
  for (const std::size_t disks : {1, 2, 3, 4, 5, 8, 11, 15, 20}) {
    StoreRigOptions options;
    options.disks = disks;
    StoreRig rig{options};
    ASSERT_TRUE(rig.boot()) << rig.why;
    const auto body = tests::random_bytes(random, 300'000);
    const auto appended = rig.append(body);
    ASSERT_TRUE(appended) << disks << " " << appended.error().message();
    FakeSource source(body, 10'000);
    const auto streamed = rig.append_stream(body, source);
    ASSERT_TRUE(streamed) << disks << " " << streamed.error().message();
    for (unsigned lost = 0; lost < rig.drives->parity(); ++lost) rig.disks.pull(lost);
    EXPECT_EQ(*rig.read(appended->extent), body) << disks;
  }
}

TEST_F(SegmentStoreTest, AfterStopCallsAreRefused) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  const std::vector<std::byte> body(100);
  ASSERT_TRUE(rig.append(body));
  rig.stop_store();
  EXPECT_EQ(rig.append(body).error(), Errc::shutting_down);
}

}  // namespace
}  // namespace storage::segment
