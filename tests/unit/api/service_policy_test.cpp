// Bucket policies on the wire: their documents, and conditions on what a request says.
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

class BucketPolicyTest : public ServiceTest {
 protected:
  BucketPolicyTest() { call("PUT", "/bkt"); }

  static std::string allow(const std::string& action, const std::string& resource, const std::string& condition) {
    return R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":")" + action + R"(","Resource":")" + resource +
           R"(","Condition":)" + condition + "}]}";
  }
  void set_policy(const std::string& text) {
    const Reply reply = call("PUT", "/bkt?policy", text);
    ASSERT_EQ(reply.status, 204u) << reply.body;
  }
  Reply alt(TestRequest request) { return call_as(alt_user(), std::move(request)); }
};

TEST_F(BucketPolicyTest, Document) {
  const std::string text = "{ \"Statement\" : [{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam:::user/alt\"},"
                           "\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::bkt\"}]}\n";
  EXPECT_EQ(call("GET", "/bkt?policy").code(), "NoSuchBucketPolicy");
  EXPECT_EQ(call("PUT", "/bkt?policy", text).status, 204u);
  const Reply got = call("GET", "/bkt?policy");
  EXPECT_EQ(got.body, text) << "byte for byte";
  EXPECT_EQ(got.header("Content-Type"), "application/json");
  EXPECT_EQ(alt(TestRequest("GET", "/bkt")).status, 200u);
  const Reply refused = call("PUT", "/bkt?policy", "{}");
  EXPECT_EQ(refused.status, 400u);
  EXPECT_EQ(refused.code(), "MalformedPolicy");
  EXPECT_EQ(refused.element("Message"), "Missing required field Statement");
  EXPECT_EQ(call("PUT", "/bkt?policy").code(), "MalformedPolicy");
  EXPECT_EQ(call("GET", "/bkt?policy").body, text) << "a refused one changes nothing";
  EXPECT_EQ(call("DELETE", "/bkt?policy").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt?policy").status, 204u);
  EXPECT_EQ(call("GET", "/bkt?policy").code(), "NoSuchBucketPolicy");
  EXPECT_EQ(alt(TestRequest("GET", "/bkt")).status, 403u);
}

TEST_F(BucketPolicyTest, Status) {
  EXPECT_EQ(call("GET", "/bkt?policyStatus").element("IsPublic"), "false");
  set_policy(allow("s3:ListBucket", "arn:aws:s3:::bkt", "{}"));
  EXPECT_EQ(call("GET", "/bkt?policyStatus").element("IsPublic"), "true");
  set_policy(allow("s3:ListBucket", "arn:aws:s3:::bkt", R"({"IpAddress":{"aws:SourceIp":"10.0.0.0/32"}})"));
  EXPECT_EQ(call("GET", "/bkt?policyStatus").element("IsPublic"), "false");
  EXPECT_EQ(call("DELETE", "/bkt?policy").status, 204u);
  TestRequest acl("PUT", "/bkt?acl");
  acl.set("x-amz-acl", "authenticated-read");
  EXPECT_EQ(call(acl).status, 200u);
  EXPECT_EQ(call("GET", "/bkt?policyStatus").element("IsPublic"), "true") << "item 155";
}

TEST_F(BucketPolicyTest, ListingConditions) {
  set_policy(allow("s3:ListBucket", "arn:aws:s3:::bkt",
                   R"({"StringLike":{"s3:prefix":"pub/*"},"NumericLessThanEquals":{"s3:max-keys":"10"}})"));
  EXPECT_EQ(alt(TestRequest("GET", "/bkt?prefix=pub/a&max-keys=5")).status, 200u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt?list-type=2&prefix=pub/a&max-keys=5")).status, 200u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt?prefix=priv/a&max-keys=5")).status, 403u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt?prefix=pub/a&max-keys=50")).status, 403u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt")).status, 403u);
}

TEST_F(BucketPolicyTest, ExistingTags) {
  put("/bkt/red", "red");
  put("/bkt/none", "none");
  EXPECT_EQ(call("PUT", "/bkt/red?tagging", "<Tagging><TagSet><Tag><Key>security</Key><Value>public</Value></Tag></TagSet></Tagging>").status, 200u);
  set_policy(allow("s3:GetObject*", "arn:aws:s3:::bkt/*", R"({"StringEquals":{"s3:ExistingObjectTag/security":"public"}})"));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(alt(TestRequest("GET", "/bkt/red")).body, "red");
    EXPECT_EQ(alt(TestRequest("GET", "/bkt/red?tagging")).status, 200u);
    EXPECT_EQ(alt(TestRequest("GET", "/bkt/none")).status, 403u);
    EXPECT_EQ(alt(TestRequest("GET", "/bkt/none?tagging")).status, 403u);
    EXPECT_EQ(alt(TestRequest("GET", "/bkt/absent")).status, 403u);
  }
}

TEST_F(BucketPolicyTest, RequestTags) {
  set_policy(allow("s3:PutObject*", "arn:aws:s3:::bkt/*", R"({"StringEquals":{"s3:RequestObjectTag/security":"public"}})"));
  const auto tagged = [](const std::string& tags) {
    TestRequest request("PUT", "/bkt/k", "x");
    if (!tags.empty()) request.set("x-amz-tagging", tags);
    return request;
  };
  EXPECT_EQ(alt(tagged("")).code(), "AccessDenied");
  EXPECT_EQ(alt(tagged("security=secret")).code(), "AccessDenied");
  EXPECT_EQ(alt(tagged("security=public")).status, 200u);
  // Of PutObjectTagging the tags are in the body.
  put("/bkt/mine", "x");
  const auto tagging = [](const std::string& value) {
    return TestRequest("PUT", "/bkt/mine?tagging",
                       "<Tagging><TagSet><Tag><Key>security</Key><Value>" + value + "</Value></Tag></TagSet></Tagging>");
  };
  EXPECT_EQ(alt(tagging("secret")).code(), "AccessDenied");
  EXPECT_EQ(call("GET", "/bkt/mine?tagging").count("<Tag>"), 0u);
  EXPECT_EQ(alt(tagging("public")).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/mine?tagging").count("<Value>public</Value>"), 1u);
}

// A statement that asks about the grant of a PutObject speaks for it.
TEST_F(BucketPolicyTest, HeadersOfAWrite) {
  set_policy(allow("s3:PutObject", "arn:aws:s3:::bkt/*", R"({"StringEquals":{"s3:x-amz-grant-full-control":"id=main-id"}})"));
  TestRequest request("PUT", "/bkt/k", "x");
  EXPECT_EQ(alt(request).code(), "AccessDenied");
  request.set("x-amz-grant-full-control", "id=main-id");
  EXPECT_EQ(alt(request).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k?acl").count("<ID>main-id</ID>"), 1u);
  EXPECT_EQ(call("GET", "/bkt/k").body, "x");
  set_policy(allow("s3:PutObject", "arn:aws:s3:::bkt/*", R"({"StringLike":{"s3:x-amz-copy-source":"mine/public/*"}})"));
  alt(TestRequest("PUT", "/mine"));
  alt(TestRequest("PUT", "/mine/public/a", "x"));
  alt(TestRequest("PUT", "/mine/private", "x"));
  const auto copy = [](const std::string& source) {
    TestRequest copied("PUT", "/bkt/copy");
    copied.set("x-amz-copy-source", source);
    return copied;
  };
  EXPECT_EQ(alt(copy("/mine/public/a")).status, 200u);
  EXPECT_EQ(alt(copy("mine/private")).code(), "AccessDenied");
}

TEST_F(BucketPolicyTest, WhereARequestComesFrom) {
  put("/bkt/k", "hello");
  set_policy(allow("s3:GetObject", "arn:aws:s3:::bkt/*", R"({"Bool":{"aws:SecureTransport":"true"}})"));
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/k")).status, 403u);
  set_policy(allow("s3:GetObject", "arn:aws:s3:::bkt/*", R"({"StringLike":{"aws:Referer":"http://ok.test/*"}})"));
  TestRequest referred("GET", "/bkt/k");
  EXPECT_EQ(send(referred).status, 403u);
  referred.set("Referer", "http://ok.test/page");
  EXPECT_EQ(send(referred).status, 200u);
  set_policy(allow("s3:GetObject", "arn:aws:s3:::bkt/*", R"({"StringEquals":{"s3:authType":"REST-QUERY-STRING"}})"));
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/k")).status, 403u);
  TestRequest presigned("GET", "/bkt/k");
  presign(presigned, alt_user());
  EXPECT_EQ(send(presigned).status, 200u);
}

TEST_F(BucketPolicyTest, PublicAccessBlock) {
  const auto block = [&](const std::string& name) {
    const Reply reply = call("PUT", "/bkt?publicAccessBlock", "<PublicAccessBlockConfiguration><" + name + ">true</" + name +
                                                                  "></PublicAccessBlockConfiguration>");
    EXPECT_EQ(reply.status, 200u) << reply.body;
  };
  put("/bkt/k", "hello");
  EXPECT_EQ(call("GET", "/bkt?publicAccessBlock").code(), "NoSuchPublicAccessBlockConfiguration");
  set_policy(allow("s3:GetObject", "arn:aws:s3:::bkt/*", "{}"));
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 200u);
  block("RestrictPublicBuckets");
  EXPECT_EQ(call("GET", "/bkt?publicAccessBlock").element("RestrictPublicBuckets"), "true");
  EXPECT_EQ(call("GET", "/bkt?publicAccessBlock").element("BlockPublicAcls"), "false");
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/k")).status, 403u);
  EXPECT_EQ(call("GET", "/bkt/k").status, 200u);
  block("BlockPublicPolicy");
  EXPECT_EQ(call("PUT", "/bkt?policy", allow("s3:GetObject", "arn:aws:s3:::bkt/*", "{}")).code(), "AccessDenied");
  EXPECT_EQ(call("PUT", "/bkt?policy", allow("s3:GetObject", "arn:aws:s3:::bkt/*", R"({"IpAddress":{"aws:SourceIp":"10.0.0.0/24"}})")).status, 204u);
  block("BlockPublicAcls");
  TestRequest acl("PUT", "/bkt?acl");
  acl.set("x-amz-acl", "public-read");
  EXPECT_EQ(call(acl).code(), "AccessDenied");
  TestRequest object("PUT", "/bkt/public", "x");
  object.set("x-amz-acl", "public-read");
  EXPECT_EQ(call(object).code(), "AccessDenied");
  EXPECT_EQ(call("DELETE", "/bkt?publicAccessBlock").status, 204u);
  EXPECT_EQ(call(acl).status, 200u);
  EXPECT_EQ(call(object).status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/public")).status, 200u);
  block("IgnorePublicAcls");
  EXPECT_EQ(send(TestRequest("GET", "/bkt/public")).status, 403u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt")).status, 403u);
  EXPECT_EQ(call("PUT", "/bkt?publicAccessBlock", "<PublicAccessBlockConfiguration><X/></PublicAccessBlockConfiguration>").code(), "MalformedXML");
}

}  // namespace
}  // namespace tests
