#include "storage/labels/query.h"

#include <gtest/gtest.h>

namespace storage::labels {
namespace {

using std::string;

LabelSet example() {
  LabelSet labels;
  labels.add("split", Value("train"));
  labels.add("score", Value(0.9));
  labels.add("boxes", Value("cat"));
  labels.add("boxes", Value("dog"));
  labels.add("mixed", Value(true));
  labels.add("mixed", Value(3.0));
  labels.add("mixed", Value("3"));
  labels.add("good", Value(true));
  labels.add("odd \"name", Value("x"));
  labels.add_name("truth");
  return labels;
}

// 2026-11-21T02:25:38.007Z
constexpr std::int64_t kModifiedMs = 1'795'227'938'007;
const ObjectFacts kFacts{"camera-7/0001.jpg", 2000, kModifiedMs, "image/jpeg", "abc-2"};

bool ask(const string& text) {
  const auto parsed = parse_query(text);
  if (const auto* error = std::get_if<QueryError>(&parsed)) {
    ADD_FAILURE() << text << ": " << error->message();
    return false;
  }
  return holds(*std::get<QueryPtr>(parsed), example(), kFacts);
}

QueryError error_of(const string& text) {
  const auto parsed = parse_query(text);
  if (const auto* error = std::get_if<QueryError>(&parsed)) return *error;
  ADD_FAILURE() << "a query after all: " << text;
  return {};
}

TEST(Query, TheExamplesOfTheContractParse) {
  EXPECT_FALSE(ask("split = 'train' AND truth.class IN ('cat', 'dog') AND (truth.score >= 0.9 OR reviewer IS NOT NULL)"));
  EXPECT_TRUE(ask("object.key LIKE 'camera-7/%' AND NOT EXISTS prediction AND object.size BETWEEN 1000 AND 200000"));
}

TEST(Query, AComparisonHoldsIfSomeValueSatisfiesIt) {
  EXPECT_TRUE(ask("boxes = 'cat'"));
  EXPECT_TRUE(ask("boxes = 'dog'"));
  EXPECT_FALSE(ask("boxes = 'cow'"));
  EXPECT_TRUE(ask("boxes = 'cat' AND boxes = 'dog'")) << "terms are independent";
  EXPECT_TRUE(ask("boxes != 'cat'")) << "some value differs";
  EXPECT_FALSE(ask("split != 'train'"));
  EXPECT_TRUE(ask("split != 3")) << "a value of another type differs";
  EXPECT_FALSE(ask("absent = 'x'"));
  EXPECT_FALSE(ask("absent != 'x'")) << "a missing label satisfies no comparison";
  EXPECT_FALSE(ask("truth != 'x'")) << "nor one without values";
  EXPECT_TRUE(ask("NOT absent = 'x'")) << "NOT is plain negation";
  EXPECT_FALSE(ask("Split = 'train'")) << "names are case-sensitive";
}

TEST(Query, OrderIsWithinOneType) {
  EXPECT_TRUE(ask("score >= 0.9"));
  EXPECT_FALSE(ask("score > 0.9"));
  EXPECT_TRUE(ask("score <= 0.9 AND score < 1e0 AND score > -1"));
  EXPECT_FALSE(ask("score >= '0.9'"));
  EXPECT_FALSE(ask("split >= 0.9"));
  EXPECT_TRUE(ask("split >= 'train' AND split < 'traio'"));
  EXPECT_TRUE(ask("mixed > 2"));
  EXPECT_TRUE(ask("mixed = TRUE and mixed = 3 and mixed = '3'"));
  EXPECT_FALSE(ask("mixed = 'true'"));
  EXPECT_TRUE(ask("good = TRUE AND good != FALSE AND good IN (TRUE)"));
}

TEST(Query, InBetweenAndLike) {
  EXPECT_TRUE(ask("boxes IN ('cow', 'dog')"));
  EXPECT_TRUE(ask("mixed IN (7, '3', FALSE)")) << "IN may mix types";
  EXPECT_FALSE(ask("boxes NOT IN ('dog')")) << "NOT (x IN ...)";
  EXPECT_TRUE(ask("absent NOT IN ('dog')"));
  EXPECT_TRUE(ask("score BETWEEN 0.9 AND 1"));
  EXPECT_TRUE(ask("score BETWEEN 0 AND 0.9")) << "both ends belong to it";
  EXPECT_FALSE(ask("score BETWEEN 1 AND 0"));
  EXPECT_FALSE(ask("boxes BETWEEN 'cb' AND 'd'")) << "one value must lie inside";
  EXPECT_TRUE(ask("score NOT BETWEEN 1 AND 2"));
  EXPECT_TRUE(ask("split LIKE 'tr%'"));
  EXPECT_TRUE(ask("split LIKE '%'"));
  EXPECT_TRUE(ask("split LIKE 'train'")) << "without % it is equality";
  EXPECT_FALSE(ask("split LIKE 'trai_'")) << "_ is literal";
  EXPECT_TRUE(ask("split NOT LIKE 'tr_%'"));
  EXPECT_FALSE(ask("score LIKE '%'")) << "LIKE sees strings only";
}

TEST(Query, Existence) {
  EXPECT_TRUE(ask("EXISTS truth"));
  EXPECT_TRUE(ask("truth IS NOT NULL"));
  EXPECT_FALSE(ask("truth IS NULL"));
  EXPECT_TRUE(ask("absent IS NULL AND NOT EXISTS absent"));
  EXPECT_FALSE(ask("EXISTS object.nothing"));
}

TEST(Query, FactsOfTheObject) {
  EXPECT_TRUE(ask("object.size = 2000 AND object.type = 'image/jpeg' AND object.etag = 'abc-2'"));
  EXPECT_TRUE(ask("object.modified = '2026-11-21T02:25:38.007Z'"));
  EXPECT_TRUE(ask("object.modified BETWEEN '2026-11-21' AND '2026-11-22'"));
  EXPECT_TRUE(ask("EXISTS object.key AND object.key != 'x'"));
  EXPECT_EQ(modified_text(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(modified_text(951'827'696'789), "2000-02-29T12:34:56.789Z");
}

TEST(Query, AndBindsCloserThanOr) {
  EXPECT_TRUE(ask("split = 'train' OR absent = 1 AND absent = 2"));
  EXPECT_FALSE(ask("(split = 'train' OR absent = 1) AND absent = 2"));
  EXPECT_TRUE(ask("NOT absent = 1 AND split = 'train'"));
  EXPECT_TRUE(ask("not NOT (split='train')"));
  EXPECT_FALSE(ask("NOT (split = 'train' OR absent = 1)"));
}

TEST(Query, NamesAndLiteralsAsWritten) {
  EXPECT_TRUE(ask("\"odd \"\"name\" = 'x'"));
  EXPECT_TRUE(ask("\"split\" = 'train'"));
  EXPECT_FALSE(ask("\"AND\" = 'x' or \"in\" is not null"));
  EXPECT_FALSE(ask("split = 'it''s'"));
  EXPECT_TRUE(ask("score=9e-1\tAnD\nscore = 0.90\r"));
  EXPECT_FALSE(ask("score = -0"));
  EXPECT_FALSE(ask("a-b.c_9 = 1"));
}

struct Broken {
  const char* text;
  std::size_t column;
};

TEST(Query, ErrorsHaveTheirColumn) {
  constexpr Broken kBroken[] = {
      {"", 1},                                 // empty
      {"   ", 4},                              // likewise
      {"split", 6},                            // ends too soon
      {"split =", 8},
      {"split = NULL", 9},
      {"split <> 'a'", 8},                     // no such operator: a literal must follow <
      {"split == 'a'", 8},
      {"split ! 'a'", 7},
      {"split = 'a' b", 13},                   // trailing text
      {"split = 'a')", 12},
      {"(split = 'a'", 13},
      {"split = 'a' AND", 16},
      {"split = 'a", 11},                      // no closing quote
      {"\"split = 'a'", 13},
      {"split = train", 9},
      {"in = 3", 1},                           // a key word is no bare name
      {"7up = 3", 1},
      {"split = 01", 10},                      // JSON has no such number
      {"split = 1.", 11},
      {"split = 1.x", 11},
      {"split = 1e", 11},
      {"split = -", 10},
      {"split = +1", 9},
      {"split = .5", 9},
      {"split = 1e999", 9},
      {"split < TRUE", 9},
      {"split BETWEEN TRUE AND FALSE", 15},
      {"split BETWEEN 1 AND 'b'", 21},         // bounds of two types
      {"split BETWEEN 1, 2", 16},
      {"split LIKE 3", 12},
      {"split LIKE 'a%b'", 12},
      {"split LIKE '%%'", 12},
      {"split IN ()", 11},
      {"split IN 'a'", 10},
      {"split IN ('a' 'b')", 15},
      {"split IN ('a'", 14},
      {"split NOT = 'a'", 11},
      {"split IS 'a'", 10},
      {"split IS NOT 'a'", 14},
      {"EXISTS 'a'", 8},
      {"EXISTS", 7},
      {"NOT", 4},
      {"split = 'a' # b", 13},
      {"\xc3\xa4 = 1", 1},                     // other letters need quotes
      {"\"\xc3\xa4\xe2\x82\xac\" == 1", 7},    // characters, not bytes
  };
  for (const Broken& each : kBroken) {
    const QueryError error = error_of(each.text);
    EXPECT_EQ(error.column, each.column) << each.text << ": " << error.expected;
    EXPECT_FALSE(error.expected.empty()) << each.text;
  }
  EXPECT_EQ(error_of("a = ").message(),
            "The query is not valid at column 5: expected a string in single quotes, a number, TRUE or FALSE");
}

string repeated(std::string_view text, std::size_t times) {
  string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Query, Bounds) {
  EXPECT_TRUE(ask(repeated("(", kQueryNestingMax) + "split = 'train'" + repeated(")", kQueryNestingMax)));
  EXPECT_EQ(error_of(repeated("(", kQueryNestingMax + 1) + "a = 1" + repeated(")", kQueryNestingMax + 1)).column, 65U);
  EXPECT_TRUE(ask(repeated("NOT ", kQueryNestingMax) + "split = 'train'"));
  EXPECT_EQ(error_of(repeated("NOT ", kQueryNestingMax + 1) + "a = 1").column, 4 * 64 + 1U);
  EXPECT_EQ(error_of(repeated("NOT (", 33) + "a = 1").column, 5 * 32 + 1U);

  EXPECT_TRUE(ask(repeated("split = 'train' AND ", kQueryTermsMax - 1) + "EXISTS split"));
  EXPECT_EQ(error_of(repeated("EXISTS a OR ", kQueryTermsMax) + "EXISTS a").column, 12 * 1000 + 1U);
  EXPECT_EQ(error_of("a IN (" + repeated("1,", kQueryTermsMax) + "1)").column, 6 + 2 * 1000 + 1U);

  const string longest = "split = 'train'" + string(kQueryBytesMax - 15, ' ');
  EXPECT_TRUE(ask(longest));
  EXPECT_EQ(error_of(longest + " ").column, kQueryBytesMax + 1);
}

TEST(Query, TellsWhatItMentions) {
  const auto parsed = parse_query("NOT EXISTS rule.quarantined OR a = 'b'");
  const auto& query = *std::get<QueryPtr>(parsed);
  EXPECT_TRUE(query.mentions("rule.quarantined"));
  EXPECT_FALSE(query.mentions("b"));
  EXPECT_FALSE(query.mentions(""));
}

TEST(Query, LeavesOutWhatIsSetApart) {
  LabelSet apart = example();
  apart.add(kQuarantinedLabel, Value("images-only"));
  const QueryPtr train = std::get<QueryPtr>(parse_query("split = 'train' OR split = 'x'"));
  for (const QueryPtr& query : {without_quarantined(nullptr), without_quarantined(train)}) {
    EXPECT_TRUE(holds(*query, example(), kFacts));
    EXPECT_FALSE(holds(*query, apart, kFacts));
  }
  const QueryPtr asks = std::get<QueryPtr>(parse_query("rule.quarantined = 'images-only'"));
  EXPECT_EQ(without_quarantined(asks), asks);
  EXPECT_TRUE(holds(*asks, apart, kFacts));
}

TEST(Query, TakesANameOffTheFront) {
  const auto taken = [](std::string_view text) {
    const auto result = take_name(text);
    const auto* name = std::get_if<TakenName>(&result);
    return name == nullptr ? std::pair<string, std::size_t>("-", std::get<QueryError>(result).column)
                           : std::pair(name->name, name->bytes);
  };
  EXPECT_EQ(taken("truth.class/a = 1"), std::pair(string("truth.class"), std::size_t{11}));
  EXPECT_EQ(taken("\"a/b\"\"\"/x"), std::pair(string("a/b\""), std::size_t{7}));
  EXPECT_EQ(taken("\"a/b"), std::pair(string("-"), std::size_t{5}));
  EXPECT_EQ(taken("in"), std::pair(string("-"), std::size_t{1}));
  EXPECT_EQ(taken(""), std::pair(string("-"), std::size_t{1}));
  EXPECT_EQ(taken(" a"), std::pair(string("-"), std::size_t{1}));
}

}  // namespace
}  // namespace storage::labels
