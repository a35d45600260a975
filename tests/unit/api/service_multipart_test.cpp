// Multipart uploads through the whole service.
#include "api/checksum.h"
#include "api/encoding.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

constexpr std::size_t kMinimum = 5 * 1024 * 1024;

class MultipartTest : public ServiceTest {
 protected:
  MultipartTest() { EXPECT_EQ(call("PUT", "/bkt").status, 200u); }

  Reply complete(const std::string& target, const std::string& upload,
                 const std::vector<std::pair<unsigned, std::string>>& parts) {
    return call("POST", target + "?uploadId=" + upload, complete_body(parts));
  }
};

// Items 42, 53, 86, 93, 95, 97, 124, 159.
TEST_F(MultipartTest, WholeLifeOfAnUpload) {
  TestRequest create("POST", "/bkt/k?uploads=");
  create.set("content-type", "image/png").set("x-amz-meta-a", "1").set("x-amz-tagging", "class=cat");
  const Reply created = call(create);
  ASSERT_EQ(created.status, 200u) << created.body;
  EXPECT_NE(created.body.find("<InitiateMultipartUploadResult xmlns"), std::string::npos);
  const std::string upload = created.element("UploadId");
  const std::string first(kMinimum, 'a');
  const std::string etag_1 = put_part("/bkt/k", upload, 1, first);
  const std::string etag_3 = put_part("/bkt/k", upload, 3, "tail");
  EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey");

  const Reply uploads = call("GET", "/bkt?uploads");
  EXPECT_EQ(uploads.element("UploadId"), upload);
  EXPECT_EQ(uploads.count("<Upload>"), 1u);
  EXPECT_NE(uploads.body.find("<Initiator><ID>main-id</ID><DisplayName>main</DisplayName></Initiator>"),
            std::string::npos);
  EXPECT_EQ(call("GET", "/bkt?uploads&prefix=k").count("<Upload>"), 1u);
  EXPECT_EQ(call("GET", "/bkt?uploads&prefix=x").count("<Upload>"), 0u);
  const Reply page = call("GET", "/bkt/k?max-parts=1&uploadId=" + upload);
  EXPECT_EQ(page.element("IsTruncated"), "true");
  EXPECT_EQ(page.element("NextPartNumberMarker"), "1");
  EXPECT_EQ(page.element("Size"), std::to_string(kMinimum));
  EXPECT_EQ(call("GET", "/bkt/k?part-number-marker=1&uploadId=" + upload).element("PartNumber"), "3");

  const Reply done = complete("/bkt/k", upload, {{1, etag_1}, {3, etag_3}});
  ASSERT_EQ(done.status, 200u) << done.body;
  EXPECT_NE(done.body.find("<CompleteMultipartUploadResult xmlns"), std::string::npos);
  EXPECT_EQ(done.element("Location"), "http://127.0.0.1:9000/bkt/k");
  EXPECT_TRUE(done.element("ETag").ends_with("-2&quot;")) << done.element("ETag");
  const Reply again = complete("/bkt/k", upload, {{1, etag_1}, {3, etag_3}});
  EXPECT_EQ(again.status, 200u);
  EXPECT_EQ(again.body, done.body);

  const Reply get = call("GET", "/bkt/k");
  EXPECT_EQ(get.body, first + "tail");
  EXPECT_EQ(get.header("Content-Type"), "image/png");
  EXPECT_EQ(get.header("x-amz-meta-a"), "1");
  EXPECT_EQ(get.header("x-amz-tagging-count"), "1");
  EXPECT_EQ("&quot;" + get.header("ETag").substr(1, get.header("ETag").size() - 2) + "&quot;",
            done.element("ETag"));

  const Reply part = call("GET", "/bkt/k?partNumber=3");
  EXPECT_EQ(part.status, 206u);
  EXPECT_EQ(part.body, "tail");
  EXPECT_EQ(part.header("x-amz-mp-parts-count"), "2");
  EXPECT_EQ(part.header("ETag"), get.header("ETag"));
  EXPECT_EQ(part.header("Content-Range"), "bytes 5242880-5242883/5242884");
  EXPECT_EQ(call("HEAD", "/bkt/k?partNumber=1").content_length, kMinimum);
  EXPECT_EQ(call("GET", "/bkt/k?partNumber=2").code(), "InvalidPart");

  TestRequest attributes("GET", "/bkt/k?attributes");
  attributes.set("x-amz-object-attributes", "ObjectParts").set("x-amz-object-attributes", "ObjectSize");
  const Reply described = call(attributes);
  EXPECT_EQ(described.element("PartsCount"), "2");
  EXPECT_EQ(described.count("<Part>"), 2u);
  EXPECT_EQ(call("GET", "/bkt/k?uploadId=" + upload).code(), "NoSuchUpload");
}

// Items 92, 93, 91, 129.
TEST_F(MultipartTest, CompletesThatAreRefused) {
  const std::string upload = start_upload("/bkt/k");
  const std::string etag_1 = put_part("/bkt/k", upload, 1, "small");
  const std::string etag_2 = put_part("/bkt/k", upload, 2, "tail");
  const Reply small = complete("/bkt/k", upload, {{1, etag_1}, {2, etag_2}});
  EXPECT_EQ(small.code(), "EntityTooSmall");
  EXPECT_EQ(small.element("PartNumber"), "1");
  EXPECT_EQ(small.element("ProposedSize"), "5");
  EXPECT_EQ(small.element("MinSizeAllowed"), "5242880");
  EXPECT_EQ(complete("/bkt/k", upload, {{2, etag_2}, {1, etag_1}}).code(), "InvalidPartOrder");
  EXPECT_EQ(complete("/bkt/k", upload, {{1, etag_1}, {1, etag_1}}).code(), "InvalidPartOrder");
  EXPECT_EQ(complete("/bkt/k", upload, {{4, etag_1}}).code(), "InvalidPart");
  EXPECT_EQ(complete("/bkt/k", upload, {{1, etag_2}}).code(), "InvalidPart");
  EXPECT_EQ(complete("/bkt/k", upload, {}).code(), "MalformedXML");
  EXPECT_EQ(complete("/bkt/k", upload, {{0, etag_1}}).code(), "InvalidArgument");
  EXPECT_EQ(complete("/bkt/k", "unknown", {{1, etag_1}}).code(), "NoSuchUpload");
  EXPECT_EQ(complete("/bkt/other", upload, {{1, etag_1}}).code(), "NoSuchUpload");
  const auto raw = [&](const std::string& body) {
    return call("POST", "/bkt/k?uploadId=" + upload, body).code();
  };
  EXPECT_EQ(raw(""), "MalformedXML");
  EXPECT_EQ(raw("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"),
            "MalformedXML");
  EXPECT_EQ(raw("<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>"),
            "MalformedXML");
  EXPECT_EQ(raw("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</"
                "ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32>"
                "<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part></CompleteMultipartUpload>"),
            "InvalidArgument");
  TestRequest size("POST", "/bkt/k?uploadId=" + upload, complete_body({{1, etag_1}}));
  size.set("x-amz-mp-object-size", "6");
  EXPECT_EQ(call(size).code(), "InvalidRequest");
  TestRequest checksum("POST", "/bkt/k?uploadId=" + upload, complete_body({{1, etag_1}}));
  checksum.set("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=");
  EXPECT_EQ(call(checksum).code(), "BadDigest");
  EXPECT_EQ(call("GET", "/bkt/k").status, 404u)
      << "a failed Complete leaves the upload alive and nothing visible";
  EXPECT_EQ(complete("/bkt/k", upload, {{1, etag_1}}).status, 200u);
}

// Items 43, 89: the bodies that clients send.
TEST_F(MultipartTest, DressingsOfAnETag) {
  for (const char* dress : {"\"%\"", "&quot;%&quot;", "&#34;%&#34;", "%"}) {
    const std::string upload = start_upload("/bkt/k");
    const std::string etag = put_part("/bkt/k", upload, 1, "x");
    std::string dressed(dress);
    dressed.replace(dressed.find('%'), 1, etag.substr(1, 32));
    EXPECT_EQ(complete("/bkt/k", upload, {{1, dressed}}).status, 200u) << dress;
  }
}

// Items 92, 94, 139.
TEST_F(MultipartTest, Parts) {
  const std::string upload = start_upload("/bkt/k");
  for (const char* number : {"0", "10001", "abc", "-1", "1x", "0x1", ""}) {
    EXPECT_EQ(call("PUT", "/bkt/k?partNumber=" + std::string(number) + "&uploadId=" + upload, "x").code(),
              "InvalidArgument")
        << number;
  }
  EXPECT_EQ(call("PUT", "/bkt/k?partNumber=1", "x").status, 400u);
  EXPECT_EQ(call("PUT", "/bkt/k?uploadId=" + upload, "x").status, 400u);
  EXPECT_EQ(call("PUT", "/bkt/k?uploads", "x").status, 400u);
  EXPECT_EQ(call("PUT", "/bkt/k?partNumber=1&uploadId=nope", "x").code(), "NoSuchUpload");
  EXPECT_EQ(call("GET", "/bkt/k").status, 404u);
  const std::string old = put_part("/bkt/k", upload, 1, "old");
  const std::string etag = put_part("/bkt/k", upload, 1, "new");
  EXPECT_EQ(complete("/bkt/k", upload, {{1, old}}).code(), "InvalidPart");
  EXPECT_EQ(complete("/bkt/k", upload, {{1, etag}}).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k").body, "new");
}

TEST_F(MultipartTest, Abort) {
  const std::string upload = start_upload("/bkt/k");
  const std::string etag = put_part("/bkt/k", upload, 1, "x");
  EXPECT_EQ(call("DELETE", "/bkt/k?uploadId=" + upload).status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/k?uploadId=" + upload).code(), "NoSuchUpload");
  EXPECT_EQ(complete("/bkt/k", upload, {{1, etag}}).code(), "NoSuchUpload");
  EXPECT_EQ(call("GET", "/bkt?uploads").count("<Upload>"), 0u);
}

// Items 59, 95.
TEST_F(MultipartTest, ConditionalComplete) {
  put("/bkt/k", "there");
  const std::string upload = start_upload("/bkt/k");
  const std::string etag = put_part("/bkt/k", upload, 1, "x");
  TestRequest request("POST", "/bkt/k?uploadId=" + upload, complete_body({{1, etag}}));
  request.set("if-none-match", "*");
  EXPECT_EQ(call(request).status, 412u);
  EXPECT_EQ(call("GET", "/bkt/k").body, "there");
  EXPECT_EQ(call("DELETE", "/bkt/k").status, 204u);
  EXPECT_EQ(call(request).status, 200u);
}

// Items 34, 35, 37, 38, 127.
TEST_F(MultipartTest, DeclaredChecksums) {
  const auto create = [&](const char* algorithm, const char* type) {
    TestRequest request("POST", "/bkt/k?uploads");
    if (*algorithm != '\0') request.set("x-amz-checksum-algorithm", algorithm);
    if (*type != '\0') request.set("x-amz-checksum-type", type);
    return call(request);
  };
  for (const auto& [algorithm, type] : {std::pair{"CRC64NVME", "COMPOSITE"},
                                        {"SHA1", "FULL_OBJECT"},
                                        {"SHA256", "FULL_OBJECT"},
                                        {"SHA512", "FULL_OBJECT"},
                                        {"MD5", "FULL_OBJECT"},
                                        {"XXHASH64", "FULL_OBJECT"},
                                        {"XXHASH3", "FULL_OBJECT"},
                                        {"XXHASH128", "FULL_OBJECT"},
                                        {"BLAKE3", ""},
                                        {"CRC32", "SOMETHING"},
                                        {"", "COMPOSITE"}}) {
    EXPECT_EQ(create(algorithm, type).code(), "InvalidRequest") << algorithm << " " << type;
  }
  EXPECT_EQ(create("CRC64NVME", "").header("x-amz-checksum-type"), "FULL_OBJECT");
  EXPECT_EQ(create("sha1", "").header("x-amz-checksum-algorithm"), "SHA1");

  const Reply created = create("CRC32", "FULL_OBJECT");
  const std::string upload = created.element("UploadId");
  EXPECT_EQ(created.header("x-amz-checksum-type"), "FULL_OBJECT");
  TestRequest wrong("PUT", "/bkt/k?partNumber=1&uploadId=" + upload, "hello");
  wrong.set("x-amz-checksum-crc32c", "mnG7TA==");
  EXPECT_EQ(call(wrong).code(), "InvalidRequest");
  TestRequest right("PUT", "/bkt/k?partNumber=1&uploadId=" + upload, "hello");
  right.set("x-amz-checksum-crc32", "NhCmhg==");
  const Reply part = call(right);
  EXPECT_EQ(part.header("x-amz-checksum-crc32"), "NhCmhg==");
  const Reply parts = call("GET", "/bkt/k?uploadId=" + upload);
  EXPECT_EQ(parts.element("ChecksumAlgorithm"), "CRC32");
  EXPECT_EQ(parts.element("ChecksumType"), "FULL_OBJECT");
  EXPECT_EQ(parts.element("ChecksumCRC32"), "NhCmhg==");
  TestRequest other_type("POST", "/bkt/k?uploadId=" + upload, complete_body({{1, part.header("ETag")}}));
  other_type.set("x-amz-checksum-type", "COMPOSITE");
  EXPECT_EQ(call(other_type).code(), "InvalidRequest");
  const Reply done = complete("/bkt/k", upload, {{1, part.header("ETag")}});
  EXPECT_EQ(done.element("ChecksumCRC32"), "NhCmhg==");
  EXPECT_EQ(done.element("ChecksumType"), "FULL_OBJECT");

  const std::string composite = create("SHA256", "").element("UploadId");
  const std::string etag = put_part("/bkt/k", composite, 1, "hello");
  const Reply composed = complete("/bkt/k", composite, {{1, etag}});
  EXPECT_TRUE(composed.element("ChecksumSHA256").ends_with("-1")) << composed.body;
  TestRequest get("GET", "/bkt/k");
  get.set("x-amz-checksum-mode", "ENABLED");
  EXPECT_EQ(call(get).header("x-amz-checksum-sha256"), composed.element("ChecksumSHA256"));
  EXPECT_EQ(call(get).header("x-amz-checksum-type"), "COMPOSITE");
}

// Items 29, 34, 127: the algorithms that only have the composite form, by part, listed, completed and read.
TEST_F(MultipartTest, CompositeChecksumsOfEveryAlgorithm) {
  for (const api::ChecksumAlgorithm algorithm :
       {api::ChecksumAlgorithm::sha1, api::ChecksumAlgorithm::sha256, api::ChecksumAlgorithm::sha512,
        api::ChecksumAlgorithm::md5, api::ChecksumAlgorithm::xxhash64, api::ChecksumAlgorithm::xxhash3,
        api::ChecksumAlgorithm::xxhash128}) {
    const std::string name(api::checksum_name(algorithm));
    const std::string element(api::checksum_element(algorithm));
    TestRequest create("POST", "/bkt/k?uploads");
    create.set("x-amz-checksum-algorithm", name);
    const Reply created = call(create);
    EXPECT_EQ(created.header("x-amz-checksum-type"), "COMPOSITE") << name;
    const std::string upload = created.element("UploadId");
    api::ChecksumHasher hasher(algorithm);
    hasher.update(api::bytes_of("hello"));
    const std::string raw = hasher.finish();
    const std::string etag = put_part("/bkt/k", upload, 1, "hello");
    EXPECT_EQ(call("GET", "/bkt/k?uploadId=" + upload).element(element), api::to_base64(raw));
    api::ChecksumHasher composite(algorithm);
    composite.update(api::bytes_of(raw));
    const std::string expected = api::to_base64(composite.finish()) + "-1";
    const Reply done = complete("/bkt/k", upload, {{1, etag}});
    EXPECT_EQ(done.element(element), expected);
    EXPECT_EQ(done.element("ChecksumType"), "COMPOSITE");
    TestRequest attributes("GET", "/bkt/k?attributes");
    attributes.set("x-amz-object-attributes", "Checksum,ObjectParts");
    EXPECT_EQ(call(attributes).element(element), expected);
    EXPECT_EQ(call(attributes).count("<" + element + ">"), 2u);
  }
}

// Items 102, 103.
TEST_F(MultipartTest, PartsByCopy) {
  put("/bkt/source", "0123456789");
  put("/bkt/empty", "");
  const std::string upload = start_upload("/bkt/k");
  const auto copy = [&](const std::string& source, const std::string& range) {
    TestRequest request("PUT", "/bkt/k?partNumber=1&uploadId=" + upload);
    request.set("x-amz-copy-source", source);
    if (!range.empty()) request.set("x-amz-copy-source-range", range);
    return call(request);
  };
  EXPECT_EQ(copy("/bkt/source", "bytes=2-").code(), "InvalidArgument");
  EXPECT_EQ(copy("/bkt/source", "2-3").code(), "InvalidArgument");
  EXPECT_EQ(copy("/bkt/source", "bytes=2-10").code(), "InvalidRange");
  EXPECT_EQ(copy("/bkt/missing", "").code(), "NoSuchKey");
  EXPECT_EQ(copy("/bkt/empty", "").status, 200u);
  const Reply part = copy("/bkt/source", "bytes=2-5");
  ASSERT_EQ(part.status, 200u) << part.body;
  EXPECT_NE(part.body.find("<CopyPartResult xmlns"), std::string::npos);
  const std::string etag = part.element("ETag");
  EXPECT_EQ(complete("/bkt/k", upload, {{1, etag}}).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k").body, "2345");
}

}  // namespace
