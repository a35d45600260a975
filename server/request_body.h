// RequestBody: the body of one request, with HTTP framing taken off as it is read.
//
// Threads   the session's executor. Lifetime: connection, parser and leftover outlive it.
// Bytes     with Content-Length they go from the socket straight into the reader's memory; the first read() sends
//           "100 Continue" where the client waits for it.
#pragma once

#include <optional>
#include <span>

#include "api/service.h"
#include "server/connection.h"
#include "server/request_head.h"

namespace server {

class RequestBody final : public api::HttpBody {
 public:
  // `leftover`: bytes that arrived behind the head; what belongs to the next request stays in it.
  RequestBody(Connection& connection, Parser& parser, const RequestHead& head, std::span<std::byte>& leftover,
              std::span<std::byte> scratch);

  Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  std::optional<std::uint64_t> content_length() const override { return length_; }
  bool chunked() const override { return chunked_; }

  bool finished() const { return finished_; }
  bool failed() const { return failed_; }  // nothing more of it can be read
  bool waits_for_continue() const { return expect_continue_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  Task<Result<>> send_continue();

 private:
  Task<Result<std::size_t>> read_sized(std::span<std::byte> into);
  Task<Result<std::size_t>> read_chunked(std::span<std::byte> into);
  Task<Result<std::size_t>> receive(std::span<std::byte> into);
  Error failure();  // of a read or write that ended early

  Connection& connection_;
  Parser& parser_;
  std::span<std::byte>& leftover_;
  std::span<std::byte> scratch_;  // where chunked framing is read to
  std::optional<std::uint64_t> length_;
  std::uint64_t left_ = 0;
  std::uint64_t bytes_read_ = 0;
  bool chunked_;
  bool expect_continue_;
  bool finished_ = false;
  bool failed_ = false;
};

}  // namespace server
