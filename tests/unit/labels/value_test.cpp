#include "storage/labels/value.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "storage/labels/label_set.h"

namespace storage::labels {
namespace {

const std::vector<Value>& ascending() {
  static const std::vector<Value> values = {
      Value(false), Value(true), Value(std::numeric_limits<double>::lowest()), Value(-1.5), Value(-1e-300), Value(0.0),
      Value(5e-324), Value(1.0), Value(1.0000000000000002), Value(1e300), Value(""), Value(std::string(1, '\0')),
      Value(std::string("\0a", 2)), Value(std::string(1, '\x01')), Value("a"), Value(std::string("a\0", 2)),
      Value(std::string("a\0b", 3)), Value("aa"), Value("b"), Value("\xff")};
  return values;
}

TEST(Value, EncodedFormsSortAsValuesDo) {
  for (std::size_t i = 0; i + 1 < ascending().size(); ++i) {
    EXPECT_LT(ascending()[i], ascending()[i + 1]) << i;
    EXPECT_LT(encode_ordered(ascending()[i]), encode_ordered(ascending()[i + 1])) << i;
  }
}

TEST(Value, EncodedFormsReadBackAndEndWhereTheyEnd) {
  for (const Value& value : ascending()) {
    const std::string bytes = encode_ordered(value);
    const auto decoded = decode_ordered(bytes + "12345678");
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->value, value);
    EXPECT_EQ(decoded->bytes, bytes.size());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(decode_ordered(bytes.substr(0, cut))) << cut;
  }
  EXPECT_FALSE(decode_ordered("\x01\x02"));
  EXPECT_FALSE(decode_ordered("\x04zz"));
  const auto nothing = decode_ordered(encode_no_value() + "x");
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(nothing->value);
  EXPECT_EQ(nothing->bytes, 1U);
}

TEST(Value, MinusZeroIsZero) {
  EXPECT_EQ(Value(-0.0), Value(0.0));
  EXPECT_EQ(encode_ordered(Value(-0.0)), encode_ordered(Value(0.0)));
}

TEST(LabelSet, PrintsValuesInOrderAndOnce) {
  LabelSet labels;
  labels.add("truth.class", Value("cat"));
  labels.add("truth.class", Value(true));
  labels.add("truth.class", Value(2.0));
  labels.add("truth.class", Value("cat"));
  labels.add("score", Value(0.9));
  labels.add("big", Value(1e6));
  labels.add("huge", Value(1e300));
  labels.add_name("truth");
  labels.add("quote\"", Value("a\"\n\xff"));
  EXPECT_EQ(labels.to_json(),
            R"({"big":1000000,"huge":1e+300,"quote\"":"a\"\n)" "\xEF\xBF\xBD"
            R"(","score":0.9,"truth":null,"truth.class":[true,2,"cat"]})");
  EXPECT_EQ(labels.find("truth.class")->size(), 3U);
  EXPECT_EQ(labels.find("truth.boxes"), nullptr);
}

}  // namespace
}  // namespace storage::labels
