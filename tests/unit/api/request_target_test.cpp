#include "api/request_target.h"

#include <gtest/gtest.h>

#include "api/limits.h"

namespace {

using api::parse_target;
using api::S3Error;

const std::vector<std::string> kDomains = {"s3.example.test"};

struct Parsed {
  std::string bucket;
  std::string key;
  int error = 0;
};

Parsed parse(std::string_view target, std::string_view host = "127.0.0.1:9000") {
  const auto parsed = parse_target(target, host, kDomains);
  if (!parsed) return {"", "", static_cast<int>(parsed.error().error())};
  return {parsed->bucket, parsed->key, 0};
}

constexpr int code(S3Error error) { return static_cast<int>(error); }

// Items 1, 2, 70.
TEST(RequestTarget, KeysAreBytes) {
  EXPECT_EQ(parse("/").bucket, "");
  EXPECT_EQ(parse("/b").bucket, "b");
  EXPECT_EQ(parse("/b/").key, "");
  EXPECT_EQ(parse("/b//").key, "/");
  EXPECT_EQ(parse("/b/a//b").key, "a//b");
  EXPECT_EQ(parse("/b/a/../b").key, "a/../b");
  EXPECT_EQ(parse("/b/./x").key, "./x");
  EXPECT_EQ(parse("/b/%2e%2e/x").key, "../x");
  EXPECT_EQ(parse("/b/a%2Fb").key, "a/b");
  EXPECT_EQ(parse("/b/a%20b%2Bc%3Dd%26e+f").key, "a b+c=d&e+f");
  EXPECT_EQ(parse("/b/%2525").key, "%25");
  EXPECT_EQ(parse("/b/%F0%9F%98%80").key, "\xF0\x9F\x98\x80");
  EXPECT_EQ(parse("/b/k#f").key, "k#f");
  EXPECT_EQ(parse("http://127.0.0.1:9000/b/k?x").key, "k");
}

TEST(RequestTarget, RefusedTargets) {
  for (const char* target :
       {"b/k", "", "*", "/b/%", "/b/%4", "/b/%zz", "/b/%ff", "/b/%00", "/b/%EF%BF%BF", "/b?%zz=1"}) {
    EXPECT_EQ(parse(target).error, code(S3Error::invalid_uri)) << target;
  }
  EXPECT_EQ(parse("//k").error, code(S3Error::invalid_bucket_name));
  EXPECT_EQ(parse("/b/" + std::string(1024, 'k')).error, 0);
  EXPECT_EQ(parse("/b/" + std::string(1025, 'k')).error, code(S3Error::key_too_long));
  EXPECT_EQ(parse("/b/" + std::string(api::kTargetBytesMax, 'k')).error, code(S3Error::invalid_uri));
  std::string many = "/b?a";
  for (std::size_t i = 0; i < api::kQueryParametersMax; ++i) many += "&a";
  EXPECT_EQ(parse(many).error, code(S3Error::invalid_uri));
}

TEST(RequestTarget, VirtualHosts) {
  EXPECT_EQ(parse("/k", "bucket.s3.example.test").bucket, "bucket");
  EXPECT_EQ(parse("/k", "My.Bucket.S3.Example.Test:9000").bucket, "my.bucket");
  EXPECT_EQ(parse("/k", "bucket.localhost:9000").bucket, "bucket");
  EXPECT_EQ(parse("/a/b", "bucket.localhost").key, "a/b");
  EXPECT_EQ(parse("/b/k", "s3.example.test").bucket, "b");
  EXPECT_EQ(parse("/b/k", "localhost:9000").bucket, "b");
  EXPECT_EQ(parse("/b/k", "other.test").bucket, "b");
  EXPECT_EQ(parse("/b/k", "[::1]:9000").bucket, "b");
  EXPECT_EQ(parse("/b/k", ".localhost").bucket, "b");
}

// Items 4, 158.
TEST(RequestTarget, QueriesAreDecodedOnceAndNamesHaveNoCase) {
  const auto parsed = parse_target("/b?Prefix=a+b%2Bc&uploads&delimiter=%2F&x=&&Marker=%2525", "h", {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->parameter("prefix"), "a b+c");
  EXPECT_EQ(parsed->parameter("uploads"), "");
  EXPECT_EQ(parsed->parameter("delimiter"), "/");
  EXPECT_EQ(parsed->parameter("marker"), "%25");
  EXPECT_TRUE(parsed->has("X"));
  EXPECT_FALSE(parsed->has("missing"));
}

// Items 105, 143.
TEST(BucketName, Rules) {
  for (const char* name : {"abc", "a-b", "a.b.c", "0ab", "1.2.3.4a", "my-bucket-1"}) {
    EXPECT_TRUE(api::is_bucket_name(name)) << name;
  }
  EXPECT_TRUE(api::is_bucket_name(std::string(63, 'a')));
  const std::string long_name(64, 'a');
  for (const char* name : {"",
                           "ab",
                           long_name.c_str(),
                           "Abc",
                           "a_b",
                           "-ab",
                           "ab-",
                           ".ab",
                           "ab.",
                           "a..b",
                           "a.-b",
                           "a-.b",
                           "192.168.1.1",
                           "xn--abc",
                           "sthree-abc",
                           "amzn-s3-demo-x",
                           "abc-s3alias",
                           "abc--ol-s3",
                           "abc.mrap",
                           "abc--x-s3",
                           "abc--table-s3",
                           "a/b",
                           "a b",
                           "b\xc3\xa4r"}) {
    EXPECT_FALSE(api::is_bucket_name(name)) << name;
  }
}

}  // namespace
