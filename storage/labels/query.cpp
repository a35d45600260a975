#include "storage/labels/query.h"

#include <algorithm>

#include "storage/labels/query_lexer.h"

namespace storage::labels {
namespace {

using Index = std::uint32_t;
using Kind = QueryNode::Kind;

constexpr std::string_view kExpectedTerm = "a name, NOT, EXISTS or (";
constexpr std::string_view kExpectedOperator = "=, !=, <, <=, >, >=, IN, BETWEEN, LIKE, NOT or IS";
constexpr std::string_view kExpectedLiteral = "a string in single quotes, a number, TRUE or FALSE";

std::optional<Operator> operator_of(const Token& token) {
  if (token.kind != TokenKind::symbol) return std::nullopt;
  if (token.text == "=") return Operator::equal;
  if (token.text == "!=") return Operator::not_equal;
  if (token.text == "<") return Operator::less;
  if (token.text == "<=") return Operator::less_equal;
  if (token.text == ">") return Operator::greater;
  if (token.text == ">=") return Operator::greater_equal;
  return std::nullopt;
}

bool is_order(Operator comparison) { return comparison != Operator::equal && comparison != Operator::not_equal; }

// Recursive descent. Each function takes its words off the front and gives the node made of them, or nullopt with error().
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), lexer_(text) {}

  std::variant<QueryPtr, QueryError> parse() {
    if (text_.size() > kQueryBytesMax) return lexer_.error_at(kQueryBytesMax, "at most 65536 bytes");
    if (!advance()) return error_;
    const auto root = parse_or();
    if (!root) return error_;
    if (token_.kind != TokenKind::end) return lexer_.error_at(token_.at, "AND, OR or the end");
    return std::make_shared<const Query>(std::move(nodes_), *root);
  }

 private:
  bool advance() {
    auto token = lexer_.next();
    if (!token) {
      error_ = lexer_.error();
      return false;
    }
    token_ = std::move(*token);
    return true;
  }

  std::nullopt_t fail(std::string_view expected) { return fail_at(token_.at, expected); }
  std::nullopt_t fail_at(std::size_t byte, std::string_view expected) {
    error_ = lexer_.error_at(byte, expected);
    return std::nullopt;
  }

  bool at_word(std::string_view word) const { return token_.is(TokenKind::key_word, word); }
  bool at_symbol(std::string_view symbol) const { return token_.is(TokenKind::symbol, symbol); }

  Index add(QueryNode node) {
    nodes_.push_back(std::move(node));
    return static_cast<Index>(nodes_.size() - 1);
  }

  Index negate(Index child) {
    QueryNode node;
    node.kind = Kind::negation;
    node.children = {child};
    return add(std::move(node));
  }

  using Part = std::optional<Index> (Parser::*)();
  std::optional<Index> parse_chain(std::string_view word, Kind kind, Part part) {
    QueryNode node;
    node.kind = kind;
    for (;;) {
      const auto child = (this->*part)();
      if (!child) return std::nullopt;
      node.children.push_back(*child);
      if (!at_word(word)) break;
      if (!advance()) return std::nullopt;
    }
    return node.children.size() == 1 ? node.children.front() : add(std::move(node));
  }
  std::optional<Index> parse_or() { return parse_chain("OR", Kind::any_of, &Parser::parse_and); }
  std::optional<Index> parse_and() { return parse_chain("AND", Kind::all_of, &Parser::parse_not); }

  std::optional<Index> parse_not() {
    const bool negated = at_word("NOT");
    if (!negated && !at_symbol("(")) return parse_term();
    if (nesting_ == kQueryNestingMax) return fail("at most 64 levels of parentheses and NOT");
    ++nesting_;
    if (!advance()) return std::nullopt;
    const auto inner = negated ? parse_not() : parse_or();
    --nesting_;
    if (!inner) return std::nullopt;
    if (negated) return negate(*inner);
    if (!at_symbol(")")) return fail("AND, OR or )");
    if (!advance()) return std::nullopt;
    return inner;
  }

  bool count_term(std::size_t at) {
    if (++terms_ <= kQueryTermsMax) return true;
    fail_at(at, "at most 1000 literals, EXISTS and NULL");
    return false;
  }

  std::optional<Index> parse_exists() {
    if (!count_term(token_.at) || !advance()) return std::nullopt;
    if (token_.kind != TokenKind::name) return fail("a name");
    QueryNode node;
    node.name = std::move(token_.text);
    if (!advance()) return std::nullopt;
    return add(std::move(node));
  }

  std::optional<Index> parse_term() {
    if (at_word("EXISTS")) return parse_exists();
    if (token_.kind != TokenKind::name) return fail(kExpectedTerm);
    QueryNode node;
    node.name = std::move(token_.text);
    if (!advance()) return std::nullopt;
    if (const auto comparison = operator_of(token_)) return parse_comparison(std::move(node), *comparison);
    if (at_word("IS")) return parse_null(std::move(node));
    const bool negated = at_word("NOT");
    if (negated && !advance()) return std::nullopt;
    std::optional<Index> term;
    if (at_word("IN")) {
      term = parse_in(std::move(node));
    } else if (at_word("BETWEEN")) {
      term = parse_between(std::move(node));
    } else if (at_word("LIKE")) {
      term = parse_like(std::move(node));
    } else {
      return fail(negated ? "IN, BETWEEN or LIKE" : kExpectedOperator);
    }
    return term && negated ? negate(*term) : term;
  }

  // The literal at hand. The word behind it is not looked at yet, so that what is wrong is told from left to right.
  std::optional<Value> literal() {
    const bool boolean = at_word("TRUE") || at_word("FALSE");
    if (!boolean && token_.kind != TokenKind::string && token_.kind != TokenKind::number) return fail(kExpectedLiteral);
    if (!count_term(token_.at)) return std::nullopt;
    if (boolean) return Value(token_.text == "TRUE");
    if (token_.kind == TokenKind::number) return Value(token_.number);
    return Value(std::move(token_.text));
  }

  // One that has an order beside equality, of any kind or of the one given.
  std::optional<Value> ordered_literal(std::optional<storage::labels::Kind> kind) {
    const std::size_t at = token_.at;
    auto value = literal();
    if (!value) return std::nullopt;
    if (kind && value->kind() != *kind) {
      return fail_at(at, *kind == storage::labels::Kind::number ? "a number" : "a string in single quotes");
    }
    if (value->kind() == storage::labels::Kind::boolean) return fail_at(at, "a number or a string in single quotes");
    return value;
  }

  std::optional<Index> parse_comparison(QueryNode node, Operator comparison) {
    node.kind = Kind::compare;
    node.comparison = comparison;
    if (!advance()) return std::nullopt;
    auto value = is_order(comparison) ? ordered_literal(std::nullopt) : literal();
    if (!value || !advance()) return std::nullopt;
    node.values.push_back(std::move(*value));
    return add(std::move(node));
  }

  std::optional<Index> parse_null(QueryNode node) {
    if (!advance()) return std::nullopt;
    const bool negated = at_word("NOT");
    if (negated && !advance()) return std::nullopt;
    if (!at_word("NULL")) return fail(negated ? "NULL" : "NULL or NOT NULL");
    if (!count_term(token_.at) || !advance()) return std::nullopt;
    const Index exists = add(std::move(node));
    return negated ? exists : negate(exists);
  }

  std::optional<Index> parse_in(QueryNode node) {
    node.kind = Kind::in;
    if (!advance()) return std::nullopt;
    if (!at_symbol("(")) return fail("(");
    do {
      if (!advance()) return std::nullopt;
      auto value = literal();
      if (!value || !advance()) return std::nullopt;
      node.values.push_back(std::move(*value));
    } while (at_symbol(","));
    if (!at_symbol(")")) return fail(", or )");
    if (!advance()) return std::nullopt;
    std::sort(node.values.begin(), node.values.end());
    node.values.erase(std::unique(node.values.begin(), node.values.end()), node.values.end());
    return add(std::move(node));
  }

  std::optional<Index> parse_between(QueryNode node) {
    node.kind = Kind::between;
    if (!advance()) return std::nullopt;
    auto low = ordered_literal(std::nullopt);
    if (!low || !advance()) return std::nullopt;
    if (!at_word("AND")) return fail("AND");
    if (!advance()) return std::nullopt;
    auto high = ordered_literal(low->kind());
    if (!high || !advance()) return std::nullopt;
    node.values.push_back(std::move(*low));
    node.values.push_back(std::move(*high));
    return add(std::move(node));
  }

  std::optional<Index> parse_like(QueryNode node) {
    if (!advance()) return std::nullopt;
    if (token_.kind != TokenKind::string) return fail("a string in single quotes");
    const std::size_t at = token_.at;
    auto value = literal();
    if (!value) return std::nullopt;
    std::string pattern = value->text();
    const std::size_t percent = pattern.find('%');
    if (percent != std::string::npos && percent + 1 != pattern.size()) return fail_at(at, "a string with % at its end only");
    node.kind = percent == std::string::npos ? Kind::compare : Kind::prefix;
    if (percent != std::string::npos) pattern.pop_back();
    node.values.emplace_back(std::move(pattern));
    if (!advance()) return std::nullopt;
    return add(std::move(node));
  }

  std::string_view text_;
  QueryLexer lexer_;
  Token token_;  // the one at hand
  QueryError error_;
  std::vector<QueryNode> nodes_;
  std::size_t nesting_ = 0;
  std::size_t terms_ = 0;
};

}  // namespace

std::string QueryError::message() const {
  return "The query is not valid at column " + std::to_string(column) + ": expected " + expected;
}

bool Query::mentions(std::string_view name) const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [&](const QueryNode& node) { return node.children.empty() && node.name == name; });
}

QueryPtr without_quarantined(QueryPtr query) {
  if (query != nullptr && query->mentions(kQuarantinedLabel)) return query;
  std::vector<QueryNode> nodes;
  if (query != nullptr) nodes = query->nodes();
  const Index root = query != nullptr ? query->root() : 0;
  QueryNode exists;
  exists.name = kQuarantinedLabel;
  nodes.push_back(std::move(exists));
  QueryNode none;
  none.kind = QueryNode::Kind::negation;
  none.children = {static_cast<Index>(nodes.size() - 1)};
  nodes.push_back(std::move(none));
  const auto none_index = static_cast<Index>(nodes.size() - 1);
  if (query == nullptr) return std::make_shared<const Query>(std::move(nodes), none_index);
  QueryNode both;
  both.kind = QueryNode::Kind::all_of;
  both.children = {root, none_index};
  nodes.push_back(std::move(both));
  const auto both_index = static_cast<Index>(nodes.size() - 1);
  return std::make_shared<const Query>(std::move(nodes), both_index);
}

std::variant<QueryPtr, QueryError> parse_query(std::string_view text) { return Parser(text).parse(); }

std::variant<TakenName, QueryError> take_name(std::string_view text) {
  QueryLexer lexer(text);
  // Blanks before a name are part of no name.
  const bool blank = !text.empty() && std::string_view(" \t\r\n").find(text.front()) != std::string_view::npos;
  if (blank) return lexer.error_at(0, "a name");
  auto token = lexer.next();
  if (!token) return lexer.error();
  if (token->kind != TokenKind::name) return lexer.error_at(token->at, "a name");
  return TakenName{std::move(token->text), lexer.position()};
}

}  // namespace storage::labels
