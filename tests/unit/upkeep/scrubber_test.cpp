#include "storage/upkeep/scrubber.h"

#include <gtest/gtest.h>

#include "storage/base/log.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::upkeep {
namespace {

using segment::Extent;
using tests::StoreRig;
using tests::StoreRigOptions;

class ScrubberTest : public testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::off);
    rig = std::make_unique<StoreRig>(StoreRigOptions{});
    ASSERT_TRUE(rig->boot()) << rig->why;
    pacer = std::make_unique<Pacer>(system_clock(), std::function<std::uint64_t()>(), Pacer::Options{});
    scrubber = std::make_unique<Scrubber>(*rig->drives, *rig->store, system_clock(), rig->metrics, *pacer,
                                          rig->pool, segment::Referenced(), Scrubber::Options{});
    tests::SeededRandom random{tests::test_seed(61)};
    for (int i = 0; i < 10; ++i) {
      bodies.push_back(tests::random_bytes(random, 300'000));
      const auto appended = rig->append(bodies.back());
      ASSERT_TRUE(appended);
      extents.push_back(appended->extent);
    }
    for (const auto& [id, record] : rig->catalog.records) ids.push_back(id);
    for (const auto id : ids) ASSERT_TRUE(rig->seal(id));
  }
  void TearDown() override {
    scrubber.reset();
    rig.reset();
    set_log_level(LogLevel::info);
  }
  Scrubber::Progress pass(std::optional<std::uint32_t> member = std::nullopt) {
    const auto ended = tests::run_task(rig->context, scrubber->pass(member));
    EXPECT_TRUE(ended);
    return ended ? *ended : Scrubber::Progress{};
  }

  std::unique_ptr<StoreRig> rig;
  std::unique_ptr<Pacer> pacer;
  std::unique_ptr<Scrubber> scrubber;
  std::vector<std::vector<std::byte>> bodies;
  std::vector<Extent> extents;
  std::vector<segment::SegmentId> ids;
};

TEST_F(ScrubberTest, APassReadsEverySealedStripeAndRepairsWhatIsDamaged) {
  const Scrubber::Progress clean = pass();
  EXPECT_FALSE(clean.running);
  EXPECT_EQ(clean.segments_total, ids.size());
  EXPECT_EQ(clean.segments_done, ids.size());
  EXPECT_EQ(clean.stripes, extents.size());
  EXPECT_EQ(clean.shards_damaged, 0u);
  EXPECT_GT(clean.bytes, 10u * 300'000 * 6 / 4);
  rig->disks.rot(rig->disk_of(extents[3], 2), rig->offset_of(extents[3], 2, 1), 4096);
  rig->disks.rot(rig->disk_of(extents[7], 0), rig->offset_of(extents[7], 0, 0), 64);
  const Scrubber::Progress found = pass();
  EXPECT_EQ(found.shards_damaged, 2u);
  EXPECT_EQ(found.shards_repaired, 2u);
  EXPECT_EQ(found.stripes_lost, 0u);
  EXPECT_EQ(pass().shards_damaged, 0u);
  for (const Extent& extent : extents) EXPECT_TRUE(rig->all_shards_stand(extent));
}

TEST_F(ScrubberTest, APassOverOneDriveReadsLittleOfTheOthers) {
  const Scrubber::Progress all = pass();
  const std::uint32_t drive = rig->disk_of(extents[5], 1);
  const Scrubber::Progress one = pass(drive);
  EXPECT_EQ(one.stripes, all.stripes);
  EXPECT_LT(one.bytes, all.bytes / 4);
  rig->disks.rot(drive, rig->offset_of(extents[5], 1, 0), 4096, 40);
  EXPECT_EQ(pass(drive).shards_repaired, 1u);
  EXPECT_TRUE(rig->all_shards_stand(extents[5]));
  EXPECT_FALSE(tests::run_task(rig->context, scrubber->pass(77)));
}

TEST_F(ScrubberTest, SaysWhatIsLostAndWhatOnlyLooksSo) {
  for (const unsigned shard : {0U, 2U, 5U}) {
    rig->disks.rot(rig->disk_of(extents[1], shard), rig->offset_of(extents[1], shard, 1), 4096);
  }
  EXPECT_EQ(pass().stripes_lost, 1u);
  EXPECT_EQ(rig->metrics.gauge("upkeep_scrub_lost_stripes", "").value(), 1);
  rig->disks.pull(rig->disk_of(extents[1], 3));
  const Scrubber::Progress away = pass();
  EXPECT_EQ(away.stripes_lost, 0u);
  EXPECT_EQ(away.stripes_unreadable, 1u);
  EXPECT_EQ(away.shards_absent, extents.size());
}

Task<> stop(Scrubber& scrubber) { co_await scrubber.stop(); }

TEST_F(ScrubberTest, OnDemandRunsOnceAndStops) {
  EXPECT_EQ(scrubber->start(std::nullopt).error(), Errc::invalid_argument);
  scrubber->run_on(rig->context.get_executor());
  ASSERT_TRUE(scrubber->start(std::nullopt));
  EXPECT_EQ(scrubber->start(std::nullopt).error(), Errc::conflict);
  rig->context.restart();
  while (scrubber->demanded().running) rig->context.run_one();
  EXPECT_EQ(scrubber->demanded().stripes, extents.size());
  ASSERT_TRUE(scrubber->start(0));
  tests::run_task(rig->context, stop(*scrubber));
  EXPECT_FALSE(scrubber->demanded().running);
}

}  // namespace
}  // namespace storage::upkeep
