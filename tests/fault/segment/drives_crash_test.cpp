// Power cut at every operation while drives join and leave, shards move and damage is repaired. Afterwards:
// acknowledged means readable and whole on k+m drives, the member table is that of before or of after each
// change, and every change can be made again.
#include <gtest/gtest.h>

#include <numeric>

#include "storage/base/log.h"
#include "storage/upkeep/drive_changes.h"
#include "storage/upkeep/rebuilder.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::StoreRig;
using tests::StoreRigOptions;
using upkeep::DriveChanges;
using upkeep::Pacer;
using upkeep::Rebuilder;

struct Acknowledged {
  Extent extent;
  std::vector<std::byte> body;
};

constexpr std::uint32_t kRetired = 2;

// What was acknowledged stands in for the object records.
Task<Result<bool>> is_named(const std::vector<Acknowledged>& acknowledged, SegmentId segment,
                            std::uint32_t block) {
  for (const Acknowledged& entry : acknowledged) {
    if (entry.extent.segment == segment && entry.extent.stripe_block == block) co_return true;
  }
  co_return false;
}

Referenced named_by(const std::vector<Acknowledged>& acknowledged) {
  return [&acknowledged](SegmentId segment, const StripeInfo& stripe) {
    return is_named(acknowledged, segment, stripe.block);
  };
}

class DrivesCrashTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }

  static StoreRigOptions options_of(std::uint64_t seed) {
    StoreRigOptions options;
    options.disks = 8;
    options.seed = seed;
    return options;
  }

  // The six drives of the beginning.
  static Result<> boot_first(StoreRig& rig) {
    Result<> opened = rig.open_drives({0, 1, 2, 3, 4, 5});
    if (!opened) return opened;
    return rig.open_store();
  }

  // All eight, as an operator would configure them by then; without the one that has left for good.
  static Result<> boot_all(StoreRig& rig) {
    Result<> opened = rig.open_drives({0, 1, 2, 3, 4, 5, 6, 7});
    if (!opened && rig.why.find("retired") != std::string::npos)
      opened = rig.open_drives({0, 1, 3, 4, 5, 6, 7});
    if (!opened) return opened;
    return rig.open_store();
  }

  static void retire(StoreRig& rig, const std::vector<Acknowledged>& acknowledged) {
    if (!rig.begin_retire(kRetired)) return;
    Pacer pacer(system_clock(), std::function<std::uint64_t()>(), Pacer::Options{});
    DriveChanges changes(*rig.drives, upkeep::MirrorControl{});
    Rebuilder::Hooks hooks;
    hooks.emptied = [&changes](std::uint32_t member) { return changes.emptied(member); };
    hooks.referenced = named_by(acknowledged);
    Rebuilder rebuilder(*rig.drives, *rig.store, system_clock(), rig.metrics, pacer, rig.pool,
                        std::move(hooks), Rebuilder::Options{});
    for (int i = 0; i < 2 && rig.disks.powered(); ++i) {
      tests::run_task(rig.context, rebuilder.round());
      rig.settle();
    }
  }

  static std::vector<Acknowledged> run_script(StoreRig& rig, std::uint64_t seed) {
    tests::SeededRandom random(seed);
    std::vector<Acknowledged> acknowledged;
    const auto put = [&](std::size_t size) {
      std::vector<std::byte> body = tests::random_bytes(random, size);
      const auto appended = rig.append(body);
      if (appended && rig.disks.powered()) acknowledged.push_back({appended->extent, std::move(body)});
    };
    put(3'000);
    put(90'000);
    [[maybe_unused]] Result<> sealed = rig.seal(1);
    [[maybe_unused]] Result<std::uint32_t> sixth = rig.add_drive(6);
    put(20'000);
    [[maybe_unused]] Result<> moved = rig.move_shard(1, 4, 6);
    if (rig.disks.powered() && !acknowledged.empty()) {
      const Extent& extent = acknowledged.back().extent;
      rig.disks.rot(rig.disk_of(extent, 1), rig.offset_of(extent, 1, 0), 4096, 3);
      [[maybe_unused]] Result<> closed = rig.seal(extent.segment);
      [[maybe_unused]] Result<ScrubStep> scrubbed = rig.scrub(extent.segment);
    }
    put(5'000);
    if (rig.disks.powered()) retire(rig, acknowledged);
    put(7'000);
    [[maybe_unused]] Result<std::uint32_t> seventh = rig.add_drive(7);
    return acknowledged;
  }

  // Repairs what the cut left, then every acknowledged stripe must be whole where its record says.
  static void check(StoreRig& rig, const std::vector<Acknowledged>& acknowledged) {
    for (const Acknowledged& entry : acknowledged) {
      const auto back = rig.read(entry.extent);
      ASSERT_TRUE(back) << back.error().message();
      ASSERT_TRUE(*back == entry.body);
    }
    std::vector<SegmentId> ids;
    for (const auto& [id, record] : rig.catalog.records) ids.push_back(id);
    for (const SegmentId id : ids) {
      const auto scrubbed = rig.scrub(id, named_by(acknowledged));
      if (!scrubbed) continue;  // open: opened after the cut
      ASSERT_EQ(scrubbed->stripes_lost, 0u);
      ASSERT_EQ(scrubbed->stripes_unreadable, 0u);
    }
    for (const Acknowledged& entry : acknowledged) {
      ASSERT_TRUE(rig.all_shards_stand(entry.extent));
      const auto back = rig.read(entry.extent);
      ASSERT_TRUE(back && *back == entry.body);
    }
  }

  // Whatever was cut can be done after all.
  static void finish(StoreRig& rig, const std::vector<Acknowledged>& acknowledged) {
    if (rig.drives->member_count() == 6) ASSERT_TRUE(rig.add_drive(6)) << rig.why;
    if (rig.drives->status(kRetired) != DriveStatus::retired) retire(rig, acknowledged);
    ASSERT_EQ(rig.drives->status(kRetired), DriveStatus::retired);
    if (rig.drives->member_count() == 7) ASSERT_TRUE(rig.add_drive(7)) << rig.why;
    ASSERT_EQ(rig.drives->alive_count(), 7u);
  }
};

TEST_F(DrivesCrashTest, ACutAtEveryOperationOfChangingDrives) {
  const std::uint64_t seed = tests::test_seed(71);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  {
    StoreRig rig{options_of(seed)};
    ASSERT_TRUE(boot_first(rig)) << rig.why;
    first = rig.disks.operations();
    const auto acknowledged = run_script(rig, seed);
    ASSERT_EQ(acknowledged.size(), 5u);
    ASSERT_EQ(rig.drives->status(kRetired), DriveStatus::retired);
    last = rig.disks.operations();
    ASSERT_NO_FATAL_FAILURE(check(rig, acknowledged));
  }
  ASSERT_GT(last, first + 120);
  for (std::uint64_t cut = first; cut < last; ++cut) {
    for (std::uint64_t outcome = 0; outcome < 3; ++outcome) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " cut " << cut << " outcome " << outcome);
      StoreRig rig{options_of(seed * 1000 + outcome)};
      ASSERT_TRUE(boot_first(rig)) << rig.why;
      rig.disks.jitter(outcome == 2 ? 3 : 0);
      rig.disks.cut_power_at(cut);
      const auto acknowledged = run_script(rig, seed);
      rig.disks.cut_power();
      rig.halt();
      rig.disks.reboot();
      // Every fourth life is cut inside the start that follows, too.
      if (cut % 4 == 0) {
        rig.disks.cut_power_at(rig.disks.operations() + cut % 37);
        [[maybe_unused]] const Result<> interrupted = boot_all(rig);
        rig.halt();
        rig.disks.reboot();
      }
      ASSERT_TRUE(boot_all(rig)) << rig.why;
      // Before anything is read or repaired: no record names a zone whose shard is not durable (invariant 3). The third
      // body is the one that the script damaged.
      for (std::size_t i = 0; i < acknowledged.size(); ++i) {
        if (i != 2) ASSERT_TRUE(rig.all_shards_stand(acknowledged[i].extent)) << i;
      }
      ASSERT_NO_FATAL_FAILURE(check(rig, acknowledged));
      ASSERT_NO_FATAL_FAILURE(finish(rig, acknowledged));
      ASSERT_NO_FATAL_FAILURE(check(rig, acknowledged));
    }
  }
}

// After an interrupted change some drives carry the old table and some the new one, and any two may be away
// at the next start: it works, or it is refused with a sentence.
TEST_F(DrivesCrashTest, AnyMixtureOfTablesStartsWithAnyTwoDrivesAway) {
  const std::uint64_t seed = tests::test_seed(73);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  {
    StoreRig rig{options_of(seed)};
    ASSERT_TRUE(boot_first(rig)) << rig.why;
    first = rig.disks.operations();
    ASSERT_TRUE(rig.add_drive(6));
    ASSERT_TRUE(rig.begin_retire(kRetired));
    last = rig.disks.operations();
  }
  for (std::uint64_t cut = first; cut < last; ++cut) {
    for (std::size_t a = 0; a < 7; ++a) {
      for (std::size_t b = a + 1; b < 7; ++b) {
        SCOPED_TRACE(testing::Message() << "seed " << seed << " cut " << cut << " away " << a << ' ' << b);
        StoreRig rig{options_of(seed + cut)};
        ASSERT_TRUE(boot_first(rig)) << rig.why;
        const std::vector<std::byte> body(10'000, std::byte{9});
        const auto appended = rig.append(body);
        ASSERT_TRUE(appended);
        rig.disks.cut_power_at(cut + rig.disks.operations() - first);
        [[maybe_unused]] const auto added = rig.add_drive(6);
        [[maybe_unused]] const auto retiring = rig.begin_retire(kRetired);
        rig.disks.cut_power();
        rig.halt();
        rig.disks.reboot();
        std::vector<std::size_t> there;
        for (std::size_t disk = 0; disk < 7; ++disk) {
          if (disk != a && disk != b) there.push_back(disk);
        }
        const Result<> opened = rig.open_drives(there);
        if (!opened) {
          ASSERT_FALSE(rig.why.empty());
          continue;
        }
        ASSERT_TRUE(rig.open_store());
        const auto back = rig.read(appended->extent);
        ASSERT_TRUE(back && *back == body);
        rig.halt();
        // Those that were away come back with an older table.
        ASSERT_TRUE(rig.open_drives({0, 1, 2, 3, 4, 5, 6})) << rig.why;
        ASSERT_TRUE(rig.open_store());
        const auto again = rig.read(appended->extent);
        ASSERT_TRUE(again && *again == body);
        // From here on all know what one knew: whoever brought the newest table may go.
        const std::uint32_t members = rig.drives->member_count();
        const bool retiring_then = rig.drives->members()[kRetired].retiring;
        rig.halt();
        ASSERT_TRUE(rig.open_drives({2, 3, 4, 5, 6})) << rig.why;
        ASSERT_EQ(rig.drives->member_count(), members);
        ASSERT_EQ(rig.drives->members()[kRetired].retiring, retiring_then);
      }
    }
  }
}

}  // namespace
}  // namespace storage::segment
