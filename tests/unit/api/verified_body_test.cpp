#include "api/verified_body.h"

#include <gtest/gtest.h>

#include "api/encoding.h"
#include "tests/support/run_task.h"
#include "tests/unit/api/requests.h"

namespace {

using api::BodyNeeds;
using api::PayloadMode;
using api::S3Error;
using tests::TestRequest;
using tests::TextBody;

struct Outcome {
  std::string text;
  std::optional<S3Error> refused;  // before the body was read
  boost::system::error_code error;
  storage::BodyDigests digests;
};

storage::Task<bool> drain(api::VerifiedBody& body, std::size_t step, Outcome& outcome) {
  std::string buffer(step, '\0');
  for (;;) {
    const auto got = co_await body.read(std::as_writable_bytes(std::span(buffer.data(), buffer.size())));
    if (!got) {
      outcome.error = got.error();
      co_return true;
    }
    if (*got == 0) break;
    outcome.text.append(buffer, 0, *got);
  }
  outcome.digests = body.digests();
  co_return true;
}

struct Case {
  TestRequest request{"PUT", "/b/k"};
  api::Identity identity;
  BodyNeeds needs;
  std::size_t wire_step = SIZE_MAX;
  std::size_t read_step = 65'536;

  Outcome run() {
    Outcome outcome;
    const api::Request view = request.view();
    TextBody wire(request.body, wire_step, request.http_chunked, request.no_length);
    auto plan = api::plan_body(view, wire, identity, needs);
    if (!plan) {
      outcome.refused = plan.error().error();
      EXPECT_FALSE(wire.was_read());
      return outcome;
    }
    api::VerifiedBody body(wire, std::move(*plan));
    tests::run_task(drain(body, read_step, outcome));
    return outcome;
  }
};

Case plain(std::string text) {
  Case test;
  test.request.body = std::move(text);
  test.needs.md5 = true;
  test.needs.length_required = true;
  test.needs.algorithm = api::ChecksumAlgorithm::crc64nvme;
  return test;
}

Case framed(std::string_view text, std::string_view trailer = {}) {
  Case test = plain(tests::aws_chunked(text, 5, nullptr, trailer));
  test.identity.payload = PayloadMode::streaming_unsigned_trailer;
  test.request.set("x-amz-decoded-content-length", std::to_string(text.size()));
  if (!trailer.empty()) test.request.set("x-amz-trailer", std::string(trailer.substr(0, trailer.find(':'))));
  return test;
}

TEST(VerifiedBody, PlainBodyWithDefaults) {
  const Outcome outcome = plain("hello").run();
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(outcome.text, "hello");
  EXPECT_EQ(api::to_hex(outcome.digests.md5), "5d41402abc4b2a76b9719d911017c592");
  EXPECT_EQ(outcome.digests.checksum.algorithm, api::ChecksumAlgorithm::crc64nvme);
  EXPECT_EQ(outcome.digests.checksum.value.size(), 8u);
}

// Item 29: known values of every algorithm, over "hello".
TEST(VerifiedBody, EveryAlgorithmInTheHeader) {
  for (const auto& [name, value] :
       {std::pair{"x-amz-checksum-crc32", "NhCmhg=="},
        {"x-amz-checksum-crc32c", "mnG7TA=="},
        {"x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="},
        {"x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},
        {"x-amz-checksum-sha512",
         "m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw=="},
        {"x-amz-checksum-md5", "XUFAKrxLKna5cZ2REBfFkg=="},
        {"x-amz-checksum-xxhash64", "JseCfYifbaM="},
        {"x-amz-checksum-xxhash3", "lVXoVVxi3P0="},
        {"x-amz-checksum-xxhash128", "tenBrQcbPn/Hec+qXlI4GA=="}}) {
    Case test = plain("hello");
    test.request.set(name, value);
    const Outcome outcome = test.run();
    EXPECT_FALSE(outcome.error) << name << " " << outcome.error.message();
    EXPECT_EQ(api::to_base64(outcome.digests.checksum.value), value);
    test.request.body = "jello";
    EXPECT_EQ(test.run().error, make_error_code(S3Error::bad_digest)) << name;
  }
}

// Items 30, 155.
TEST(VerifiedBody, ChecksumHeadersThatAreRefused) {
  for (const char* value : {"!!!!", "AAAA", "", "AAAAAA=", "AAAAAAAAAA=="}) {
    Case test = plain("hello");
    test.request.set("x-amz-checksum-crc32", value);
    EXPECT_EQ(test.run().refused, S3Error::bad_digest) << value;
  }
  Case two = plain("hello");
  two.request.set("x-amz-checksum-crc32", "NhCmhg==").set("x-amz-checksum-crc32c", "mnG7TA==");
  EXPECT_EQ(two.run().refused, S3Error::invalid_request);
  Case unknown = plain("hello");
  unknown.request.set("x-amz-checksum-blake3", "AAAAAAAAAAA=");
  EXPECT_EQ(unknown.run().refused, S3Error::invalid_request);
  Case named = plain("hello");
  named.request.set("x-amz-sdk-checksum-algorithm", "CRC32");
  EXPECT_EQ(named.run().refused, S3Error::invalid_request);
  named.request.replace("x-amz-sdk-checksum-algorithm", "BLAKE3");
  EXPECT_EQ(named.run().refused, S3Error::invalid_request);
}

// Item 31.
TEST(VerifiedBody, ContentMd5) {
  Case test = plain("hello");
  test.request.set("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
  EXPECT_FALSE(test.run().error);
  test.request.set("x-amz-checksum-crc32", "AAAAAA==");
  EXPECT_EQ(test.run().error, make_error_code(S3Error::bad_digest)) << "both are checked";
  Case wrong = plain("hello");
  wrong.request.set("content-md5", "XUFAKrxLKna5cZ2REBfFkA==");
  EXPECT_EQ(wrong.run().error, make_error_code(S3Error::bad_digest));
  for (const char* value : {"", "hello", "XUFAKrxL", "5d41402abc4b2a76b9719d911017c592"}) {
    Case invalid = plain("hello");
    invalid.request.set("content-md5", value);
    EXPECT_EQ(invalid.run().refused, S3Error::invalid_digest) << value;
  }
}

// Items 9, 136.
TEST(VerifiedBody, PayloadHash) {
  const std::string hash = tests::sha256_hex("hello");
  Case test = plain("hello");
  test.identity.payload = PayloadMode::signed_hash;
  test.identity.payload_sha256 = hash;
  EXPECT_FALSE(test.run().error);
  test.request.body = "jello";
  EXPECT_EQ(test.run().error, make_error_code(S3Error::sha256_mismatch));
  test.request.body = "";
  EXPECT_EQ(test.run().error, make_error_code(S3Error::sha256_mismatch));
  test.request.body = "jello";
  test.request.set("x-amz-checksum-sha256", api::to_base64(*api::from_hex(tests::sha256_hex("jello"))));
  EXPECT_EQ(test.run().error, make_error_code(S3Error::sha256_mismatch)) << "shared digest";
}

// Items 20 to 24, 28.
TEST(VerifiedBody, FramedBodies) {
  const std::string text = "hello, framed world";
  for (const std::size_t wire_step : {std::size_t{1}, std::size_t{2}, std::size_t{7}, SIZE_MAX}) {
    for (const std::size_t read_step : {std::size_t{1}, std::size_t{3}, std::size_t{4096}}) {
      Case test = framed(text);
      test.wire_step = wire_step;
      test.read_step = read_step;
      const Outcome outcome = test.run();
      ASSERT_FALSE(outcome.error) << outcome.error.message();
      EXPECT_EQ(outcome.text, text);
    }
  }
  Case good = framed("hello", "x-amz-checksum-crc32:NhCmhg==");
  EXPECT_FALSE(good.run().error);
  good.request.http_chunked = true;
  EXPECT_FALSE(good.run().error) << "HTTP chunks around aws-chunked";
  EXPECT_EQ(framed("hello", "x-amz-checksum-crc32:AAAAAA==").run().error,
            make_error_code(S3Error::bad_digest));
  EXPECT_EQ(framed("hello", "x-amz-checksum-crc32:AAAA").run().error,
            make_error_code(S3Error::invalid_request));
  EXPECT_EQ(framed("hello", "x-amz-checksum-crc32:%%%").run().error,
            make_error_code(S3Error::invalid_request));
  EXPECT_EQ(framed("hello", "x-amz-checksum-blake3:AAAA").run().refused, S3Error::invalid_request);
  Case both = framed("hello", "x-amz-checksum-crc32:NhCmhg==");
  both.request.set("x-amz-checksum-crc32c", "mnG7TA==");
  EXPECT_EQ(both.run().refused, S3Error::invalid_request);
}

// Items 24, 138.
TEST(VerifiedBody, DecodedLength) {
  const auto with = [](const char* length) {
    Case test = framed("hello");
    test.request.replace("x-amz-decoded-content-length", length);
    return test.run();
  };
  EXPECT_EQ(with("4").error, make_error_code(S3Error::incomplete_body));
  EXPECT_EQ(with("6").error, make_error_code(S3Error::incomplete_body));
  for (const char* length : {"five", "-5", "", "5x", "99999999999999999999999"}) {
    EXPECT_EQ(with(length).refused, S3Error::invalid_argument) << length;
  }
  EXPECT_EQ(with("5368709121").refused, S3Error::entity_too_large);
  Case missing = plain(tests::aws_chunked("hello", 5, nullptr));
  missing.identity.payload = PayloadMode::streaming_unsigned_trailer;
  EXPECT_EQ(missing.run().refused, S3Error::missing_content_length);
}

// Items 67, 68, 144.
TEST(VerifiedBody, Lengths) {
  Case none = plain("hello");
  none.request.no_length = true;
  EXPECT_EQ(none.run().refused, S3Error::missing_content_length);
  Case chunked = plain("hello");
  chunked.request.http_chunked = true;
  EXPECT_EQ(chunked.run().text, "hello");
  Case bounded = plain(std::string(100, 'x'));
  bounded.needs.length_max = 99;
  bounded.needs.too_large = S3Error::max_message_length_exceeded;
  EXPECT_EQ(bounded.run().refused, S3Error::max_message_length_exceeded);
  bounded.request.http_chunked = true;
  EXPECT_EQ(bounded.run().error, make_error_code(S3Error::max_message_length_exceeded));
}

TEST(VerifiedBody, ErrorsOfTheConnectionPassUnchanged) {
  TextBody wire("hel");
  wire.fail_at_end(make_error_code(api::BodyErrc::http_body_truncated), 2);
  TestRequest request("PUT", "/b/k");
  const api::Request view = request.view();
  api::Identity identity;
  BodyNeeds needs;
  auto plan = api::plan_body(view, wire, identity, needs);
  ASSERT_TRUE(plan);
  api::VerifiedBody body(wire, std::move(*plan));
  Outcome outcome;
  tests::run_task(drain(body, 100, outcome));
  EXPECT_EQ(outcome.error, make_error_code(api::BodyErrc::http_body_truncated));
  EXPECT_EQ(api::error_from(outcome.error), S3Error::incomplete_body);
}

}  // namespace
