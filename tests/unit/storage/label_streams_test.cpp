// Many annotations in one transaction, and labels that come before their objects.
#include <gtest/gtest.h>

#include "tests/support/label_rows.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

class LabelStreamsTest : public testing::Test {
 protected:
  LabelStreamsTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b"));
  }
  ObjectStore& objects() { return store_.objects(); }
  std::size_t rows_with(char type) {
    return store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10'000)).value().entries.size();
  }
  static LabelLine line(std::string key, std::string payload, std::string name = "truth") {
    LabelLine result;
    result.key = std::move(key);
    result.put.name = std::move(name);
    result.put.md5 = tests::md5_of(payload);
    result.put.payload = std::move(payload);
    return result;
  }
  // Puts all of them, batch by batch.
  std::vector<LabelLineFate> put(std::vector<LabelLine> lines) {
    std::vector<LabelLineFate> all;
    while (!lines.empty()) {
      auto fates = store_.run(objects().put_annotations("b", lines, [](const std::vector<LabelLineFate>& made) {
        return CompanionRow{"streams", "s", std::to_string(made.size())};
      }));
      EXPECT_TRUE(fates) << fates.error().message();
      if (!fates) break;
      EXPECT_EQ(store_.run(objects().registry_row("streams", "s"))->value, std::to_string(fates->size()));
      all.insert(all.end(), fates->begin(), fates->end());
      lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(fates->size()));
      ++batches_;
    }
    return all;
  }
  std::string get(std::string key, std::string name = "truth") {
    const ObjectKey object{"b", std::move(key)};
    auto found = store_.run(objects().annotation(object, {}, std::move(name)));
    return found ? found->payload : "<" + found.error().message() + ">";
  }
  std::vector<std::string> pending(std::string name = "truth") {
    std::vector<std::string> keys;
    std::string cursor;
    while (true) {
      auto page = store_.run(objects().pending_labels("b", name, cursor, 2)).value();
      for (const PendingLabel& label : page.labels) keys.push_back(label.key);
      if (!page.next) return keys;
      cursor = *page.next;
    }
  }
  std::int64_t pending_lines() {
    auto rows = store_.run(store_.rows().scan(metadata::prefix_range("p"), 1)).value();
    return rows.entries.empty() ? 0 : metadata::counter_value(rows.entries[0].value).value();
  }
  void expect_true() { EXPECT_EQ(tests::check_label_rows(store_), ""); }

  tests::SimulatedStore store_{{}};
  std::size_t batches_ = 0;
};

using Fates = std::vector<LabelLineFate>;

TEST_F(LabelStreamsTest, ManyLinesAreOneTransaction) {
  std::vector<LabelLine> lines;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(store_.put("b", "k" + std::to_string(i), "bytes"));
    lines.push_back(line("k" + std::to_string(i), "{\"class\":" + std::to_string(i % 7) + "}"));
  }
  EXPECT_EQ(put(lines), Fates(100, LabelLineFate::applied));
  EXPECT_EQ(batches_, 1u);
  EXPECT_EQ(get("k41"), "{\"class\":6}");
  expect_true();
}

TEST_F(LabelStreamsTest, OfARepeatedKeyTheLastLineCounts) {
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  EXPECT_EQ(put({line("k", "1"), line("other", "1"), line("k", "2"), line("other", "2")}),
            (Fates{LabelLineFate::applied, LabelLineFate::pending, LabelLineFate::applied, LabelLineFate::pending}));
  EXPECT_EQ(get("k"), "2");
  EXPECT_EQ(pending_lines(), 1);
  ASSERT_TRUE(store_.put("b", "other", "bytes"));
  EXPECT_EQ(get("other"), "2");
  expect_true();
}

TEST_F(LabelStreamsTest, PendingLabelsJoinWhateverCreatesTheirKey) {
  std::vector<LabelLine> lines;
  for (const char* key : {"put", "copy", "rename", "multipart", "nobody"}) lines.push_back(line(key, "{\"from\":1}"));
  lines.push_back(line("put", std::string(30'000, 'x'), "large"));
  put(lines);
  EXPECT_EQ(pending(), (std::vector<std::string>{"copy", "multipart", "nobody", "put", "rename"}));
  store_.reboot();
  ASSERT_TRUE(store_.put("b", "put", "bytes"));
  EXPECT_EQ(get("put"), "{\"from\":1}");
  EXPECT_EQ(get("put", "large"), std::string(30'000, 'x'));
  expect_true();
  {
    auto source = store_.run(objects().open({"b", "put"}));
    const ObjectKey target{"b", "copy"};
    ASSERT_TRUE(store_.run(objects().copy(**source, target, CopyOptions{})));
  }
  EXPECT_EQ(get("copy"), "{\"from\":1}");
  EXPECT_EQ(get("copy", "large"), std::string(30'000, 'x'));
  expect_true();
  RenameRequest request;
  request.from = "copy";
  request.to = "rename";
  request.check = [](const ObjectInfo&, const ObjectInfo*) { return success(); };
  ASSERT_TRUE(store_.run(objects().rename("b", request)));
  EXPECT_EQ(get("rename"), "{\"from\":1}");
  const ObjectKey name{"b", "multipart"};
  auto upload = store_.run(objects().create_upload(name, UploadOptions{})).value();
  tests::MemoryBody body("part");
  auto part = store_.run(objects().put_part(name, upload.upload_id, 1, body)).value();
  const std::vector<CompletedPart> parts{{1, part.etag, {}}};
  ASSERT_TRUE(store_.run(objects().complete_upload(name, upload.upload_id, parts, {}, nullptr)));
  EXPECT_EQ(get("multipart"), "{\"from\":1}");
  EXPECT_EQ(pending(), std::vector<std::string>{"nobody"});
  EXPECT_EQ(pending_lines(), 1);
  expect_true();
  // Once: another version gets none.
  ASSERT_TRUE(store_.put("b", "put", "again"));
  EXPECT_EQ(get("put"), "<no such annotation>");
}

TEST_F(LabelStreamsTest, TheRemovalOfAMarkerJoinsToo) {
  ASSERT_TRUE(store_.run(objects().change_bucket("b", [](BucketInfo& bucket) {
    bucket.versioning = Versioning::enabled;
    return success();
  })));
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  const auto marker = store_.remove("b", "k").value();
  EXPECT_EQ(put({line("k", "7")}), Fates{LabelLineFate::pending});
  RemoveRequest request;
  request.key = "k";
  request.version_id = marker.version_id;
  for (const auto& removed : store_.run(objects().remove_many("b", {request}))) ASSERT_TRUE(removed);
  EXPECT_EQ(get("k"), "7");
  EXPECT_EQ(pending_lines(), 0);
  expect_true();
}

TEST_F(LabelStreamsTest, WhatRefusesAnnotationsLeavesThemPending) {
  objects().set_annotation_refusal([](const std::string& encryption) { return encryption == "secret"; });
  put({line("k", "7")});
  PutOptions options;
  options.controls.encryption = "secret";
  tests::MemoryBody body("bytes");
  const ObjectKey name{"b", "k"};
  ASSERT_TRUE(store_.run(objects().put(name, options, body)));
  EXPECT_EQ(pending_lines(), 1);
  LabelLine refused = line("k", "8");
  refused.put.check = [](const ObjectInfo&) { return Result<>(Errc::invalid_argument); };
  EXPECT_EQ(put({refused}), Fates{LabelLineFate::refused});
}

TEST_F(LabelStreamsTest, DroppingLeavesOtherNames) {
  put({line("a", "1"), line("a", std::string(9'000, 'x'), "large"), line("b", std::string(9'000, 'y'), "large")});
  EXPECT_EQ(rows_with('L'), 2u);
  ASSERT_TRUE(store_.run(objects().drop_pending_labels("b", "large")));
  EXPECT_EQ(rows_with('L') + rows_with('R'), 0u);
  EXPECT_EQ(pending_lines(), 1);
  EXPECT_EQ(pending(), std::vector<std::string>{"a"});
  ASSERT_TRUE(store_.run(objects().remove_bucket("b")));
  for (const char type : {'q', 'p', 'b', 'L', 'R', 'n'}) EXPECT_EQ(rows_with(type), 0u) << type;
}

TEST_F(LabelStreamsTest, ABatchEndsWhereItWouldGrowTooLarge) {
  std::vector<LabelLine> lines;
  for (int i = 0; i < 40; ++i) {
    std::string payload = "{";
    for (int leaf = 0; leaf < 256; ++leaf) {
      payload += (leaf > 0 ? ",\"" : "\"") + std::to_string(leaf) + "\":\"" + std::string(250, 'v') + "\"";
    }
    ASSERT_TRUE(store_.put("b", "k" + std::to_string(i), "bytes"));
    lines.push_back(line("k" + std::to_string(i), payload + "}"));
  }
  EXPECT_EQ(put(lines), Fates(40, LabelLineFate::applied));
  EXPECT_GT(batches_, 1u);
  expect_true();
}

}  // namespace
}  // namespace storage
