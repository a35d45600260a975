// Versions that are pushed down, come back and go while the collector moves their bytes all the time: each version that is
// there is whole, no client's call fails for the collector, and the space of what was removed comes back. A failure prints
// the seed; GRANARY_SEED repeats it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <random>

#include "storage/base/task_group.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

std::uint64_t chosen_seed() {
  const char* given = std::getenv("GRANARY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

tests::SimulatedStore::Options options(std::uint64_t seed) {
  tests::SimulatedStore::Options result;
  result.seed = seed;
  result.drives = 6;
  result.drive_bytes = 64ULL << 20;
  result.collecting = true;
  result.collector.live_share_always = 0.9;  // never at rest
  result.collector.live_share_low = 0.94;
  result.collector.poll_ms = 20;
  result.segments.wait_ms_max = 30'000;
  return result;
}

struct Version {
  std::string id;
  std::string bytes;
};
using Versions = std::vector<Version>;  // oldest first

Task<> put_one(ObjectStore& store, std::string key, Version& version) {
  tests::MemoryBody body(version.bytes);
  const ObjectKey name{"b", std::move(key)};
  auto put = co_await store.put(name, PutOptions{}, body);
  if (put) version.id = (*put)->version_id;
}

Task<> remove_one(ObjectStore& store, std::string key, std::string version_id, bool& done) {
  RemoveRequest request;
  request.key = std::move(key);
  request.version_id = std::move(version_id);
  done = (co_await store.remove("b", std::move(request))).has_value();
}

Task<> join(TaskGroup& group) { co_await group.join(); }

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), store_(options(seed)) {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b"));
    EXPECT_TRUE(store_.run(store_.objects().change_bucket("b", [](BucketInfo& bucket) {
      bucket.versioning = Versioning::enabled;
      return success();
    })));
  }

  // Several writers at once, each on a key of its own.
  void crowd() {
    TaskGroup group;
    std::map<std::string, Version> puts;
    std::map<std::string, std::size_t> removes;
    std::deque<bool> done;
    const auto executor = store_.context().get_executor();
    for (unsigned i = 0; i < 8; ++i) {
      const std::string key = "k/" + std::to_string(random_() % 16);
      if (puts.contains(key) || removes.contains(key)) continue;
      const Versions& versions = model_[key];
      if (versions.size() > 3 || (!versions.empty() && random_() % 3 == 0)) {
        // Of three removals two are of the current version: the one before comes back.
        const std::size_t index = random_() % 3 == 0 ? random_() % versions.size() : versions.size() - 1;
        removes[key] = index;
        group.spawn(executor, remove_one(store_.objects(), key, versions[index].id, done.emplace_back(false)));
      } else {
        static constexpr std::size_t kSizes[] = {1, 100, 20'000, 60'000, 200'000, 1'100'000};
        puts[key].bytes = tests::random_bytes(random_(), kSizes[random_() % std::size(kSizes)]);
        group.spawn(executor, put_one(store_.objects(), key, puts[key]));
      }
    }
    store_.run(join(group));
    for (const bool each : done) ASSERT_TRUE(each);
    for (auto& [key, version] : puts) {
      ASSERT_FALSE(version.id.empty()) << "no write fails for the collector";
      model_[key].push_back(std::move(version));
    }
    for (const auto& [key, index] : removes) model_[key].erase(model_[key].begin() + static_cast<std::ptrdiff_t>(index));
  }

  void check_all() {
    for (const auto& [key, versions] : model_) {
      for (const Version& version : versions) {
        auto object = store_.run(store_.objects().open({"b", key}, version.id));
        ASSERT_TRUE(object) << key << " " << object.error().message();
        auto bytes = store_.run(tests::read_all(**object, 0, version.bytes.size()));
        ASSERT_TRUE(bytes) << key << " " << bytes.error().message();
        ASSERT_TRUE(*bytes == version.bytes) << key;
      }
    }
  }

  void restart() {
    moved_bytes_ += store_.collector().totals().moved_bytes;
    store_.reboot();
  }

  // With nothing left but the segments that are open, the store is as good as new.
  void everything_comes_back() {
    std::vector<RemoveRequest> requests;
    for (const auto& [key, versions] : model_) {
      for (const Version& version : versions) {
        RemoveRequest& request = requests.emplace_back();
        request.key = key;
        request.version_id = version.id;
      }
    }
    for (const auto& removed : store_.run(store_.objects().remove_many("b", requests))) ASSERT_TRUE(removed);
    restart();
    ASSERT_TRUE(store_.run_until([&] { return store_.segments().usage().segments == 0; }));
    ASSERT_EQ(store_.objects().live_counters().total_bytes(), 0u);
  }

  std::uint64_t random() { return random_(); }
  std::uint64_t moved_bytes() const { return moved_bytes_; }

 private:
  std::mt19937_64 random_;
  tests::SimulatedStore store_;
  std::map<std::string, Versions> model_;
  std::uint64_t moved_bytes_ = 0;
};

TEST(VersionsCollection, IsInvisibleAndGivesSpaceBack) {
  const std::uint64_t seed = chosen_seed();
  std::uint64_t moved_bytes = 0;
  for (std::uint64_t round = 0; round < 6; ++round) {
    SCOPED_TRACE("GRANARY_SEED=" + std::to_string(seed + round));
    History history(seed + round);
    for (int i = 0; i < 60; ++i) {
      history.crowd();
      if (history.random() % 15 == 0) history.restart();
      if (history.random() % 10 == 0) history.check_all();
      if (testing::Test::HasFatalFailure()) return;
    }
    history.check_all();
    if (testing::Test::HasFatalFailure()) return;
    history.everything_comes_back();
    if (testing::Test::HasFatalFailure()) return;
    moved_bytes += history.moved_bytes();
  }
  EXPECT_GT(moved_bytes, 0u);
}

}  // namespace
}  // namespace storage
