// Power cuts at drive operations and metadata commits of a script whose bytes are collected while it runs: after each cut
// every acknowledged object is whole, no deleted one is back, each extent that a record names lies in a segment that
// exists, and collecting everything once more changes nothing (invariants 1, 2, 3, 5, 6, 7, 12).
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "tests/support/simulated_store.h"

namespace storage {
namespace {

struct Expectation {
  std::optional<std::string> acknowledged;
  std::optional<std::optional<std::string>> in_flight;
};

class Script {
 public:
  explicit Script(tests::SimulatedStore& store) : store_(store) {}

  // Runs until the power goes. Returns false if it went.
  bool run() {
    if (!store_.create_bucket("b") || !store_.disks().powered()) return false;
    const std::string stream = tests::random_bytes(2, 2'300'000);
    return put("small", tests::random_bytes(1, 50'000)) && put("lone", "x") && put("stream", stream) && copy("stream", "copy") &&
           put("small", tests::random_bytes(3, 20'000)) && collect_all() &&  // dead and live, inline and shared
           put("other", tests::random_bytes(4, 300'000)) && remove("stream") && collect_all() &&  // moved once already
           put("lone", "y") && remove("copy") && collect_all() &&  // whole segments die
           put("after", tests::random_bytes(5, 70'000));
  }

  void verify() {
    const auto contents_hold = [this] {
      for (const auto& [key, expected] : expectations_) {
        const std::string content = store_.get("b", key);
        const bool absent = content == "<" + Error(Errc::not_found).message() + ">" ||
                            content == "<" + Error(Errc::bucket_not_found).message() + ">";
        const auto is = [&](const std::optional<std::string>& wanted) { return wanted ? content == *wanted : absent; };
        ASSERT_TRUE(is(expected.acknowledged) || (expected.in_flight && is(*expected.in_flight)))
            << key << " holds " << content.size() << " bytes: " << content.substr(0, 60);
      }
    };
    contents_hold();
    if (testing::Test::HasFatalFailure()) return;
    ASSERT_TRUE(names_existing_segments());
    for (const auto& record : store_.segments().segments()) {
      const Result<> rewritten = store_.collect(record.id);
      ASSERT_TRUE(rewritten) << record.id << ": " << rewritten.error().message();
    }
    ASSERT_TRUE(names_existing_segments());
    contents_hold();
  }

 private:
  bool names_existing_segments() {
    std::set<segment::SegmentId> existing;
    for (const auto& record : store_.segments().segments()) existing.insert(record.id);
    std::string cursor;
    while (true) {
      auto page = store_.run(store_.objects().live_index().walk(cursor, 100)).value();
      for (const segment::Extent& extent : page.extents) {
        if (!existing.contains(extent.segment)) return false;
      }
      if (!page.next) return true;
      cursor = *page.next;
    }
  }

  bool settle(const std::string& key, std::optional<std::string> content, bool acknowledged) {
    Expectation& expected = expectations_[key];
    if (acknowledged && store_.disks().powered()) {
      expected.acknowledged = std::move(content);
      return true;
    }
    expected.in_flight = std::move(content);
    return false;
  }
  bool put(const std::string& key, const std::string& bytes) {
    return settle(key, bytes, store_.put("b", key, bytes).has_value());
  }
  bool remove(const std::string& key) { return settle(key, std::nullopt, store_.remove("b", key).has_value()); }
  bool copy(const std::string& from, const std::string& to) {
    const std::optional<std::string> content = expectations_[from].acknowledged;
    auto source = store_.run(store_.objects().open({"b", from}));
    if (!source) return settle(to, content, false);
    return settle(to, content, store_.run(store_.objects().copy(**source, {"b", to}, CopyOptions{})).has_value());
  }
  bool collect_all() {
    for (const auto& record : store_.segments().segments()) {
      const Result<> collected = store_.collect(record.id);
      if (!store_.disks().powered()) return false;
      EXPECT_TRUE(collected) << collected.error().message();
    }
    return true;
  }

  tests::SimulatedStore& store_;
  std::map<std::string, Expectation> expectations_;
};

tests::SimulatedStore::Options options(std::uint64_t seed) {
  tests::SimulatedStore::Options result;
  result.seed = seed;
  result.drives = 4;  // 2+2
  result.drive_bytes = 64ULL << 20;
  return result;
}

std::pair<std::uint64_t, std::uint64_t> operation_range() {
  tests::SimulatedStore store(options(1));
  store.start();
  const std::uint64_t first = store.disks().operations();
  Script script(store);
  EXPECT_TRUE(script.run());
  const std::uint64_t end = store.disks().operations();
  script.verify();
  return {first, end};
}

// Every operation with GRANARY_ALL_CUTS set, else one in three.
std::uint64_t stride() { return std::getenv("GRANARY_ALL_CUTS") != nullptr ? 1 : 3; }

class CollectionCrashTest : public testing::TestWithParam<int> {};

TEST_P(CollectionCrashTest, NothingIsLostAndNothingComesBackAtAnyCut) {
  const auto [first, end] = operation_range();
  ASSERT_GT(end - first, 200u);
  const std::uint64_t step = stride();
  for (std::uint64_t cut = first + static_cast<std::uint64_t>(GetParam()) * step; cut < end; cut += 8 * step) {
    tests::SimulatedStore store(options(9000 + cut));
    store.start();
    store.disks().cut_power_at(cut);
    Script script(store);
    script.run();
    store.reboot();
    SCOPED_TRACE(store.disks().describe());
    script.verify();
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Eighths, CollectionCrashTest, testing::Range(0, 8));

}  // namespace
}  // namespace storage
