#include "api/access/wildcard.h"

#include "api/ascii.h"

namespace api {
namespace {

// Bytes of the UTF-8 character at `at`.
std::size_t character_bytes(std::string_view text, std::size_t at) {
  std::size_t bytes = 1;
  while (at + bytes < text.size() && (static_cast<unsigned char>(text[at + bytes]) & 0xc0) == 0x80) ++bytes;
  return bytes;
}

// The classic greedy walk. `any_text`, `any_character` and `equal` judge the pattern's unit at an index.
template <class AnyText, class AnyCharacter, class Equal>
bool walk(std::size_t pattern_size, std::string_view text, AnyText any_text, AnyCharacter any_character, Equal equal) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = pattern_size;  // the last '*' seen
  std::size_t star_text = 0;        // what it covers ends here
  while (t < text.size()) {
    if (p < pattern_size && any_text(p)) {
      star = p++;
      star_text = t;
    } else if (p < pattern_size && any_character(p)) {
      t += character_bytes(text, t);
      ++p;
    } else if (p < pattern_size && equal(p, text[t])) {
      ++p;
      ++t;
    } else if (star < pattern_size) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern_size && any_text(p)) ++p;
  return p == pattern_size;
}

}  // namespace

bool matches_wildcard(std::string_view pattern, std::string_view text, Letters letters) {
  return walk(
      pattern.size(), text, [&](std::size_t p) { return pattern[p] == '*'; },
      [&](std::size_t p) { return pattern[p] == '?'; },
      [&](std::size_t p, char c) {
        return letters == Letters::exact ? pattern[p] == c : to_lower(pattern[p]) == to_lower(c);
      });
}

bool matches_units(const PatternUnits& pattern, std::string_view text) {
  return walk(
      pattern.size(), text, [&](std::size_t p) { return pattern[p] == kAnyText; },
      [&](std::size_t p) { return pattern[p] == kAnyCharacter; },
      [&](std::size_t p, char c) { return pattern[p] == static_cast<unsigned char>(c); });
}

}  // namespace api
