#include "storage/labels/value.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace storage::labels {
namespace {

constexpr char kNoValue = 0;
constexpr std::uint64_t kSign = 1ULL << 63;

// Doubles sort as unsigned integers once the sign bit is turned, and of negative ones all the rest.
std::uint64_t ordered_bits(double number) {
  const auto bits = std::bit_cast<std::uint64_t>(number);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

double number_of(std::uint64_t ordered) {
  return std::bit_cast<double>((ordered & kSign) != 0 ? ordered & ~kSign : ~ordered);
}

void append_text(std::string& to, std::string_view text) {
  for (const char byte : text) {
    to += byte;
    if (byte == '\0') to += '\xff';
  }
  to.append(2, '\0');
}

std::optional<DecodedValue> decode_text(std::string_view bytes) {
  std::string text;
  std::size_t at = 1;
  while (at < bytes.size()) {
    const char byte = bytes[at++];
    if (byte != '\0') {
      text += byte;
      continue;
    }
    if (at == bytes.size()) return std::nullopt;
    const char mark = bytes[at++];
    if (mark == '\0') return DecodedValue{Value(std::move(text)), at};
    if (mark != '\xff') return std::nullopt;
    text += '\0';
  }
  return std::nullopt;
}

std::optional<DecodedValue> decode_number(std::string_view bytes) {
  if (bytes.size() < 9) return std::nullopt;
  std::uint64_t ordered = 0;
  for (std::size_t i = 1; i < 9; ++i) ordered = ordered << 8 | static_cast<std::uint8_t>(bytes[i]);
  return DecodedValue{Value(number_of(ordered)), 9};
}

}  // namespace

std::string encode_no_value() { return std::string(1, kNoValue); }

std::string encode_ordered(const Value& value) {
  std::string bytes(1, static_cast<char>(value.kind()));
  switch (value.kind()) {
    case Kind::boolean:
      bytes += value.boolean() ? '\1' : '\0';
      break;
    case Kind::number:
      for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(ordered_bits(value.number()) >> shift);
      break;
    case Kind::string:
      append_text(bytes, value.text());
      break;
  }
  return bytes;
}

std::optional<DecodedValue> decode_ordered(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  if (bytes[0] == kNoValue) return DecodedValue{std::nullopt, 1};
  switch (static_cast<Kind>(bytes[0])) {
    case Kind::boolean:
      if (bytes.size() < 2 || static_cast<std::uint8_t>(bytes[1]) > 1) return std::nullopt;
      return DecodedValue{Value(bytes[1] == '\1'), 2};
    case Kind::number:
      return decode_number(bytes);
    case Kind::string:
      return decode_text(bytes);
  }
  return std::nullopt;
}

void append_json(std::string& to, std::string_view text) {
  to += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_json(std::string& to, const Value& value) {
  switch (value.kind()) {
    case Kind::boolean:
      to += value.boolean() ? "true" : "false";
      return;
    case Kind::string:
      append_json(to, std::string_view(value.text()));
      return;
    case Kind::number:
      break;
  }
  char digits[32];
  const double number = value.number();
  // Whole numbers that a double holds exactly are written as such, not as 1e+06.
  const bool whole = std::abs(number) < 9007199254740992.0 && number == std::trunc(number);
  const auto end = whole ? std::to_chars(digits, digits + sizeof digits, static_cast<std::int64_t>(number))
                         : std::to_chars(digits, digits + sizeof digits, number);
  to.append(digits, end.ptr);
}

}  // namespace storage::labels
