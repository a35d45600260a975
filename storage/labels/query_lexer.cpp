#include "storage/labels/query_lexer.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace storage::labels {
namespace {

constexpr std::string_view kKeyWords[] = {"AND", "BETWEEN", "EXISTS", "FALSE", "IN", "IS", "LIKE", "NOT", "NULL", "OR", "TRUE"};

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
bool is_letter(char byte) { return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_'; }
bool is_name_byte(char byte) { return is_letter(byte) || is_digit(byte) || byte == '.' || byte == '-'; }
bool is_blank(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

std::string capitals(std::string_view text) {
  std::string upper(text);
  for (char& byte : upper) {
    if (byte >= 'a' && byte <= 'z') byte = static_cast<char>(byte - 'a' + 'A');
  }
  return upper;
}

// A double as close as can be; nullopt where it would be infinite. The text is a number of JSON's grammar.
std::optional<double> to_double(std::string_view text) {
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc()) return number;
  // from_chars tells neither too large from too small.
  number = std::strtod(std::string(text).c_str(), nullptr);
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

}  // namespace

QueryError QueryLexer::error_at(std::size_t byte, std::string_view expected) const {
  QueryError error;
  error.column = 1;
  for (const char each : text_.substr(0, byte)) {
    if ((static_cast<std::uint8_t>(each) & 0xc0) != 0x80) ++error.column;  // not inside a character of UTF-8
  }
  error.expected = expected;
  return error;
}

std::nullopt_t QueryLexer::fail(std::size_t byte, std::string_view expected) {
  error_ = error_at(byte, expected);
  return std::nullopt;
}

std::optional<Token> QueryLexer::next() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  if (at_ == text_.size()) return Token{TokenKind::end, at_, {}, 0};
  const char first = text_[at_];
  if (first == '\'') return quoted(TokenKind::string, first);
  if (first == '"') return quoted(TokenKind::name, first);
  if (is_digit(first) || first == '-') return number();
  if (is_letter(first)) return word();
  return symbol();
}

std::optional<Token> QueryLexer::quoted(TokenKind kind, char quote) {
  Token token{kind, at_, {}, 0};
  for (++at_; at_ < text_.size(); ++at_) {
    if (text_[at_] == quote) {
      if (at_ + 1 == text_.size() || text_[at_ + 1] != quote) {
        ++at_;
        return token;
      }
      ++at_;
    }
    token.text += text_[at_];
  }
  return fail(text_.size(), quote == '"' ? "a closing double quote" : "a closing quote");
}

bool QueryLexer::digits() {
  const std::size_t from = at_;
  while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  return at_ > from;
}

std::optional<Token> QueryLexer::number() {
  const std::size_t from = at_;
  const auto has = [this](std::string_view any) { return at_ < text_.size() && any.find(text_[at_]) != any.npos; };
  if (has("-")) ++at_;
  // A leading zero stands alone; what follows it is the next word.
  if (has("0")) {
    ++at_;
  } else if (!digits()) {
    return fail(at_, "a digit");
  }
  if (has(".")) {
    ++at_;
    if (!digits()) return fail(at_, "a digit");
  }
  if (has("eE")) {
    ++at_;
    if (has("+-")) ++at_;
    if (!digits()) return fail(at_, "a digit");
  }
  const auto value = to_double(text_.substr(from, at_ - from));
  if (!value) return fail(from, "a number that a double can hold");
  return Token{TokenKind::number, from, std::string(text_.substr(from, at_ - from)), *value};
}

Token QueryLexer::word() {
  const std::size_t from = at_;
  while (at_ < text_.size() && is_name_byte(text_[at_])) ++at_;
  const std::string_view text = text_.substr(from, at_ - from);
  std::string upper = capitals(text);
  for (const std::string_view key_word : kKeyWords) {
    if (upper == key_word) return {TokenKind::key_word, from, std::move(upper), 0};
  }
  return {TokenKind::name, from, std::string(text), 0};
}

Token QueryLexer::symbol() {
  const std::size_t from = at_;
  const char first = text_[at_++];
  const bool equals = at_ < text_.size() && text_[at_] == '=';
  if ((first == '<' || first == '>' || first == '!') && equals) ++at_;
  const bool known = std::string_view("=<>(),").find(first) != std::string_view::npos || (first == '!' && equals);
  return {known ? TokenKind::symbol : TokenKind::unknown, from, std::string(text_.substr(from, at_ - from)), 0};
}

}  // namespace storage::labels
