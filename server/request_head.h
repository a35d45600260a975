// Reading a request head: Beast parses it, and what Beast forgives but a proxy may read otherwise is refused here.
//
// Errors  as the status that the client gets before the connection closes: 400 for what is malformed or ambiguous
//         (Content-Length beside Transfer-Encoding, two lengths, obs-fold, bare LF, NUL, chunked in HTTP/1.0), 400 for
//         a head above its bound or kHeadFieldsMax, 501 for a transfer coding other than chunked, 505 for a
//         version other than 1.x.
#pragma once

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>

#include "api/service.h"

namespace server {

inline constexpr std::size_t kHeadBytesMax = 64 * 1024;
// Of requests about virtual objects, and of listings by a query: their targets hold queries.
inline constexpr std::size_t kQueryHeadBytesMax = 256 * 1024;
inline constexpr std::size_t kHeadFieldsMax = 1000;

// One parser a request; for chunked bodies it goes on to take the framing off.
// Its fields live in an arena of the request: one allocation at most instead of one a field.
using FieldAllocator = std::pmr::polymorphic_allocator<char>;
using Parser = boost::beast::http::request_parser<boost::beast::http::buffer_body, FieldAllocator>;

struct HeadFailure {
  unsigned status = 400;
  const char* code = "BadRequest";
  const char* message = "The request could not be understood.";
};

struct RequestHead {
  api::Request request;  // views into the parser
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expect_continue = false;
};

// Where the head ends in `bytes` (behind the empty line), or 0 if more must be read.
std::size_t head_length(std::span<const std::byte> bytes);

// Whether the head that begins so may be as long as kQueryHeadBytesMax.
bool may_hold_query(std::span<const std::byte> bytes);

// Parses a complete head of head_length() bytes into `head`; nullopt on success.
std::optional<HeadFailure> parse_head(std::span<const std::byte> bytes, Parser& parser, RequestHead& head);

}  // namespace server
