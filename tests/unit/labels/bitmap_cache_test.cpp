#include "storage/labels/bitmap_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <set>

#include "storage/metadata/memory_store.h"
#include "tests/support/run_task.h"
#include "tests/support/seeded_random.h"

namespace storage::labels {
namespace {

constexpr BucketId kBucket = 7;

QueryNode node_of(const std::string& query) {
  const auto parsed = std::get<QueryPtr>(parse_query(query));
  return parsed->node(parsed->root());
}

// Objects with values of two labels, kept as rows, and told to the cache commit by commit.
class BitmapCacheTest : public testing::Test {
 protected:
  using Values = std::map<NameId, std::set<Value>>;

  // What an object carries from now on; nullopt: it goes.
  void set(Ordinal ordinal, std::optional<Values> after) {
    std::vector<PostingChange> changes;
    metadata::Transaction transaction;
    const auto put = [&](std::string row) {
      changes.push_back({row, true});
      transaction.put(std::move(row), {});
    };
    const auto remove = [&](std::string row) {
      changes.push_back({row, false});
      transaction.remove(std::move(row));
    };
    const auto before = objects_.find(ordinal);
    const Values old_values = before != objects_.end() ? before->second : Values();
    const Values new_values = after.value_or(Values());
    for (const auto& [name, values] : new_values) {
      for (const Value& value : values) {
        const auto had = old_values.find(name);
        if (had == old_values.end() || !had->second.contains(value)) put(row(name, value, ordinal));
      }
    }
    for (const auto& [name, values] : old_values) {
      for (const Value& value : values) {
        const auto has = new_values.find(name);
        if (has == new_values.end() || !has->second.contains(value)) remove(row(name, value, ordinal));
      }
    }
    if (after && before == objects_.end()) put(rows::object(kBucket, ordinal));
    if (!after && before != objects_.end()) remove(rows::object(kBucket, ordinal));
    if (after) objects_[ordinal] = *after;
    else objects_.erase(ordinal);
    const auto committed = tests::run_task(context_, store_.commit(std::move(transaction)));
    ASSERT_TRUE(committed);
    cache_.apply(kBucket, changes);
  }

  static std::string row(NameId name, const Value& value, Ordinal ordinal) {
    return rows::posting(kBucket, name, encode_ordered(value), ordinal);
  }

  bool holds(const Term& term, const Values& values) const {
    if (term.kind == Term::Kind::present) return true;
    const auto found = values.find(term.name);
    if (found == values.end() || found->second.empty()) return false;
    if (term.kind == Term::Kind::some && term.node.kind == QueryNode::Kind::exists) return true;
    return std::any_of(found->second.begin(), found->second.end(), [&](const Value& value) { return satisfies(term.node, value); });
  }

  void expect_true(const Term& term) {
    const auto matches = cache_.match(kBucket, {term});
    if (!matches.front()) return;  // dropped: nothing is said
    for (Ordinal ordinal = 1; ordinal <= 60; ++ordinal) {
      const auto object = objects_.find(ordinal);
      const bool truth = object != objects_.end() && holds(term, object->second);
      if (matches.front()->surely.contains(ordinal)) {
        EXPECT_TRUE(truth) << ordinal;
      }
      if (truth) {
        EXPECT_TRUE(matches.front()->perhaps.contains(ordinal)) << ordinal;
      }
      if (object == objects_.end()) {
        EXPECT_FALSE(matches.front()->perhaps.contains(ordinal)) << ordinal;
      }
      if (term.kind != Term::Kind::some) {
        EXPECT_EQ(matches.front()->perhaps.contains(ordinal), truth) << ordinal;
      }
    }
  }

  bool build(Term term, std::uint64_t rows_max = 0) {
    std::uint64_t rows = 0;
    const auto built = tests::run_task(context_, cache_.build(kBucket, std::move(term), rows_max, rows));
    EXPECT_TRUE(built);
    return built && *built == BitmapCache::Built::known;
  }

  boost::asio::io_context context_;
  metadata::MemoryStore store_;
  BitmapCache cache_{store_, 1024 * 1024};
  std::map<Ordinal, Values> objects_;
};

std::vector<Term> all_terms() {
  std::vector<Term> terms = {Term::present()};
  for (const char* const query :
       {"a = 1", "a = 'x'", "a != 1", "a < 2", "a <= 1", "a > 1", "a >= 2", "a > 'w'", "a <= 'x'", "a BETWEEN 1 AND 2",
        "a BETWEEN 2 AND 1", "a BETWEEN 'x' AND 'y'", "a LIKE 'x%'", "a LIKE '%'", "EXISTS a", "a = TRUE"}) {
    terms.push_back(Term::of(1, node_of(query)));
  }
  terms.push_back(Term::of(2, node_of("EXISTS b")));
  return terms;
}

std::map<NameId, std::set<Value>> random_values(tests::SeededRandom& random) {
  static const std::vector<Value> kValues = {Value(true), Value(1.0), Value(2.0), Value(3.5), Value("x"), Value("xy"), Value("y")};
  std::map<NameId, std::set<Value>> values;
  for (NameId name = 1; name <= 2; ++name) {
    for (const Value& value : kValues) {
      if (random.below(4) == 0) values[name].insert(value);
    }
  }
  return values;
}

TEST_F(BitmapCacheTest, EqualsTheRowsAfterEveryCommit) {
  tests::SeededRandom random(7);
  for (Ordinal ordinal = 1; ordinal <= 30; ++ordinal) set(ordinal, random_values(random));
  for (const Term& term : all_terms()) {
    EXPECT_TRUE(build(term));
    expect_true(term);
  }
  for (int step = 0; step < 400; ++step) {
    const Ordinal ordinal = 1 + random.below(60);
    if (random.below(4) == 0) set(ordinal, std::nullopt);
    else set(ordinal, random_values(random));
    for (const Term& term : all_terms()) expect_true(term);
  }
}

TEST_F(BitmapCacheTest, ASharedBitmapStaysAsItWas) {
  set(1, Values{{1, {Value(1.0)}}});
  const Term term = Term::value(1, Value(1.0));
  ASSERT_TRUE(build(term));
  const auto before = cache_.match(kBucket, {term});
  set(2, Values{{1, {Value(1.0)}}});
  EXPECT_FALSE(before.front()->perhaps.contains(2));
  EXPECT_TRUE(cache_.match(kBucket, {term}).front()->perhaps.contains(2));
}

TEST_F(BitmapCacheTest, ALargeTermIsLeftAlone) {
  for (Ordinal ordinal = 1; ordinal <= 20; ++ordinal) set(ordinal, Values{{1, {Value(1.0)}}});
  const Term term = Term::value(1, Value(1.0));
  EXPECT_FALSE(build(term, 10));
  EXPECT_FALSE(cache_.has(kBucket, term));
  EXPECT_TRUE(build(term, 20));
  EXPECT_EQ(cache_.size_of(kBucket, term), 20U);
}

TEST_F(BitmapCacheTest, ForgetsABucket) {
  set(1, Values{{1, {Value(1.0)}}});
  const Term term = Term::value(1, Value(1.0));
  ASSERT_TRUE(build(term));
  cache_.forget(kBucket + 1);
  EXPECT_TRUE(cache_.has(kBucket, term));
  cache_.forget(kBucket);
  EXPECT_FALSE(cache_.has(kBucket, term));
  EXPECT_EQ(cache_.bytes(), 0U);
}

TEST_F(BitmapCacheTest, StaysWithinItsMemory) {
  BitmapCache small(store_, 8 * 1024);
  for (Ordinal ordinal = 1; ordinal <= 100; ++ordinal) set(ordinal, Values{{1, {Value(static_cast<double>(ordinal))}}});
  std::uint64_t rows = 0;
  for (int i = 1; i <= 100; ++i) {
    const auto built = tests::run_task(context_, small.build(kBucket, Term::value(1, Value(static_cast<double>(i))), 0, rows));
    ASSERT_TRUE(built && *built == BitmapCache::Built::known);
    EXPECT_LE(small.bytes(), 8U * 1024);
  }
  EXPECT_TRUE(small.has(kBucket, Term::value(1, Value(100.0))));
  EXPECT_FALSE(small.has(kBucket, Term::value(1, Value(1.0))));
}

// Lets something happen between the pages of a scan.
class InterruptedStore final : public metadata::MetadataStore {
 public:
  InterruptedStore(metadata::MetadataStore& store, std::function<void()> between) : store_(store), between_(std::move(between)) {}
  Task<Result<metadata::Entry>> get(metadata::Key key) override { return store_.get(std::move(key)); }
  Task<Result<metadata::Page>> scan(metadata::KeyRange range, std::uint32_t limit) override {
    auto page = co_await store_.scan(std::move(range), limit);
    if (between_) between_();
    co_return page;
  }
  Task<Result<std::unique_ptr<metadata::Snapshot>>> snapshot() override { return store_.snapshot(); }
  Task<Result<metadata::Revision>> commit(metadata::Transaction transaction) override {
    return store_.commit(std::move(transaction));
  }

 private:
  metadata::MetadataStore& store_;
  std::function<void()> between_;
};

// Whether a commit's rows are in front of the scan or behind it, and whichever of scan and listener sees it first.
TEST_F(BitmapCacheTest, SeesWhatCommitsWhileItIsBuilt) {
  constexpr Ordinal kRows = 10'000;
  const Term term = Term::value(1, Value(1.0));
  metadata::Transaction filling;
  for (Ordinal ordinal = 2; ordinal <= kRows; ordinal += 2) filling.put(row(1, Value(1.0), ordinal), {});
  ASSERT_TRUE(tests::run_task(context_, store_.commit(std::move(filling))));
  BitmapCache* cache = nullptr;
  Ordinal next = 1;
  const auto change = [&] {
    // One ordinal comes and one goes, at the beginning, and likewise at the end.
    for (const Ordinal at : {next, kRows - 9 + next}) {
      const std::vector<PostingChange> changes = {{row(1, Value(1.0), at), true}, {row(1, Value(1.0), at + 1), false}};
      metadata::Transaction transaction;
      transaction.put(changes[0].row, {});
      transaction.remove(changes[1].row);
      boost::asio::io_context inner;
      ASSERT_TRUE(tests::run_task(inner, store_.commit(std::move(transaction))));
      cache->apply(kBucket, changes);
    }
    next += 2;
  };
  InterruptedStore interrupted(store_, change);
  BitmapCache built(interrupted, 1024 * 1024);
  cache = &built;
  std::uint64_t rows = 0;
  const auto done = tests::run_task(context_, built.build(kBucket, term, 0, rows));
  ASSERT_TRUE(done && *done == BitmapCache::Built::known);
  ASSERT_GT(next, 3U);  // it was interrupted more than once
  const auto match = built.match(kBucket, {term});
  for (Ordinal ordinal = 1; ordinal <= kRows + 10; ++ordinal) {
    boost::asio::io_context inner;
    const bool there = tests::run_task(inner, store_.get(row(1, Value(1.0), ordinal))).has_value();
    ASSERT_EQ(match.front()->perhaps.contains(ordinal), there) << ordinal;
  }
}

}  // namespace
}  // namespace storage::labels
