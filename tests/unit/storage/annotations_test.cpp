// Annotations of versions: payloads in rows and in segments, conditions, copies, what goes with a version.
#include <gtest/gtest.h>

#include "tests/support/label_rows.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

class AnnotationsTest : public testing::Test {
 protected:
  AnnotationsTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b"));
  }
  ObjectStore& objects() { return store_.objects(); }
  std::size_t rows_with(char type) {
    return store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10'000)).value().entries.size();
  }
  static AnnotationPut annotation(std::string name, std::string payload) {
    AnnotationPut put;
    put.name = std::move(name);
    put.md5 = tests::md5_of(payload);
    put.payload = std::move(payload);
    return put;
  }
  Result<Annotated> put(std::string key, AnnotationPut annotation, std::string version_id = {}) {
    const ObjectKey name{"b", std::move(key)};
    return store_.run(objects().put_annotation(name, std::move(version_id), std::move(annotation)));
  }
  Result<Annotated> put(std::string key, std::string name, std::string payload) {
    return put(std::move(key), annotation(std::move(name), std::move(payload)));
  }
  std::string get(std::string key, std::string name, std::string version_id = {}) {
    const ObjectKey object{"b", std::move(key)};
    auto found = store_.run(objects().annotation(object, std::move(version_id), std::move(name)));
    return found ? found->payload : "<" + found.error().message() + ">";
  }
  Result<Annotated> remove(std::string key, std::string name) {
    AnnotationRemoval removal;
    removal.name = std::move(name);
    const ObjectKey object{"b", std::move(key)};
    return store_.run(objects().remove_annotation(object, {}, std::move(removal)));
  }
  Result<ObjectInfoPtr> copy(std::string from, std::string to, bool annotations = true) {
    auto source = store_.run(objects().open({"b", std::move(from)}));
    if (!source) return source.error();
    CopyOptions options;
    options.annotations = annotations;
    const ObjectKey target{"b", std::move(to)};
    return store_.run(objects().copy(**source, target, options));
  }
  void keep_versions() {
    ASSERT_TRUE(store_.run(objects().change_bucket("b", [](BucketInfo& bucket) {
      bucket.versioning = Versioning::enabled;
      return success();
    })));
  }
  void expect_true() { EXPECT_EQ(tests::check_label_rows(store_), ""); }

  tests::SimulatedStore store_{{}};
};

TEST_F(AnnotationsTest, PayloadsOfAnySizeComeBack) {
  const auto object = store_.put("b", "k", "bytes").value();
  for (const std::size_t size : {1u, 300u, 16'384u, 16'385u, 200'000u, 1'048'576u}) {
    const std::string payload(size, 'x');
    const auto done = put("k", "n" + std::to_string(size), payload);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->annotation.etag, tests::md5_hex_of(payload));
    EXPECT_EQ(done->version->modified_ms, object->modified_ms);
    EXPECT_EQ(get("k", "n" + std::to_string(size)), payload);
  }
  store_.reboot();
  EXPECT_EQ(get("k", "n200000"), std::string(200'000, 'x'));
  EXPECT_EQ(get("k", "other"), "<no such annotation>");
  EXPECT_EQ(put("k", "empty", "").error(), Errc::invalid_argument);
  EXPECT_EQ(put("k", "long", std::string(1'048'577, 'x')).error(), Errc::invalid_argument);
  EXPECT_EQ(put("absent", "n", "1").error(), Errc::not_found);
  expect_true();
}

TEST_F(AnnotationsTest, ReplacingAndRemovingLeavesNothingBehind) {
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  ASSERT_TRUE(put("k", "truth", R"({"class":"cat","score":0.5})"));
  EXPECT_EQ(rows_with('K'), 3u);
  ASSERT_TRUE(put("k", "truth", std::string(50'000, 'x')));
  EXPECT_EQ(rows_with('J'), 1u);
  EXPECT_EQ(rows_with('L'), 1u);
  EXPECT_EQ(rows_with('K'), 1u) << "it exists, its text is too long";
  EXPECT_EQ(rows_with('M'), 1u);
  ASSERT_TRUE(put("k", "truth", "7"));
  EXPECT_EQ(rows_with('L') + rows_with('R') + rows_with('M'), 0u);
  expect_true();
  ASSERT_TRUE(remove("k", "truth"));
  ASSERT_TRUE(remove("k", "truth")) << "one that is not there";
  for (const char type : {'J', 'K', 'X', 'L', 'R'}) EXPECT_EQ(rows_with(type), 0u) << type;
}

TEST_F(AnnotationsTest, AnObjectTakesItsAnnotationsWithIt) {
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(put("k", "n" + std::to_string(i), R"({"some":"label","of":["several","values"]})"));
  }
  ASSERT_TRUE(put("k", "large", std::string(20'000, 'x')));
  EXPECT_EQ(rows_with('X'), 1u) << "too much for the head";
  expect_true();
  ASSERT_TRUE(store_.put("b", "k", "other bytes"));
  for (const char type : {'J', 'K', 'M', 'X', 'L', 'R', 'G'}) EXPECT_EQ(rows_with(type), 0u) << type;
}

TEST_F(AnnotationsTest, ConditionsAreAboutTheAnnotationOrTheObject) {
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  AnnotationPut first = annotation("n", "1");
  first.condition.if_match = "*";
  EXPECT_EQ(put("k", first).error(), Errc::annotation_not_found);
  first.condition = {};
  first.condition.if_none_match_any = true;
  const auto done = put("k", first);
  ASSERT_TRUE(done);
  EXPECT_EQ(put("k", first).error(), Errc::precondition_failed);
  AnnotationPut second = annotation("n", "2");
  second.condition.if_match = done->annotation.etag;
  ASSERT_TRUE(put("k", second));
  EXPECT_EQ(put("k", second).error(), Errc::precondition_failed);
  second.condition = {};
  second.check = [](const ObjectInfo& version) {
    return version.size == 5 ? Result<>(Errc::precondition_failed) : success();
  };
  EXPECT_EQ(put("k", second).error(), Errc::precondition_failed);
  AnnotationRemoval removal;
  removal.name = "n";
  removal.condition.if_match = done->annotation.etag;
  const ObjectKey object{"b", "k"};
  EXPECT_EQ(store_.run(objects().remove_annotation(object, {}, removal)).error(), Errc::precondition_failed);
  EXPECT_EQ(get("k", "n"), "2");
}

TEST_F(AnnotationsTest, AVersionHasABound) {
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  // The last of them, by name, have more values than a version may have.
  std::string many = "[0";
  for (int i = 1; i < 256; ++i) many += "," + ("\"" + std::to_string(i)) + "\"";
  many += "]";
  for (std::uint32_t i = 0; i < kAnnotationsMax; ++i) {
    ASSERT_TRUE(put("k", "n" + std::to_string(i), i < kAnnotationsMax - 15 ? "1" : many));
  }
  EXPECT_EQ(put("k", "more", "1").error(), Errc::annotation_limit);
  ASSERT_TRUE(put("k", "n7", "7")) << "one that is there can be replaced";
  expect_true();
  const ObjectKey object{"b", "k"};
  const auto page = store_.run(objects().list_annotations(object, {}, "n9", "n95", 3)).value();
  ASSERT_EQ(page.annotations.size(), 3u);
  EXPECT_EQ(page.annotations[0].name, "n950");
  EXPECT_TRUE(page.truncated);
  EXPECT_EQ(store_.run(objects().list_annotations(object, {}, {}, {}, 1000))->annotations.size(), 1000u);
  // What the bound of values left out comes in when there is room.
  ASSERT_TRUE(remove("k", "n0"));
  expect_true();
  ASSERT_TRUE(copy("k", "copy"));
  EXPECT_EQ(get("copy", "n999"), many);
  expect_true();
}

TEST_F(AnnotationsTest, TheyBelongToOneVersion) {
  keep_versions();
  const auto older = store_.put("b", "k", "one").value();
  ASSERT_TRUE(put("k", "n", "1"));
  const auto newer = store_.put("b", "k", "two").value();
  EXPECT_EQ(get("k", "n"), "<no such annotation>");
  EXPECT_EQ(get("k", "n", older->version_id), "1");
  EXPECT_EQ(rows_with('K'), 0u);
  ASSERT_TRUE(put("k", annotation("late", "\"label\""), older->version_id));
  EXPECT_EQ(rows_with('K'), 0u);
  expect_true();
  const auto marker = store_.remove("b", "k").value();
  EXPECT_EQ(put("k", "n", "1").error(), Errc::not_found);
  EXPECT_EQ(put("k", annotation("n", "1"), marker.version_id).error(), Errc::not_found);
  EXPECT_EQ(put("k", annotation("n", "1"), "null").error(), Errc::version_not_found);
  for (const std::string& id : {marker.version_id, newer->version_id}) {
    RemoveRequest request;
    request.key = "k";
    request.version_id = id;
    ASSERT_TRUE(store_.run(objects().remove("b", request)));
  }
  EXPECT_EQ(rows_with('K'), 2u) << "the version is current again, with all its labels";
  EXPECT_EQ(get("k", "late"), "\"label\"");
  expect_true();
}

TEST_F(AnnotationsTest, CopiesTakeThemAlongUnlessTheyAreNotWanted) {
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  ASSERT_TRUE(put("k", "small", "1"));
  ASSERT_TRUE(put("k", "large", std::string(20'000, 'x')));
  ASSERT_TRUE(copy("k", "copy"));
  ASSERT_TRUE(copy("k", "bare", false));
  EXPECT_EQ(get("copy", "small"), "1");
  EXPECT_EQ(get("copy", "large"), std::string(20'000, 'x'));
  EXPECT_EQ(get("bare", "small"), "<no such annotation>");
  EXPECT_EQ(rows_with('L'), 1u) << "the payload is shared";
  expect_true();
  ASSERT_TRUE(store_.remove("b", "k"));
  EXPECT_EQ(get("copy", "large"), std::string(20'000, 'x'));
  ASSERT_TRUE(copy("copy", "copy", false));
  for (const char type : {'J', 'L', 'R'}) EXPECT_EQ(rows_with(type), 0u) << type;
  expect_true();
}

TEST_F(AnnotationsTest, ARenameKeepsThem) {
  ASSERT_TRUE(store_.put("b", "from", "bytes"));
  ASSERT_TRUE(put("from", "n", R"({"a":1})"));
  RenameRequest request;
  request.from = "from";
  request.to = "to";
  request.check = [](const ObjectInfo&, const ObjectInfo*) { return success(); };
  ASSERT_TRUE(store_.run(objects().rename("b", request)));
  EXPECT_EQ(get("to", "n"), R"({"a":1})");
  expect_true();
}

TEST_F(AnnotationsTest, ALockedVersionKeepsThem) {
  PutOptions options;
  options.controls.lock.legal_hold = true;
  tests::MemoryBody body("bytes");
  const ObjectKey object{"b", "k"};
  ASSERT_TRUE(store_.run(objects().put(object, options, body)));
  ASSERT_TRUE(put("k", "n", "1"));
  EXPECT_EQ(remove("k", "n").error(), Errc::object_locked);
}

TEST_F(AnnotationsTest, TheCollectorMovesTheirBytes) {
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  ASSERT_TRUE(put("k", "large", std::string(200'000, 'x')));
  store_.reboot();
  for (const auto& record : store_.segments().segments()) ASSERT_TRUE(store_.collect(record.id));
  EXPECT_EQ(get("k", "large"), std::string(200'000, 'x'));
}

}  // namespace
}  // namespace storage
