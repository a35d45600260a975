#include "storage/labels/payload.h"

#include <gtest/gtest.h>

#include "storage/labels/json_text.h"

namespace storage::labels {
namespace {

using Leaves = std::vector<std::pair<std::string, Value>>;

Leaves leaves_of(std::string_view text) { return parse_payload("n", text).leaves; }

TEST(JsonText, TakesExactlyWhatTheGrammarDoes) {
  for (const char* text : {"0", "-0", "1.5e+3", "\"\"", "\"\\u00e9\\n\"", "true", " null ", "[]", "{}", "[1,[2,{}]]",
                           "{\"a\":1,\"a\":[]}", "\t[ 1 , 2 ]\r\n", "1e400"}) {
    EXPECT_TRUE(JsonText::parse(text)) << text;
  }
  for (const char* text : {"", " ", "01", "1.", ".5", "+1", "-", "1e", "truex", "nul", "'a'", "\"a", "\"\\x\"", "\"\\u12g4\"",
                           "\"\n\"", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "[1]]", "[1}",
                           "{]", "1 2", "[", "{\"a\":[", "//1", "NaN", "\xef\xbb\xbf" "1"}) {
    EXPECT_FALSE(JsonText::parse(text)) << text;
  }
}

TEST(JsonText, NestingHasNoBound) {
  const std::string deep = std::string(400'000, '[') + std::string(400'000, ']');
  EXPECT_TRUE(JsonText::parse(deep));
  EXPECT_FALSE(JsonText::parse(deep.substr(1)));
}

TEST(JsonText, UnquotesEscapes) {
  EXPECT_EQ(unquote(R"("a\"\\\/\b\f\n\r\t")"), "a\"\\/\b\f\n\r\t");
  EXPECT_EQ(unquote(R"("\u00e9\u20ac\ud83d\ude00")"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(unquote(R"("\ud800x\udc00\ud800\u0041")"), "\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd" "A");
  EXPECT_EQ(unquote(R"("\u0000")"), std::string(1, '\0'));
}

TEST(Payload, ScalarsAreValuesOfTheNameItself) {
  EXPECT_EQ(leaves_of("3"), (Leaves{{"", Value(3.0)}}));
  EXPECT_EQ(leaves_of(" 3\n"), (Leaves{{"", Value(3.0)}}));
  EXPECT_EQ(leaves_of("\"cat\""), (Leaves{{"", Value("cat")}}));
  EXPECT_EQ(leaves_of("cat"), (Leaves{{"", Value("cat")}}));
  EXPECT_EQ(leaves_of(" cat\n"), (Leaves{{"", Value(" cat\n")}}));
  EXPECT_EQ(leaves_of("false"), (Leaves{{"", Value(false)}}));
  for (const char* none : {"null", "{}", "[]", "[{}]", "{\"a\":null}"}) EXPECT_TRUE(leaves_of(none).empty()) << none;
  EXPECT_EQ(leaves_of("[1,\"a\",true]"), (Leaves{{"", Value(1.0)}, {"", Value("a")}, {"", Value(true)}}));
}

TEST(Payload, PathsAreJoinedByDots) {
  EXPECT_EQ(leaves_of(R"({"a":{"b":1},"c.d":[{"e":2},{"e":3}],"":4})"),
            (Leaves{{".a.b", Value(1.0)}, {".c.d.e", Value(2.0)}, {".c.d.e", Value(3.0)}, {".", Value(4.0)}}));
}

TEST(Payload, TheLastOfARepeatedNameCounts) {
  EXPECT_EQ(leaves_of(R"({"a":{"x":1},"b":2,"a":3})"), (Leaves{{".b", Value(2.0)}, {".a", Value(3.0)}}));
  EXPECT_EQ(leaves_of(R"({"\u0061":1,"a":2})"), (Leaves{{".a", Value(2.0)}}));
}

TEST(Payload, WhatIsNotIndexedIsCountedUnderItsName) {
  std::string many = "{";
  for (int i = 0; i < 300; ++i) many += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":" + std::to_string(i);
  const Payload leaves = parse_payload("n", many + "}");
  EXPECT_EQ(leaves.leaves.size(), 256u);
  EXPECT_EQ(leaves.leaves.back(), (std::pair<std::string, Value>(".k255", Value(255.0))));
  EXPECT_EQ(leaves.not_indexed.size(), 44u);
  EXPECT_EQ(leaves.not_indexed.at("n.k256"), 1u);

  const std::string fits(256, 'x');
  EXPECT_EQ(leaves_of(fits).size(), 1u);
  EXPECT_EQ(parse_payload("n", fits + "x").not_indexed, (LeftOut{{"n", 1}}));
  EXPECT_EQ(leaves_of("{\"a\":\"" + fits + "\"}").size(), 1u);
  EXPECT_EQ(parse_payload("n", "{\"a\":\"" + fits + "x\"}").not_indexed, (LeftOut{{"n.a", 1}}));
  EXPECT_EQ(parse_payload("n", R"({"a":[1e400,-1e400,1e-400,2]})").not_indexed, (LeftOut{{"n.a", 2}}));
  EXPECT_EQ(leaves_of(R"([1e-400])"), (Leaves{{"", Value(0.0)}}));

  const std::string name(509, 'y');
  EXPECT_EQ(leaves_of("{\"" + name + "\":1,\"b\":2}").size(), 2u);
  EXPECT_EQ(parse_payload("n", "{\"" + name + "yy\":1,\"b\":2}").not_indexed, (LeftOut{{"n", 1}}));
}

TEST(Payload, LongArraysOfNumbersCountOnce) {
  const auto array = [](int numbers, const char* last) {
    std::string text = "{\"e\":[";
    for (int i = 0; i < numbers; ++i) text += std::to_string(i) + ",";
    return text + last + "],\"b\":1}";
  };
  EXPECT_EQ(leaves_of(array(31, "31")).size(), 33u);
  const Payload embedding = parse_payload("n", array(32, "32"));
  EXPECT_EQ(embedding.leaves, (Leaves{{".b", Value(1.0)}}));
  EXPECT_EQ(embedding.not_indexed, (LeftOut{{"n.e", 1}}));
  EXPECT_EQ(leaves_of(array(32, "\"a\"")).size(), 34u) << "not numbers alone";
}

TEST(Payload, LeavesThatLieTooDeepAreCounted) {
  const auto nested = [](int depth) { return std::string(depth, '[') + "1" + std::string(depth, ']'); };
  EXPECT_EQ(leaves_of(nested(64)).size(), 1u);
  EXPECT_EQ(parse_payload("n", nested(65)).not_indexed, (LeftOut{{"n", 1}}));
  EXPECT_EQ(parse_payload("n", nested(100'000)).not_indexed, (LeftOut{{"n", 1}}));
  std::string objects = "7";
  for (int i = 0; i < 65; ++i) objects = "{\"a\":" + objects + "}";
  std::string name = "n";
  for (int i = 0; i < 65; ++i) name += ".a";
  EXPECT_EQ(parse_payload("n", objects).not_indexed, (LeftOut{{name, 1}}));
}

TEST(Payload, KnowsItsLengthAsJson) {
  EXPECT_EQ(parse_payload("n", " [1] ").json_length, 5u);
  EXPECT_TRUE(parse_payload("n", " [1] ").json);
  EXPECT_EQ(parse_payload("n", "a\"b\n").json_length, std::string(R"("a\"b\n")").size());
  EXPECT_FALSE(parse_payload("n", "a\"b\n").json);
}

TEST(Payload, OfManyNamesLeftOutTheRestIsCountedTogether) {
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) many += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
  const Payload payload = parse_payload("n", many + "}");
  EXPECT_EQ(payload.not_indexed.size(), kNotIndexedNamesMax + 1);
  EXPECT_EQ(payload.not_indexed.at("n"), 1000 - 256 - kNotIndexedNamesMax);
}

}  // namespace
}  // namespace storage::labels
