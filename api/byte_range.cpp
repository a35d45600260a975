#include "api/byte_range.h"

#include <algorithm>

#include "api/ascii.h"

namespace api {
namespace {

constexpr std::string_view kUnit = "bytes=";

}  // namespace

RangeAnswer parse_range(std::string_view header, std::uint64_t size) {
  header = trim(header);
  if (!starts_with_caseless(header, kUnit)) return {};
  std::string_view last_text = trim(header.substr(kUnit.size()));
  if (last_text.find(',') != std::string_view::npos || last_text.find('-') == std::string_view::npos)
    return {};
  const std::string_view first_text = cut(last_text, '-');
  if (first_text.empty()) {
    const auto suffix = parse_decimal(last_text);
    if (!suffix) return {};
    if (*suffix == 0 || size == 0) return {RangeKind::unsatisfiable, {}};
    const std::uint64_t length = std::min(*suffix, size);
    return {RangeKind::slice, {size - length, length}};
  }
  const auto first = parse_decimal(first_text);
  if (!first) return {};
  std::uint64_t last = UINT64_MAX;
  if (!last_text.empty()) {
    const auto parsed = parse_decimal(last_text);
    if (!parsed || *parsed < *first) return {};
    last = *parsed;
  }
  if (*first >= size) return {RangeKind::unsatisfiable, {}};
  last = std::min(last, size - 1);
  return {RangeKind::slice, {*first, last - *first + 1}};
}

std::optional<ByteRange> parse_closed_range(std::string_view header) {
  header = trim(header);
  if (!starts_with_caseless(header, kUnit)) return std::nullopt;
  std::string_view last_text = header.substr(kUnit.size());
  const auto first = parse_decimal(cut(last_text, '-'));
  const auto last = parse_decimal(last_text);
  if (!first || !last || *last < *first || *last == UINT64_MAX) return std::nullopt;
  return ByteRange{*first, *last - *first + 1};
}

}  // namespace api
