// LabelLines: a stream of labels cut into lines: JSON Lines {"key","payload"}, or CSV by RFC 4180 with the header key,payload.
//
// Use       feed() what has arrived and take next() until it gives nothing; after finish() until it gives nothing for good.
// Memory    the longest line, at most kLabelLineBytesMax, and what was fed last.
// Threads   one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace api {

inline constexpr std::size_t kLabelLineBytesMax = 2560 * 1024;  // a payload of 1 MiB in doubled quotes fits

struct LabelRecord {
  std::uint64_t line = 0;  // where it begins, from 1
  std::uint64_t end = 0;   // offset of what follows it
  std::string key;
  std::string payload;
  std::string reason;  // not empty: the line is bad, and this is why
};

class LabelLines {
 public:
  enum class Format : std::uint8_t { unknown, json, csv, bad };  // bad: neither a `{` nor the header of a CSV

  LabelLines() = default;
  // Goes on at `offset`, where line `line` begins, in a stream whose format is known.
  LabelLines(Format format, std::uint64_t offset, std::uint64_t line) : format_(format), offset_(offset), line_(line) {}

  void feed(std::string_view text);
  void finish() { ended_ = true; }
  // The next line that is not blank; nullopt: more must be fed, or that was the last.
  std::optional<LabelRecord> next();

  // Known once the first line has been fed, and the place behind the CSV's header then.
  Format format() { return detect(); }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t line() const { return line_; }

 private:
  // What a record of a CSV is made of.
  struct Fields {
    std::size_t bytes = 0;  // with its end of line; 0: it is not all there yet
    std::size_t lines = 1;
    std::optional<std::string> first;
    std::optional<std::string> second;
    bool malformed = false;
  };

  Format detect();
  std::optional<LabelRecord> next_json();
  std::optional<LabelRecord> next_csv();
  Fields take_fields() const;
  std::string_view rest() const { return std::string_view(text_).substr(at_); }
  void consume(std::size_t bytes, std::size_t lines);
  std::optional<LabelRecord> skip_long_line();

  Format format_ = Format::unknown;
  std::string text_;
  std::size_t at_ = 0;  // of text_
  std::uint64_t offset_ = 0;
  std::uint64_t line_ = 1;
  bool ended_ = false;
  bool skipping_ = false;  // inside a line that is too long, already told of
};

}  // namespace api
