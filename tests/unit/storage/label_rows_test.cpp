// Rows of the index: each writer of a current version keeps them true (invariant 16).
#include <gtest/gtest.h>

#include "storage/keys.h"
#include "storage/labels/rows.h"
#include "storage/records.h"
#include "tests/support/label_rows.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

class LabelRowsTest : public testing::Test {
 protected:
  LabelRowsTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b"));
  }
  ObjectStore& objects() { return store_.objects(); }
  std::size_t rows_with(char type) {
    return store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10'000)).value().entries.size();
  }
  Result<ObjectInfoPtr> put(std::string key, NameValues tags, NameValues user_metadata = {}) {
    PutOptions options;
    options.attributes.tags = std::move(tags);
    options.attributes.user_metadata = std::move(user_metadata);
    tests::MemoryBody body("bytes");
    const ObjectKey name{"b", std::move(key)};
    return store_.run(objects().put(name, std::move(options), body));
  }
  void set(Versioning versioning) {
    ASSERT_TRUE(store_.run(objects().change_bucket("b", [versioning](BucketInfo& bucket) {
      bucket.versioning = versioning;
      return success();
    })));
  }
  // The ordinals of keys, by key.
  std::map<std::string, labels::Ordinal> ordinals() {
    std::map<std::string, labels::Ordinal> result;
    for (const auto& entry : store_.run(store_.rows().scan(metadata::prefix_range("O"), 10'000)).value().entries) {
      result[entry.value] = labels::rows::object_of(entry.key)->ordinal;
    }
    return result;
  }
  void expect_true() { EXPECT_EQ(tests::check_label_rows(store_), ""); }

  tests::SimulatedStore store_{{}};
};

TEST_F(LabelRowsTest, TagsAndMetadataHavePostings) {
  ASSERT_TRUE(put("k", {{"split", "train"}, {"class", "cat"}}, {{"camera", "7"}}));
  EXPECT_EQ(rows_with('K'), 3u);
  EXPECT_EQ(rows_with('N'), 3u);
  EXPECT_EQ(rows_with('O'), 1u);
  expect_true();
  ASSERT_TRUE(put("k", {{"split", "val"}}));
  EXPECT_EQ(rows_with('K'), 1u);
  EXPECT_EQ(rows_with('N'), 3u) << "names stay";
  expect_true();
  ASSERT_TRUE(store_.set_tags({"b", "k"}, {{"class", "dog"}, {"long", std::string(257, 'x')}}));
  EXPECT_EQ(rows_with('K'), 1u);
  EXPECT_EQ(rows_with('M'), 1u);
  expect_true();
  ASSERT_TRUE(store_.remove("b", "k"));
  EXPECT_EQ(rows_with('K') + rows_with('M') + rows_with('O'), 0u);
}

TEST_F(LabelRowsTest, AKeyKeepsItsOrdinalAsLongAsItHasVersions) {
  ASSERT_TRUE(put("first", {}));
  ASSERT_TRUE(put("second", {}));
  const auto before = ordinals();
  EXPECT_NE(before.at("first"), before.at("second"));
  set(Versioning::enabled);
  const auto older = put("first", {{"a", "1"}});
  ASSERT_TRUE(store_.remove("b", "first"));
  EXPECT_FALSE(ordinals().contains("first"));
  EXPECT_EQ(rows_with('K'), 0u);
  ASSERT_TRUE(put("first", {{"a", "2"}}));
  EXPECT_EQ(ordinals(), before);
  expect_true();
  ASSERT_TRUE(older);
}

TEST_F(LabelRowsTest, AVersionThatComesBackBringsItsLabels) {
  set(Versioning::enabled);
  ASSERT_TRUE(put("k", {{"a", "1"}}));
  const auto top = put("k", {{"b", "2"}});
  ASSERT_TRUE(top);
  auto marker = store_.remove("b", "k");
  ASSERT_TRUE(marker);
  EXPECT_EQ(rows_with('K'), 0u);
  for (const std::string& id : {marker->version_id, (*top)->version_id}) {
    RemoveRequest request;
    request.key = "k";
    request.version_id = id;
    ASSERT_TRUE(store_.run(objects().remove("b", request)));
    EXPECT_EQ(rows_with('K'), 1u);
    expect_true();
  }
}

TEST_F(LabelRowsTest, ATagOnAnOlderVersionWaitsUntilThatIsCurrent) {
  set(Versioning::enabled);
  const auto older = put("k", {});
  ASSERT_TRUE(older);
  const auto top = put("k", {});
  ASSERT_TRUE(top);
  const ObjectKey name{"b", "k"};
  const VersionChange change = [](const ObjectInfo&, Changeable& next) {
    next.tags = {{"late", "1"}};
    return success();
  };
  ASSERT_TRUE(store_.run(objects().change(name, (*older)->version_id, change)));
  EXPECT_EQ(rows_with('K'), 0u);
  RemoveRequest request;
  request.key = "k";
  request.version_id = (*top)->version_id;
  ASSERT_TRUE(store_.run(objects().remove("b", request)));
  EXPECT_EQ(rows_with('K'), 1u);
  expect_true();
}

TEST_F(LabelRowsTest, ARenameMovesLabels) {
  ASSERT_TRUE(put("from", {{"a", "1"}}));
  ASSERT_TRUE(put("to", {{"b", "1"}}));
  RenameRequest request;
  request.from = "from";
  request.to = "to";
  request.check = [](const ObjectInfo&, const ObjectInfo*) { return success(); };
  ASSERT_TRUE(store_.run(objects().rename("b", request)));
  EXPECT_EQ(rows_with('K'), 1u);
  EXPECT_EQ(rows_with('O'), 1u);
  expect_true();
}

TEST_F(LabelRowsTest, OrdinalsAreNotGivenTwiceAfterARestart) {
  ASSERT_TRUE(put("a", {}));
  store_.reboot();
  ASSERT_TRUE(put("b", {}));
  const auto given = ordinals();
  EXPECT_GT(given.at("b"), given.at("a") + 1000) << "the rest of the lease is wasted";
  expect_true();
}

// A store of before there was an index has heads without ordinals, and none of its rows.
TEST_F(LabelRowsTest, AnOldStoreIsIndexedAtItsStart) {
  set(Versioning::enabled);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(put("k" + std::to_string(i), {{"n", std::to_string(i % 3)}}, {{"camera", "7"}}));
  ASSERT_TRUE(store_.remove("b", "k7"));
  metadata::Transaction transaction;
  for (const char type : {'K', 'O', 'M', 'N', 'n', 'o'}) {
    for (const auto& entry : store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10'000)).value().entries) {
      transaction.remove(entry.key);
    }
  }
  for (const auto& entry : store_.run(store_.rows().scan(metadata::prefix_range("H"), 10'000)).value().entries) {
    records::Head head;
    ASSERT_TRUE(parse(entry.value, head));
    head.clear_ordinal();
    transaction.put(entry.key, serialize(head));
  }
  transaction.remove(keys::labels_indexed());
  ASSERT_TRUE(store_.run(store_.rows().commit(std::move(transaction))));
  store_.reboot();
  EXPECT_EQ(rows_with('K'), 29u * 2);
  EXPECT_EQ(rows_with('O'), 29u);
  expect_true();
}

TEST_F(LabelRowsTest, ABucketTakesItsRowsWithIt) {
  ASSERT_TRUE(put("k", {{"a", "1"}}));
  ASSERT_TRUE(store_.remove("b", "k"));
  ASSERT_TRUE(store_.run(objects().remove_bucket("b")));
  for (const char type : {'N', 'n', 'o', 'K', 'O', 'M'}) EXPECT_EQ(rows_with(type), 0u) << type;
}

TEST_F(LabelRowsTest, BulkRemovalsTakePostingsAlong) {
  std::vector<RemoveRequest> requests;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(put("k" + std::to_string(i), {{"n", std::to_string(i % 3)}}));
    requests.emplace_back().key = "k" + std::to_string(i);
  }
  requests.pop_back();
  for (const auto& removed : store_.run(objects().remove_many("b", requests))) ASSERT_TRUE(removed);
  EXPECT_EQ(rows_with('K'), 1u);
  expect_true();
}

}  // namespace
}  // namespace storage
