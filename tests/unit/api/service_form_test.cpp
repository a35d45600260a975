// Uploads by form, through the whole service. Item 18.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "api/encoding.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string sha1_signature(const std::string& secret, const std::string& policy) {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(policy.data()),
       policy.size(), raw, &length);
  return api::to_base64({reinterpret_cast<const char*>(raw), length});
}

class FormTest : public ServiceTest {
 protected:
  FormTest() { EXPECT_EQ(call("PUT", "/bkt").status, 200u); }

  static std::string policy(const std::string& conditions, const std::string& expiration = "2013-05-24T01:00:00Z") {
    return "{\"expiration\": \"" + expiration + "\", \"conditions\": [" + conditions + "]}";
  }
  static std::string usual(const std::string& more = {}) {
    return R"({"bucket": "bkt"}, ["starts-with", "$key", "foo"], {"acl": "private"},
              ["starts-with", "$Content-Type", "text/plain"], ["content-length-range", 0, 1024])" + more;
  }
  static Fields signed_v2(const std::string& document, Fields fields) {
    const std::string text = api::to_base64(document);
    fields.emplace_back("AWSAccessKeyId", "MAINKEY");
    fields.emplace_back("signature", sha1_signature("MAINSECRET", text));
    fields.emplace_back("policy", text);
    return fields;
  }
  static Fields usual_fields() { return {{"key", "foo.txt"}, {"acl", "private"}, {"Content-Type", "text/plain"}}; }

  Reply post(const Fields& fields, const std::string& file = "bar", const std::string& filename = "foo.txt") {
    std::string body;
    for (const auto& [name, value] : fields) {
      // As some clients send them: with a file name on every field.
      body += "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    }
    if (file != "none") {
      body += "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + filename + "\"\r\n\r\n" + file + "\r\n";
    }
    return post_body(body + "--XX--\r\n");
  }
  Reply post_body(const std::string& body) {
    TestRequest request("POST", "/bkt", body);
    request.set("content-type", "multipart/form-data; boundary=XX");
    return send(request);
  }
};

TEST_F(FormTest, SignedInTheOldForm) {
  const Reply reply = post(signed_v2(policy(usual()), usual_fields()));
  EXPECT_EQ(reply.status, 204u) << reply.body;
  EXPECT_TRUE(reply.body.empty());
  EXPECT_EQ(reply.header("ETag"), "\"37b51d194a7513e45b56f6524f2d51f2\"");
  EXPECT_EQ(reply.header("Location"), "http://127.0.0.1:9000/bkt/foo.txt");
  const Reply get = call("GET", "/bkt/foo.txt");
  EXPECT_EQ(get.body, "bar");
  EXPECT_EQ(get.header("Content-Type"), "text/plain");
}

TEST_F(FormTest, SignedInTheNewForm) {
  const std::string credential = "MAINKEY/20130524/us-east-1/s3/aws4_request";
  const std::string text = api::to_base64(policy(
      R"({"bucket": "bkt"}, {"key": "k"}, {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": ")" + credential +
      R"("}, {"x-amz-date": "20130524T000000Z"}, {"x-amz-meta-a": "1"}, {"x-amz-server-side-encryption": "AES256"})"));
  std::string signature;
  api::append_hex(signature, api::hmac_sha256(api::signing_key("MAINSECRET", "20130524", "us-east-1"), text));
  Fields fields = {{"key", "k"},
                   {"x-amz-algorithm", "AWS4-HMAC-SHA256"},
                   {"x-amz-credential", credential},
                   {"x-amz-date", "20130524T000000Z"},
                   {"x-amz-meta-a", "1"},
                   {"x-amz-server-side-encryption", "AES256"},
                   {"policy", text},
                   {"x-amz-signature", signature}};
  const Reply reply = post(fields);
  EXPECT_EQ(reply.status, 204u) << reply.body;
  EXPECT_EQ(reply.header("x-amz-server-side-encryption"), "AES256");
  EXPECT_EQ(call("GET", "/bkt/k").body, "bar");
  EXPECT_EQ(call("GET", "/bkt/k").header("x-amz-meta-a"), "1");
  fields.back().second[0] = signature[0] == '0' ? '1' : '0';
  EXPECT_EQ(post(fields).code(), "SignatureDoesNotMatch");
  fields.pop_back();
  EXPECT_EQ(post(fields).code(), "InvalidArgument");
}

TEST_F(FormTest, WhatTheAnswerShallBe) {
  const auto with = [&](const std::string& name, const std::string& value) {
    Fields fields = usual_fields();
    fields.emplace_back(name, value);
    return post(signed_v2(policy(usual(", [\"starts-with\", \"$" + name + "\", \"\"]")), fields));
  };
  const Reply created = with("success_action_status", "201");
  EXPECT_EQ(created.status, 201u);
  EXPECT_EQ(created.element("Key"), "foo.txt");
  EXPECT_EQ(created.element("Bucket"), "bkt");
  EXPECT_EQ(with("success_action_status", "200").status, 200u);
  const Reply other = with("success_action_status", "404");
  EXPECT_EQ(other.status, 204u);
  EXPECT_TRUE(other.body.empty());
  const Reply redirected = with("success_action_redirect", "http://example.test/done?a=1");
  EXPECT_EQ(redirected.status, 303u);
  EXPECT_EQ(redirected.header("Location"),
            "http://example.test/done?a=1&bucket=bkt&key=foo.txt&etag=%2237b51d194a7513e45b56f6524f2d51f2%22");
  EXPECT_EQ(with("redirect", "http://example.test/").header("Location"),
            "http://example.test/?bucket=bkt&key=foo.txt&etag=%2237b51d194a7513e45b56f6524f2d51f2%22");
  EXPECT_EQ(with("success_action_redirect", "javascript:alert(1)").status, 204u);
}

TEST_F(FormTest, NamesOfFilesAndFieldsInAnyCase) {
  Fields fields = usual_fields();
  fields[0].second = "foo/${filename}";
  EXPECT_EQ(post(signed_v2(policy(usual()), fields), "bar", "C:\\dir\\name.txt").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/foo/name.txt").body, "bar");
  const std::string document = policy(
      R"({"bUcKeT": "bkt"}, ["StArTs-WiTh", "$KeY", "foo"], {"AcL": "private"}, ["StArTs-WiTh", "$CoNtEnT-TyPe", "text/plain"])");
  EXPECT_EQ(post(signed_v2(document, {{"kEy", "foo.txt"}, {"aCl", "private"}, {"CONTENT-type", "text/plain"}})).status, 204u);
  Fields ignored = usual_fields();
  ignored.emplace_back("x-ignore-foo", "bar");
  EXPECT_EQ(post(signed_v2(policy(usual()), ignored)).status, 204u);
  Fields escaped = usual_fields();
  escaped[0].second = "\\$foo.txt";
  const std::string with_escape =
      R"({"bucket": "bkt"}, ["starts-with", "$key", "\\$foo"], {"acl": "private"}, ["starts-with", "$Content-Type", "text"])";
  EXPECT_EQ(post(signed_v2(policy(with_escape), escaped)).status, 204u);
}

TEST_F(FormTest, MetadataTagsAndChecksums) {
  Fields fields = usual_fields();
  fields.emplace_back("x-amz-meta-foo", "barclamp");
  fields.emplace_back("tagging", "<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag></TagSet></Tagging>");
  fields.emplace_back("x-amz-checksum-crc32", "dv/R6g==");
  const std::string more = R"(, ["starts-with", "$x-amz-meta-foo", "bar"], ["starts-with", "$tagging", ""])";
  Reply reply = post(signed_v2(policy(usual(more)), fields));
  EXPECT_EQ(reply.code(), "InvalidTag") << "an ampersand is no character of a tag";
  fields[4].second = "<Tagging><TagSet><Tag><Key>a b</Key><Value>1+2</Value></Tag></TagSet></Tagging>";
  EXPECT_EQ(post(signed_v2(policy(usual(more)), fields)).code(), "BadDigest");
  EXPECT_EQ(call("GET", "/bkt/foo.txt").code(), "NoSuchKey");
  fields.back().second = "dv+Mqg==";  // of "bar"
  reply = post(signed_v2(policy(usual(more)), fields));
  ASSERT_EQ(reply.status, 204u) << reply.body;
  EXPECT_EQ(call("GET", "/bkt/foo.txt").header("x-amz-meta-foo"), "barclamp");
  EXPECT_EQ(call("GET", "/bkt/foo.txt?tagging").element("Key"), "a b");
  EXPECT_EQ(call("GET", "/bkt/foo.txt?tagging").element("Value"), "1+2");
}

TEST_F(FormTest, PoliciesThatForbidIt) {
  const auto refuse = [&](const std::string& document, unsigned status, const std::string& file = "bar") {
    const Reply reply = post(signed_v2(document, usual_fields()), file);
    EXPECT_EQ(reply.status, status) << document << reply.body;
    return reply.code();
  };
  const std::string key = R"(["starts-with", "$key", "foo"], {"acl": "private"}, ["starts-with", "$Content-Type", ""])";
  EXPECT_EQ(refuse(policy(key), 403), "AccessDenied") << "the bucket is not named";
  EXPECT_EQ(refuse(policy(R"({"bucket": "other"}, )" + key), 403), "AccessDenied");
  EXPECT_EQ(refuse(policy(usual(R"(, {"x-amz-meta-foo": "bar"})")), 403), "AccessDenied");
  EXPECT_EQ(refuse(policy(R"({"bucket": "bkt"}, ["starts-with", "$key", "foo"], {"acl": "private"})"), 403), "AccessDenied")
      << "a field that no condition names";
  EXPECT_EQ(refuse(policy(usual(), "2013-05-23T23:59:59Z"), 403), "AccessDenied");
  EXPECT_EQ(refuse(policy(usual(), "2014-01-01 00:00:00+00:00"), 400), "InvalidPolicyDocument");
  EXPECT_EQ(refuse(R"({"EXPIRATION": "2013-05-24T01:00:00Z", "conditions": []})", 400), "InvalidPolicyDocument");
  EXPECT_EQ(refuse(R"({"expiration": "2013-05-24T01:00:00Z", "CONDITIONS": []})", 400), "InvalidPolicyDocument");
  EXPECT_EQ(refuse("{", 400), "InvalidPolicyDocument");
  for (const char* broken : {"{ }", "{\"a\": \"1\", \"b\": \"2\"}", "[\"content-length-range\", 0]", "[\"content-length-range\", -1, 0]",
                             "[\"like\", \"$key\", \"x\"]", "[\"eq\", \"key\", \"x\"]", "{\"a\": 1}", "7"}) {
    EXPECT_EQ(refuse(policy(broken), 400), "InvalidPolicyDocument") << broken;
  }
  EXPECT_EQ(refuse(policy(usual(R"(, ["content-length-range", 512, 1000])")), 400), "EntityTooSmall");
  EXPECT_EQ(refuse(policy(usual()), 400, std::string(1025, 'x')), "EntityTooLarge");
  EXPECT_EQ(call("GET", "/bkt/foo.txt").code(), "NoSuchKey");
}

TEST_F(FormTest, WhoSentIt) {
  Fields fields = signed_v2(policy(usual()), usual_fields());
  EXPECT_EQ(post(usual_fields()).code(), "AccessDenied") << "nobody";
  fields[3].second = "UNKNOWN";
  EXPECT_EQ(post(fields).code(), "InvalidAccessKeyId");
  fields[3].second = "ALTKEY";
  EXPECT_EQ(post(fields).code(), "SignatureDoesNotMatch");
  const std::string text = fields[5].second;
  fields[4].second = sha1_signature("ALTSECRET", text);
  EXPECT_EQ(post(fields).code(), "AccessDenied") << "a user who does not own the bucket";
  Fields unsigned_fields = usual_fields();
  unsigned_fields.emplace_back("AWSAccessKeyId", "MAINKEY");
  unsigned_fields.emplace_back("policy", text);
  EXPECT_EQ(post(unsigned_fields).code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bkt/foo.txt").code(), "NoSuchKey");
}

TEST_F(FormTest, FormsThatAreNone) {
  Fields keyless = usual_fields();
  keyless.erase(keyless.begin());
  EXPECT_EQ(post(signed_v2(policy(usual()), keyless)).code(), "InvalidArgument");
  EXPECT_EQ(post(signed_v2(policy(usual()), usual_fields()), "none").code(), "InvalidArgument");
  EXPECT_EQ(post_body("nonsense").code(), "MalformedPOSTRequest");
  EXPECT_EQ(post({{"key", std::string(21'000, 'k')}}).code(), "MaxPostPreDataLengthExceeded");
  EXPECT_EQ(send(TestRequest("POST", "/bkt", "a=b")).status, 412u);
  TestRequest nowhere("POST", "/nowhere", "--XX--");
  nowhere.set("content-type", "multipart/form-data; boundary=XX");
  EXPECT_EQ(send(nowhere).code(), "NoSuchBucket");
  Fields copy = usual_fields();
  copy.emplace_back("x-amz-copy-source", "/bkt/k");
  EXPECT_EQ(post(signed_v2(policy(usual(R"(, ["starts-with", "$x-amz-copy-source", ""])")), copy)).code(), "NotImplemented");
}

// The file is never in memory as a whole, and one that is cut short becomes no object.
TEST_F(FormTest, LargeFiles) {
  const std::string large(3'000'000, 'b');
  const std::string any_size = R"({"bucket": "bkt"}, ["starts-with", "$key", ""], {"acl": "private"}, ["starts-with", "$Content-Type", ""])";
  body_step_ = 10'000;
  EXPECT_EQ(post(signed_v2(policy(any_size), usual_fields()), large).status, 204u);
  EXPECT_EQ(call("GET", "/bkt/foo.txt").body, large);
  Fields fields = usual_fields();
  fields[0].second = "cut.txt";
  std::string body;
  for (const auto& [name, value] : signed_v2(policy(any_size), fields)) {
    body += "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
  }
  body += "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n" + large;
  EXPECT_EQ(post_body(body).code(), "MalformedPOSTRequest");
  EXPECT_EQ(call("GET", "/bkt/cut.txt").code(), "NoSuchKey");
}

}  // namespace
