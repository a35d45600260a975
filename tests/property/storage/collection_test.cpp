// Random histories with the collector at work all the time, against a plain map: what is there is there whole, open readers
// end with what they began, lost drives and restarts change nothing, and space comes back. A failure prints the seed;
// GRANARY_SEED repeats it.
#include <gtest/gtest.h>

#include <algorithm>
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

Task<> put_one(ObjectStore& store, std::string key, std::string bytes, bool& done) {
  tests::MemoryBody body(std::move(bytes));
  ObjectKey name{"b", std::move(key)};
  auto put = co_await store.put(std::move(name), PutOptions{}, body);
  done = put.has_value();
}

Task<> remove_one(ObjectStore& store, std::string key, bool& done) {
  RemoveRequest request;
  request.key = std::move(key);
  done = (co_await store.remove("b", std::move(request))).has_value();
}

Task<> tag_one(ObjectStore& store, std::string key, std::string value, bool& done) {
  ObjectKey name{"b", std::move(key)};
  const VersionChange change = [&value](const ObjectInfo&, Changeable& next) {
    next.tags = {{"n", value}};
    return success();
  };
  done = (co_await store.change(std::move(name), {}, change)).has_value();
}

Task<> join(TaskGroup& group) { co_await group.join(); }

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), store_(options(seed)) {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
  }

  void step() {
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2:
      case 3: crowd(); break;
      case 4: copy(); break;
      case 5: remove_many(); break;
      case 6: multipart(); break;
      case 7: open_reader(); break;
      case 8: end_reader(); break;
      default:
        if (random_() % 6 == 0) restart();
    }
  }

  void check_all() {
    while (!readers_.empty()) end_reader();
    for (const auto& [key, content] : model_) ASSERT_TRUE(store_.get("b", key) == content) << key;
  }

  // With nothing left but the segments that are open, the store is as good as new.
  void everything_comes_back() {
    while (!model_.empty()) remove_many();
    restart_whole();
    ASSERT_TRUE(store_.run_until([&] { return store_.segments().usage().segments == 0; }));
    ASSERT_EQ(store_.objects().live_counters().total_bytes(), 0u);
  }

  std::uint64_t moved_bytes() const { return moved_bytes_; }

 private:
  struct Reading {
    std::unique_ptr<OpenObject> object;
    std::unique_ptr<ObjectReader> reader;
    std::string wanted;
    std::string read;
  };

  std::string any_key() { return "k/" + std::to_string(random_() % 40); }
  std::string any_bytes() {
    static constexpr std::size_t kSizes[] = {0, 1, 100, 4096, 50'000, 200'000, 1'048'576, 1'048'577, 2'500'000};
    return tests::random_bytes(random_(), kSizes[random_() % std::size(kSizes)]);
  }

  // Several writers at once, each on a key of its own, some of them by way of the same keys' rows as the collector.
  void crowd() {
    TaskGroup group;
    std::map<std::string, std::optional<std::string>> after;
    std::deque<bool> done;
    for (unsigned i = 0; i < 8; ++i) {
      const std::string key = any_key();
      if (after.contains(key)) continue;
      bool& flag = done.emplace_back(false);
      const bool present = model_.contains(key);
      const Executor executor = store_.context().get_executor();
      switch (random_() % 4) {
        case 0:
          after[key] = std::nullopt;
          group.spawn(executor, remove_one(store_.objects(), key, flag));
          break;
        case 1:
          if (present) {
            after[key] = model_[key];
            group.spawn(executor, tag_one(store_.objects(), key, std::to_string(random_()), flag));
            break;
          }
          [[fallthrough]];
        default: {
          const std::string bytes = any_bytes();
          after[key] = bytes;
          group.spawn(executor, put_one(store_.objects(), key, bytes, flag));
        }
      }
    }
    store_.run(join(group));
    for (const bool each : done) ASSERT_TRUE(each);  // no write fails for the collector
    for (auto& [key, content] : after) {
      if (content) {
        model_[key] = std::move(*content);
      } else {
        model_.erase(key);
      }
    }
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

  void remove_many() {
    std::vector<RemoveRequest> requests;
    for (const auto& [key, content] : model_) {
      if (requests.size() < 10) requests.push_back({key, {}});
    }
    for (const Result<Removed>& removed : store_.run(store_.objects().remove_many("b", requests))) ASSERT_TRUE(removed);
    for (const RemoveRequest& request : requests) model_.erase(request.key);
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
    if (random_() % 3 == 0) {
      ASSERT_TRUE(store_.run(store_.objects().abort_upload(name, upload.upload_id)).has_value());
      return;
    }
    ASSERT_TRUE(store_.run(store_.objects().complete_upload(name, upload.upload_id, parts, {}, nullptr)).has_value());
    model_[key] = first + last;
  }

  void read_some(Reading& reading, int chunks) {
    for (int i = 0; i < chunks && reading.read.size() < reading.wanted.size(); ++i) {
      auto chunk = store_.run(reading.reader->next());
      ASSERT_TRUE(chunk) << chunk.error().message();
      ASSERT_FALSE(chunk->bytes.empty());
      reading.read.append(reinterpret_cast<const char*>(chunk->bytes.data()), chunk->bytes.size());
    }
  }

  void open_reader() {
    if (readers_.size() >= 3) return end_reader();
    const std::string key = any_key();
    auto object = store_.run(store_.objects().open({"b", key}));
    ASSERT_EQ(object.has_value(), model_.contains(key));
    if (!object) return;
    Reading reading;
    reading.object = std::move(*object);
    reading.wanted = model_[key];
    reading.reader = reading.object->read(0, reading.wanted.size());
    read_some(reading, static_cast<int>(random_() % 3));
    readers_.push_back(std::move(reading));
  }

  void end_reader() {
    if (readers_.empty()) return;
    Reading reading = std::move(readers_.front());
    readers_.pop_front();
    read_some(reading, 1000);
    ASSERT_TRUE(reading.read == reading.wanted);
  }

  void restart_whole() {
    while (!readers_.empty()) end_reader();
    moved_bytes_ += store_.collector().totals().moved_bytes;
    store_.stop();
    for (const std::size_t drive : pulled_) store_.disks().put_back(drive);
    pulled_.clear();
    store_.disks().reboot();
    store_.start();
  }

  void restart() {
    restart_whole();
    for (std::uint64_t lost = random_() % 3; lost > 0; --lost) {
      const std::size_t drive = random_() % 6;
      if (std::count(pulled_.begin(), pulled_.end(), drive) > 0) continue;
      pulled_.push_back(drive);
      store_.disks().pull(drive);
    }
  }

  std::mt19937_64 random_;
  tests::SimulatedStore store_;
  std::map<std::string, std::string> model_;
  std::deque<Reading> readers_;
  std::vector<std::size_t> pulled_;
  std::uint64_t moved_bytes_ = 0;
};

TEST(Collection, IsInvisibleAndGivesSpaceBack) {
  const std::uint64_t seed = chosen_seed();
  std::uint64_t moved_bytes = 0;
  for (std::uint64_t round = 0; round < 6; ++round) {
    SCOPED_TRACE("GRANARY_SEED=" + std::to_string(seed + round));
    History history(seed + round);
    for (int i = 0; i < 60; ++i) {
      history.step();
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
