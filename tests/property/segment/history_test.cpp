// Random histories of appends, reads, restarts, lost and returning drives, rot and failing writes, against a
// plain map of what was acknowledged.
#include <gtest/gtest.h>

#include <set>

#include "storage/base/log.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::FakeSource;
using tests::StoreRig;
using tests::StoreRigOptions;

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), rig_(options_of(seed)) {}

  void run(int steps) {
    ASSERT_TRUE(rig_.boot()) << rig_.why;
    for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      switch (random_.below(12)) {
        case 0:
        case 1:
        case 2:
          append_some();
          break;
        case 3:
          stream();
          break;
        case 4:
        case 5:
        case 6:
        case 7:
          read_some();
          break;
        case 8:
          rot_one();
          break;
        case 9:
          fail_a_write();
          break;
        case 10:
          lose_one();
          break;
        default:
          restart();
          break;
      }
    }
    if (testing::Test::HasFatalFailure()) return;
    restart();
    for (const Stored& stored : model_) check(stored);
  }

  std::size_t stored() const { return model_.size(); }

 private:
  struct Stored {
    Extent extent;
    std::vector<std::byte> bytes;
  };

  static StoreRigOptions options_of(std::uint64_t seed) {
    StoreRigOptions options;
    options.seed = seed;
    options.disks = 6 + seed % 3;
    options.store.batches_in_flight_max = static_cast<std::uint32_t>(1 + seed % 3);
    return options;
  }

  // While at least m + 1 drives are alive and space is left, a write succeeds.
  void remember(const Result<Appended>& appended, std::span<const std::byte> bytes) {
    if (!appended) {
      ASSERT_TRUE(appended.error() == Errc::no_space || appended.error() == Errc::read_only)
          << appended.error().message();
      ASSERT_TRUE(appended.error() != Errc::read_only || rig_.drives->alive_count() < 3);
      return;
    }
    ASSERT_EQ(appended->extent.length, bytes.size());
    model_.push_back({appended->extent, std::vector<std::byte>(bytes.begin(), bytes.end())});
  }

  void append_some() {
    std::vector<std::vector<std::byte>> bodies;
    const std::uint64_t largest = random_.chance(0.1) ? 500'000 : 30'000;
    for (std::uint64_t i = 0; i <= random_.below(12); ++i) {
      bodies.push_back(tests::random_bytes(random_, 1 + random_.below(largest)));
    }
    const auto results = rig_.append_all(bodies);
    for (std::size_t i = 0; i < bodies.size(); ++i) ASSERT_NO_FATAL_FAILURE(remember(results[i], bodies[i]));
  }

  void stream() {
    const auto body = tests::random_bytes(random_, random_.below(2'500'000));
    FakeSource source(body, 1 + random_.below(200'000));
    const auto streamed = rig_.append_stream({}, source);
    if (!streamed) {
      ASSERT_TRUE(streamed.error() == Errc::no_space || streamed.error() == Errc::read_only);
      return;
    }
    std::size_t at = 0;
    for (const Appended& appended : *streamed) {
      ASSERT_LE(at + appended.extent.length, body.size());
      remember(appended, std::span<const std::byte>(body).subspan(at, appended.extent.length));
      at += appended.extent.length;
    }
    ASSERT_EQ(at, body.size());
  }

  void check(const Stored& stored) {
    const auto back = rig_.read(stored.extent);
    ASSERT_TRUE(back) << back.error().message();
    ASSERT_TRUE(*back == stored.bytes);
  }

  void read_some() {
    if (model_.empty()) return;
    const Stored& stored = model_[random_.below(model_.size())];
    check(stored);
    const auto begin = static_cast<std::uint32_t>(random_.below(stored.bytes.size()));
    const auto length = static_cast<std::uint32_t>(1 + random_.below(stored.bytes.size() - begin));
    const auto part = rig_.read(stored.extent, begin, length);
    ASSERT_TRUE(part) << part.error().message();
    ASSERT_TRUE(std::equal(part->begin(), part->end(), stored.bytes.begin() + begin));
  }

  // Rot on one drive at a time and never beside a lost one that would make it a third loss: drives lost so
  // far and the drive that rots are at most two.
  bool may_lose(std::size_t drive) {
    std::set<std::size_t> bad = gone_;
    bad.insert(drive);
    return bad.size() <= 2;
  }

  void rot_one() {
    const std::size_t drive = random_.below(rig_.options.disks);
    if (!may_lose(drive)) return;
    gone_.insert(drive);
    rig_.disks.rot(drive, 1 << 20, 40 << 20, 2000);
  }

  // The write fails on a drive that stays readable: it is suspect until the next start.
  void fail_a_write() {
    tests::FaultMatch match;
    match.kind = io::Operation::Kind::write;
    match.skip = random_.below(8);
    rig_.disks.inject(match, tests::Fault{});
  }

  void lose_one() {
    const std::size_t drive = random_.below(rig_.options.disks);
    if (!may_lose(drive)) return;
    gone_.insert(drive);
    if (rig_.drives->drive(static_cast<std::uint32_t>(drive)) != nullptr) pulled_.insert(drive);
    rig_.disks.pull(drive);
  }

  void restart() {
    rig_.halt();
    rig_.disks.clear_faults();
    for (const std::size_t drive : pulled_) rig_.disks.put_back(drive);
    pulled_.clear();
    ASSERT_TRUE(rig_.boot()) << rig_.why;
  }

  tests::SeededRandom random_;
  StoreRig rig_;
  std::vector<Stored> model_;
  std::set<std::size_t> gone_;    // rotten or lost at some time
  std::set<std::size_t> pulled_;  // back at the next start
};

TEST(SegmentHistory, RandomHistoriesKeepWhatWasAcknowledged) {
  set_log_level(LogLevel::off);
  const std::uint64_t first = tests::test_seed(1);
  std::size_t stored = 0;
  for (std::uint64_t seed = first; seed < first + 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "GRANARY_TEST_SEED=" << seed);
    History history(seed);
    history.run(60);
    stored += history.stored();
    if (testing::Test::HasFatalFailure()) break;
  }
  set_log_level(LogLevel::info);
  EXPECT_GT(stored, 1000u);
}

}  // namespace
}  // namespace storage::segment
