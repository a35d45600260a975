// Any bytes as a request head, and behind it as chunked framing. What is accepted must be unambiguous.
#include <cstdint>

#include "server/request_head.h"
#include "storage/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const std::size_t length = server::head_length(bytes);
  if (length == 0) return 0;
  CHECK(length <= size);
  server::Parser parser;
  server::RequestHead head;
  if (server::parse_head(bytes.first(length), parser, head)) return 0;
  CHECK(!(head.chunked && head.content_length));
  CHECK(head.request.headers.size() <= server::kHeadFieldsMax);
  for (const api::HeaderField& field : head.request.headers) {
    CHECK(field.name.find_first_of("\r\n:") == std::string_view::npos);
    CHECK(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  }
  if (!head.chunked) return 0;
  std::span<const std::byte> rest = bytes.subspan(length);
  char into[64];
  while (!rest.empty() && !parser.is_done()) {
    parser.get().body().data = into;
    parser.get().body().size = sizeof into;
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(rest.data(), rest.size()), error);
    CHECK(used <= rest.size());
    const bool more = !error || error == boost::beast::http::error::need_buffer;
    if (!more || (used == 0 && parser.get().body().size == sizeof into)) return 0;
    rest = rest.subspan(used);
  }
  return 0;
}
