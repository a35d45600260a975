#include "api/virtual/agreement.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/virtual/drift.h"

namespace api {
namespace {

using storage::labels::Value;
using Values = Agreement::Values;
using nlohmann::json;

template <class Printer>
json printed(Printer&& printer, std::string_view a, std::string_view b) {
  std::string all;
  while (true) {
    std::string piece;
    const bool more = printer.print(piece, a, b);
    all += piece;
    if (!more) break;
  }
  return json::parse(all);
}

TEST(Agreement, CountsEachObjectOnce) {
  Agreement agreement;
  const auto add = [&](const std::string& key, const Values& truth, const Values& prediction, std::optional<double> score) {
    EXPECT_TRUE(agreement.add(key, &truth, &prediction, score));
  };
  add("a", {Value("cat")}, {Value("cat")}, 0.9);
  add("b", {Value("cat")}, {Value("dog")}, 0.4);
  add("c", {Value("dog")}, {Value("cat")}, 0.8);
  add("d", {Value("dog")}, {Value("dog")}, std::nullopt);
  add("e", {Value("dog")}, {Value(3.0)}, std::nullopt);
  add("f", {Value("cat"), Value("dog")}, {Value("cat")}, 1.0);
  add("g", {}, {Value("cat")}, 1.0);
  EXPECT_TRUE(agreement.add("h", nullptr, nullptr, std::nullopt));
  add("i", {Value("cat")}, {}, 1.0);
  const json told = printed(agreement, "truth.class", "prediction.class");
  EXPECT_EQ(told["truth"], "truth.class");
  EXPECT_EQ(told["prediction"], "prediction.class");
  EXPECT_EQ(told["objects"], 9);
  EXPECT_EQ(told["both"], 5);
  EXPECT_EQ(told["missing_truth"], 2);
  EXPECT_EQ(told["missing_prediction"], 2);
  EXPECT_EQ(told["ambiguous"], 1);
  EXPECT_EQ(told["accuracy"], 0.4);
  EXPECT_EQ(told["classes"], json::parse(R"([3,"cat","dog"])"));
  EXPECT_EQ(told["matrix"], json::parse("[[0,0,0],[0,1,1],[1,1,1]]"));
  EXPECT_EQ(told["per_class"][0], json::parse(R"({"class":3,"precision":0,"recall":0,"f1":0,"support":0})"));
  EXPECT_EQ(told["per_class"][1], json::parse(R"({"class":"cat","precision":0.5,"recall":0.5,"f1":0.5,"support":2})"));
  EXPECT_EQ(told["per_class"][2]["recall"], 1.0 / 3);
  ASSERT_EQ(told["worst"].size(), 3U);
  EXPECT_EQ(told["worst"][0], json::parse(R"({"key":"c","truth":"dog","prediction":"cat","score":0.8})"));
  EXPECT_EQ(told["worst"][1]["key"], "b");
  EXPECT_EQ(told["worst"][2], json::parse(R"({"key":"e","truth":"dog","prediction":3,"score":null})"));
}

TEST(Agreement, WorstAreAHundredOfTheHighestScoresTiesInKeyOrder) {
  Agreement agreement;
  const Values truth = {Value("x")};
  const Values prediction = {Value("y")};
  for (int i = 0; i < 1000; ++i) {
    char key[8];
    std::snprintf(key, sizeof key, "%04d", i);
    const std::optional<double> score = i % 2 == 0 ? std::optional<double>(i / 100) : std::nullopt;
    ASSERT_TRUE(agreement.add(key, &truth, &prediction, score));
  }
  const json worst = printed(agreement, "t", "p")["worst"];
  ASSERT_EQ(worst.size(), 100U);
  EXPECT_EQ(worst[0]["key"], "0900");
  EXPECT_EQ(worst[1]["key"], "0902");
  EXPECT_EQ(worst[50]["key"], "0800");
  EXPECT_EQ(worst[99]["score"], 8);
}

TEST(Agreement, NothingIsZero) {
  Agreement agreement;
  const json told = printed(agreement, "t", "p");
  EXPECT_EQ(told["accuracy"], 0);
  EXPECT_EQ(told["matrix"], json::array());
  EXPECT_EQ(told["per_class"], json::array());
}

TEST(Agreement, ClassesAreBoundedAndTheMatrixComesInPieces) {
  Agreement agreement;
  bool fits = true;
  std::size_t classes = 0;
  while (fits) {
    const Values both = {Value(static_cast<double>(classes++))};
    fits = agreement.add("k", &both, &both, std::nullopt);
  }
  EXPECT_EQ(classes, Agreement::kClassesMax + 1);
  Agreement large;
  for (int i = 0; i < 400; ++i) {
    const Values both = {Value(static_cast<double>(i))};
    large.add("k", &both, &both, std::nullopt);
  }
  std::string piece;
  EXPECT_TRUE(large.print(piece, "t", "p"));
  EXPECT_LT(piece.size(), 128U * 1024);
}

TEST(Drift, WindowsAreAlignedAndCompared) {
  EXPECT_EQ(parse_window("90s"), 90'000);
  EXPECT_EQ(parse_window("15m"), 900'000);
  EXPECT_EQ(parse_window("1h"), 3'600'000);
  EXPECT_EQ(parse_window("7d"), 604'800'000);
  for (const char* bad : {"", "d", "0d", "-1d", "1.5h", "1w", "1 d", "99999999999d", "1D"}) EXPECT_FALSE(parse_window(bad)) << bad;

  Drift drift(3'600'000);
  const auto add = [&](std::int64_t at_ms, const Values& values) { EXPECT_TRUE(drift.add(at_ms, values)); };
  add(0, {Value("a")});
  add(3'599'999, {Value("a")});
  add(1, {Value("b"), Value("c")});
  add(7'200'000, {Value("b")});
  add(7'300'000, {});
  const json told = printed(drift, "truth.class", "1h");
  EXPECT_EQ(told["name"], "truth.class");
  EXPECT_EQ(told["window"], "1h");
  ASSERT_EQ(told["windows"].size(), 2U) << "empty ones are left out";
  EXPECT_EQ(told["windows"][0]["start"], "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(told["windows"][0]["objects"], 3);
  EXPECT_EQ(told["windows"][0]["values"],
            json::parse(R"([{"value":"a","count":2},{"value":"b","count":1},{"value":"c","count":1}])"));
  EXPECT_TRUE(told["windows"][0]["distance"].is_null());
  EXPECT_EQ(told["windows"][1]["start"], "1970-01-01T02:00:00.000Z");
  EXPECT_EQ(told["windows"][1]["distance"], 0.75);
}

}  // namespace
}  // namespace api
