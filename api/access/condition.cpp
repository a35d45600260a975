#include "api/access/condition.h"

#include <algorithm>
#include <charconv>

#include "api/access/network.h"
#include "api/ascii.h"
#include "api/http_date.h"

namespace api {
namespace {

struct OperatorName {
  std::string_view name;
  Comparison comparison;
  bool negated = false;
};

constexpr OperatorName kOperators[] = {
    {"StringEquals", Comparison::string_equals},
    {"StringNotEquals", Comparison::string_equals, true},
    {"StringEqualsIgnoreCase", Comparison::string_equals_caseless},
    {"StringNotEqualsIgnoreCase", Comparison::string_equals_caseless, true},
    {"StringLike", Comparison::string_like},
    {"StringNotLike", Comparison::string_like, true},
    {"NumericEquals", Comparison::numeric_equals},
    {"NumericNotEquals", Comparison::numeric_equals, true},
    {"NumericLessThan", Comparison::numeric_less},
    {"NumericLessThanEquals", Comparison::numeric_less_equals},
    {"NumericGreaterThan", Comparison::numeric_greater},
    {"NumericGreaterThanEquals", Comparison::numeric_greater_equals},
    {"DateEquals", Comparison::date_equals},
    {"DateNotEquals", Comparison::date_equals, true},
    {"DateLessThan", Comparison::date_less},
    {"DateLessThanEquals", Comparison::date_less_equals},
    {"DateGreaterThan", Comparison::date_greater},
    {"DateGreaterThanEquals", Comparison::date_greater_equals},
    {"Bool", Comparison::boolean},
    {"BinaryEquals", Comparison::binary_equals},
    {"IpAddress", Comparison::ip_address},
    {"NotIpAddress", Comparison::ip_address, true},
    {"ArnEquals", Comparison::arn_like},
    {"ArnLike", Comparison::arn_like},
    {"ArnNotEquals", Comparison::arn_like, true},
    {"ArnNotLike", Comparison::arn_like, true},
    {"Null", Comparison::null},
};

bool cut_prefix(std::string_view& text, std::string_view prefix) {
  if (!starts_with_caseless(text, prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// ISO 8601 as policies write it, a date alone, or seconds since 1970.
std::optional<double> date_of(std::string_view text) {
  if (const auto seconds = parse_iso_date(text)) return static_cast<double>(*seconds);
  if (text.size() == 10) {
    if (const auto seconds = parse_iso_date(std::string(text) + "T00:00:00Z")) return static_cast<double>(*seconds);
  }
  if (const auto seconds = parse_http_date(text)) return static_cast<double>(*seconds);
  return number_of(text);
}

bool is_date(Comparison comparison) {
  return comparison >= Comparison::date_equals && comparison <= Comparison::date_greater_equals;
}
bool is_numeric(Comparison comparison) {
  return comparison >= Comparison::numeric_equals && comparison <= Comparison::numeric_greater_equals;
}

bool compare_numbers(Comparison comparison, double given, double wanted) {
  switch (comparison) {
    case Comparison::numeric_equals:
    case Comparison::date_equals:
      return given == wanted;
    case Comparison::numeric_less:
    case Comparison::date_less:
      return given < wanted;
    case Comparison::numeric_less_equals:
    case Comparison::date_less_equals:
      return given <= wanted;
    case Comparison::numeric_greater:
    case Comparison::date_greater:
      return given > wanted;
    case Comparison::numeric_greater_equals:
    case Comparison::date_greater_equals:
      return given >= wanted;
    default:
      return false;
  }
}

// The six fields of an ARN are matched one by one: a '*' does not reach over a colon of the first five.
bool arn_matches(const PatternUnits& pattern, std::string_view text) {
  std::size_t at = 0;
  for (int field = 0; field < 5; ++field) {
    const std::size_t colon = pattern.find(u':', at);
    const std::size_t text_colon = text.find(':');
    if (colon == PatternUnits::npos || text_colon == std::string_view::npos) return matches_units(pattern.substr(at), text);
    if (!matches_units(pattern.substr(at, colon - at), text.substr(0, text_colon))) return false;
    at = colon + 1;
    text.remove_prefix(text_colon + 1);
  }
  return matches_units(pattern.substr(at), text);
}

// Units without wildcards as text.
std::string text_of(const PatternUnits& units) {
  std::string text;
  for (const char16_t unit : units) text += static_cast<char>(unit);
  return text;
}

bool one_matches(Comparison comparison, const PolicyText& wanted, std::string_view given, const RequestFacts& facts) {
  if (comparison == Comparison::string_equals || comparison == Comparison::string_like ||
      comparison == Comparison::binary_equals) {
    return wanted.matches(given, facts);
  }
  const auto units = wanted.resolve(facts);
  if (!units) return false;
  if (comparison == Comparison::arn_like) return arn_matches(*units, given);
  const std::string text = text_of(*units);
  if (comparison == Comparison::string_equals_caseless || comparison == Comparison::boolean) {
    return equals_caseless(text, given);
  }
  if (comparison == Comparison::ip_address) {
    const auto network = parse_network(text);
    const auto address = parse_address(given);
    return network && address && contains(*network, *address);
  }
  const bool date = is_date(comparison);
  const auto left = date ? date_of(given) : number_of(given);
  const auto right = date ? date_of(text) : number_of(text);
  return left && right && compare_numbers(comparison, *left, *right);
}

}  // namespace

std::optional<Condition> parse_operator(std::string_view name) {
  Condition condition;
  if (cut_prefix(name, "ForAnyValue:")) condition.each = Condition::Each::for_any_value;
  else if (cut_prefix(name, "ForAllValues:")) condition.each = Condition::Each::for_all_values;
  constexpr std::string_view kIfExists = "IfExists";
  if (name.size() > kIfExists.size() && equals_caseless(name.substr(name.size() - kIfExists.size()), kIfExists)) {
    condition.if_exists = true;
    name.remove_suffix(kIfExists.size());
  }
  for (const OperatorName& known : kOperators) {
    if (!equals_caseless(known.name, name)) continue;
    if (known.comparison == Comparison::null && condition.if_exists) return std::nullopt;
    condition.comparison = known.comparison;
    condition.negated = known.negated;
    return condition;
  }
  return std::nullopt;
}

bool fits_comparison(Comparison comparison, std::string_view value) {
  if (value.find("${") != std::string_view::npos) return true;
  if (is_numeric(comparison)) return number_of(value).has_value();
  if (is_date(comparison)) return date_of(value).has_value();
  if (comparison == Comparison::ip_address) return parse_network(value).has_value();
  if (comparison == Comparison::boolean || comparison == Comparison::null) {
    return equals_caseless(value, "true") || equals_caseless(value, "false");
  }
  return true;
}

std::string condition_key(std::string_view name) {
  const std::size_t slash = name.find('/');
  std::string key = to_lower(name.substr(0, slash));
  if (slash != std::string_view::npos) key += name.substr(slash);
  return key;
}

bool Condition::holds(const RequestFacts& facts) const {
  const std::vector<std::string> given = facts.values(key);
  if (comparison == Comparison::null) {
    const std::string_view want = given.empty() ? "true" : "false";
    return std::any_of(values.begin(), values.end(),
                       [&](const PolicyText& value) { return equals_caseless(value.source(), want); });
  }
  if (given.empty()) {
    if (each == Each::for_all_values || if_exists) return true;
    return each == Each::single && negated;
  }
  const auto wanted = [&](const std::string& value) {
    return std::any_of(values.begin(), values.end(),
                       [&](const PolicyText& text) { return one_matches(comparison, text, value, facts); });
  };
  switch (each) {
    case Each::single:
      return std::any_of(given.begin(), given.end(), wanted) != negated;
    case Each::for_any_value:
      return std::any_of(given.begin(), given.end(), [&](const std::string& value) { return wanted(value) != negated; });
    case Each::for_all_values:
      return std::all_of(given.begin(), given.end(), [&](const std::string& value) { return wanted(value) != negated; });
  }
  return false;
}

void PolicyText::add_units(std::string_view text, bool wildcards) {
  if (text.empty()) return;
  if (pieces_.empty() || !pieces_.back().variable.empty()) pieces_.emplace_back();
  for (const char c : text) {
    char16_t unit = static_cast<unsigned char>(c);
    if (wildcards && c == '*') unit = kAnyText;
    if (wildcards && c == '?') unit = kAnyCharacter;
    wild_ = wild_ || unit >= kAnyText;
    pieces_.back().units += unit;
  }
}

std::optional<PolicyText> PolicyText::parse(std::string_view text, bool wildcards) {
  PolicyText parsed;
  parsed.source_ = text;
  while (!text.empty()) {
    const std::size_t begin = text.find("${");
    parsed.add_units(text.substr(0, begin), wildcards);
    if (begin == std::string_view::npos) break;
    const std::size_t end = text.find('}', begin);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view inside = text.substr(begin + 2, end - begin - 2);
    text.remove_prefix(end + 1);
    // ${*}, ${?} and ${$} are those characters themselves.
    if (inside == "*" || inside == "?" || inside == "$") {
      parsed.add_units(inside, false);
      continue;
    }
    Piece piece;
    const std::size_t comma = inside.find(',');
    if (comma != std::string_view::npos) {
      std::string_view quoted = trim(inside.substr(comma + 1));
      if (quoted.size() < 2 || quoted.front() != '\'' || quoted.back() != '\'') return std::nullopt;
      piece.fallback = quoted.substr(1, quoted.size() - 2);
      inside = inside.substr(0, comma);
    }
    piece.variable = condition_key(trim(inside));
    if (piece.variable.empty()) return std::nullopt;
    parsed.variables_ = true;
    parsed.pieces_.push_back(std::move(piece));
  }
  return parsed;
}

std::optional<PatternUnits> PolicyText::resolve(const RequestFacts& facts) const {
  PatternUnits units;
  for (const Piece& piece : pieces_) {
    if (piece.variable.empty()) {
      units += piece.units;
      continue;
    }
    const std::vector<std::string> given = facts.values(piece.variable);
    const std::string* value = nullptr;
    if (given.size() == 1) value = &given.front();
    else if (piece.fallback) value = &*piece.fallback;
    if (value == nullptr) return std::nullopt;
    for (const char c : *value) units += static_cast<unsigned char>(c);
  }
  return units;
}

bool PolicyText::matches(std::string_view text, const RequestFacts& facts) const {
  if (!variables_) return pieces_.empty() ? text.empty() : matches_units(pieces_.front().units, text);
  const auto units = resolve(facts);
  return units && matches_units(*units, text);
}

}  // namespace api
