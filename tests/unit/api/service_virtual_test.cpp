// Virtual objects that are written: by one PUT, by an upload in parts, by DeleteObjects; and how they show in listings.
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

class VirtualTest : public ServiceTest {
 protected:
  VirtualTest() {
    call("PUT", "/bkt");
    put("/bkt/k", "x");
  }
  static constexpr const char* kStream = "/bkt/.granary/labels/truth";
  static constexpr const char* kLine = "{\"key\": \"k\", \"payload\": {\"class\": \"cat\"}}\n";
  std::string count(const std::string& query) { return call("GET", "/bkt/.granary/count/" + query).body; }
};

TEST_F(VirtualTest, AnUploadInPartsTakesEffectAtComplete) {
  const std::string upload = start_upload(kStream);
  const std::string etag = put_part(kStream, upload, 1, kLine);
  EXPECT_EQ(call("GET", kStream).code(), "NoSuchKey");
  EXPECT_EQ(count("EXISTS%20truth"), "{\"count\": 0}");
  EXPECT_EQ(call("GET", "/bkt?uploads").count("<Upload>"), 0U);
  EXPECT_EQ(call("GET", std::string(kStream) + "?uploadId=" + upload).count("<Part>"), 1U);
  const Reply done = call("POST", std::string(kStream) + "?uploadId=" + upload, complete_body({{1, etag}}));
  ASSERT_EQ(done.status, 200U) << done.body;
  EXPECT_EQ(done.element("Key"), ".granary/labels/truth");
  EXPECT_EQ(count("truth.class%20=%20%27cat%27"), "{\"count\": 1}");
  EXPECT_EQ(call("GET", kStream).status, 200U);
  // A client that did not hear the answer asks again.
  EXPECT_EQ(call("POST", std::string(kStream) + "?uploadId=" + upload, complete_body({{1, etag}})).status, 200U);
}

TEST_F(VirtualTest, AnAbortedUploadLeavesNothing) {
  const std::string upload = start_upload(kStream);
  put_part(kStream, upload, 1, kLine);
  EXPECT_EQ(call("DELETE", std::string(kStream) + "?uploadId=" + upload).status, 204U);
  EXPECT_EQ(call("POST", std::string(kStream) + "?uploadId=" + upload, complete_body({{1, "\"x\""}})).code(), "NoSuchUpload");
  EXPECT_EQ(count("EXISTS%20truth"), "{\"count\": 0}");
}

TEST_F(VirtualTest, OnePutDoesTheSame) {
  const Reply reply = call("PUT", kStream, kLine);
  ASSERT_EQ(reply.status, 200U) << reply.body;
  EXPECT_TRUE(reply.has_header("etag"));
  EXPECT_EQ(count("truth.class%20=%20%27cat%27"), "{\"count\": 1}");
  TestRequest wrong("PUT", kStream, kLine);
  EXPECT_EQ(call(wrong.set("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")).code(), "BadDigest");
  TestRequest tagged("PUT", kStream, kLine);
  EXPECT_EQ(call(tagged.set("x-amz-tagging", "a=b")).code(), "InvalidRequest");
  EXPECT_EQ(call("PUT", "/bkt/.granary/labels/", kLine).code(), "InvalidArgument");
}

TEST_F(VirtualTest, ListingsShowWhatWasWrittenUnderItsPrefixAlone) {
  ASSERT_EQ(call("PUT", kStream, kLine).status, 200U);
  EXPECT_EQ(call("GET", "/bkt?list-type=2").count("<Key>"), 1U);
  EXPECT_EQ(call("GET", "/bkt?list-type=2&prefix=.gran").count("<Key>"), 0U);
  const Reply listed = call("GET", "/bkt?list-type=2&prefix=.granary/");
  ASSERT_EQ(listed.count("<Key>.granary/labels/truth</Key>"), 1U) << listed.body;
  const Reply head = call("HEAD", kStream);
  EXPECT_EQ(listed.element("Size"), std::to_string(head.content_length));
  EXPECT_NE(listed.body.find(head.header("etag").substr(1, 20)), std::string::npos) << listed.body << head.header("etag");
  EXPECT_EQ(call("GET", "/bkt?prefix=.granary/&delimiter=/").count("<Prefix>.granary/labels/</Prefix>"), 1U);
  EXPECT_EQ(call("GET", "/bkt?prefix=.granary/rul").count("<Key>"), 0U);
}

}  // namespace
}  // namespace tests
