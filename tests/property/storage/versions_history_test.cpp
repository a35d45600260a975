// Random histories of versions against a model that is a list of versions a key: switches of versioning, markers, deletes by
// id, copies of old versions, multipart, tags, bulk deletes, collection of everything, restarts. A failure prints the seed;
// GRANARY_SEED repeats it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "storage/version_id.h"
#include "tests/support/label_rows.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

std::uint64_t chosen_seed() {
  const char* given = std::getenv("GRANARY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

struct Version {
  std::string id;
  std::string bytes;
  bool marker = false;
  std::string tag;
};
using Versions = std::vector<Version>;  // newest first

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), store_({.seed = seed, .drives = 6, .drive_bytes = 192ULL << 20}) {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b"));
  }

  void step() {
    switch (random_() % 14) {
      case 0:
      case 1:
      case 2: put(); break;
      case 3: copy(); break;
      case 4: remove(); break;
      case 5:
      case 6: remove_version(); break;
      case 7: remove_many(); break;
      case 8: multipart(); break;
      case 9: tag(); break;
      case 10: read(); break;
      case 11: check_listing(); break;
      case 12:
        if (random_() % 3 == 0) switch_versioning();
        break;
      default:
        if (random_() % 4 == 0) collect_all();
        if (random_() % 8 == 0) store_.reboot();
    }
  }

  void check_all() {
    check_listing();
    std::size_t versions = 0;
    std::size_t bytes = 0;
    for (const auto& [key, of_key] : model_) {
      for (const Version& version : of_key) {
        ASSERT_TRUE(get(key, version.id) == version.bytes) << key << " " << version.id;
        ++versions;
        bytes += version.bytes.size();
      }
    }
    ASSERT_EQ(counter('C'), versions);
    ASSERT_EQ(counter('E'), bytes);
    check_labels();
  }

  // Rows of the index and labels of the current versions are one (invariant 16).
  void check_labels() { ASSERT_EQ(tests::check_label_rows(store_), ""); }

  // With every version removed nothing is left of any.
  void remove_all() {
    std::vector<RemoveRequest> requests;
    for (const auto& [key, of_key] : model_) {
      for (const Version& version : of_key) {
        RemoveRequest& request = requests.emplace_back();
        request.key = key;
        request.version_id = version.id;
      }
    }
    std::shuffle(requests.begin(), requests.end(), random_);
    for (const auto& removed : store_.run(store_.objects().remove_many("b", requests))) ASSERT_TRUE(removed);
    for (const char type : {'H', 'V', 'I', 'W', 'L', 'R', 'G', 'K', 'O', 'M', 'X', 'J'}) {
      auto rows = store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10)).value();
      ASSERT_TRUE(rows.entries.empty()) << type;
    }
    ASSERT_EQ(counter('C'), 0u);
    ASSERT_EQ(counter('E'), 0u);
    ASSERT_TRUE(store_.run(store_.objects().remove_bucket("b")));
  }

 private:
  std::string any_key() { return "k/" + std::to_string(random_() % 6); }
  std::string any_bytes() {
    static constexpr std::size_t kSizes[] = {0, 1, 100, 4096, 50'000, 200'000, 1'048'576, 1'048'577, 1'500'000};
    return tests::random_bytes(random_(), kSizes[random_() % std::size(kSizes)]);
  }
  std::uint64_t counter(char type) {
    auto page = store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 1)).value();
    return static_cast<std::uint64_t>(metadata::counter_value(page.entries.at(0).value).value());
  }

  // What a new version does to those before it.
  void push(const std::string& key, Version version) {
    Versions& of_key = model_[key];
    if (versioning_ != Versioning::enabled) {
      ASSERT_EQ(version.id, "null");
      std::erase_if(of_key, [](const Version& each) { return each.id == "null"; });
    } else {
      ASSERT_EQ(version.id.size(), kVersionIdCharacters);
    }
    of_key.insert(of_key.begin(), std::move(version));
  }

  std::string get(const std::string& key, const std::string& version_id = {}) {
    auto object = store_.run(store_.objects().open({"b", key}, version_id));
    if (!object) return "<" + object.error().message() + ">";
    return store_.run(tests::read_all(**object, 0, (*object)->info()->size)).value();
  }

  const Version* any_version(const std::string& key) {
    const Versions& of_key = model_[key];
    return of_key.empty() ? nullptr : &of_key[random_() % of_key.size()];
  }

  void put() {
    const std::string key = any_key();
    const std::string bytes = any_bytes();
    // Some with tags and metadata: labels, of which long texts are not indexed.
    PutOptions options;
    const std::string tag = random_() % 2 == 0 ? std::to_string(random_() % 3) : std::string();
    if (!tag.empty()) options.attributes.tags = {{"n", tag}};
    if (random_() % 4 == 0) options.attributes.user_metadata = {{"long", std::string(200 + random_() % 100, 'x')}};
    tests::MemoryBody body(bytes);
    const ObjectKey name{"b", key};
    auto info = store_.run(store_.objects().put(name, options, body));
    ASSERT_TRUE(info) << info.error().message();
    push(key, {(*info)->version_id, bytes, false, tag});
  }

  void copy() {
    const std::string from = any_key();
    const std::string to = any_key();
    const Version* found = any_version(from);
    if (found == nullptr) return;
    const Version version = *found;
    auto source = store_.run(store_.objects().open({"b", from}, version.id));
    ASSERT_TRUE(source) << source.error().message();
    auto copied = store_.run(store_.objects().copy(**source, {"b", to}, CopyOptions{}));
    ASSERT_EQ(copied.has_value(), !version.marker);
    if (copied) push(to, {(*copied)->version_id, version.bytes, false, version.tag});
  }

  void apply_removed(const std::string& key, const std::string& version_id, const Removed& removed) {
    Versions& of_key = model_[key];
    if (!version_id.empty()) {
      const bool marker = std::any_of(of_key.begin(), of_key.end(),
                                      [&](const Version& each) { return each.id == version_id && each.marker; });
      ASSERT_EQ(removed.delete_marker, marker);
      std::erase_if(of_key, [&](const Version& each) { return each.id == version_id; });
    } else if (versioning_ == Versioning::off) {
      of_key.clear();
    } else {
      ASSERT_TRUE(removed.delete_marker);
      push(key, {removed.version_id, {}, true, {}});
    }
  }

  void remove() {
    const std::string key = any_key();
    auto removed = store_.remove("b", key);
    ASSERT_TRUE(removed);
    apply_removed(key, {}, *removed);
  }

  void remove_version() {
    const std::string key = any_key();
    const Version* version = any_version(key);
    RemoveRequest request;
    request.key = key;
    request.version_id = version != nullptr ? version->id : new_version_id(random_() % 5);
    auto removed = store_.run(store_.objects().remove("b", request));
    ASSERT_TRUE(removed) << removed.error().message();
    apply_removed(key, request.version_id, *removed);
  }

  void remove_many() {
    std::vector<RemoveRequest> requests;
    for (int i = 0; i < 8; ++i) {
      RemoveRequest& request = requests.emplace_back();
      request.key = any_key();
      const Version* version = any_version(request.key);
      if (version != nullptr && random_() % 4 != 0) request.version_id = version->id;
      // The model needs no order among requests of one key: plain ones go with no other.
      const auto same = std::count_if(requests.begin(), requests.end(), [&](const RemoveRequest& each) {
        return each.key == request.key && (each.version_id.empty() || request.version_id.empty());
      });
      if (same > (request.version_id.empty() ? 1 : 0)) requests.pop_back();
    }
    const auto results = store_.run(store_.objects().remove_many("b", requests));
    for (std::size_t i = 0; i < requests.size(); ++i) {
      ASSERT_TRUE(results[i]) << results[i].error().message();
      apply_removed(requests[i].key, requests[i].version_id, *results[i]);
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  void multipart() {
    const std::string key = any_key();
    const ObjectKey name{"b", key};
    auto upload = store_.run(store_.objects().create_upload(name, UploadOptions{})).value();
    const std::string first = tests::random_bytes(random_(), kPartBytesMin);
    const std::string last = any_bytes();
    std::vector<CompletedPart> parts;
    for (const std::string& bytes : {first, last}) {
      tests::MemoryBody body(bytes);
      const auto number = static_cast<std::uint32_t>(parts.size() + 1);
      auto part = store_.run(store_.objects().put_part(name, upload.upload_id, number, body)).value();
      parts.push_back({number, part.etag, {}});
    }
    auto info = store_.run(store_.objects().complete_upload(name, upload.upload_id, parts, {}, nullptr));
    ASSERT_TRUE(info) << info.error().message();
    push(key, {(*info)->version_id, first + last, false, {}});
  }

  void tag() {
    const std::string key = any_key();
    const Version* found = any_version(key);
    if (found == nullptr) return;
    const std::string id = found->id;
    const std::string value = std::to_string(random_());
    const VersionChange change = [&value](const ObjectInfo&, Changeable& next) {
      next.tags = {{"n", value}};
      return success();
    };
    auto changed = store_.run(store_.objects().change({"b", key}, id, change));
    ASSERT_EQ(changed.has_value(), !found->marker);
    if (!changed) return;
    for (Version& version : model_[key]) {
      if (version.id == id) version.tag = value;
    }
  }

  void read() {
    const std::string key = any_key();
    const Versions& of_key = model_[key];
    auto object = store_.run(store_.objects().open({"b", key}));
    ASSERT_EQ(object.has_value(), !of_key.empty());
    if (!object) return;
    ASSERT_EQ((*object)->info()->delete_marker, of_key.front().marker);
    ASSERT_EQ((*object)->info()->version_id, of_key.front().id);
    for (const Version& version : of_key) {
      auto info = store_.run(store_.objects().head({"b", key}, version.id));
      ASSERT_TRUE(info) << info.error().message();
      const NameValues tags = version.tag.empty() ? NameValues{} : NameValues{{"n", version.tag}};
      ASSERT_EQ((*info)->attributes.tags, tags);
    }
    ASSERT_TRUE(get(key, of_key.front().id) == of_key.front().bytes);
  }

  void check_listing() {
    std::vector<std::string> wanted;
    std::vector<std::string> objects;
    for (const auto& [key, of_key] : model_) {
      for (const Version& version : of_key) wanted.push_back(key + "=" + version.id + (version.marker ? "!" : ""));
      if (!of_key.empty() && !of_key.front().marker) objects.push_back(key);
    }
    std::vector<std::string> listed;
    VersionListOptions options;
    options.entries_max = static_cast<std::uint32_t>(random_() % 7 + 1);
    while (true) {
      auto page = store_.run(store_.objects().list_versions("b", options)).value();
      for (const auto& info : page.versions) {
        listed.push_back(info->key + "=" + info->version_id + (info->delete_marker ? "!" : ""));
        ASSERT_EQ(info->current, model_[info->key].front().id == info->version_id);
      }
      if (!page.truncated) break;
      options.key_after = page.next_key;
      options.version_id_after = page.next_version_id;
    }
    ASSERT_EQ(listed, wanted);
    ASSERT_EQ(store_.list_keys("b"), objects);
  }

  void switch_versioning() {
    const Versioning next = versioning_ == Versioning::enabled ? Versioning::suspended : Versioning::enabled;
    ASSERT_TRUE(store_.run(store_.objects().change_bucket("b", [next](BucketInfo& bucket) {
      bucket.versioning = next;
      return success();
    })));
    versioning_ = next;
  }

  // Every live byte moves; then segments that nothing names go.
  void collect_all() {
    store_.reboot();
    for (const auto& record : store_.segments().segments()) {
      const Result<> collected = store_.collect(record.id);
      ASSERT_TRUE(collected) << collected.error().message();
    }
  }

  std::mt19937_64 random_;
  tests::SimulatedStore store_;
  std::map<std::string, Versions> model_;
  Versioning versioning_ = Versioning::off;
};

TEST(VersionsHistory, MatchesAListOfVersions) {
  const std::uint64_t seed = chosen_seed();
  for (std::uint64_t round = 0; round < 6; ++round) {
    SCOPED_TRACE("GRANARY_SEED=" + std::to_string(seed + round));
    History history(seed + round);
    for (int i = 0; i < 90; ++i) {
      history.step();
      history.check_labels();
      if (testing::Test::HasFatalFailure()) return;
    }
    history.check_all();
    if (testing::Test::HasFatalFailure()) return;
    history.remove_all();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace storage
