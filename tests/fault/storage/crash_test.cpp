// Power cuts at every drive operation and every metadata commit of a script that holds every kind of write. After each cut
// the store is recovered and compared with a model: what was acknowledged is there, whole; what was in flight is wholly
// there or wholly not; listings and reads agree (invariants 1, 2, 3, 5, 9, 10).
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "tests/support/simulated_store.h"

namespace storage {
namespace {

constexpr std::size_t kPart = 5 * 1024 * 1024;

// What a key may hold after the cut: the last acknowledged content, and what the interrupted call would have made of it.
// An empty optional is "absent".
struct Expectation {
  std::optional<std::string> acknowledged;
  std::optional<std::optional<std::string>> in_flight;
};

class Script {
 public:
  explicit Script(tests::SimulatedStore& store) : store_(store) {}

  // Runs until the power goes. Returns false if it went.
  bool run() {
    if (!step_bucket()) return false;
    const std::string small = tests::random_bytes(1, 50'000);
    const std::string stream = tests::random_bytes(2, 2'300'000);
    return put("small", small) && put("lone", "x") && put("empty", "") && put("stream", stream) &&
           put("small", tests::random_bytes(3, 20'000)) &&  // overwrite, small by small
           put("stream", "short now") &&                    // overwrite, large by small
           put("lone", tests::random_bytes(4, 1'500'000)) && copy("lone", "copy") && remove("small") &&
           multipart("upload") && copy("upload", "upload-copy") && tag("lone") && remove("lone") &&
           put("after", "the end");
  }

  void verify() {
    std::set<std::string> present;
    for (const auto& [key, expected] : expectations_) {
      const std::string content = store_.get("b", key);
      const bool absent = content == "<" + Error(Errc::not_found).message() + ">" ||
                          content == "<" + Error(Errc::bucket_not_found).message() + ">";
      const auto is = [&](const std::optional<std::string>& wanted) {
        return wanted ? content == *wanted : absent;
      };
      ASSERT_TRUE(is(expected.acknowledged) || (expected.in_flight && is(*expected.in_flight)))
          << key << " holds " << content.size() << " bytes: " << content.substr(0, 60);
      if (!absent) present.insert(key);
    }
    if (!bucket_acknowledged_) return;
    const std::vector<std::string> listed = store_.list_keys("b");
    ASSERT_EQ(std::set<std::string>(listed.begin(), listed.end()), present);
    // And the store takes writes again.
    ASSERT_TRUE(store_.put("b", "written after recovery", "fresh").has_value());
    ASSERT_EQ(store_.get("b", "written after recovery"), "fresh");
  }

 private:
  // Notes the outcome of a call that makes `key` hold `content`.
  bool settle(const std::string& key, std::optional<std::string> content, bool acknowledged) {
    Expectation& expected = expectations_[key];
    if (acknowledged && store_.disks().powered()) {
      expected.acknowledged = std::move(content);
      return true;
    }
    expected.in_flight = std::move(content);
    return false;
  }

  bool step_bucket() {
    bucket_acknowledged_ = store_.create_bucket("b").has_value() && store_.disks().powered();
    return bucket_acknowledged_;
  }
  bool put(const std::string& key, const std::string& bytes) {
    return settle(key, bytes, store_.put("b", key, bytes).has_value());
  }
  bool remove(const std::string& key) {
    ObjectKey name{"b", key};
    return settle(key, std::nullopt, store_.remove(name.bucket, name.key).has_value());
  }
  bool copy(const std::string& from, const std::string& to) {
    ObjectKey source_name{"b", from};
    ObjectKey target{"b", to};
    const std::optional<std::string> content = expectations_[from].acknowledged;
    auto source = store_.run(store_.objects().open(source_name));
    if (!source) return settle(to, content, false);
    return settle(to, content, store_.run(store_.objects().copy(**source, target, CopyOptions{})).has_value());
  }
  bool tag(const std::string& key) {
    ObjectKey name{"b", key};
    NameValues tags{{"class", "cat"}};
    return store_.set_tags(name, tags).has_value() && store_.disks().powered();
  }
  bool multipart(const std::string& key) {
    ObjectKey name{"b", key};
    const std::string first = tests::random_bytes(10, kPart);
    const std::string last = tests::random_bytes(11, 700'000);
    auto upload = store_.run(store_.objects().create_upload(name, UploadOptions{}));
    if (!upload || !store_.disks().powered()) return false;
    // Part 1 is sent twice: its second upload counts.
    const std::vector<std::pair<std::uint32_t, std::string>> sent{{1, last}, {1, first}, {2, last}};
    std::vector<CompletedPart> parts;
    for (const auto& [number, bytes] : sent) {
      tests::MemoryBody body(bytes);
      auto part = store_.run(store_.objects().put_part(name, upload->upload_id, number, body));
      if (!part || !store_.disks().powered()) return false;
      if (!parts.empty() && parts.back().number == number) parts.pop_back();
      parts.push_back({number, part->etag, {}});
    }
    const bool done = store_.run(store_.objects().complete_upload(name, upload->upload_id, parts, CompleteOptions{}, nullptr))
                          .has_value();
    return settle(key, first + last, done);
  }

  tests::SimulatedStore& store_;
  std::map<std::string, Expectation> expectations_;
  bool bucket_acknowledged_ = false;
};

tests::SimulatedStore::Options options(std::uint64_t seed) {
  tests::SimulatedStore::Options result;
  result.seed = seed;
  result.drives = 4;  // 2+2: the smallest geometry with two parities
  result.drive_bytes = 64ULL << 20;
  return result;
}

// The script's operations without a cut: how many there are to cut at.
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

class CrashTest : public testing::TestWithParam<int> {};

// The cuts are dealt to eight tests, which ctest runs side by side.
TEST_P(CrashTest, NothingAcknowledgedIsLostAtAnyCut) {
  const auto [first, end] = operation_range();
  ASSERT_GT(end - first, 100u);
  for (std::uint64_t cut = first + static_cast<std::uint64_t>(GetParam()); cut < end; cut += 8) {
    const std::uint64_t seed = 1000 + cut;
    tests::SimulatedStore store(options(seed));
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

// The same, with a second cut inside the recovery from the first.
TEST_P(CrashTest, NorAtACutInsideRecovery) {
  const auto [first, end] = operation_range();
  for (std::uint64_t cut = first + static_cast<std::uint64_t>(GetParam()) * 5; cut < end; cut += 40) {
    tests::SimulatedStore store(options(5000 + cut));
    store.start();
    store.disks().cut_power_at(cut);
    Script script(store);
    script.run();
    store.stop();
    store.disks().reboot();
    for (std::uint64_t inside = 0; inside < 3; ++inside) {
      store.disks().cut_power_at(store.disks().operations() + inside);
      try {
        store.start();
      } catch (const std::runtime_error&) {
        // The power went before the store was ready.
      }
      store.stop();
      store.disks().reboot();
    }
    store.start();
    SCOPED_TRACE(store.disks().describe());
    script.verify();
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Eighths, CrashTest, testing::Range(0, 8));

}  // namespace
}  // namespace storage
