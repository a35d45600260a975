// Power cuts at every drive operation and every metadata commit of a script of seals: with splits, of keys, from a parent, with
// overwrites and deletes in between, drops, sweeps and collection. After each cut every dataset exists wholly or not at all, as the
// interrupted call would leave it or as before; what it names reads as it was sealed; the bucket can be written and sealed again; and
// once everything is dropped nothing is left (invariants 1, 2, 3, 7, 12).
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "storage/sealed_dataset.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

using Contents = std::map<std::string, std::string>;
// The datasets' contents by name.
using Datasets = std::map<std::string, Contents>;

class Script {
 public:
  explicit Script(tests::SimulatedStore& store) : store_(store) {}

  // Runs until the power goes. Returns false if it went.
  bool run() {
    if (!store_.create_bucket("b") || !powered()) return false;
    created_ = true;
    return put("a", "one") && put("b/large", tests::random_bytes(1, 1'200'000)) && put("c", "three") && put("e", "") &&
           seal("all", {{"x", 0.5}, {"y", 0.5}}) && put("a", "two") && remove("b/large") && collect_all() &&
           seal_keys("picked", {"c", "a"}) && seal_from("again", "all") && put("c", "four") && drop("all") && sweep() &&
           collect_all() && put("a", "five") && drop("again") && drop("all-x") && sweep() && collect_all() &&
           seal("last", {}) && remove("a");
  }

  void verify() {
    if (!created_) return;
    check_contents();
    if (testing::Test::HasFatalFailure()) return;
    ASSERT_FALSE(store_.run(store_.objects().bucket("b")).value()->sealing);
    ASSERT_EQ(rows('i'), 0u);
    ASSERT_TRUE(store_.run(store_.objects().sweep_datasets()));
    for (const auto& record : store_.segments().segments()) ASSERT_TRUE(store_.collect(record.id));
    check_contents();
    if (testing::Test::HasFatalFailure()) return;
    // Life goes on.
    ASSERT_TRUE(store_.put("b", "after", "the cut"));
    SealRequest request;
    request.name = "after";
    ASSERT_TRUE(store_.run(store_.objects().seal("b", request, nullptr)));
    ASSERT_EQ(store_.get("after.b", "after"), "the cut");
    remove_everything();
  }

 private:
  bool powered() { return store_.disks().powered(); }

  std::size_t rows(char type) {
    return store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 1000)).value().entries.size();
  }

  Datasets contents() {
    Datasets found;
    for (const auto& info : store_.run(store_.objects().datasets("b", "", 100)).value()) {
      Contents& of = found[info->name];
      for (const std::string& key : store_.list_keys(info->name + ".b")) of[key] = store_.get(info->name + ".b", key);
      EXPECT_EQ(of.size(), info->count);
    }
    return found;
  }

  void check_contents() {
    const Datasets found = contents();
    ASSERT_TRUE(found == before_ || found == after_);
    ASSERT_EQ(store_.run(store_.objects().bucket("b")).value()->datasets, found.size());
  }

  void remove_everything() {
    for (const auto& info : store_.run(store_.objects().datasets("b", "", 100)).value()) {
      ASSERT_TRUE(store_.run(store_.objects().drop_dataset("b", info->name)));
    }
    for (const std::string& key : store_.list_keys("b")) ASSERT_TRUE(store_.remove("b", key));
    ASSERT_TRUE(store_.run(store_.objects().sweep_datasets()));
    for (const char type : {'d', 'k', 'i', 'w', 'H', 'V', 'I', 'L', 'R', 'G'}) ASSERT_EQ(rows(type), 0u) << type;
    ASSERT_TRUE(store_.run(store_.objects().remove_bucket("b")));
  }

  bool settle(bool acknowledged) {
    if (!acknowledged || !powered()) return false;
    before_ = after_;
    return true;
  }

  bool put(const std::string& key, const std::string& bytes) {
    objects_[key] = bytes;
    return settle(store_.put("b", key, bytes).has_value());
  }
  bool remove(const std::string& key) {
    objects_.erase(key);
    return settle(store_.remove("b", key).has_value());
  }
  bool seal(const std::string& name, std::map<std::string, double> splits) {
    SealRequest request;
    request.name = name;
    request.splits = std::move(splits);
    // Half of the keys, by a rule that the test knows.
    request.group_by = "half";
    request.groups = [](const ObjectInfo& info, const labels::LabelSet&) { return std::vector<std::string>{info.key}; };
    after_[name] = objects_;
    for (const auto& [split, fraction] : request.splits) after_[name + '-' + split] = {};
    if (!request.splits.empty()) deal(name);
    return settle(store_.run(store_.objects().seal("b", std::move(request), nullptr)).has_value());
  }
  // Which split a key falls in is fixed for ever: a seal of the uncut script says it.
  void deal(const std::string& name) {
    for (const auto& [key, bytes] : objects_) after_[name + (in_x(key) ? "-x" : "-y")][key] = bytes;
  }
  static bool in_x(const std::string& key);

  bool seal_keys(const std::string& name, std::vector<std::string> keys) {
    SealRequest request;
    request.name = name;
    for (const std::string& key : keys) after_[name][key] = objects_[key];
    request.keys = std::move(keys);
    return settle(store_.run(store_.objects().seal("b", std::move(request), nullptr)).has_value());
  }
  bool seal_from(const std::string& name, const std::string& parent) {
    SealRequest request;
    request.name = name;
    request.parent = parent;
    after_[name] = after_[parent];
    return settle(store_.run(store_.objects().seal("b", std::move(request), nullptr)).has_value());
  }
  bool drop(const std::string& name) {
    after_.erase(name);
    return settle(store_.run(store_.objects().drop_dataset("b", name)).has_value());
  }
  bool sweep() { return settle(store_.run(store_.objects().sweep_datasets()).has_value()); }
  bool collect_all() {
    for (const auto& record : store_.segments().segments()) {
      const Result<> collected = store_.collect(record.id);
      if (!powered()) return false;
      EXPECT_TRUE(collected) << collected.error().message();
    }
    return true;
  }

  tests::SimulatedStore& store_;
  Contents objects_;
  Datasets before_;
  Datasets after_;
  bool created_ = false;
};

tests::SimulatedStore::Options options(std::uint64_t seed) {
  tests::SimulatedStore::Options result;
  result.seed = seed;
  result.drives = 4;
  return result;
}

bool Script::in_x(const std::string& key) {
  static const std::map<std::string, bool> kHalves = [] {
    std::map<std::string, bool> halves;
    tests::SimulatedStore store(options(1));
    store.start();
    EXPECT_TRUE(store.create_bucket("b"));
    for (const char* each : {"a", "b/large", "c", "e"}) {
      EXPECT_TRUE(store.put("b", each, "x"));
      halves[each] = false;
    }
    SealRequest request;
    request.name = "d";
    request.splits = {{"x", 0.5}, {"y", 0.5}};
    EXPECT_TRUE(store.run(store.objects().seal("b", request, nullptr)));
    for (const std::string& each : store.list_keys("d-x.b")) halves[each] = true;
    return halves;
  }();
  return kHalves.at(key);
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

class DatasetCrashTest : public testing::TestWithParam<int> {};

// The cuts are dealt to eight tests, which ctest runs side by side.
TEST_P(DatasetCrashTest, DatasetsAreWholeOrNotThere) {
  const auto [first, end] = operation_range();
  ASSERT_GT(end - first, 100u);
  const std::uint64_t step = stride();
  for (std::uint64_t cut = first + static_cast<std::uint64_t>(GetParam()) * step; cut < end; cut += 8 * step) {
    tests::SimulatedStore store(options(17'000 + cut));
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

INSTANTIATE_TEST_SUITE_P(Eighths, DatasetCrashTest, testing::Range(0, 8));

}  // namespace
}  // namespace storage
