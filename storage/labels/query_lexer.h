// QueryLexer: the words of a query, one at a time. Inside of query.cpp.
//
// Lifetime  the text outlives it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/labels/query.h"

namespace storage::labels {

enum class TokenKind : std::uint8_t {
  end,
  name,
  string,
  number,
  key_word,  // `text` is it in capitals
  symbol,    // ( ) , and the operators
  unknown,   // a character that begins nothing
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::size_t at = 0;  // of its first byte
  std::string text;    // unquoted
  double number = 0;

  bool is(TokenKind wanted, std::string_view spelled) const { return kind == wanted && text == spelled; }
};

class QueryLexer {
 public:
  explicit QueryLexer(std::string_view text) : text_(text) {}

  // The next word; nullopt if it is broken: error() then says how.
  std::optional<Token> next();
  const QueryError& error() const { return error_; }

  // Where the next word begins to be looked for.
  std::size_t position() const { return at_; }
  QueryError error_at(std::size_t byte, std::string_view expected) const;

 private:
  std::optional<Token> quoted(TokenKind kind, char quote);
  std::optional<Token> number();
  Token word();
  Token symbol();
  bool digits();
  std::nullopt_t fail(std::size_t byte, std::string_view expected);

  std::string_view text_;
  std::size_t at_ = 0;
  QueryError error_;
};

}  // namespace storage::labels
