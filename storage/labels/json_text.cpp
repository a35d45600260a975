#include "storage/labels/json_text.h"

#include <algorithm>

namespace storage::labels {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

// Each of these gives where the token that begins at `at` ends, or npos where it is none.
constexpr std::size_t kNone = std::string_view::npos;

std::size_t string_end(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"') return at + 1;
    if (c < 0x20) return kNone;
    if (c != '\\') continue;
    if (++at == text.size()) return kNone;
    if (text[at] == 'u') {
      for (int i = 0; i < 4; ++i) {
        if (++at == text.size() || hex_digit(text[at]) < 0) return kNone;
      }
    } else if (std::string_view("\"\\/bfnrt").find(text[at]) == std::string_view::npos) {
      return kNone;
    }
  }
  return kNone;
}

std::size_t digits_end(std::string_view text, std::size_t at) {
  const std::size_t begin = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  return at == begin ? kNone : at;
}

std::size_t number_end(std::string_view text, std::size_t at) {
  if (text[at] == '-') ++at;
  if (at == text.size()) return kNone;
  if (text[at] == '0') {
    ++at;
  } else {
    at = digits_end(text, at);
    if (at == kNone) return kNone;
  }
  if (at < text.size() && text[at] == '.') {
    at = digits_end(text, at + 1);
    if (at == kNone) return kNone;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    at = digits_end(text, at);
  }
  return at;
}

std::size_t scalar_end(std::string_view text, std::size_t at) {
  if (text[at] == '"') return string_end(text, at);
  for (const std::string_view word : {"true", "false", "null"}) {
    if (text.substr(at).starts_with(word)) return at + word.size();
  }
  return text[at] == '-' || is_digit(text[at]) ? number_end(text, at) : kNone;
}

void append_utf8(std::string& to, std::uint32_t code) {
  if (code < 0x80) {
    to += static_cast<char>(code);
  } else if (code < 0x800) {
    to += static_cast<char>(0xc0 | code >> 6);
    to += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    to += static_cast<char>(0xe0 | code >> 12);
    to += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    to += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    to += static_cast<char>(0xf0 | code >> 18);
    to += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    to += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    to += static_cast<char>(0x80 | (code & 0x3f));
  }
}

std::uint32_t four_hex(std::string_view token, std::size_t at) {
  std::uint32_t code = 0;
  for (std::size_t i = 0; i < 4; ++i) code = code << 4 | static_cast<std::uint32_t>(hex_digit(token[at + i]));
  return code;
}

// The code point of the \u escape whose digits begin at `at`; moves `at` behind it, and behind its second half.
std::uint32_t take_escape(std::string_view token, std::size_t& at) {
  constexpr std::uint32_t kReplacement = 0xfffd;
  const std::uint32_t code = four_hex(token, at);
  at += 4;
  if (code < 0xd800 || code > 0xdfff) return code;
  const bool pair = code < 0xdc00 && token.substr(at).starts_with("\\u");
  const std::uint32_t low = pair ? four_hex(token, at + 2) : 0;
  if (low < 0xdc00 || low > 0xdfff) return kReplacement;
  at += 6;
  return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

}  // namespace

// A machine with a stack of open containers; whatever may come next depends on the innermost of them and on `expects`.
std::optional<JsonText> JsonText::parse(std::string_view text) {
  if (text.size() > kJsonBytesMax) return std::nullopt;
  JsonText result(text);
  std::vector<std::uint32_t> open;  // numbers of open containers
  enum class Expects { value, value_or_end, member, member_or_end, comma_or_end } expects = Expects::value;
  const auto close = [&](std::size_t at) {
    Container& container = result.containers_[open.back()];
    container.end = static_cast<std::uint32_t>(at + 1);
    container.next = static_cast<std::uint32_t>(result.containers_.size());
    open.pop_back();
    expects = Expects::comma_or_end;
  };
  const auto in_object = [&] { return text[result.containers_[open.back()].end] == '{'; };
  std::size_t at = skip_spaces(text, 0);
  while (at < text.size()) {
    const char c = text[at];
    const bool ends = (c == '}' || c == ']') && !open.empty() && in_object() == (c == '}');
    if (expects == Expects::comma_or_end) {
      if (open.empty() || (c != ',' && !ends)) return std::nullopt;
      if (ends) {
        close(at);
      } else {
        expects = in_object() ? Expects::member : Expects::value;
      }
      ++at;
    } else if (ends && (expects == Expects::value_or_end || expects == Expects::member_or_end)) {
      close(at++);
    } else if (expects == Expects::member || expects == Expects::member_or_end) {
      if (c != '"') return std::nullopt;
      at = string_end(text, at);
      if (at == kNone) return std::nullopt;
      at = skip_spaces(text, at);
      if (at == text.size() || text[at++] != ':') return std::nullopt;
      expects = Expects::value;
    } else if (c == '{' || c == '[') {
      open.push_back(static_cast<std::uint32_t>(result.containers_.size()));
      result.containers_.push_back({static_cast<std::uint32_t>(at), 0});  // its opening bracket while it is open
      expects = c == '{' ? Expects::member_or_end : Expects::value_or_end;
      ++at;
    } else {
      at = scalar_end(text, at);
      if (at == kNone) return std::nullopt;
      expects = Expects::comma_or_end;
    }
    at = skip_spaces(text, at);
  }
  if (!open.empty() || expects != Expects::comma_or_end) return std::nullopt;
  return result;
}

JsonText::Place JsonText::root() const { return skip_space({}); }

JsonText::Place JsonText::skip_space(Place place) const {
  place.offset = static_cast<std::uint32_t>(skip_spaces(text_, place.offset));
  return place;
}

JsonText::Place JsonText::after_value(Place place) const {
  const char c = at(place);
  if (c != '{' && c != '[') return {place.offset + static_cast<std::uint32_t>(scalar(place).size()), place.container};
  const Container& container = containers_[place.container];
  return {container.end, container.next};
}

std::string_view JsonText::scalar(Place place) const {
  return text_.substr(place.offset, scalar_end(text_, place.offset) - place.offset);
}

std::string unquote(std::string_view token) {
  std::string text;
  const std::size_t end = token.size() - 1;  // of the content
  for (std::size_t at = 1; at < end;) {
    const std::size_t escape = std::min(token.find('\\', at), end);
    text.append(token.substr(at, escape - at));
    if (escape == end) break;
    const char c = token[escape + 1];
    at = escape + 2;
    switch (c) {
      case 'u': append_utf8(text, take_escape(token, at)); break;
      case 'b': text += '\b'; break;
      case 'f': text += '\f'; break;
      case 'n': text += '\n'; break;
      case 'r': text += '\r'; break;
      case 't': text += '\t'; break;
      default: text += c;
    }
  }
  return text;
}

}  // namespace storage::labels
