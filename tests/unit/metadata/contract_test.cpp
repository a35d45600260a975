// What every engine of MetadataStore promises, run on each of them.
#include <gtest/gtest.h>

#include <random>

#include "storage/metadata/memory_store.h"
#include "storage/metadata/mirror_store.h"
#include "storage/metadata/rocks_engine.h"
#include "tests/support/run_task.h"
#include "tests/support/scratch_directory.h"

namespace storage::metadata {
namespace {

using tests::run_task;

// An engine under test, with what it needs to live.
struct Subject {
  virtual ~Subject() = default;
  virtual MetadataStore& store() = 0;
};

struct MemorySubject final : Subject {
  MemoryStore memory;
  MetadataStore& store() override { return memory; }
};

struct MirrorSubject final : Subject {
  tests::ScratchDirectory directory;
  RocksShared rocks{16 * 1024 * 1024};
  MetricsRegistry metrics;
  std::unique_ptr<MirrorStore> mirrors;

  MirrorSubject() {
    MirrorOptions options;
    for (std::uint32_t i = 0; i < 3; ++i) options.locations.push_back({i, directory.file(std::to_string(i))});
    options.copies = 3;
    options.open = [this](const std::string& path, bool wipe) { return rocks.open(path, wipe); };
    options.publish = [](Membership) { return success(); };
    std::string why;
    auto started = MirrorStore::start(std::move(options), metrics, why);
    if (!started) throw std::runtime_error(why);
    mirrors = std::move(*started);
  }
  ~MirrorSubject() override { mirrors->stop(); }
  MetadataStore& store() override { return *mirrors; }
};

class MetadataContract : public testing::TestWithParam<std::string> {
 protected:
  MetadataContract() {
    if (GetParam() == "memory") {
      subject_ = std::make_unique<MemorySubject>();
    } else {
      subject_ = std::make_unique<MirrorSubject>();
    }
  }

  Result<Revision> commit(Transaction transaction) { return run_task(context_, store().commit(std::move(transaction))); }
  Result<Entry> get(Key key) { return run_task(context_, store().get(std::move(key))); }
  Result<Page> scan(KeyRange range, std::uint32_t limit) {
    return run_task(context_, store().scan(std::move(range), limit));
  }
  Revision put(Key key, Value value) {
    Transaction transaction;
    transaction.put(std::move(key), std::move(value));
    return commit(std::move(transaction)).value();
  }
  MetadataStore& store() { return subject_->store(); }

  boost::asio::io_context context_{1};
  std::unique_ptr<Subject> subject_;
};

TEST_P(MetadataContract, AnAbsentKeyIsNotFound) { EXPECT_EQ(get("absent").error(), Errc::not_found); }

TEST_P(MetadataContract, APutIsReadBackWithItsRevision) {
  const Revision first = put("key", "value");
  const Revision second = put("other", "");
  EXPECT_GT(second, first);
  const Entry entry = get("key").value();
  EXPECT_EQ(entry.value, "value");
  EXPECT_EQ(entry.revision, first);
  EXPECT_EQ(get("other").value().value, "");
}

TEST_P(MetadataContract, AFailedPreconditionChangesNothing) {
  const Revision old = put("a", "1");
  put("a", "2");
  Transaction stale;
  stale.require_revision("a", old);
  stale.put("a", "3");
  stale.put("b", "3");
  EXPECT_EQ(commit(stale).error(), Errc::conflict);
  EXPECT_EQ(get("a").value().value, "2");
  EXPECT_EQ(get("b").error(), Errc::not_found);
}

TEST_P(MetadataContract, AbsenceIsAPrecondition) {
  Transaction create;
  create.require_absent("a");
  create.put("a", "1");
  EXPECT_TRUE(commit(create).has_value());
  EXPECT_EQ(commit(create).error(), Errc::conflict);
  Transaction remove;
  remove.remove("a");
  EXPECT_TRUE(commit(remove).has_value());
  EXPECT_TRUE(commit(create).has_value());
}

TEST_P(MetadataContract, APreconditionMayStandOnAKeyThatIsNotWritten) {
  const Revision guard = put("guard", "");
  Transaction first;
  first.require_revision("guard", guard);
  first.put("x", "1");
  EXPECT_TRUE(commit(first).has_value());
  put("guard", "");
  EXPECT_EQ(commit(first).error(), Errc::conflict);
}

TEST_P(MetadataContract, AScanIsOrderedByBytesAndResumes) {
  for (const char* key : {"b", "a", "a\xff", "c", "a/b", "ab"}) put(key, key);
  Page page = scan({"a", "c"}, 3).value();
  ASSERT_EQ(page.entries.size(), 3u);
  EXPECT_EQ(page.entries[0].key, "a");
  EXPECT_EQ(page.entries[1].key, "a/b");
  EXPECT_EQ(page.entries[2].key, "ab");
  ASSERT_TRUE(page.next.has_value());
  page = scan({*page.next, "c"}, 3).value();
  ASSERT_EQ(page.entries.size(), 2u);
  EXPECT_EQ(page.entries[0].key, "a\xff");
  EXPECT_EQ(page.entries[1].key, "b");
  EXPECT_FALSE(page.next.has_value());
  EXPECT_EQ(scan({"a", ""}, 0).error(), Errc::invalid_argument);
  EXPECT_EQ(scan({"a", ""}, kMaxPageEntries + 1).error(), Errc::invalid_argument);
}

TEST_P(MetadataContract, ASnapshotDoesNotMove) {
  put("a", "1");
  auto snapshot = run_task(context_, store().snapshot()).value();
  put("a", "2");
  put("b", "2");
  EXPECT_EQ(run_task(context_, snapshot->get("a")).value().value, "1");
  EXPECT_EQ(run_task(context_, snapshot->get("b")).error(), Errc::not_found);
  EXPECT_EQ(run_task(context_, snapshot->scan({"a", ""}, 10)).value().entries.size(), 1u);
  EXPECT_EQ(get("a").value().value, "2");
}

TEST_P(MetadataContract, CountersAddWithinTheirBounds) {
  Transaction up;
  up.add("n", 5, 0, 8);
  EXPECT_TRUE(commit(up).has_value());
  EXPECT_EQ(commit(up).error(), Errc::bound_exceeded);
  Transaction down;
  down.add("n", -5, 0);
  EXPECT_TRUE(commit(down).has_value());
  EXPECT_EQ(commit(down).error(), Errc::bound_exceeded);
  EXPECT_EQ(counter_value(get("n").value().value).value(), 0);
}

TEST_P(MetadataContract, ATransactionThatFailsLateLeavesNothing) {
  Transaction up;
  up.add("n", 5, 0, 8);
  EXPECT_TRUE(commit(up).has_value());
  Transaction both;
  both.put("a", "1");
  both.remove("n");
  both.add("m", 9, 0, 8);  // refused when the rest has been looked at
  EXPECT_EQ(commit(both).error(), Errc::bound_exceeded);
  EXPECT_EQ(get("a").error(), Errc::not_found);
  EXPECT_EQ(get("m").error(), Errc::not_found);
  EXPECT_EQ(counter_value(get("n").value().value).value(), 5);
}

Task<> add_many(MetadataStore& store, int times, int& failures) {
  for (int i = 0; i < times; ++i) {
    Transaction transaction;
    transaction.add("n", 1);
    auto revision = co_await store.commit(std::move(transaction));
    if (!revision) ++failures;
  }
}

TEST_P(MetadataContract, ConcurrentAddsNeverConflict) {
  int failures = 0;
  int running = 8;
  for (int i = 0; i < 8; ++i) {
    boost::asio::co_spawn(context_, add_many(store(), 50, failures), [&](std::exception_ptr) { --running; });
  }
  while (running > 0) context_.run_one();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(counter_value(get("n").value().value).value(), 400);
}

Task<> create_once(MetadataStore& store, std::string key, int& winners, int& conflicts) {
  Transaction transaction;
  transaction.require_absent(key);
  transaction.put(key, "mine");
  auto revision = co_await store.commit(std::move(transaction));
  if (revision) {
    ++winners;
  } else if (revision.error() == Errc::conflict) {
    ++conflicts;
  }
}

TEST_P(MetadataContract, OfManyCreatorsInOneBatchOneWins) {
  int winners = 0;
  int conflicts = 0;
  int running = 32;
  for (int i = 0; i < 32; ++i) {
    boost::asio::co_spawn(context_, create_once(store(), "k", winners, conflicts),
                          [&](std::exception_ptr) { --running; });
  }
  while (running > 0) context_.run_one();
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(conflicts, 31);
}

TEST_P(MetadataContract, OversizedAndEmptyKeysAreRefused) {
  Transaction empty;
  empty.put("", "v");
  EXPECT_EQ(commit(empty).error(), Errc::invalid_argument);
  Transaction wide;
  wide.put(std::string(kMaxKeyBytes + 1, 'k'), "v");
  EXPECT_EQ(commit(wide).error(), Errc::invalid_argument);
  Transaction large;
  large.put("k", std::string(kMaxValueBytes + 1, 'v'));
  EXPECT_EQ(commit(large).error(), Errc::too_large);
  Transaction whole;
  for (int i = 0; i < 5; ++i) whole.put("k" + std::to_string(i), std::string(kMaxValueBytes, 'v'));
  EXPECT_EQ(commit(whole).error(), Errc::too_large);
}

// Random histories of the engine against a plain map.
TEST_P(MetadataContract, RandomHistoriesMatchAMap) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::map<Key, std::pair<Value, Revision>> model;
  for (int step = 0; step < 400; ++step) {
    Transaction transaction;
    bool holds = true;
    std::map<Key, std::optional<Value>> writes;
    for (int i = 0; i < 3; ++i) {
      const Key key = "k" + std::to_string(random() % 20);
      if (writes.contains(key)) continue;
      const auto row = model.find(key);
      switch (random() % 5) {
        case 0: transaction.require_absent(key); holds = holds && row == model.end(); break;
        case 1: {
          const Revision guess = row == model.end() || random() % 4 == 0 ? 1 : row->second.second;
          transaction.require_revision(key, guess);
          holds = holds && row != model.end() && row->second.second == guess;
          break;
        }
        case 2: transaction.remove(key); writes[key] = std::nullopt; break;
        default: {
          Value value = std::to_string(random());
          transaction.put(key, value);
          writes[key] = value;
        }
      }
    }
    const auto revision = commit(transaction);
    ASSERT_EQ(revision.has_value(), holds);
    if (!holds) continue;
    for (const auto& [key, value] : writes) {
      if (value) {
        model[key] = {*value, *revision};
      } else {
        model.erase(key);
      }
    }
    const Key probe = "k" + std::to_string(random() % 20);
    const auto entry = get(probe);
    const auto row = model.find(probe);
    ASSERT_EQ(entry.has_value(), row != model.end());
    if (entry) {
      ASSERT_EQ(entry->value, row->second.first);
      ASSERT_EQ(entry->revision, row->second.second);
    }
  }
  const Page all = scan({"k", "l"}, 100).value();
  ASSERT_EQ(all.entries.size(), model.size());
  auto row = model.begin();
  for (const Entry& entry : all.entries) EXPECT_EQ(entry.key, (row++)->first);
}

INSTANTIATE_TEST_SUITE_P(Engines, MetadataContract, testing::Values("memory", "rocksdb_mirror"),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace storage::metadata
