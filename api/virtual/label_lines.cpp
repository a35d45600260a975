#include "api/virtual/label_lines.h"

#include <algorithm>

#include "api/encoding.h"
#include "api/virtual/virtual_key.h"
#include "storage/labels/json_text.h"
#include "storage/object_store.h"

namespace api {
namespace {

using storage::labels::JsonText;

constexpr std::string_view kSpaces = " \t\r\n";

// What a line says, beside where it stands; the reason where it says nothing.
std::string read_json(std::string_view line, LabelRecord& record) {
  const auto json = JsonText::parse(line);
  if (!json) return "not JSON";
  JsonText::Place place = json->root();
  if (json->at(place) != '{') return "not an object with key and payload";
  std::optional<std::string> key;
  std::optional<std::string_view> payload;
  place = json->skip_space({place.offset + 1, place.container + 1});
  while (json->at(place) != '}') {
    const std::string name = storage::labels::unquote(json->scalar(place));
    place = json->skip_space(json->after_value(place));  // at the colon
    const JsonText::Place value = json->skip_space({place.offset + 1, place.container});
    const JsonText::Place end = json->after_value(value);
    if (name == "key") {
      if (json->at(value) != '"') return "the key is not a string";
      key = storage::labels::unquote(json->scalar(value));
    } else if (name == "payload") {
      payload = line.substr(value.offset, end.offset - value.offset);
    }
    place = json->skip_space(end);
    if (json->at(place) == ',') place = json->skip_space({place.offset + 1, place.container});
  }
  if (!key) return "no key";
  if (!payload) return "no payload";
  record.key = std::move(*key);
  record.payload = std::string(*payload);
  return {};
}

std::string judge(const LabelRecord& record) {
  if (record.key.empty()) return "the key is empty";
  if (record.key.size() > storage::kKeyBytesMax) return "the key is too long";
  if (is_virtual_key(record.key)) return "the key is one of virtual objects";
  if (!is_utf8(record.key) || record.key.find('\0') != std::string::npos) return "the key is not valid UTF-8";
  if (record.payload.empty()) return "the payload is empty";
  if (record.payload.size() > storage::kAnnotationBytesMax) return "the payload is larger than 1 MiB";
  if (!is_utf8(record.payload)) return "the payload is not valid UTF-8";
  return {};
}

}  // namespace

void LabelLines::feed(std::string_view text) {
  text_.erase(0, at_);
  at_ = 0;
  text_ += text;
}

void LabelLines::consume(std::size_t bytes, std::size_t lines) {
  at_ += bytes;
  offset_ += bytes;
  line_ += lines;
}

LabelLines::Format LabelLines::detect() {
  if (format_ != Format::unknown) return format_;
  if (offset_ == 0 && rest().starts_with("\xef\xbb\xbf")) consume(3, 0);
  const std::size_t first = rest().find_first_not_of(kSpaces);
  if (first == std::string_view::npos) {
    if (ended_) return format_ = Format::bad;
    const auto newlines = static_cast<std::size_t>(std::count(rest().begin(), rest().end(), '\n'));
    consume(rest().size(), newlines);
    return format_;
  }
  if (rest()[first] == '{') return format_ = Format::json;
  const auto newlines =
      static_cast<std::size_t>(std::count(rest().begin(), rest().begin() + static_cast<std::ptrdiff_t>(first), '\n'));
  consume(first, newlines);
  const Fields header = take_fields();
  if (header.bytes == 0) {
    if (rest().size() > 4096) format_ = Format::bad;  // no header is as long
    return format_;
  }
  if (header.malformed || header.first != "key" || header.second != "payload") return format_ = Format::bad;
  consume(header.bytes, header.lines);
  return format_ = Format::csv;
}

std::optional<LabelRecord> LabelLines::next() {
  switch (detect()) {
    case Format::json:
      return next_json();
    case Format::csv:
      return next_csv();
    case Format::unknown:
    case Format::bad:
      break;
  }
  return std::nullopt;
}

// Gives up the line in hand where it is longer than any line may be; what follows of it is passed over as it comes.
std::optional<LabelRecord> LabelLines::skip_long_line() {
  const std::size_t end = rest().find('\n');
  const bool was_skipping = skipping_;
  const std::uint64_t began = line_;
  skipping_ = end == std::string_view::npos;
  if (skipping_) {
    consume(rest().size(), 0);
  } else {
    consume(end + 1, 1);
  }
  if (was_skipping) return std::nullopt;
  LabelRecord record;
  record.line = began;
  record.end = offset_;
  record.reason = "the line is too long";
  return record;
}

std::optional<LabelRecord> LabelLines::next_json() {
  while (!rest().empty()) {
    if (skipping_) {
      static_cast<void>(skip_long_line());
      continue;
    }
    const std::size_t newline = rest().find('\n');
    const bool whole = newline != std::string_view::npos;
    if ((whole ? newline : rest().size()) > kLabelLineBytesMax) return skip_long_line();
    if (!whole && !ended_) return std::nullopt;
    const std::string_view line = rest().substr(0, newline);
    LabelRecord record;
    record.line = line_;
    const bool blank = line.find_first_not_of(kSpaces) == std::string_view::npos;
    if (!blank) {
      record.reason = read_json(line, record);
      if (record.reason.empty()) record.reason = judge(record);
    }
    consume(whole ? newline + 1 : rest().size(), 1);
    if (blank) continue;
    record.end = offset_;
    return record;
  }
  return std::nullopt;
}

LabelLines::Fields LabelLines::take_fields() const {
  const std::string_view text = rest();
  Fields fields;
  std::size_t at = 0;
  std::size_t count = 0;
  while (true) {
    std::string field;
    if (at < text.size() && text[at] == '"') {
      ++at;
      while (true) {
        const std::size_t quote = text.find('"', at);
        if (quote == std::string_view::npos) {
          if (!ended_) return {};
          fields.malformed = true;  // it never ends: only its first line is given up
          fields.bytes = std::min(text.find('\n'), text.size() - 1) + 1;
          fields.lines = 1;
          return fields;
        }
        field.append(text.substr(at, quote - at));
        at = quote + 1;
        if (at == text.size() && !ended_) return {};
        if (at == text.size() || text[at] != '"') break;
        field += '"';
        ++at;
      }
    } else {
      const std::size_t end = std::min(text.find_first_of(",\n", at), text.size());
      if (end == text.size() && !ended_) return {};
      field = text.substr(at, end - at);
      at = end;
      if (field.ends_with('\r') && (at == text.size() || text[at] == '\n')) field.pop_back();
      fields.malformed = fields.malformed || field.find('"') != std::string::npos;
    }
    fields.lines += static_cast<std::size_t>(std::count(field.begin(), field.end(), '\n'));
    ++count;
    (count == 1 ? fields.first : count == 2 ? fields.second : fields.first) = std::move(field);
    if (count > 2) fields.malformed = true;
    if (at < text.size() && text[at] == ',') {
      ++at;
      if (at == text.size() && !ended_) return {};
      continue;
    }
    if (text.substr(at).starts_with("\r\n")) ++at;
    if (at == text.size()) {
      if (!ended_) return {};
      fields.bytes = at;
      break;
    }
    if (text[at] == '\n') {
      fields.bytes = at + 1;
      break;
    }
    if (text[at] == '\r' && at + 1 == text.size() && !ended_) return {};
    // Something behind a closing quote: the rest of the line is not this record's to understand.
    fields.malformed = true;
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos && !ended_) return {};
    fields.bytes = end == std::string_view::npos ? text.size() : end + 1;
    break;
  }
  fields.malformed = fields.malformed || count != 2;
  return fields;
}

std::optional<LabelRecord> LabelLines::next_csv() {
  while (!rest().empty()) {
    if (skipping_) {
      static_cast<void>(skip_long_line());
      continue;
    }
    if (rest().starts_with('\n') || rest().starts_with("\r\n")) {
      consume(rest().front() == '\n' ? 1 : 2, 1);
      continue;
    }
    Fields fields = take_fields();
    if (fields.bytes > kLabelLineBytesMax || (fields.bytes == 0 && rest().size() > kLabelLineBytesMax)) {
      return skip_long_line();
    }
    if (fields.bytes == 0) return std::nullopt;
    LabelRecord record;
    record.line = line_;
    if (fields.malformed) {
      record.reason = "not two fields of a CSV";
    } else {
      record.key = std::move(*fields.first);
      record.payload = std::move(*fields.second);
      record.reason = judge(record);
    }
    consume(fields.bytes, fields.lines);
    record.end = offset_;
    return record;
  }
  return std::nullopt;
}

}  // namespace api
