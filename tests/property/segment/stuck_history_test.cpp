// Random histories in which up to two drives at a time are stuck or slow in some of what they are asked, with restarts and power
// cuts in between, against a plain list of what was acknowledged. Every call ends although no stuck operation ever does by
// itself; the simulated drives CHECK that the memory of an unfinished write is not touched.
#include <gtest/gtest.h>

#include <set>

#include "storage/base/log.h"
#include "storage/io/patience.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::Fault;
using tests::FaultMatch;
using tests::FakeSource;
using tests::StoreRig;
using tests::StoreRigOptions;

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kDelayNs = 1'000'000;

class StuckHistory {
 public:
  explicit StuckHistory(std::uint64_t seed) : random_(seed), rig_(options_of(seed)) {
    rig_.drive_limit_ms = 2 * io::kTickMs;
  }

  void run(int steps) {
    ASSERT_TRUE(rig_.boot()) << rig_.why;
    for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) take_step();
    if (testing::Test::HasFatalFailure()) return;
    restart();
    for (const Stored& stored : model_) check(stored);
    rig_.halt();
    EXPECT_EQ(rig_.pool.used_bytes(), 0U);
  }

  std::size_t stored() const { return model_.size(); }
  std::size_t abandoned() const { return abandoned_; }

 private:
  struct Stored {
    Extent extent;
    std::vector<std::byte> bytes;
  };

  static StoreRigOptions options_of(std::uint64_t seed) {
    StoreRigOptions options;
    options.seed = seed;
    options.disks = 6 + seed % 2;
    options.store.write_limit_ms = io::kTickMs;
    options.store.read_limit_ms = io::kTickMs;
    options.store.answer_ms_max = 2 * io::kTickMs;
    options.store.prepared_zones = 0;
    return options;
  }

  void take_step() {
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        append_some();
        break;
      case 4:
        stream();
        break;
      case 5:
      case 6:
      case 7:
      case 8:
        if (!model_.empty()) check(model_[random_.below(model_.size())]);
        break;
      case 9:
      case 10:
        trouble_one();
        break;
      case 11:
        scrub_one();
        break;
      case 12:
        rig_.disks.advance(kDelayNs);
        rig_.settle();
        break;
      case 13:
        heal();
        break;
      case 14:
        look();
        break;
      default:
        random_.chance(0.5) ? restart() : cut_power();
        break;
    }
    abandoned_ = std::max<std::size_t>(abandoned_, io::abandoned_operations());
  }

  void remember(const Result<Appended>& appended, std::span<const std::byte> bytes) {
    if (!appended) {
      ASSERT_TRUE(appended.error() == Errc::no_space || appended.error() == Errc::read_only)
          << appended.error().message() << "\n" << rig_.disks.describe();
      ASSERT_TRUE(appended.error() != Errc::read_only || rig_.drives->alive_count() < 3);
      return;
    }
    model_.push_back({appended->extent, std::vector<std::byte>(bytes.begin(), bytes.end())});
  }

  void append_some() {
    std::vector<std::vector<std::byte>> bodies;
    for (std::uint64_t i = 0; i <= random_.below(6); ++i) {
      bodies.push_back(tests::random_bytes(random_, 1 + random_.below(random_.chance(0.1) ? 400'000 : 30'000)));
    }
    const auto results = rig_.append_all(bodies);
    for (std::size_t i = 0; i < bodies.size(); ++i) ASSERT_NO_FATAL_FAILURE(remember(results[i], bodies[i]));
  }

  void stream() {
    const auto body = tests::random_bytes(random_, random_.below(2'500'000));
    FakeSource source(body, 1 + random_.below(200'000));
    const auto streamed = rig_.append_stream({}, source);
    if (!streamed) return remember(streamed.error(), {});
    std::size_t at = 0;
    for (const Appended& appended : *streamed) {
      remember(appended, std::span<const std::byte>(body).subspan(at, appended.extent.length));
      at += appended.extent.length;
    }
    ASSERT_EQ(at, body.size());
  }

  void check(const Stored& stored) {
    const auto back = rig_.read(stored.extent);
    ASSERT_TRUE(back) << back.error().message() << "\n" << rig_.disks.describe();
    ASSERT_TRUE(*back == stored.bytes);
  }

  void trouble_one() {
    const std::size_t drive = random_.below(rig_.options.disks);
    troubled_.insert(drive);
    if (troubled_.size() > 2) {
      troubled_.erase(drive);
      return;
    }
    FaultMatch match;
    match.disk = drive;
    if (random_.chance(0.6)) match.kind = random_.chance(0.5) ? io::Operation::Kind::read : io::Operation::Kind::write;
    match.skip = random_.below(6);
    match.count = random_.chance(0.3) ? 1 + random_.below(4) : FaultMatch::kAlways;
    match.probability = random_.chance(0.5) ? 1.0 : 0.4;
    Fault fault;
    fault.kind = random_.chance(0.7) ? Fault::Kind::stuck : Fault::Kind::slow;
    fault.delay_ns = kDelayNs;
    rig_.disks.inject(match, fault);
  }

  void scrub_one() {
    if (model_.empty()) return;
    const SegmentId segment = model_[random_.below(model_.size())].extent.segment;
    ASSERT_TRUE(rig_.seal(segment));
    const auto step = rig_.scrub(segment);
    ASSERT_TRUE(step || step.error() == Errc::conflict) << step.error().message();
    if (step) {
      ASSERT_EQ(step->stripes_lost, 0U);
    }
  }

  void end_troubles() {
    rig_.disks.clear_faults();
    rig_.disks.release_stuck();
    rig_.disks.advance(kDelayNs);
    rig_.settle();
    troubled_.clear();
  }

  void look() { rig_.look((now_ += 400) * kSecondNs); }

  // Whoever is well again is alive again.
  void heal() {
    end_troubles();
    for (int i = 0; i < 3; ++i) look();
    ASSERT_EQ(rig_.drives->alive_count(), rig_.options.disks);
    ASSERT_EQ(io::abandoned_operations(), 0U);
  }

  void restart() {
    rig_.stop_store();
    end_troubles();
    rig_.halt();
    ASSERT_TRUE(rig_.boot()) << rig_.why;
  }

  void cut_power() {
    rig_.disks.cut_power();
    rig_.settle();
    rig_.halt();
    rig_.disks.reboot();
    troubled_.clear();
    ASSERT_TRUE(rig_.boot()) << rig_.why;
    ASSERT_EQ(io::abandoned_operations(), 0U);
  }

  tests::SeededRandom random_;
  StoreRig rig_;
  std::vector<Stored> model_;
  std::set<std::size_t> troubled_;
  std::int64_t now_ = 0;
  std::size_t abandoned_ = 0;
};

TEST(StuckHistoryTest, NothingAcknowledgedIsLostAndNoCallHangs) {
  set_log_level(LogLevel::off);
  const std::uint64_t first = tests::test_seed(1);
  std::size_t stored = 0;
  std::size_t abandoned = 0;
  for (std::uint64_t seed = first; seed < first + 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "GRANARY_TEST_SEED=" << seed);
    StuckHistory history(seed);
    history.run(60);
    stored += history.stored();
    abandoned += history.abandoned();
    if (testing::Test::HasFatalFailure()) break;
  }
  set_log_level(LogLevel::info);
  EXPECT_GT(stored, 200U);
  EXPECT_GT(abandoned, 10U);
}

}  // namespace
}  // namespace storage::segment
