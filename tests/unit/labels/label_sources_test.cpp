#include "storage/labels/label_sources.h"

#include <gtest/gtest.h>

#include "storage/labels/rows.h"

namespace storage::labels {
namespace {

Annotation annotation(std::string name, std::string_view text) {
  Payload payload = parse_payload(name, text);
  Annotation result;
  result.name = std::move(name);
  result.md5 = std::string(16, 'm');
  result.size = text.size();
  result.json_length = payload.json_length;
  result.json = payload.json;
  result.revision = 0xfedcba9876543210;
  result.leaves = std::move(payload.leaves);
  result.not_indexed = std::move(payload.not_indexed);
  return result;
}

TEST(LabelSources, ComeBackFromTheirBytes) {
  Sources sources;
  sources.put(annotation("b", R"({"x":[1,true,"t"],"y":{"x":2}})"));
  sources.put(annotation("a", std::string(300, 'x')));
  sources.rules = {{"class", Value("cat")}, {"rule.width", Value(3.0)}};
  const auto again = decode_sources(encode(sources));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->annotations, sources.annotations);
  EXPECT_EQ(again->rules, sources.rules);
  EXPECT_EQ(again->annotations[0].name, "a");
  EXPECT_TRUE(decode_sources("")->empty());
  EXPECT_EQ(encode(Sources{}), "");
  EXPECT_FALSE(decode_sources("\x01"));
}

TEST(LabelSources, PutAndRemoveKeepOrder) {
  Sources sources;
  for (const char* name : {"c", "a", "b", "a"}) sources.put(annotation(name, "1"));
  ASSERT_EQ(sources.annotations.size(), 3u);
  EXPECT_EQ(sources.annotations[1].name, "b");
  sources.remove("b");
  sources.remove("nothing");
  EXPECT_EQ(sources.find("b"), nullptr);
  ASSERT_NE(sources.find("c"), nullptr);
}

TEST(Labeller, UnitesSourcesByName) {
  Sources sources;
  sources.put(annotation("split", R"(["train",1])"));
  sources.rules = {{"split", Value("val")}};
  Labeller labeller;
  labeller.tag("split", "train");
  labeller.metadata("split", "train");
  labeller.add(sources);
  EXPECT_EQ(labeller.take().labels.to_json(), R"({"meta.split":"train","split":[1,"train","val"]})");
}

TEST(Labeller, LeavesOutWhatOtherSourcesOwn) {
  Sources sources;
  sources.put(annotation("meta", R"({"x":1})"));
  sources.put(annotation("rule.x", "1"));
  Labeller labeller;
  labeller.tag("object.size", "1");
  labeller.tag("objects", "1");
  labeller.add(sources);
  const Labelled labelled = labeller.take();
  EXPECT_EQ(labelled.labels.to_json(), R"({"meta":null,"objects":"1"})");
  EXPECT_EQ(labelled.not_indexed.at("meta.x"), 1u);
  EXPECT_EQ(labelled.not_indexed.at("object.size"), 1u);
  EXPECT_TRUE(labelled.not_indexed.contains("rule.x"));
}

std::string many_leaves(int from, int count) {
  std::string text = "[";
  for (int i = from; i < from + count; ++i) text += (i > from ? ",\"" : "\"") + std::to_string(i) + "\"";
  return text + "]";
}

TEST(LabelSources, AVersionHasABoundOfValues) {
  Sources sources;
  for (int i = 0; i < 20; ++i) sources.put(annotation("n" + std::string(1, static_cast<char>('a' + i)), many_leaves(i * 256, 256)));
  sources.fit();
  std::size_t leaves = 0;
  for (const Annotation& each : sources.annotations) leaves += each.leaves.size();
  EXPECT_EQ(leaves, kVersionValuesMax);
  EXPECT_EQ(sources.annotations[16].not_indexed.at("nq"), 256u);
  EXPECT_EQ(sources.restorable(), nullptr);
  Labeller labeller;
  labeller.tag("t", "v");
  labeller.add(sources);
  const Labelled labelled = labeller.take();
  EXPECT_EQ(labelled.not_indexed.at("np"), 1u) << "the tag took the place of one";

  sources.remove("na");
  const Annotation* const cut = sources.restorable();
  ASSERT_NE(cut, nullptr);
  EXPECT_EQ(cut->name, "nq");
  sources.put(annotation("nq", many_leaves(16 * 256, 256)));
  sources.fit();
  EXPECT_EQ(sources.find("nq")->leaves.size(), 256u);
  EXPECT_TRUE(sources.find("nq")->not_indexed.empty());
  EXPECT_TRUE(sources.find("nr")->leaves.empty());
}

TEST(LabelSources, OfAnySizeFitIntoARow) {
  Sources sources;
  for (int i = 0; i < 1000; ++i) {
    std::string name = std::to_string(i);
    name.append(400 - name.size(), 'x');
    std::string text = "{";
    for (int leaf = 0; leaf < 300; ++leaf) {
      text += (leaf > 0 ? ",\"" : "\"") + std::string(90, 'k') + std::to_string(leaf) + "\":\"" + std::string(250, 'v') + "\"";
    }
    sources.put(annotation(name, text + "}"));
  }
  sources.fit();
  EXPECT_LE(encode(sources).size(), kSourcesBytesMax);
}

TEST(Rows, ComeApartAgain) {
  const auto posting = rows::posting_of(rows::posting(7, 9, encode_ordered(Value("a")), 11));
  ASSERT_TRUE(posting);
  EXPECT_EQ(posting->bucket, 7u);
  EXPECT_EQ(posting->name, 9u);
  EXPECT_EQ(posting->value, Value("a"));
  EXPECT_EQ(posting->ordinal, 11u);
  EXPECT_FALSE(rows::posting_of(rows::posting(7, 9, encode_no_value(), 11))->value);
  EXPECT_FALSE(rows::posting_of(rows::object(7, 11)));
  EXPECT_EQ(rows::object_of(rows::object(7, 11))->ordinal, 11u);
  EXPECT_EQ(rows::name_of(rows::name(7, std::string("a\0b", 3))), std::string("a\0b", 3));
  const auto left_out = rows::not_indexed_of(rows::not_indexed(7, "n.a", 11));
  ASSERT_TRUE(left_out);
  EXPECT_EQ(left_out->label, "n.a");
  EXPECT_EQ(left_out->ordinal, 11u);
}

TEST(Rows, PostingsSortByNameThenValueThenOrdinal) {
  const auto row = [](NameId name, const Value& value, Ordinal ordinal) {
    return rows::posting(1, name, encode_ordered(value), ordinal);
  };
  EXPECT_LT(row(1, Value("z"), 9), row(2, Value(false), 1));
  EXPECT_LT(row(1, Value(true), 9), row(1, Value(-5.0), 1));
  EXPECT_LT(row(1, Value(-5.0), 9), row(1, Value(2.0), 1));
  EXPECT_LT(row(1, Value("a"), 9), row(1, Value("ab"), 1));
  EXPECT_LT(row(1, Value("a"), 255), row(1, Value("a"), 256));
}

}  // namespace
}  // namespace storage::labels
