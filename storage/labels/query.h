// Query: a question about the labels of objects, as clients write it:
//
//   or   := and (OR and)*        and := not (AND not)*        not := NOT not | '(' or ')' | term
//   term := name op literal | name [NOT] IN '(' literal (',' literal)* ')' | name [NOT] BETWEEN literal AND literal
//         | name [NOT] LIKE string | name IS [NOT] NULL | EXISTS name              op := = != < <= > >=
//
// Names are bare ([A-Za-z_][A-Za-z0-9_.-]*, no key word) or in double quotes, strings in single quotes (quotes doubled
// inside), numbers as in JSON, TRUE and FALSE. Key words in any case.
// Meaning  a term holds if some value of the label satisfies it; a missing label satisfies none, also not `!=`. Order is
//          compared within one kind; a value of another kind differs. Terms are independent of each other.
// Threads  a Query never changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "storage/labels/label_set.h"

namespace storage::labels {

inline constexpr std::size_t kQueryBytesMax = 64 * 1024;
inline constexpr std::size_t kQueryTermsMax = 1000;  // literals, and EXISTS and NULL terms
inline constexpr std::size_t kQueryNestingMax = 64;  // each '(' around terms and each NOT before one

enum class Operator : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal };

struct QueryNode {
  enum class Kind : std::uint8_t {
    all_of,    // of `children`, at least two
    any_of,    // likewise
    negation,  // of the one child; NOT IN and IS NULL are negations too
    compare,   // some value of `name` stands in `comparison` to the one of `values`
    in,        // some value is one of `values`: ascending, distinct
    between,   // some value lies in [values[0], values[1]], which are of one kind
    prefix,    // some string begins with the one of `values`
    exists,    // there is a label `name`
  };
  Kind kind = Kind::exists;
  Operator comparison = Operator::equal;
  std::vector<std::uint32_t> children;  // indices of nodes of the same query
  std::string name;
  std::vector<Value> values;
};

// Whether a value satisfies a node that is a term other than exists.
bool satisfies(const QueryNode& term, const Value& value);

class Query {
 public:
  Query(std::vector<QueryNode> nodes, std::uint32_t root) : nodes_(std::move(nodes)), root_(root) {}

  const QueryNode& node(std::uint32_t index) const { return nodes_.at(index); }
  std::uint32_t root() const { return root_; }
  const std::vector<QueryNode>& nodes() const { return nodes_; }
  // Whether some term is about this label.
  bool mentions(std::string_view name) const;

 private:
  std::vector<QueryNode> nodes_;
  std::uint32_t root_;
};
using QueryPtr = std::shared_ptr<const Query>;

// Where a text is no query, and what would have made it one.
struct QueryError {
  std::size_t column = 0;  // characters from 1; length + 1 where the text ends too soon
  std::string expected;

  std::string message() const;  // "... column 7: expected ..."
};

std::variant<QueryPtr, QueryError> parse_query(std::string_view text);

// Carried by objects that an ingest rule has set apart: only a query that names the label sees them.
inline constexpr std::string_view kQuarantinedLabel = "rule.quarantined";
// The query that leaves out what is set apart, unless it asks for it; null stands for all objects.
QueryPtr without_quarantined(QueryPtr query);

// A name as in queries at the front of `text`.
struct TakenName {
  std::string name;
  std::size_t bytes = 0;  // how long it was
};
std::variant<TakenName, QueryError> take_name(std::string_view text);

// What an object is known by without anybody labelling it: object.key and so on.
struct ObjectFacts {
  std::string_view key;
  std::uint64_t size = 0;  // bytes
  std::int64_t modified_ms = 0;
  std::string_view type;  // Content-Type
  std::string_view etag;  // without quotes
};

// Whether names beginning so are facts and not labels.
inline constexpr std::string_view kFactPrefix = "object.";
// The value of object.key, object.size, object.modified, object.type or object.etag; nullopt for other names.
std::optional<Value> fact(std::string_view name, const ObjectFacts& facts);
// 2026-11-21T02:25:38.000Z: its order as bytes is that of time.
std::string modified_text(std::int64_t modified_ms);

// By brute force: the meaning of queries, which every faster way must agree with.
// Cost  one look-up a term.
bool holds(const Query& query, const LabelSet& labels, const ObjectFacts& facts);

}  // namespace storage::labels
