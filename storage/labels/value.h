// Value: what a label of an object can be: a boolean, a number or a string.
//
// Order  booleans (false, true), then numbers by value, then strings by their bytes: the order of answers and of posting rows.
// Numbers are IEEE doubles, never NaN or infinite; -0 is 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace storage::labels {

enum class Kind : std::uint8_t { boolean = 1, number = 2, string = 3 };

class Value {
 public:
  explicit Value(bool boolean) : value_(boolean) {}
  explicit Value(double number) : value_(number == 0 ? 0.0 : number) {}
  explicit Value(std::string text) : value_(std::move(text)) {}
  explicit Value(const char* text) : value_(std::string(text)) {}

  Kind kind() const { return static_cast<Kind>(value_.index() + 1); }
  // Each of the kind that it says.
  bool boolean() const { return std::get<bool>(value_); }
  double number() const { return std::get<double>(value_); }
  const std::string& text() const { return std::get<std::string>(value_); }

  friend bool operator==(const Value&, const Value&) = default;
  friend auto operator<=>(const Value&, const Value&) = default;

 private:
  std::variant<bool, double, std::string> value_;
};

// The form of a value inside a posting's key: a type byte, then bytes that sort as the values do and of which none is the
// beginning of another. Type byte 0 alone says that the label has no value. Layout in storage/labels/README.md.
std::string encode_ordered(const Value& value);
std::string encode_no_value();

struct DecodedValue {
  std::optional<Value> value;  // none: the label has no value
  std::size_t bytes = 0;       // how long the encoded form was
};
// Takes the encoded form off the front of `bytes`; nullopt if there is none.
std::optional<DecodedValue> decode_ordered(std::string_view bytes);

// As JSON: true, 0.5, "cat". A number's shortest decimal text that reads back as the same double, integers without a point.
// Bytes of a string that are not UTF-8 become U+FFFD.
void append_json(std::string& to, const Value& value);
void append_json(std::string& to, std::string_view text);  // a string, in its quotes

}  // namespace storage::labels
