#include "api/sigv4.h"

#include <gtest/gtest.h>

#include "tests/unit/api/requests.h"

namespace {

using api::Authenticator;
using api::PayloadMode;
using api::S3Error;
using tests::ManualClock;
using tests::sign;
using tests::SignOptions;
using tests::TestRequest;

class SigV4Test : public testing::Test {
 protected:
  SigV4Test() {
    api::User user;
    user.name = "example";
    user.id = "example-id";
    user.access_key = "AKIAIOSFODNN7EXAMPLE";
    user.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    users_.push_back(user);
    directory_ = std::make_unique<api::UserDirectory>(users_);
    authenticator_ =
        std::make_unique<Authenticator>(clock_, *directory_, Authenticator::Options{"us-east-1", locations_});
  }

  // The error of the request, or 0.
  int verify(const TestRequest& request, std::span<const std::string> domains = {}) {
    const api::Request view = request.view();
    const auto target = api::parse_target(view.target, view.header("host").value_or(""), domains);
    if (!target) return static_cast<int>(target.error().error());
    const auto identity = authenticator_->authenticate(view, *target);
    if (!identity) {
      failure_ = identity.error();
      return static_cast<int>(failure_.error());
    }
    mode_ = identity->payload;
    return 0;
  }

  std::string extra(std::string_view name) const {
    for (const auto& [known, value] : failure_.extras()) {
      if (known == name) return value;
    }
    return {};
  }

  ManualClock clock_;
  std::vector<std::string> locations_ = {"eu-test"};
  std::vector<api::User> users_;
  std::unique_ptr<api::UserDirectory> directory_;
  std::unique_ptr<Authenticator> authenticator_;
  api::Failure failure_;
  PayloadMode mode_ = PayloadMode::unsigned_payload;
};

constexpr int code(S3Error error) { return static_cast<int>(error); }

// A request of AWS's published examples, on examplebucket.s3.amazonaws.com.
TestRequest example(std::string method, std::string target) {
  TestRequest request(std::move(method), std::move(target));
  request.replace("host", "examplebucket.s3.amazonaws.com");
  return request;
}

TestRequest& authorize(TestRequest& request, const std::string& signed_headers,
                       const std::string& signature) {
  return request.set("Authorization",
                     "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                     "SignedHeaders=" +
                         signed_headers + ",Signature=" + signature);
}

const std::string kDomains[] = {"s3.amazonaws.com"};

TEST_F(SigV4Test, PublishedExampleGetObject) {
  TestRequest request = example("GET", "/test.txt");
  request.set("Range", "bytes=0-9").set("x-amz-content-sha256", std::string(tests::kEmptySha256));
  request.set("x-amz-date", "20130524T000000Z");
  authorize(request, "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(verify(request, kDomains), 0);
  EXPECT_EQ(mode_, PayloadMode::signed_hash);
  request.replace("Range", "bytes=0-8");
  EXPECT_EQ(verify(request, kDomains), code(S3Error::signature_does_not_match));
}

TEST_F(SigV4Test, PublishedExamplePutObject) {
  TestRequest request = example("PUT", "/test%24file.text");
  request.set("Date", "Fri, 24 May 2013 00:00:00 GMT").set("x-amz-date", "20130524T000000Z");
  request.set("x-amz-storage-class", "REDUCED_REDUNDANCY");
  request.set("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  authorize(request, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_EQ(verify(request, kDomains), 0);
}

TEST_F(SigV4Test, PublishedExamplesWithQueries) {
  TestRequest lifecycle = example("GET", "/?lifecycle");
  lifecycle.set("x-amz-date", "20130524T000000Z")
      .set("x-amz-content-sha256", std::string(tests::kEmptySha256));
  authorize(lifecycle, "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(verify(lifecycle, kDomains), 0);

  TestRequest list = example("GET", "/?max-keys=2&prefix=J");
  list.set("x-amz-date", "20130524T000000Z").set("x-amz-content-sha256", std::string(tests::kEmptySha256));
  authorize(list, "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  EXPECT_EQ(verify(list, kDomains), 0);
}

TEST_F(SigV4Test, PublishedExamplePresigned) {
  TestRequest request = example(
      "GET",
      "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-"
      "1%2Fs3%2F"
      "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
      "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
  EXPECT_EQ(verify(request, kDomains), 0);
  EXPECT_EQ(mode_, PayloadMode::unsigned_payload);
  clock_.advance(86'401'000);
  EXPECT_EQ(verify(request, kDomains), code(S3Error::access_denied));
  EXPECT_EQ(failure_.message(), "Request has expired");
  EXPECT_FALSE(extra("Expires").empty());
  EXPECT_FALSE(extra("ServerTime").empty());
}

// Items 1 to 5: one form for every spelling of a path and a query.
TEST_F(SigV4Test, PathsAndQueriesHaveOneForm) {
  for (const char* target :
       {"/b/a//b", "/b/a/../b", "/b/./x", "/b//lead", "/b/a%20b%2Bc%3Dd%26e", "/b/%e4%bd%a0", "/b?uploads",
        "/b?uploads=", "/b?prefix=d%2F&delimiter=%2F&max-keys=2",
        "/b/k?partNumber=2&uploadId=u&x-id=UploadPart"}) {
    TestRequest request("GET", target);
    sign(request);
    EXPECT_EQ(verify(request), 0) << target;
  }
  TestRequest encoded("GET", "/b?delimiter=%2F&max-keys=2&prefix=d%2F");
  sign(encoded);
  encoded.target = "/b?prefix=d/&delimiter=/&max-keys=2";
  EXPECT_EQ(verify(encoded), 0) << "raw slashes in a query are re-encoded and the order does not matter";
  TestRequest path("GET", "/b/a+b~c");
  sign(path);
  path.target = "/b/a%2bb%7ec";
  EXPECT_EQ(verify(path), 0);
}

TEST_F(SigV4Test, HeadersAreFoldedAndJoined) {
  TestRequest request("GET", "/b/k");
  request.set("x-amz-meta-a", "  two   words ")
      .set("x-amz-meta-a", "second")
      .set("accept-encoding", "identity");
  sign(request);
  EXPECT_EQ(verify(request), 0);
  request.replace("accept-encoding", "gzip");
  EXPECT_EQ(verify(request), code(S3Error::signature_does_not_match));
}

// Item 8: one Latin-1 byte on the wire, UTF-8 in the signature.
TEST_F(SigV4Test, Latin1ValuesAreSignedAsUtf8) {
  TestRequest request("GET", "/b/k");
  request.set("x-amz-meta-a", "\xc3\xa4");
  sign(request);
  request.replace("x-amz-meta-a", "\xe4");
  EXPECT_EQ(verify(request), 0);
}

// Items 7 and 135.
TEST_F(SigV4Test, UnsignedAmzHeadersAreRefused) {
  TestRequest plain("GET", "/b/k");
  sign(plain);
  plain.set("if-match", "\"x\"").set("amz-sdk-request", "attempt=1");
  EXPECT_EQ(verify(plain), 0);
  plain.set("x-amz-copy-source", "/other/key");
  EXPECT_EQ(verify(plain), code(S3Error::access_denied));
  EXPECT_EQ(extra("HeadersNotSigned"), "x-amz-copy-source");

  TestRequest presigned("PUT", "/b/k");
  tests::presign(presigned);
  EXPECT_EQ(verify(presigned), 0);
  presigned.set("X-Amz-Acl", "public-read");
  EXPECT_EQ(verify(presigned), code(S3Error::access_denied));

  TestRequest no_host("GET", "/b/k");
  SignOptions options;
  options.unsigned_headers = {"host"};
  sign(no_host, options);
  EXPECT_EQ(verify(no_host), code(S3Error::access_denied));
}

// Item 9.
TEST_F(SigV4Test, PayloadHashIsRequiredAndKnown) {
  TestRequest missing("GET", "/b/k");
  missing.set("x-amz-date", "20130524T000000Z");
  authorize(missing, "host;x-amz-date", std::string(64, '0'));
  EXPECT_EQ(verify(missing), code(S3Error::invalid_request));
  for (const auto& [payload, mode] :
       {std::pair{"UNSIGNED-PAYLOAD", PayloadMode::unsigned_payload},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", PayloadMode::streaming_signed},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", PayloadMode::streaming_signed_trailer},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", PayloadMode::streaming_unsigned_trailer}}) {
    TestRequest request("PUT", "/b/k");
    SignOptions options;
    options.payload = payload;
    sign(request, options);
    EXPECT_EQ(verify(request), 0) << payload;
    EXPECT_EQ(mode_, mode);
  }
  for (const char* payload : {"required", "UNSIGNED", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "abcd"}) {
    TestRequest request("PUT", "/b/k");
    SignOptions options;
    options.payload = payload;
    sign(request, options);
    EXPECT_EQ(verify(request), code(S3Error::invalid_argument)) << payload;
  }
}

// Item 11, 130, 157.
TEST_F(SigV4Test, CredentialScope) {
  const auto with = [&](auto change) {
    TestRequest request("GET", "/b/k");
    SignOptions options;
    change(options);
    sign(request, options);
    return verify(request);
  };
  EXPECT_EQ(with([](SignOptions& o) { o.region = "eu-test"; }), 0);
  EXPECT_EQ(with([](SignOptions& o) { o.region = "mars-1"; }), code(S3Error::authorization_header_malformed));
  EXPECT_EQ(extra("Region"), "us-east-1");
  EXPECT_EQ(with([](SignOptions& o) { o.service = "iam"; }), code(S3Error::authorization_header_malformed));
  EXPECT_EQ(with([](SignOptions& o) { o.access_key = "NOBODY"; }), code(S3Error::invalid_access_key_id));
  EXPECT_EQ(with([](SignOptions& o) { o.secret_key = "wrong"; }), code(S3Error::signature_does_not_match));
  EXPECT_TRUE(extra("StringToSign").starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n"));
  EXPECT_TRUE(extra("CanonicalRequest").starts_with("GET\n/b/k\n"));

  TestRequest other_day("GET", "/b/k");
  other_day.set("x-amz-date", "20130524T001000Z").set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
  other_day.set("authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130523/us-east-1/s3/aws4_request, "
                "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=00");
  EXPECT_EQ(verify(other_day), code(S3Error::authorization_header_malformed));
}

TEST_F(SigV4Test, GarbageAuthorization) {
  for (const char* text :
       {"garbage", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=x",
        "AWS4-HMAC-SHA256 Credential=a/b,SignedHeaders=host,Signature=1", "Basic dTpw",
        "AWS4-HMAC-SHA256 Credential=/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=1",
        "AWS4-HMAC-SHA256 Nonsense=1,Credential=a/20130524/us-east-1/s3/aws4_request"}) {
    TestRequest request("GET", "/b/k");
    request.set("authorization", text).set("x-amz-date", "20130524T000000Z");
    EXPECT_EQ(verify(request), code(S3Error::authorization_header_malformed)) << text;
  }
  TestRequest version_2("GET", "/b/k");
  version_2.set("authorization", "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=");
  EXPECT_EQ(verify(version_2), code(S3Error::access_denied)) << "without a date";
  EXPECT_EQ(verify(TestRequest("GET", "/b/k?AWSAccessKeyId=A&Expires=1&Signature=x")),
            code(S3Error::invalid_access_key_id));
  EXPECT_EQ(verify(TestRequest("GET", "/b/k")), code(S3Error::access_denied));
}

// Item 12.
TEST_F(SigV4Test, ClockSkew) {
  TestRequest request("GET", "/b/k");
  sign(request);
  clock_.advance(15 * 60 * 1000);
  EXPECT_EQ(verify(request), 0);
  clock_.advance(1000);
  EXPECT_EQ(verify(request), code(S3Error::request_time_too_skewed));
  EXPECT_EQ(extra("RequestTime"), "20130524T000000Z");
  clock_.set(tests::kTestTimeMs - 15 * 60 * 1000 - 1000);
  EXPECT_EQ(verify(request), code(S3Error::request_time_too_skewed));
}

TEST_F(SigV4Test, DateHeaderServesWithoutAmzDate) {
  TestRequest malformed("GET", "/b/k");
  malformed.set("x-amz-date", "yesterday").set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
  authorize(malformed, "host;x-amz-content-sha256;x-amz-date", std::string(64, '0'));
  EXPECT_EQ(verify(malformed), code(S3Error::access_denied));

  TestRequest none("GET", "/b/k");
  none.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
  authorize(none, "host;x-amz-content-sha256", std::string(64, '0'));
  EXPECT_EQ(verify(none), code(S3Error::access_denied));
  none.set("date", "Fri, 24 May 2013 00:00:00 GMT");
  EXPECT_EQ(verify(none), code(S3Error::signature_does_not_match)) << "the date was understood";
}

// Items 14 to 16.
TEST_F(SigV4Test, PresignedLimits) {
  const auto with = [&](auto change) {
    TestRequest request("GET", "/b/k?response-content-type=text%2Fplain");
    SignOptions options;
    change(options);
    presign(request, options);
    return verify(request);
  };
  EXPECT_EQ(with([](SignOptions&) {}), 0);
  EXPECT_EQ(with([](SignOptions& o) { o.expires = "604800"; }), 0);
  for (const char* expires : {"0", "-7", "609901", "x", ""}) {
    EXPECT_EQ(with([&](SignOptions& o) { o.expires = expires; }), code(S3Error::access_denied)) << expires;
  }
  EXPECT_EQ(with([](SignOptions& o) { o.timestamp = "20130524T001600Z"; }), code(S3Error::access_denied));
  EXPECT_EQ(with([](SignOptions& o) { o.region = "mars-1"; }), code(S3Error::authorization_query_parameters));
  EXPECT_EQ(with([](SignOptions& o) { o.service = "sts"; }), code(S3Error::authorization_query_parameters));
  EXPECT_EQ(with([](SignOptions& o) { o.timestamp = "2013-05-24"; }),
            code(S3Error::authorization_query_parameters));
  EXPECT_EQ(verify(TestRequest("GET", "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1")),
            code(S3Error::authorization_query_parameters));
}

TEST_F(SigV4Test, OneMechanismAtATime) {
  TestRequest request("GET", "/b/k");
  presign(request);
  sign(request);
  EXPECT_EQ(verify(request), code(S3Error::invalid_argument));
}

TEST_F(SigV4Test, SessionTokensBelongElsewhere) {
  TestRequest request("GET", "/b/k");
  request.set("x-amz-security-token", "FQoGZXIvYXdzE");
  sign(request);
  EXPECT_EQ(verify(request), code(S3Error::invalid_token));
}

}  // namespace
