// Random histories of the object store against a plain map, with restarts and lost drives in between. A failure prints the
// seed; GRANARY_SEED repeats it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/support/simulated_store.h"

namespace storage {
namespace {

std::uint64_t chosen_seed() {
  const char* given = std::getenv("GRANARY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), store_({.seed = seed, .drives = 6, .drive_bytes = 192ULL << 20}) {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
  }

  void step() {
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2: put(); break;
      case 3: copy(); break;
      case 4: remove(); break;
      case 5: read_range(); break;
      case 6: list(); break;
      case 7: multipart(); break;
      case 8: tags(); break;
      default:
        if (random_() % 8 == 0) restart();
    }
  }

  void check_all() {
    std::vector<std::string> keys;
    for (const auto& [key, content] : model_) {
      ASSERT_TRUE(store_.get("b", key) == content) << key;
      keys.push_back(key);
    }
    ASSERT_EQ(store_.list_keys("b"), keys);
  }

 private:
  std::string any_key() { return "k/" + std::to_string(random_() % 12); }
  std::string any_bytes() {
    static constexpr std::size_t kSizes[] = {0, 1, 100, 4096, 50'000, 200'000, 1'048'576, 1'048'577, 2'500'000};
    return tests::random_bytes(random_(), kSizes[random_() % std::size(kSizes)]);
  }

  void put() {
    const std::string key = any_key();
    const std::string bytes = any_bytes();
    ASSERT_TRUE(store_.put("b", key, bytes).has_value());
    model_[key] = bytes;
  }

  void copy() {
    const std::string from = any_key();
    const std::string to = any_key();
    auto source = store_.run(store_.objects().open({"b", from}));
    ASSERT_EQ(source.has_value(), model_.contains(from));
    if (!source) return;
    ASSERT_TRUE(store_.run(store_.objects().copy(**source, {"b", to}, CopyOptions{})).has_value());
    model_[to] = std::string(model_[from]);
  }

  void remove() {
    const std::string key = any_key();
    ASSERT_TRUE(store_.remove("b", key).has_value());
    model_.erase(key);
  }

  void read_range() {
    const std::string key = any_key();
    auto object = store_.run(store_.objects().open({"b", key}));
    ASSERT_EQ(object.has_value(), model_.contains(key));
    if (!object || model_[key].empty()) return;
    const std::size_t begin = random_() % model_[key].size();
    const std::size_t length = random_() % (model_[key].size() - begin) + 1;
    ASSERT_TRUE(store_.run(tests::read_all(**object, begin, length)).value() == model_[key].substr(begin, length));
  }

  void list() {
    ListOptions options;
    options.prefix = "k/";
    options.after = any_key();
    auto page = store_.run(store_.objects().list("b", options)).value();
    std::vector<std::string> wanted;
    for (auto row = model_.upper_bound(options.after); row != model_.end(); ++row) wanted.push_back(row->first);
    std::vector<std::string> listed;
    for (const auto& object : page.objects) {
      listed.push_back(object->key);
      ASSERT_EQ(object->size, model_[object->key].size());
    }
    ASSERT_EQ(listed, wanted);
  }

  void multipart() {
    const std::string key = any_key();
    const ObjectKey name{"b", key};
    auto upload = store_.run(store_.objects().create_upload(name, UploadOptions{})).value();
    const std::string first = tests::random_bytes(random_(), kPartBytesMin);
    const std::string last = any_bytes();
    std::vector<CompletedPart> parts;
    for (const std::string& bytes : {first, last}) {
      tests::MemoryBody body(bytes, random_() % 2 == 0);
      const auto number = static_cast<std::uint32_t>(parts.size() + 1);
      auto part = store_.run(store_.objects().put_part(name, upload.upload_id, number, body)).value();
      parts.push_back({number, part.etag, {}});
    }
    if (random_() % 4 == 0) {
      ASSERT_TRUE(store_.run(store_.objects().abort_upload(name, upload.upload_id)).has_value());
      return;
    }
    ASSERT_TRUE(store_.run(store_.objects().complete_upload(name, upload.upload_id, parts, {}, nullptr)).has_value());
    model_[key] = first + last;
  }

  void tags() {
    const std::string key = any_key();
    const NameValues tags{{"n", std::to_string(random_())}};
    auto set = store_.set_tags({"b", key}, tags);
    ASSERT_EQ(set.has_value(), model_.contains(key));
    if (set) {
      ASSERT_EQ(store_.run(store_.objects().head({"b", key})).value()->attributes.tags, tags);
    }
  }

  void restart() {
    store_.stop();
    for (const std::size_t drive : pulled_) store_.disks().put_back(drive);
    pulled_.clear();
    store_.disks().reboot();
    store_.start();
    if (random_() % 2 == 0) {
      pulled_ = {random_() % 6};
      store_.disks().pull(pulled_.front());  // lost while running: everything goes on
    }
  }

  std::mt19937_64 random_;
  tests::SimulatedStore store_;
  std::map<std::string, std::string> model_;
  std::vector<std::size_t> pulled_;
};

TEST(History, MatchesAMap) {
  const std::uint64_t seed = chosen_seed();
  for (std::uint64_t round = 0; round < 6; ++round) {
    SCOPED_TRACE("GRANARY_SEED=" + std::to_string(seed + round));
    History history(seed + round);
    for (int i = 0; i < 60; ++i) {
      history.step();
      if (testing::Test::HasFatalFailure()) return;
    }
    history.check_all();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace storage
