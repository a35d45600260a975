// Power cuts at every drive operation and every metadata commit of a script of versions: puts on top, markers, deletes by id,
// a suspended bucket, copies of old versions, multipart, a rename, an append, and collection of everything in between. After each cut
// the versions of a key are as before the interrupted call or as after it, whole and in order (invariants 1, 2, 3, 5, 6, 10, 16).
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "tests/support/label_rows.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

// The contents of a key's versions, newest first; "!" for a delete marker.
using Contents = std::vector<std::string>;
using Keys = std::map<std::string, Contents>;

class Script {
 public:
  explicit Script(tests::SimulatedStore& store) : store_(store) {}

  // Runs until the power goes. Returns false if it went.
  bool run() {
    if (!store_.create_bucket("b") || !powered()) return false;
    created_ = true;
    const std::string large = tests::random_bytes(1, 1'200'000);
    const std::string small = tests::random_bytes(2, 30'000);
    return put("k", "null one") && append("k", " and more") && rename("k", "renamed") && rename("renamed", "k") &&
           set(Versioning::enabled) && put("k", small) && put("k", large) && put("other", "x") && collect_all() &&
           copy("k", 1, "copy") && copy("k", 0, "copy") && remove("k") && remove_version("k", 0) &&
           remove_version("k", 0) && collect_all() && multipart("k") && remove_version("k", 1) &&
           set(Versioning::suspended) && put("k", "null two") && remove("k") && collect_all() &&
           remove_version("k", 0) && remove_version("copy", 0) && remove_many() && put("after", "the end");
  }

  void verify() {
    if (!created_) return;
    check_contents();
    if (testing::Test::HasFatalFailure()) return;
    for (const auto& record : store_.segments().segments()) {
      const Result<> collected = store_.collect(record.id);
      ASSERT_TRUE(collected) << record.id << ": " << collected.error().message();
    }
    check_contents();
    if (testing::Test::HasFatalFailure()) return;
    remove_everything();
  }

 private:
  bool powered() { return store_.disks().powered(); }

  // Every version of the store, newest first for each key.
  Keys contents() {
    Keys found;
    auto page = store_.run(store_.objects().list_versions("b", VersionListOptions{})).value();
    for (const auto& info : page.versions) {
      const ObjectKey name{"b", info->key};
      if (info->delete_marker) {
        found[info->key].push_back("!");
        continue;
      }
      auto object = store_.run(store_.objects().open(name, info->version_id));
      if (!object) {
        found[info->key].push_back("<" + object.error().message() + ">");
        continue;
      }
      auto bytes = store_.run(tests::read_all(**object, 0, info->size));
      found[info->key].push_back(bytes ? *bytes : "<" + bytes.error().message() + ">");
    }
    return found;
  }

  std::int64_t counter(char type) {
    auto rows = store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 1)).value();
    return metadata::counter_value(rows.entries.at(0).value).value();
  }

  void check_contents() {
    const Keys found = contents();
    ASSERT_TRUE(found == before_ || found == after_);
    std::int64_t versions = 0;
    std::int64_t bytes = 0;
    for (const auto& [key, of_key] : found) {
      for (const std::string& content : of_key) {
        ++versions;
        bytes += content == "!" ? 0 : static_cast<std::int64_t>(content.size());
      }
    }
    ASSERT_EQ(counter('C'), versions);
    ASSERT_EQ(counter('E'), bytes);
    ASSERT_EQ(tests::check_label_rows(store_), "");
  }

  // Nothing of any version is left once all are removed.
  void remove_everything() {
    auto page = store_.run(store_.objects().list_versions("b", VersionListOptions{})).value();
    std::vector<RemoveRequest> requests;
    for (const auto& info : page.versions) {
      RemoveRequest& request = requests.emplace_back();
      request.key = info->key;
      request.version_id = info->version_id;
    }
    for (const auto& removed : store_.run(store_.objects().remove_many("b", requests))) ASSERT_TRUE(removed);
    ASSERT_EQ(counter('C'), 0);
    for (const char type : {'H', 'V', 'I', 'W', 'K', 'O', 'M', 'X', 'J'}) {
      auto rows = store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10)).value();
      ASSERT_TRUE(rows.entries.empty()) << type;
    }
  }

  // `after_` is what the call just made would leave.
  bool settle(bool acknowledged) {
    if (!acknowledged || !powered()) return false;
    before_ = after_;
    return true;
  }

  std::string id_of(const std::string& key, std::size_t index) {
    auto page = store_.run(store_.objects().list_versions("b", VersionListOptions{}));
    if (!page) return "null";
    for (const auto& info : page->versions) {
      if (info->key == key && index-- == 0) return info->version_id;
    }
    return "null";
  }

  void push(const std::string& key, const std::string& content) {
    Contents& of_key = after_[key];
    if (versioning_ == Versioning::off) of_key.clear();
    // Of this script's keys only "k" has a null version when versioning is suspended.
    if (versioning_ == Versioning::suspended && null_at_ >= 0 && key == "k") {
      of_key.erase(of_key.end() - 1 - null_at_);
    }
    of_key.insert(of_key.begin(), content);
    if (versioning_ == Versioning::suspended && key == "k") null_at_ = static_cast<int>(of_key.size()) - 1;
  }

  bool set(Versioning versioning) {
    versioning_ = versioning;
    return settle(store_
                      .run(store_.objects().change_bucket("b",
                                                          [versioning](BucketInfo& bucket) {
                                                            bucket.versioning = versioning;
                                                            return success();
                                                          }))
                      .has_value());
  }
  bool put(const std::string& key, const std::string& bytes) {
    push(key, bytes);
    return settle(store_.put("b", key, bytes).has_value());
  }
  bool append(const std::string& key, const std::string& bytes) {
    AppendOptions options;
    options.offset = after_[key].front().size();
    after_[key].front() += bytes;
    tests::MemoryBody body(bytes);
    const ObjectKey name{"b", key};
    return settle(store_.run(store_.objects().append(name, options, body)).has_value());
  }
  bool rename(const std::string& from, const std::string& to) {
    after_[to] = after_[from];
    after_.erase(from);
    RenameRequest request;
    request.from = from;
    request.to = to;
    request.check = [](const ObjectInfo&, const ObjectInfo*) { return success(); };
    return settle(store_.run(store_.objects().rename("b", request)).has_value());
  }
  bool remove(const std::string& key) {
    push(key, "!");
    return settle(store_.remove("b", key).has_value());
  }
  bool remove_version(const std::string& key, std::size_t index) {
    RemoveRequest request;
    request.key = key;
    request.version_id = id_of(key, index);
    Contents& of_key = after_[key];
    of_key.erase(of_key.begin() + static_cast<std::ptrdiff_t>(index));
    if (of_key.empty()) after_.erase(key);
    return settle(store_.run(store_.objects().remove("b", request)).has_value());
  }
  bool remove_many() {
    std::vector<RemoveRequest> requests;
    for (const char* key : {"copy", "other"}) {
      RemoveRequest& request = requests.emplace_back();
      request.key = key;
      request.version_id = id_of(key, 0);
      after_.erase(key);
    }
    // Both lie in one commit only where both bodies are small, which they are here.
    bool all = true;
    for (const auto& removed : store_.run(store_.objects().remove_many("b", requests))) all = all && removed.has_value();
    return settle(all);
  }
  bool copy(const std::string& from, std::size_t index, const std::string& to) {
    const ObjectKey source_name{"b", from};
    const ObjectKey target{"b", to};
    push(to, after_[from][index]);
    auto source = store_.run(store_.objects().open(source_name, id_of(from, index)));
    if (!source) return settle(false);
    return settle(store_.run(store_.objects().copy(**source, target, CopyOptions{})).has_value());
  }
  bool multipart(const std::string& key) {
    const ObjectKey name{"b", key};
    const std::string bytes = tests::random_bytes(9, 400'000);
    auto upload = store_.run(store_.objects().create_upload(name, UploadOptions{}));
    if (!upload || !powered()) return false;
    tests::MemoryBody body(bytes);
    auto part = store_.run(store_.objects().put_part(name, upload->upload_id, 1, body));
    if (!part || !powered()) return false;
    push(key, bytes);
    const std::vector<CompletedPart> parts{{1, part->etag, {}}};
    return settle(
        store_.run(store_.objects().complete_upload(name, upload->upload_id, parts, CompleteOptions{}, nullptr)).has_value());
  }
  bool collect_all() {
    for (const auto& record : store_.segments().segments()) {
      const Result<> collected = store_.collect(record.id);
      if (!powered()) return false;
      EXPECT_TRUE(collected) << collected.error().message();
    }
    return true;
  }

  tests::SimulatedStore& store_;
  Keys before_;  // acknowledged
  Keys after_;   // with the call under way
  bool created_ = false;
  Versioning versioning_ = Versioning::off;
  int null_at_ = 0;  // of "k", counted from its oldest version
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

class VersionsCrashTest : public testing::TestWithParam<int> {};

// The cuts are dealt to eight tests, which ctest runs side by side.
TEST_P(VersionsCrashTest, VersionsAreAsBeforeOrAsAfterTheCall) {
  const auto [first, end] = operation_range();
  ASSERT_GT(end - first, 100u);
  const std::uint64_t step = stride();
  for (std::uint64_t cut = first + static_cast<std::uint64_t>(GetParam()) * step; cut < end; cut += 8 * step) {
    tests::SimulatedStore store(options(13'000 + cut));
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

INSTANTIATE_TEST_SUITE_P(Eighths, VersionsCrashTest, testing::Range(0, 8));

}  // namespace
}  // namespace storage
