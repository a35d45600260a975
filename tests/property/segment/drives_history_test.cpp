// Random histories of appends and reads while drives are lost, come back, join and leave, bytes rot, and the
// rebuilder and the scrubber are at work, against a plain list of what was acknowledged. At most two drives
// are ever bad at once for what is stored; after enough time for the rebuilder everything has its full
// tolerance again.
#include <gtest/gtest.h>

#include <set>

#include "storage/base/log.h"
#include "storage/upkeep/drive_changes.h"
#include "storage/upkeep/rebuilder.h"
#include "storage/upkeep/scrubber.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::upkeep {
namespace {

using segment::DriveStatus;
using segment::Extent;
using segment::SegmentId;
using segment::SegmentRecord;
using segment::StripeInfo;
using tests::StoreRig;
using tests::StoreRigOptions;

class TestClock final : public Clock {
 public:
  std::int64_t wall_ms() const override { return now_ns / 1'000'000; }
  std::int64_t monotonic_ns() const override { return now_ns; }
  std::int64_t now_ns = 1'000'000'000;
};

struct Stored {
  Extent extent;
  std::vector<std::byte> bytes;
};

Task<Result<bool>> is_named(const std::vector<Stored>& model, SegmentId segment, std::uint32_t block) {
  for (const Stored& stored : model) {
    if (stored.extent.segment == segment && stored.extent.stripe_block == block) co_return true;
  }
  co_return false;
}

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), rig_(options_of(seed)) {}

  void run(int steps) {
    for (std::size_t i = 0; i < kFirst; ++i) configured_.insert(i);
    ASSERT_NO_FATAL_FAILURE(boot());
    for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE(testing::Message() << "step " << step);
      one_step(random_.below(20));
    }
    if (testing::Test::HasFatalFailure()) return;
    ASSERT_NO_FATAL_FAILURE(heal());
    for (const Stored& stored : model_) {
      check(stored);
      ASSERT_TRUE(rig_.all_shards_stand(stored.extent));
    }
  }

  std::size_t stored() const { return model_.size(); }
  std::uint64_t moved() const { return moved_; }
  std::uint64_t repaired() const { return repaired_; }
  std::uint64_t changes() const { return changes_; }

 private:
  static constexpr std::size_t kFirst = 7;
  static constexpr std::size_t kDisks = 10;
  static constexpr std::int64_t kHour = 3600LL * 1'000'000'000;

  static StoreRigOptions options_of(std::uint64_t seed) {
    StoreRigOptions options;
    options.seed = seed;
    options.disks = kDisks;
    return options;
  }

  void one_step(std::uint64_t what) {
    if (what < 6) return append_some();
    if (what < 10) return read_some();
    if (what < 12) return rebuild(0);
    if (what == 12) return lose_one();
    if (what == 13) return bring_back();
    if (what == 14) return rot_one();
    if (what == 15) return scrub();
    if (what == 16) return add_one();
    if (what == 17) return retire_one();
    if (what == 18) return rebuild(kHour);
    restart();
  }

  void boot() {
    const std::vector<std::size_t> which(configured_.begin(), configured_.end());
    ASSERT_TRUE(rig_.open_drives(which)) << rig_.why;
    ASSERT_TRUE(rig_.open_store());
    pacer_ = std::make_unique<Pacer>(clock_, std::function<std::uint64_t()>(), Pacer::Options{});
    changes_of_drives_ = std::make_unique<DriveChanges>(*rig_.drives, MirrorControl{});
    const segment::Referenced referenced = [this](SegmentId id, const StripeInfo& stripe) {
      return is_named(model_, id, stripe.block);
    };
    Rebuilder::Hooks hooks;
    hooks.referenced = referenced;
    hooks.emptied = [this](std::uint32_t member) { return changes_of_drives_->emptied(member); };
    rebuilder_ = std::make_unique<Rebuilder>(*rig_.drives, *rig_.store, clock_, rig_.metrics, *pacer_,
                                             rig_.pool, std::move(hooks), Rebuilder::Options{});
    scrubber_ = std::make_unique<Scrubber>(*rig_.drives, *rig_.store, clock_, rig_.metrics, *pacer_,
                                           rig_.pool, referenced, Scrubber::Options{});
  }

  void restart() {
    scrubber_.reset();
    rebuilder_.reset();
    changes_of_drives_.reset();
    for (std::uint32_t member = 0; member < rig_.drives->member_count(); ++member) {
      if (rig_.drives->status(member) == DriveStatus::retired) configured_.erase(member);
    }
    rig_.halt();
    ASSERT_NO_FATAL_FAILURE(boot());
    note_retired();
  }

  void append_some() {
    std::vector<std::vector<std::byte>> bodies;
    for (std::uint64_t i = 0; i <= random_.below(8); ++i) {
      bodies.push_back(
          tests::random_bytes(random_, 1 + random_.below(random_.chance(0.2) ? 400'000 : 20'000)));
    }
    const auto results = rig_.append_all(bodies);
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      if (results[i]) {
        model_.push_back({results[i]->extent, bodies[i]});
      } else {
        ASSERT_TRUE(results[i].error() == Errc::no_space || results[i].error() == Errc::read_only)
            << results[i].error().message();
      }
    }
  }

  void check(const Stored& stored) {
    const auto back = rig_.read(stored.extent);
    ASSERT_TRUE(back) << back.error().message();
    ASSERT_TRUE(*back == stored.bytes);
  }

  void read_some() {
    for (int i = 0; i < 3 && !model_.empty(); ++i) check(model_[random_.below(model_.size())]);
  }

  // Drives whose shards may be bad or away; a repaired or emptied drive leaves the set only in heal().
  bool may_harm(std::size_t disk) {
    std::set<std::size_t> bad = harmed_;
    bad.insert(disk);
    return bad.size() <= 2 && configured_.contains(disk);
  }

  void lose_one() {
    const std::size_t disk = random_.below(kDisks);
    if (!may_harm(disk)) return;
    harmed_.insert(disk);
    pulled_.insert(disk);
    rig_.disks.pull(disk);
  }

  void bring_back() {
    for (const std::size_t disk : pulled_) rig_.disks.put_back(disk);
    pulled_.clear();
    for (int i = 0; i < 3; ++i) {
      clock_.now_ns += 400LL * 1'000'000'000;
      rig_.look(clock_.now_ns);
    }
  }

  void rot_one() {
    const std::size_t disk = random_.below(kDisks);
    if (!may_harm(disk)) return;
    harmed_.insert(disk);
    rig_.disks.rot(disk, 1 << 20, 40 << 20, 500);
  }

  void scrub() {
    const auto progress = tests::run_task(rig_.context, scrubber_->pass(std::nullopt));
    ASSERT_TRUE(progress);
    ASSERT_EQ(progress->stripes_lost, 0u);
    repaired_ += progress->shards_repaired;
  }

  void add_one() {
    const std::size_t disk = rig_.drives->member_count();
    if (disk >= kDisks) return;
    const auto added = rig_.add_drive(disk);
    ASSERT_TRUE(added) << rig_.why;
    configured_.insert(disk);
    ++changes_;
  }

  void retire_one() {
    const auto member = static_cast<std::uint32_t>(random_.below(rig_.drives->member_count()));
    const Result<> begun = rig_.begin_retire(member);
    if (begun) ++changes_;
  }

  void rebuild(std::int64_t wait_ns) {
    clock_.now_ns += wait_ns;
    const std::uint64_t before = rig_.metrics.counter("upkeep_rebuild_shards_total", "").value();
    tests::run_task(rig_.context, rebuilder_->round());
    rig_.settle();
    moved_ += rig_.metrics.counter("upkeep_rebuild_shards_total", "").value() - before;
    note_retired();
  }

  void note_retired() {
    for (std::uint32_t member = 0; member < rig_.drives->member_count(); ++member) {
      if (rig_.drives->status(member) == DriveStatus::retired) configured_.erase(member);
    }
  }

  // Everything comes back and is scrubbed: no drive is bad any more.
  void heal() {
    ASSERT_NO_FATAL_FAILURE(bring_back());
    ASSERT_NO_FATAL_FAILURE(scrub());
    ASSERT_NO_FATAL_FAILURE(restart());
    ASSERT_NO_FATAL_FAILURE(scrub());
    harmed_.clear();
  }

  tests::SeededRandom random_;
  StoreRig rig_;
  TestClock clock_;
  std::unique_ptr<Pacer> pacer_;
  std::unique_ptr<DriveChanges> changes_of_drives_;
  std::unique_ptr<Rebuilder> rebuilder_;
  std::unique_ptr<Scrubber> scrubber_;
  std::vector<Stored> model_;
  std::set<std::size_t> configured_;
  std::set<std::size_t> harmed_;
  std::set<std::size_t> pulled_;
  std::uint64_t moved_ = 0;
  std::uint64_t repaired_ = 0;
  std::uint64_t changes_ = 0;
};

TEST(DrivesHistory, RandomChangesOfDrivesKeepWhatWasAcknowledged) {
  set_log_level(LogLevel::off);
  const std::uint64_t first = tests::test_seed(1);
  std::size_t stored = 0;
  std::uint64_t moved = 0;
  std::uint64_t repaired = 0;
  std::uint64_t changes = 0;
  for (std::uint64_t seed = first; seed < first + 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "GRANARY_TEST_SEED=" << seed);
    History history(seed);
    history.run(70);
    stored += history.stored();
    moved += history.moved();
    repaired += history.repaired();
    changes += history.changes();
    if (testing::Test::HasFatalFailure()) break;
  }
  set_log_level(LogLevel::info);
  EXPECT_GT(stored, 1000u);
  EXPECT_GT(moved, 30u);
  EXPECT_GT(repaired, 30u);
  EXPECT_GT(changes, 30u);
}

}  // namespace
}  // namespace storage::upkeep
