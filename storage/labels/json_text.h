// JsonText: a text that is JSON by RFC 8259, and where its containers end, so that members can be skipped at no cost.
//
// Bounds    any nesting: no recursion; memory is 8 bytes a container, at most 4 bytes a byte of text.
// Lifetime  a JsonText views its text.
// Numbers and strings are judged by grammar alone; UTF-8 is the caller's to judge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace storage::labels {

inline constexpr std::size_t kJsonBytesMax = 64 * 1024 * 1024;

class JsonText {
 public:
  // nullopt: `text` is no JSON, or longer than kJsonBytesMax.
  static std::optional<JsonText> parse(std::string_view text);

  // A place between tokens: an offset, and the number of the next container that begins behind it.
  struct Place {
    std::uint32_t offset = 0;
    std::uint32_t container = 0;
  };

  std::string_view text() const { return text_; }
  // Where the root value begins.
  Place root() const;
  // Behind the value that begins at `place`.
  Place after_value(Place place) const;
  // `place` moved behind white space.
  Place skip_space(Place place) const;
  char at(Place place) const { return place.offset < text_.size() ? text_[place.offset] : '\0'; }
  // The token of a scalar at `place`: a string with its quotes, a number, true, false, null.
  std::string_view scalar(Place place) const;

 private:
  explicit JsonText(std::string_view text) : text_(text) {}

  struct Container {
    std::uint32_t end = 0;   // behind its closing bracket
    std::uint32_t next = 0;  // the number of the first container behind it
  };

  std::string_view text_;
  std::vector<Container> containers_;  // in order of their opening brackets
};

// The text that a string token (with its quotes) stands for; lone surrogates become U+FFFD.
std::string unquote(std::string_view token);

}  // namespace storage::labels
