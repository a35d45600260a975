// Requests for tests: owned text with the views that the service takes, signed by the test's own hand.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "api/service.h"
#include "api/sigv4.h"

namespace tests {

inline constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
inline constexpr std::int64_t kTestTimeMs = 1369353600000;  // 2013-05-24T00:00:00Z, the day of AWS's examples

class ManualClock final : public storage::Clock {
 public:
  std::int64_t wall_ms() const override { return wall_ms_; }
  std::int64_t monotonic_ns() const override { return wall_ms_ * 1'000'000; }
  void set(std::int64_t wall_ms) { wall_ms_ = wall_ms; }
  void advance(std::int64_t ms) { wall_ms_ += ms; }

 private:
  std::int64_t wall_ms_ = kTestTimeMs;
};

struct TestRequest {
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool http_chunked = false;
  bool no_length = false;  // neither Content-Length nor chunked

  TestRequest(std::string request_method, std::string request_target, std::string request_body = {})
      : method(std::move(request_method)), target(std::move(request_target)), body(std::move(request_body)) {
    set("host", "127.0.0.1:9000");
  }

  TestRequest& set(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  TestRequest& replace(std::string_view name, std::string value) {
    for (auto& [known, text] : headers) {
      if (known == name) text = value;
    }
    return *this;
  }
  bool has(std::string_view name) const {
    return std::any_of(headers.begin(), headers.end(),
                       [&](const auto& field) { return field.first == name; });
  }

  api::Request view() const {
    api::Request request;
    request.method = method;
    request.target = target;
    for (const auto& [name, value] : headers) request.headers.push_back({name, value});
    request.request_id = "0123456789ABCDEF";
    return request;
  }
};

// An HttpBody that hands out `step` bytes at a time, and may end in an error.
class TextBody final : public api::HttpBody {
 public:
  explicit TextBody(std::string text, std::size_t step = SIZE_MAX, bool is_chunked = false,
                    bool unknown_length = false)
      : text_(std::move(text)), step_(step), chunked_(is_chunked), unknown_(unknown_length) {}

  storage::Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override {
    was_read_ = true;
    const std::size_t count = std::min({into.size(), step_, text_.size() - at_});
    if (count == 0 && error_) co_return error_;
    std::memcpy(into.data(), text_.data() + at_, count);
    at_ += count;
    co_return count;
  }
  std::optional<std::uint64_t> content_length() const override {
    if (chunked_ || unknown_) return std::nullopt;
    return text_.size() + missing_;
  }
  bool chunked() const override { return chunked_; }

  void fail_at_end(boost::system::error_code error, std::size_t missing) {
    error_ = error;
    missing_ = missing;
  }
  bool was_read() const { return was_read_; }

 private:
  std::string text_;
  std::size_t step_;
  bool chunked_;
  bool unknown_;
  std::size_t at_ = 0;
  std::size_t missing_ = 0;
  boost::system::error_code error_;
  bool was_read_ = false;
};

struct SignOptions {
  std::string access_key = "AKIAIOSFODNN7EXAMPLE";
  std::string secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
  std::string region = "us-east-1";
  std::string service = "s3";
  std::string timestamp = "20130524T000000Z";
  std::string payload;  // x-amz-content-sha256; empty: the hash of the body
  std::vector<std::string> unsigned_headers;
  std::string expires = "86400";  // of presign()
};

struct Signature {
  std::string value;
  api::ChunkSigning chunks;
};

// Adds x-amz-date, x-amz-content-sha256 and Authorization.
Signature sign(TestRequest& request, const SignOptions& options = {});
// Adds X-Amz-* to the query.
void presign(TestRequest& request, const SignOptions& options = {});

std::string sha256_hex(std::string_view text);
// aws-chunked framing with chunks of `chunk_bytes`, signed when `signing` is given; `trailer` is
// "name:value".
std::string aws_chunked(std::string_view text, std::size_t chunk_bytes, const api::ChunkSigning* signing,
                        std::string_view trailer = {});

}  // namespace tests
