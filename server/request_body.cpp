#include "server/request_body.h"

#include <cstring>

namespace server {
namespace {

namespace http = boost::beast::http;

// Without a byte for this long an upload is given up.
constexpr std::chrono::seconds kBodyStall{30};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

RequestBody::RequestBody(Connection& connection, Parser& parser, const RequestHead& head,
                         std::span<std::byte>& leftover, std::span<std::byte> scratch)
    : connection_(connection),
      parser_(parser),
      leftover_(leftover),
      scratch_(scratch),
      length_(head.content_length),
      left_(head.content_length.value_or(0)),
      chunked_(head.chunked),
      expect_continue_(head.expect_continue),
      finished_(!head.chunked && left_ == 0) {
  connection_.receiving().restart();
}

Task<Result<>> RequestBody::send_continue() {
  if (!expect_continue_) co_return storage::success();
  expect_continue_ = false;
  co_return co_await connection_.write(std::as_bytes(std::span(kContinue)), {});
}

Error RequestBody::failure() {
  failed_ = true;
  if (!connection_.expired()) return api::BodyErrc::http_body_truncated;
  connection_.clear_expired();  // the client is to hear of it
  return api::BodyErrc::http_body_timeout;
}

// From the socket, while the sender's pace is counted.
Task<Result<std::size_t>> RequestBody::receive(std::span<std::byte> into) {
  connection_.set_deadline(kBodyStall);
  connection_.receiving().wait_begins(Connection::coarse_now_ms());
  Result<std::size_t> count = co_await connection_.read_some(into);
  connection_.receiving().wait_ends(Connection::coarse_now_ms());
  if (count) connection_.receiving().moved(*count);
  if (!count || *count == 0) co_return failure();
  co_return count;
}

Task<Result<std::size_t>> RequestBody::read(std::span<std::byte> into) {
  if (expect_continue_) {
    Result<> sent = co_await send_continue();
    if (!sent) co_return failure();
  }
  if (finished_ || into.empty()) co_return std::size_t{0};
  if (failed_) co_return api::BodyErrc::http_body_truncated;
  Result<std::size_t> count = chunked_ ? co_await read_chunked(into) : co_await read_sized(into);
  if (count) bytes_read_ += *count;
  co_return count;
}

Task<Result<std::size_t>> RequestBody::read_sized(std::span<std::byte> into) {
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_));
  std::size_t count = std::min(wanted, leftover_.size());
  if (count > 0) {
    std::memcpy(into.data(), leftover_.data(), count);
    leftover_ = leftover_.subspan(count);
  } else {
    Result<std::size_t> received = co_await receive(into.first(wanted));
    if (!received) co_return received;
    count = *received;
  }
  left_ -= count;
  finished_ = left_ == 0;
  co_return count;
}

// Beast takes the chunk framing off; it consumes from leftover_, which is refilled through scratch_.
Task<Result<std::size_t>> RequestBody::read_chunked(std::span<std::byte> into) {
  auto& body = parser_.get().body();
  while (true) {
    if (!leftover_.empty()) {
      body.data = into.data();
      body.size = into.size();
      boost::system::error_code error;
      const std::size_t used = parser_.put(boost::asio::buffer(leftover_.data(), leftover_.size()), error);
      leftover_ = leftover_.subspan(used);
      const std::size_t count = into.size() - body.size;
      if (error && error != http::error::need_buffer && error != http::error::need_more) {
        co_return api::BodyErrc::http_body_malformed;
      }
      if (parser_.is_done()) {
        finished_ = true;
        co_return count;
      }
      if (count > 0) co_return count;
      if (used > 0 && !leftover_.empty()) continue;
      if (leftover_.size() == scratch_.size()) co_return api::BodyErrc::http_body_malformed;  // a chunk line without end
    }
    // What is left of an incomplete chunk line moves to the front, and more is read behind it.
    const std::size_t kept = leftover_.size();
    if (kept > 0) std::memmove(scratch_.data(), leftover_.data(), kept);
    Result<std::size_t> received = co_await receive(scratch_.subspan(kept));
    if (!received) co_return received;
    leftover_ = scratch_.first(kept + *received);
  }
}

}  // namespace server
