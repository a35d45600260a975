#include "api/form_parser.h"

#include <algorithm>
#include <cstring>

#include "api/ascii.h"
#include "storage/base/check.h"

namespace api {
namespace {

// The parameter `name` of a header value such as `form-data; name="a"; filename="b"`. Browsers write a quote inside as %22,
// other clients as \"; a backslash before anything else is a backslash, as in the paths of some systems.
std::optional<std::string> parameter_of(std::string_view value, std::string_view name) {
  cut(value, ';');
  while (!value.empty()) {
    const std::size_t equals = value.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const bool wanted = equals_caseless(trim(value.substr(0, equals)), name);
    value = value.substr(equals + 1);
    while (!value.empty() && is_blank(value.front())) value.remove_prefix(1);
    std::string text;
    if (value.starts_with('"')) {
      std::size_t at = 1;
      while (at < value.size() && value[at] != '"') {
        if (value[at] == '\\' && at + 1 < value.size() && value[at + 1] == '"') ++at;
        text += value[at++];
      }
      if (at == value.size()) return std::nullopt;  // no closing quote
      value = value.substr(at + 1);
      cut(value, ';');
    } else {
      text = trim(cut(value, ';'));
    }
    if (wanted) return text;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> form_boundary(std::string_view content_type) {
  std::string_view rest = content_type;
  if (!equals_caseless(trim(cut(rest, ';')), "multipart/form-data")) return std::nullopt;
  auto boundary = parameter_of(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kFormBoundaryBytesMax || !is_header_safe(*boundary)) {
    return std::nullopt;
  }
  return boundary;
}

// The buffer begins with a line break that was never sent, so that the first delimiter looks like all others.
FormParser::FormParser(std::string_view boundary) : buffer_(kFormBufferBytes) {
  delimiter_.append("\r\n--").append(boundary);
  CHECK(delimiter_.size() < kFormHeadBytesMax);
  std::memcpy(buffer_.data(), "\r\n", 2);
  size_ = 2;
}

std::span<std::byte> FormParser::room() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, size_ - begin_);
    size_ -= begin_;
    begin_ = 0;
  }
  piece_ = {};
  return std::as_writable_bytes(std::span(buffer_).subspan(size_));
}

void FormParser::add(std::size_t count) {
  CHECK(count <= buffer_.size() - size_);
  size_ += count;
}

FormParser::Step FormParser::next() {
  switch (state_) {
    case State::preamble:
      return skip_preamble();
    case State::delimited:
      return after_delimiter();
    case State::head:
      return read_head();
    case State::value:
      return read_value();
    case State::done:
      return Step::done;
    case State::malformed:
      return Step::malformed;
  }
  return Step::malformed;
}

FormParser::Step FormParser::starve() {
  if (!ended_) return Step::more;
  state_ = State::malformed;
  return Step::malformed;
}

FormParser::Step FormParser::skip_preamble() {
  const std::size_t at = rest().find(delimiter_);
  if (at == std::string_view::npos) {
    // All but what may be the beginning of the delimiter can go.
    begin_ += rest().size() - std::min(rest().size(), delimiter_.size() - 1);
    return starve();
  }
  begin_ += at + delimiter_.size();
  state_ = State::delimited;
  return after_delimiter();
}

FormParser::Step FormParser::after_delimiter() {
  // Blanks may stand between a delimiter and its line break.
  std::size_t at = 0;
  while (at < rest().size() && is_blank(rest()[at])) ++at;
  if (at > kFormBoundaryBytesMax) {
    state_ = State::malformed;
    return Step::malformed;
  }
  if (rest().size() < at + 2) return starve();
  const std::string_view sign = rest().substr(at, 2);
  if (sign == "--" && at == 0) {
    state_ = State::done;
    return Step::done;
  }
  if (sign != "\r\n") {
    state_ = State::malformed;
    return Step::malformed;
  }
  begin_ += at;  // the line break stays: a part without a head ends it with it
  state_ = State::head;
  return read_head();
}

FormParser::Step FormParser::read_head() {
  constexpr std::string_view kEnd = "\r\n\r\n";
  const std::size_t at = rest().find(kEnd);
  if (at == std::string_view::npos || at > kFormHeadBytesMax) {
    if (rest().size() <= kFormHeadBytesMax + kEnd.size() && at == std::string_view::npos) return starve();
    state_ = State::malformed;
    return Step::malformed;
  }
  if (!parse_head(rest().substr(0, at))) {
    state_ = State::malformed;
    return Step::malformed;
  }
  // The last line break of the head is the first of the delimiter of a value without bytes.
  begin_ += at + kEnd.size();
  state_ = State::value;
  return Step::part;
}

bool FormParser::parse_head(std::string_view head) {
  part_ = {};
  bool named = false;
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view{} : head.substr(end + 2);
    if (line.empty()) continue;
    std::string_view value = line;
    const std::string_view name = cut(value, ':');
    value = trim(value);
    if (equals_caseless(name, "content-type")) part_.content_type = value;
    if (!equals_caseless(name, "content-disposition")) continue;
    std::string_view kind = value;
    auto given = parameter_of(value, "name");
    if (named || !given || !equals_caseless(trim(cut(kind, ';')), "form-data")) return false;
    named = true;
    part_.name = std::move(*given);
    part_.filename = parameter_of(value, "filename").value_or("");
  }
  return named;
}

FormParser::Step FormParser::read_value() {
  const std::size_t at = rest().find(delimiter_);
  if (at == 0) {
    begin_ += delimiter_.size();
    state_ = State::delimited;
    return Step::part_end;
  }
  std::size_t count = at;
  if (at == std::string_view::npos) {
    const std::size_t kept = std::min(rest().size(), delimiter_.size() - 1);
    count = rest().size() - kept;
    if (count == 0) return starve();
  }
  piece_ = rest().substr(0, count);
  begin_ += count;
  return Step::bytes;
}

}  // namespace api
