#include "server/request_head.h"

#include <gtest/gtest.h>

namespace server {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

struct Parsed {
  Parser parser;
  RequestHead head;
  std::optional<HeadFailure> failure;
};

std::unique_ptr<Parsed> parse(const std::string& text) {
  auto parsed = std::make_unique<Parsed>();
  const std::size_t length = head_length(bytes_of(text));
  EXPECT_GT(length, 0u);
  parsed->failure = parse_head(bytes_of(text).first(length), parsed->parser, parsed->head);
  return parsed;
}

TEST(RequestHead, NothingIsChangedOnTheWayToTheSignature) {
  const std::string text = "PUT /b/a%2Fb//../c+d?x=%20&Y HTTP/1.1\r\nHOST: h:1\r\nX-Amz-Meta-A:  two  words \r\nx-amz-meta-a: b\r\n\r\n";
  const auto parsed = parse(text);
  ASSERT_FALSE(parsed->failure.has_value());
  EXPECT_EQ(parsed->head.request.target, "/b/a%2Fb//../c+d?x=%20&Y");
  ASSERT_EQ(parsed->head.request.headers.size(), 3u);
  EXPECT_EQ(parsed->head.request.headers[1].name, "X-Amz-Meta-A");
  EXPECT_EQ(parsed->head.request.headers[1].value, "two  words");
  EXPECT_TRUE(parsed->head.keep_alive);
}

TEST(RequestHead, LatinOneBytesInAValuePass) {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\nx-amz-meta-n: b\xe4r\r\n\r\n";
  const auto parsed = parse(text);
  ASSERT_FALSE(parsed->failure.has_value());
  EXPECT_EQ(parsed->head.request.headers[1].value, "b\xe4r");
}

TEST(RequestHead, ItIsWholeOnlyBehindTheEmptyLine) {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nnext";
  for (std::size_t i = 0; i < text.size() - 4; ++i) EXPECT_EQ(head_length(bytes_of(text).first(i)), 0u) << i;
  EXPECT_EQ(head_length(bytes_of(text)), text.size() - 4);
}

TEST(RequestHead, FramingAndExpectationAreRead) {
  EXPECT_EQ(parse("PUT / HTTP/1.1\r\nContent-Length: 12\r\n\r\n")->head.content_length, 12u);
  EXPECT_TRUE(parse("PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n")->head.chunked);
  EXPECT_TRUE(parse("PUT / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n")->head.expect_continue);
  EXPECT_FALSE(parse("PUT / HTTP/1.1\r\nExpect: 200-maybe\r\n\r\n")->head.expect_continue);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n")->head.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n")->head.keep_alive);
}

struct Refused {
  std::string text;
  unsigned status;
};

class RefusedHead : public testing::TestWithParam<Refused> {};

TEST_P(RefusedHead, WhatAProxyMayReadOtherwise) {
  const auto parsed = parse(GetParam().text);
  ASSERT_TRUE(parsed->failure.has_value());
  EXPECT_EQ(parsed->failure->status, GetParam().status);
}

INSTANTIATE_TEST_SUITE_P(
    Heads, RefusedHead,
    testing::Values(Refused{"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
                    Refused{"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
                    Refused{"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
                    Refused{"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
                    Refused{"PUT / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", 400},
                    Refused{"PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
                    Refused{"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
                    Refused{"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
                    Refused{"GET / HTTP/1.1\nHost: a\n\n", 400}, Refused{"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400},
                    Refused{std::string("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 26), 400},
                    Refused{"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400}, Refused{"GET /\r\n\r\n", 400},
                    Refused{"nonsense\r\n\r\n", 400}, Refused{"GET / HTTP/2.0\r\n\r\n", 505}));

TEST(RequestHead, TooManyFieldsAreRefused) {
  std::string text = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 1001; ++i) text += "a: b\r\n";
  const auto parsed = parse(text + "\r\n");
  ASSERT_TRUE(parsed->failure.has_value());
  EXPECT_STREQ(parsed->failure->code, "RequestHeaderSectionTooLarge");
}

}  // namespace
}  // namespace server
