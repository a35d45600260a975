#include "server/request_head.h"

#include <boost/beast/core/string.hpp>
#include <charconv>

namespace server {
namespace {

namespace http = boost::beast::http;

// Line ends must be CRLF, lines must not be folded, and nothing may hide behind a NUL.
bool well_formed(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\0') return false;
    if (head[i] != '\n') continue;
    if (i == 0 || head[i - 1] != '\r') return false;
    if (i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) return false;
  }
  return true;
}

HeadFailure failure_of(const boost::system::error_code& error) {
  if (error == http::error::header_limit) {
    return {400, "RequestHeaderSectionTooLarge", "Your request header section exceeds the maximum allowed size."};
  }
  if (error == http::error::bad_version) return {505, "HTTPVersionNotSupported", "The HTTP version is not supported."};
  if (error == http::error::bad_content_length) {
    return {400, "InvalidArgument", "The Content-Length header is not a number."};
  }
  return {};
}

}  // namespace

std::size_t head_length(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // A bare LF pair ends a head for some servers: it ends ours too, to be refused rather than waited on.
  const std::size_t proper = text.find("\r\n\r\n");
  const std::size_t bare = text.find("\n\n");
  if (bare != std::string_view::npos && (proper == std::string_view::npos || bare < proper)) return bare + 2;
  return proper == std::string_view::npos ? 0 : proper + 4;
}

bool may_hold_query(std::span<const std::byte> bytes) {
  std::string_view line(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  line = line.substr(0, line.find('\n'));
  const std::size_t begin = line.find(' ');
  if (begin == std::string_view::npos) return false;
  const std::string_view target = line.substr(begin + 1);
  return target.find("/.granary/") != std::string_view::npos || target.find("?query=") != std::string_view::npos ||
         target.find("&query=") != std::string_view::npos;
}

std::optional<HeadFailure> parse_head(std::span<const std::byte> bytes, Parser& parser, RequestHead& head) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!well_formed(text)) return HeadFailure{};
  parser.header_limit(kQueryHeadBytesMax);  // the session has bounded it already
  parser.body_limit(boost::none);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error && error != http::error::need_buffer) return failure_of(error);
  if (!parser.is_header_done()) return HeadFailure{};

  const auto& message = parser.get();
  if (message.version() != 11 && message.version() != 10) return failure_of(http::error::bad_version);
  head.request.method = {message.method_string().data(), message.method_string().size()};
  head.request.target = {message.target().data(), message.target().size()};
  head.request.headers.clear();
  int lengths = 0;
  int codings = 0;
  for (const auto& field : message) {
    if (head.request.headers.size() == kHeadFieldsMax) return failure_of(http::error::header_limit);
    const std::string_view value(field.value().data(), field.value().size());
    head.request.headers.push_back({{field.name_string().data(), field.name_string().size()}, value});
    if (field.name() == http::field::content_length) {
      ++lengths;
      std::uint64_t length = 0;
      const auto [stop, bad] = std::from_chars(value.data(), value.data() + value.size(), length);
      if (bad != std::errc() || stop != value.data() + value.size()) {
        return failure_of(http::error::bad_content_length);
      }
      head.content_length = length;
    } else if (field.name() == http::field::transfer_encoding) {
      ++codings;
      head.chunked = boost::beast::iequals(field.value(), "chunked");
      if (!head.chunked) return HeadFailure{501, "NotImplemented", "Only the chunked transfer coding is implemented."};
    } else if (field.name() == http::field::expect) {
      head.expect_continue = boost::beast::iequals(field.value(), "100-continue");
    }
  }
  if (lengths > 1 || codings > 1 || (lengths > 0 && codings > 0)) return HeadFailure{};
  if (head.chunked && message.version() == 10) return HeadFailure{};
  head.keep_alive = message.keep_alive();
  return std::nullopt;
}

}  // namespace server
