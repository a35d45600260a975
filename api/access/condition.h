// The Condition block of a policy statement: which facts of a request must hold.
//
// Cost  bounded by the size of the policy document times the length of what the request says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/access/wildcard.h"

namespace api {

// Facts of one request, asked for by name. `key` is in lower case but for what stands behind a slash, which names a tag.
class RequestFacts {
 public:
  virtual ~RequestFacts() = default;
  // The values of `key`; empty: the request has no such fact.
  virtual std::vector<std::string> values(std::string_view key) const = 0;
};

enum class Comparison : std::uint8_t {
  string_equals,
  string_equals_caseless,
  string_like,
  numeric_equals,
  numeric_less,
  numeric_less_equals,
  numeric_greater,
  numeric_greater_equals,
  date_equals,
  date_less,
  date_less_equals,
  date_greater,
  date_greater_equals,
  boolean,
  binary_equals,
  ip_address,
  arn_like,
  null,
};

// Text of a policy with variables: ${aws:username}, ${*}, ${aws:username, 'default'}.
class PolicyText {
 public:
  // `wildcards`: whether '*' and '?' are patterns. Every "${" must be closed, else nullopt.
  static std::optional<PolicyText> parse(std::string_view text, bool wildcards);

  // The pattern for this request; nullopt when a variable has no value: then it matches nothing.
  std::optional<PatternUnits> resolve(const RequestFacts& facts) const;
  bool matches(std::string_view text, const RequestFacts& facts) const;

  const std::string& source() const { return source_; }
  bool has_wildcards() const { return wild_; }
  bool has_variables() const { return variables_; }

 private:
  struct Piece {
    PatternUnits units;
    std::string variable;  // lower case; empty: `units` as they stand
    std::optional<std::string> fallback;
  };
  void add_units(std::string_view text, bool wildcards);

  std::string source_;
  std::vector<Piece> pieces_;
  bool wild_ = false;
  bool variables_ = false;
};

struct Condition {
  enum class Each : std::uint8_t { single, for_any_value, for_all_values };

  Comparison comparison = Comparison::string_equals;
  bool negated = false;
  bool if_exists = false;
  Each each = Each::single;
  std::string key;                 // in lower case but for what stands behind a slash
  std::vector<PolicyText> values;  // any of them will do

  bool holds(const RequestFacts& facts) const;
};

// "ForAnyValue:StringLikeIfExists" and the like, without key and values; nullopt when there is no such operator.
std::optional<Condition> parse_operator(std::string_view name);

// Whether `value` can stand in a condition of that comparison: a number, a date, a network.
bool fits_comparison(Comparison comparison, std::string_view value);

// The key in the form that RequestFacts takes.
std::string condition_key(std::string_view name);

}  // namespace api
