// Query: what it means, by brute force.
#include <algorithm>
#include <array>
#include <cstdio>

#include "storage/labels/query.h"

namespace storage::labels {
namespace {

using NodeKind = QueryNode::Kind;

bool in_order(const Value& value, Operator comparison, const Value& literal) {
  if (value.kind() != literal.kind()) return false;
  switch (comparison) {
    case Operator::less:
      return value < literal;
    case Operator::less_equal:
      return value <= literal;
    case Operator::greater:
      return value > literal;
    case Operator::greater_equal:
      return value >= literal;
    case Operator::equal:
      return value == literal;
    case Operator::not_equal:
      return value != literal;
  }
  return false;
}

struct Subject {
  const LabelSet& labels;
  const ObjectFacts& facts;
};

bool term_holds(const QueryNode& term, const Subject& subject) {
  if (term.name.starts_with(kFactPrefix)) {
    const auto value = fact(term.name, subject.facts);
    return value && (term.kind == NodeKind::exists || satisfies(term, *value));
  }
  const LabelSet::Values* const values = subject.labels.find(term.name);
  if (values == nullptr) return false;
  if (term.kind == NodeKind::exists) return true;
  return std::any_of(values->begin(), values->end(), [&](const Value& value) { return satisfies(term, value); });
}

// The depth is bounded by kQueryNestingMax.
bool node_holds(const Query& query, std::uint32_t index, const Subject& subject) {
  const QueryNode& node = query.node(index);
  const auto child_holds = [&](std::uint32_t child) { return node_holds(query, child, subject); };
  switch (node.kind) {
    case NodeKind::all_of:
      return std::all_of(node.children.begin(), node.children.end(), child_holds);
    case NodeKind::any_of:
      return std::any_of(node.children.begin(), node.children.end(), child_holds);
    case NodeKind::negation:
      return !child_holds(node.children.front());
    case NodeKind::compare:
    case NodeKind::in:
    case NodeKind::between:
    case NodeKind::prefix:
    case NodeKind::exists:
      break;
  }
  return term_holds(node, subject);
}

// Days since 1970-01-01 as year, month and day of the Gregorian calendar. Source: Hinnant, "chrono-compatible low-level date
// algorithms", civil_from_days.
std::array<int, 3> civil_date(std::int64_t days) {
  const std::int64_t shifted = days + 719'468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const std::int64_t of_era = shifted - era * 146'097;
  const std::int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * of_year + 2) / 153;
  const std::int64_t day = of_year - (153 * shifted_month + 2) / 5 + 1;
  const std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return {static_cast<int>(year), static_cast<int>(month), static_cast<int>(day)};
}

}  // namespace

bool satisfies(const QueryNode& term, const Value& value) {
  switch (term.kind) {
    case NodeKind::compare:
      return term.comparison == Operator::not_equal ? value != term.values.front()
                                                    : in_order(value, term.comparison, term.values.front());
    case NodeKind::in:
      return std::binary_search(term.values.begin(), term.values.end(), value);
    case NodeKind::between:
      return in_order(value, Operator::greater_equal, term.values[0]) && in_order(value, Operator::less_equal, term.values[1]);
    case NodeKind::prefix:
      return value.kind() == Kind::string && value.text().starts_with(term.values.front().text());
    case NodeKind::all_of:
    case NodeKind::any_of:
    case NodeKind::negation:
    case NodeKind::exists:
      break;
  }
  return false;
}

std::string modified_text(std::int64_t modified_ms) {
  constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
  const std::int64_t of_day = ((modified_ms % kDayMs) + kDayMs) % kDayMs;
  const auto [year, month, day] = civil_date((modified_ms - of_day) / kDayMs);
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day,
                                   static_cast<int>(of_day / 3'600'000), static_cast<int>(of_day / 60'000 % 60),
                                   static_cast<int>(of_day / 1000 % 60), static_cast<int>(of_day % 1000));
  return {text, static_cast<std::size_t>(length)};
}

std::optional<Value> fact(std::string_view name, const ObjectFacts& facts) {
  if (!name.starts_with(kFactPrefix)) return std::nullopt;
  name.remove_prefix(kFactPrefix.size());
  if (name == "key") return Value(std::string(facts.key));
  if (name == "size") return Value(static_cast<double>(facts.size));
  if (name == "modified") return Value(modified_text(facts.modified_ms));
  if (name == "type") return Value(std::string(facts.type));
  if (name == "etag") return Value(std::string(facts.etag));
  return std::nullopt;
}

bool holds(const Query& query, const LabelSet& labels, const ObjectFacts& facts) {
  return node_holds(query, query.root(), {labels, facts});
}

}  // namespace storage::labels
