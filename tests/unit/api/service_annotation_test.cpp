// The four annotation calls on the wire.
#include "api/digest.h"
#include "api/encoding.h"
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

class ServiceAnnotationTest : public ServiceTest {
 protected:
  ServiceAnnotationTest() {
    call("PUT", "/bkt");
    put("/bkt/k", "bytes");
  }
  Reply annotate(const std::string& name, const std::string& payload) {
    return call("PUT", "/bkt/k?annotation&annotationName=" + name, payload);
  }
  Reply fetch(const std::string& name) { return call("GET", "/bkt/k?annotation&annotationName=" + name); }
  Reply with(std::string method, std::string target, std::string header, std::string value, std::string body = {}) {
    TestRequest request(std::move(method), std::move(target), std::move(body));
    request.set(std::move(header), std::move(value));
    return call(std::move(request));
  }
};

TEST_F(ServiceAnnotationTest, PutGetListDelete) {
  const std::string etag = call("HEAD", "/bkt/k").header("ETag");
  const Reply put = annotate("truth", R"({"class":"cat"})");
  EXPECT_EQ(put.status, 200u);
  EXPECT_EQ(put.operation, "PutObjectAnnotation");
  EXPECT_EQ(put.element("Key"), "k");
  EXPECT_EQ(put.element("AnnotationName"), "truth");
  EXPECT_TRUE(put.body.find("<PutObjectAnnotationOutput") != std::string::npos);
  EXPECT_EQ(put.header("x-amz-checksum-type"), "FULL_OBJECT");
  EXPECT_FALSE(put.header("x-amz-checksum-crc64nvme").empty());
  EXPECT_FALSE(put.has_header("x-amz-object-version-id"));
  EXPECT_EQ(put.header("ETag").size(), 34u);

  const Reply got = fetch("truth");
  EXPECT_EQ(got.status, 200u);
  EXPECT_EQ(got.body, R"({"class":"cat"})");
  EXPECT_EQ(got.header("ETag"), put.header("ETag"));
  EXPECT_TRUE(got.has_header("Last-Modified"));
  EXPECT_FALSE(got.has_header("x-amz-checksum-crc64nvme"));
  EXPECT_EQ(with("GET", "/bkt/k?annotation&annotationName=truth", "x-amz-checksum-mode", "ENABLED")
                .header("x-amz-checksum-crc64nvme"),
            put.header("x-amz-checksum-crc64nvme"));

  annotate("caption", "a cat");
  const Reply list = call("GET", "/bkt/k?annotation");
  EXPECT_EQ(list.operation, "ListObjectAnnotations");
  EXPECT_EQ(list.count("<AnnotationEntry>"), 2u);
  EXPECT_EQ(list.element("AnnotationName"), "caption");
  EXPECT_EQ(list.element("Bucket"), "bkt");
  EXPECT_EQ(list.element("Key"), "k");
  EXPECT_EQ(list.element("AnnotationCount"), "2");
  EXPECT_EQ(list.element("MaxAnnotationResults"), "1000");
  EXPECT_EQ(list.element("Size"), "5");
  EXPECT_EQ(list.element("ChecksumAlgorithm"), "CRC64NVME");

  EXPECT_EQ(call("DELETE", "/bkt/k?annotation&annotationName=truth").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/k?annotation&annotationName=truth").status, 204u);
  EXPECT_EQ(fetch("truth").code(), "NoSuchAnnotation");
  EXPECT_EQ(fetch("truth").status, 404u);
  EXPECT_EQ(call("HEAD", "/bkt/k").header("ETag"), etag);
}

TEST_F(ServiceAnnotationTest, ListsInPages) {
  for (const char* name : {"b.2", "a", "b.1", "b.3", "c"}) annotate(name, "1");
  Reply page = call("GET", "/bkt/k?annotation&annotation-prefix=b.&max-annotation-results=2");
  EXPECT_EQ(page.element("AnnotationPrefix"), "b.");
  EXPECT_EQ(page.element("MaxAnnotationResults"), "2");
  EXPECT_EQ(page.element("AnnotationCount"), "2");
  EXPECT_EQ(page.element("AnnotationName"), "b.1");
  const std::string token = page.element("NextContinuationToken");
  ASSERT_FALSE(token.empty());
  page = call("GET", "/bkt/k?annotation&annotation-prefix=b.&continuation-token=" + token + "&max-annotation-results=2");
  EXPECT_EQ(page.element("AnnotationName"), "b.3");
  EXPECT_EQ(page.element("AnnotationCount"), "1");
  EXPECT_TRUE(page.element("NextContinuationToken").empty());
  EXPECT_EQ(call("GET", "/bkt/k?annotation&continuation-token=%2F").code(), "InvalidArgument");
  for (const char* limit : {"0", "1001", "-1", "x"}) {
    EXPECT_EQ(call("GET", std::string("/bkt/k?annotation&max-annotation-results=") + limit).code(), "InvalidArgument");
  }
  EXPECT_EQ(call("GET", "/bkt/k?annotation&annotation-prefix=a%20b").code(), "InvalidPrefix");
  EXPECT_EQ(call("GET", "/bkt/k?annotation&annotation-prefix=" + std::string(513, 'a')).code(), "InvalidPrefix");
}

TEST_F(ServiceAnnotationTest, NamesAreJudgedBeforeAnythingElse) {
  for (const char* name : {"", "a%20b", "a%2Fb", "aws.x", "AWSx", "S3", "s3-x", "a%00"}) {
    EXPECT_EQ(annotate(name, "1").code(), "InvalidAnnotationName") << name;
  }
  EXPECT_EQ(call("PUT", "/bkt/k?annotation", "1").code(), "InvalidAnnotationName");
  EXPECT_EQ(call("DELETE", "/bkt/k?annotation").code(), "InvalidAnnotationName");
  EXPECT_EQ(call("GET", "/bkt/k").body, "bytes");
  EXPECT_EQ(annotate(std::string(513, 'a'), "1").code(), "AnnotationNameTooLong");
  EXPECT_EQ(annotate(std::string(512, 'a'), "1").status, 200u);
  EXPECT_EQ(annotate("A_z.0-9", "1").status, 200u);
}

TEST_F(ServiceAnnotationTest, PayloadsHaveBounds) {
  EXPECT_EQ(annotate("n", "").code(), "InvalidRequest");
  EXPECT_EQ(annotate("n", std::string(1 << 20, 'x')).status, 200u);
  const Reply long_one = annotate("n", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(long_one.code(), "EntityTooLarge");
  EXPECT_EQ(long_one.status, 400u);
  const Reply binary = annotate("n", "\xff\xfe");
  EXPECT_EQ(binary.code(), "UnsupportedMediaType");
  EXPECT_EQ(binary.status, 415u);
  EXPECT_EQ(with("PUT", "/bkt/k?annotation&annotationName=n", "content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==", "1").code(),
            "BadDigest");
  EXPECT_EQ(with("PUT", "/bkt/k?annotation&annotationName=n", "x-amz-checksum-crc32", "AAAAAA==", "1").code(), "BadDigest");
  EXPECT_EQ(fetch("n").body.size(), std::size_t{1 << 20});
}

TEST_F(ServiceAnnotationTest, ConditionsNameTheAnnotationOrTheObject) {
  const std::string target = "/bkt/k?annotation&annotationName=n";
  EXPECT_EQ(with("PUT", target, "if-match", "\"x\"", "1").code(), "NoSuchAnnotation");
  const Reply first = with("PUT", target, "if-none-match", "*", "1");
  EXPECT_EQ(first.status, 200u);
  EXPECT_EQ(with("PUT", target, "if-none-match", "*", "1").status, 412u);
  const std::string etag = first.header("ETag");
  EXPECT_EQ(with("PUT", target, "if-match", etag.substr(1, 32), "2").status, 200u);
  EXPECT_EQ(with("PUT", target, "if-match", etag, "3").status, 412u);
  EXPECT_EQ(with("DELETE", target, "if-match", etag).status, 412u);
  EXPECT_EQ(with("GET", target, "if-match", etag).status, 412u);
  const Reply unchanged = with("GET", target, "if-none-match", fetch("n").header("ETag"));
  EXPECT_EQ(unchanged.status, 304u);
  EXPECT_TRUE(unchanged.body.empty());
  EXPECT_EQ(with("PUT", target, "x-amz-object-if-match", etag, "4").status, 412u);
  EXPECT_EQ(with("PUT", target, "x-amz-object-if-match", call("HEAD", "/bkt/k").header("ETag"), "4").status, 200u);
  EXPECT_EQ(with("DELETE", target, "x-amz-object-if-match", etag).status, 412u);
  EXPECT_EQ(with("DELETE", target, "if-match", fetch("n").header("ETag")).status, 204u);
}

TEST_F(ServiceAnnotationTest, VersionsAreNamedInAHeaderOfTheirOwn) {
  call("PUT", "/bkt?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  const std::string first = put("/bkt/v", "one").header("x-amz-version-id");
  put("/bkt/v", "two");
  const Reply older = call("PUT", "/bkt/v?annotation&annotationName=n&versionId=" + first, "1");
  EXPECT_EQ(older.header("x-amz-object-version-id"), first);
  EXPECT_FALSE(older.has_header("x-amz-version-id"));
  EXPECT_EQ(call("GET", "/bkt/v?annotation&annotationName=n").code(), "NoSuchAnnotation");
  EXPECT_EQ(call("GET", "/bkt/v?annotation&annotationName=n&versionId=" + first).body, "1");
  EXPECT_EQ(call("GET", "/bkt/v?annotation&versionId=" + first).header("x-amz-object-version-id"), first);
  const Reply removed = call("DELETE", "/bkt/v?annotation&annotationName=n&versionId=" + first);
  EXPECT_EQ(removed.header("x-amz-object-version-id"), first);
  EXPECT_EQ(call("GET", "/bkt/v?annotation&versionId=null").code(), "NoSuchVersion");
  EXPECT_EQ(call("GET", "/bkt/absent?annotation").code(), "NoSuchKey");
  const std::string marker = call("DELETE", "/bkt/v").header("x-amz-version-id");
  EXPECT_EQ(call("PUT", "/bkt/v?annotation&annotationName=n", "1").code(), "NoSuchKey");
  EXPECT_EQ(call("GET", "/bkt/v?annotation&versionId=" + marker).code(), "NoSuchKey");
}

TEST_F(ServiceAnnotationTest, CopiesTakeThemAlong) {
  annotate("n", "1");
  const auto copy = [&](std::string target, const char* directive) {
    TestRequest request("PUT", std::move(target));
    request.set("x-amz-copy-source", "/bkt/k");
    if (directive != nullptr) request.set("x-amz-object-annotation-directive", directive);
    return call(std::move(request));
  };
  EXPECT_EQ(copy("/bkt/one", nullptr).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/one?annotation&annotationName=n").body, "1");
  EXPECT_EQ(copy("/bkt/two", "EXCLUDE").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/two?annotation&annotationName=n").code(), "NoSuchAnnotation");
  EXPECT_EQ(copy("/bkt/three?x-amz-object-annotation-directive=EXCLUDE", nullptr).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/three?annotation&annotationName=n").code(), "NoSuchAnnotation");
  EXPECT_EQ(copy("/bkt/four", "REPLACE").code(), "InvalidArgument");
}

TEST_F(ServiceAnnotationTest, ObjectsUnderTheirClientsKeysHaveNone) {
  api::ServiceOptions options = default_options();
  options.encryption.allow_http = true;
  make_service(std::move(options));
  const std::string key(32, 'k');
  api::Md5 md5;
  md5.update(std::as_bytes(std::span(key)));
  TestRequest request("PUT", "/bkt/secret", "bytes");
  request.set("x-amz-server-side-encryption-customer-algorithm", "AES256");
  request.set("x-amz-server-side-encryption-customer-key", api::to_base64(key));
  request.set("x-amz-server-side-encryption-customer-key-md5", api::to_base64(md5.finish()));
  ASSERT_EQ(call(request).status, 200u);
  const std::string target = "/bkt/secret?annotation&annotationName=n";
  EXPECT_EQ(call("PUT", target, "1").code(), "InvalidRequest");
  EXPECT_EQ(call("DELETE", target).code(), "InvalidRequest");
  EXPECT_EQ(call("GET", "/bkt/secret?annotation").code(), "InvalidRequest");
}

TEST_F(ServiceAnnotationTest, PoliciesNameTheirActions) {
  const std::string allow = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":)"
                            R"(["s3:PutObjectAnnotation","s3:ListObjectAnnotations"],"Resource":"arn:aws:s3:::bkt/*"}]})";
  const auto as_other = [&](std::string method, std::string target, std::string body = {}) {
    return call_as(alt_user(), TestRequest(std::move(method), std::move(target), std::move(body)));
  };
  EXPECT_EQ(as_other("PUT", "/bkt/k?annotation&annotationName=n", "1").status, 403u);
  ASSERT_EQ(call("PUT", "/bkt?policy", allow).status, 204u);
  EXPECT_EQ(as_other("PUT", "/bkt/k?annotation&annotationName=n", "1").status, 200u);
  EXPECT_EQ(as_other("GET", "/bkt/k?annotation").status, 200u);
  EXPECT_EQ(as_other("GET", "/bkt/k?annotation&annotationName=n").status, 403u);
  EXPECT_EQ(as_other("DELETE", "/bkt/k?annotation&annotationName=n").status, 403u);
}

}  // namespace
}  // namespace tests
