// A store of the smallest kind, filled, half deleted and refilled, twenty times: of what was deleted on a full store at least
// 70 % can be written again, nothing is lost at the boundary, and neither a restart nor a lost drive changes that.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/support/simulated_store.h"

namespace storage {
namespace {

class RefillTest : public testing::Test {
 protected:
  static tests::SimulatedStore::Options options() {
    tests::SimulatedStore::Options result;
    result.seed = 11;
    result.drives = 6;
    result.drive_bytes = 64ULL << 20;
    result.collecting = true;
    result.collector.poll_ms = 50;
    return result;
  }

  RefillTest() : store_(options()) {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
  }

  // Writes until `wanted` bytes are in or the store is full.
  std::uint64_t write(std::uint64_t wanted) {
    std::uint64_t bytes = 0;
    while (bytes < wanted) {
      static constexpr std::size_t kSizes[] = {300'000, 1'000'000, 3'000'000};
      const std::size_t size = kSizes[random_() % std::size(kSizes)];
      const std::string key = "k" + std::to_string(++serial_);
      auto done = store_.put("b", key, tests::random_bytes(serial_, size));
      if (!done) {
        EXPECT_EQ(done.error(), Errc::no_space);
        return bytes;
      }
      model_[key] = {serial_, size};
      bytes += size;
    }
    return bytes;
  }

  std::uint64_t delete_half() {
    std::uint64_t bytes = 0;
    for (auto each = model_.begin(); each != model_.end();) {
      if (random_() % 2 == 0) {
        ++each;
        continue;
      }
      EXPECT_TRUE(store_.remove("b", each->first).has_value());
      bytes += each->second.size;
      each = model_.erase(each);
    }
    return bytes;
  }

  void check_all() {
    for (const auto& [key, body] : model_) {
      ASSERT_TRUE(store_.get("b", key) == tests::random_bytes(body.seed, body.size)) << key;
    }
  }

  struct Body {
    std::uint64_t seed;
    std::size_t size;
  };
  std::mt19937_64 random_{7};
  tests::SimulatedStore store_;
  std::map<std::string, Body> model_;
  std::uint64_t serial_ = 0;
};

TEST_F(RefillTest, TwentyRoundsOnTheSmallestStore) {
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    write(UINT64_MAX);
    const std::uint64_t deleted = delete_half();
    if (round % 5 == 4) store_.reboot();
    const std::uint64_t again = write(deleted);
    ASSERT_GE(static_cast<double>(again), 0.7 * static_cast<double>(deleted));
  }
  check_all();
}

TEST_F(RefillTest, AFullStoreThatLosesADriveGivesSpaceBackToo) {
  write(UINT64_MAX);
  const std::uint64_t deleted = delete_half();
  store_.disks().pull(2);
  const std::uint64_t again = write(deleted);
  // Five drives of six hold the rest: three data shards of five where there were four of six.
  EXPECT_GE(static_cast<double>(again), 0.4 * static_cast<double>(deleted));
  check_all();
}

}  // namespace
}  // namespace storage
