// Objects through the whole service: put, get, ranges, conditions, copies, tags, deletes.
#include "api/encoding.h"
#include "api/http_date.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::SignOptions;
using tests::TestRequest;

class ObjectTest : public ServiceTest {
 protected:
  ObjectTest() { EXPECT_EQ(call("PUT", "/bkt").status, 200u); }
};

TEST_F(ObjectTest, PutThenGet) {
  TestRequest request("PUT", "/bkt/a/b.txt", "hello");
  request.set("content-type", "text/plain").set("x-amz-meta-Color", "blue").set("x-amz-meta-empty", "");
  request.set("cache-control", "no-cache")
      .set("expires", "whenever")
      .set("content-encoding", "gzip,aws-chunked");
  const Reply put = call(request);
  ASSERT_EQ(put.status, 200u) << put.body;
  EXPECT_EQ(put.header("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
  EXPECT_EQ(put.header("x-amz-checksum-crc64nvme"), "M3eFcAZSQlc=");
  EXPECT_EQ(put.header("x-amz-checksum-type"), "FULL_OBJECT");

  const Reply get = call("GET", "/bkt/a/b.txt");
  EXPECT_EQ(get.status, 200u);
  EXPECT_EQ(get.body, "hello");
  EXPECT_EQ(get.content_length, 5u);
  EXPECT_EQ(get.header("ETag"), put.header("ETag"));
  EXPECT_EQ(get.header("Content-Type"), "text/plain");
  EXPECT_EQ(get.header("Content-Encoding"), "gzip");
  EXPECT_EQ(get.header("Cache-Control"), "no-cache");
  EXPECT_EQ(get.header("Expires"), "whenever");
  EXPECT_EQ(get.header("x-amz-meta-color"), "blue");
  EXPECT_TRUE(get.has_header("x-amz-meta-empty"));
  EXPECT_EQ(get.header("Accept-Ranges"), "bytes");
  EXPECT_EQ(get.header("Last-Modified"), "Fri, 24 May 2013 00:00:00 GMT");
  EXPECT_FALSE(get.has_header("x-amz-checksum-crc64nvme")) << "only when asked for";
  EXPECT_FALSE(get.has_header("x-amz-storage-class"));

  const Reply head = call("HEAD", "/bkt/a/b.txt");
  EXPECT_TRUE(head.head_only);
  EXPECT_EQ(head.content_length, 5u);
  EXPECT_EQ(head.headers, get.headers);
}

TEST_F(ObjectTest, DefaultsOfAnObject) {
  put("/bkt/k", "");
  const Reply get = call("GET", "/bkt/k");
  EXPECT_EQ(get.status, 200u);
  EXPECT_EQ(get.content_length, 0u);
  EXPECT_EQ(get.header("Content-Type"), "binary/octet-stream");
  EXPECT_EQ(get.header("ETag"), "\"d41d8cd98f00b204e9800998ecf8427e\"");
}

// Items 1, 2, 143: every key is its own object.
TEST_F(ObjectTest, AwkwardKeys) {
  const std::vector<std::string> keys = {
      "a//b", "a/../b", "./x", "/lead", "a b+c=d&e", "\xf0\x9f\x98\x80", "a",  "a/",
      "a/b",  "%25",    "%",   "?",     "#",         "\x01\x02",         "..", std::string(1024, '/')};
  for (const std::string& key : keys) put("/bkt/" + api::percent_encode(key, api::Slash::keep), key);
  for (const std::string& key : keys) {
    EXPECT_EQ(call("GET", "/bkt/" + api::percent_encode(key, api::Slash::encode)).body, key) << key;
  }
  EXPECT_EQ(call("GET", "/bkt").count("<Contents>"), keys.size());
  TestRequest hosted("GET", "/a//b");
  hosted.replace("host", "bkt.s3.example.test");
  const auto user = main_user();
  // The test's signer speaks path style; the canonical path of a virtual host is the key alone, as it is
  // here.
  EXPECT_EQ(call_as(user, hosted).body, "a//b");
}

TEST_F(ObjectTest, LargeBodiesComeBackWhole) {
  std::string text(3 * 1024 * 1024 + 17, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761U >> 13);
  body_step_ = 100'000;
  put("/bkt/large", text);
  EXPECT_EQ(call("GET", "/bkt/large").body, text);
  TestRequest ranged("GET", "/bkt/large");
  ranged.set("range", "bytes=1048570-2097200");
  const Reply part = call(ranged);
  EXPECT_EQ(part.status, 206u);
  EXPECT_EQ(part.body, text.substr(1048570, 2097200 - 1048570 + 1));
}

// Items 50 to 55, 147.
TEST_F(ObjectTest, Ranges) {
  put("/bkt/k", "0123456789");
  const auto get = [&](const char* range, const char* method = "GET") {
    TestRequest request(method, "/bkt/k");
    request.set("range", range).set("x-amz-checksum-mode", "enabled");
    return call(request);
  };
  EXPECT_EQ(get("bytes=2-4").body, "234");
  EXPECT_EQ(get("bytes=2-4").status, 206u);
  EXPECT_EQ(get("bytes=2-4").header("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(get("bytes=2-4").header("ETag"), "\"781e5e245d69b566979b86e28d23f2c7\"");
  EXPECT_FALSE(get("bytes=2-4").has_header("x-amz-checksum-crc64nvme")) << "never of the whole on a 206";
  EXPECT_FALSE(get("bytes=0-9").has_header("x-amz-checksum-crc64nvme"));
  EXPECT_EQ(get("bytes=8-100").body, "89");
  EXPECT_EQ(get("bytes=-3").body, "789");
  EXPECT_EQ(get("bytes=5-2").status, 200u);
  EXPECT_EQ(get("bytes=0-1,3-4").body, "0123456789");
  EXPECT_TRUE(get("bytes=5-2").has_header("x-amz-checksum-crc64nvme"));
  EXPECT_EQ(get("bytes=2-4", "HEAD").content_length, 3u);
  EXPECT_EQ(get("bytes=2-4", "HEAD").status, 206u);
  const Reply beyond = get("bytes=10-");
  EXPECT_EQ(beyond.status, 416u);
  EXPECT_EQ(beyond.code(), "InvalidRange");
  EXPECT_EQ(beyond.element("RangeRequested"), "bytes=10-");
  EXPECT_EQ(beyond.element("ActualObjectSize"), "10");
  EXPECT_EQ(beyond.header("Content-Range"), "bytes */10");
  EXPECT_EQ(beyond.header("Content-Type"), "application/xml");

  put("/bkt/empty", "");
  TestRequest empty("GET", "/bkt/empty");
  empty.set("range", "bytes=0-10");
  EXPECT_EQ(call(empty).status, 416u);
  EXPECT_EQ(call("GET", "/bkt/empty?partNumber=1").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k?partNumber=1").status, 206u);
  EXPECT_EQ(call("GET", "/bkt/k?partNumber=1").header("Content-Range"), "bytes 0-9/10");
  EXPECT_FALSE(call("GET", "/bkt/k?partNumber=1").has_header("x-amz-mp-parts-count"));
  EXPECT_EQ(call("GET", "/bkt/k?partNumber=2").code(), "InvalidPart");
  for (const char* number : {"0", "10001", "abc", "-1", "1x", "0x1", ""}) {
    EXPECT_EQ(call("GET", std::string("/bkt/k?partNumber=") + number).code(), "InvalidArgument") << number;
  }
  TestRequest both("GET", "/bkt/k?partNumber=1");
  both.set("range", "bytes=0-1");
  EXPECT_EQ(call(both).code(), "InvalidRequest");
}

// Items 56, 57.
TEST_F(ObjectTest, ConditionalReads) {
  const std::string etag = put("/bkt/k", "hello").header("ETag");
  const auto get = [&](std::vector<std::pair<std::string, std::string>> headers, const char* key = "/bkt/k") {
    TestRequest request("GET", key);
    for (auto& [name, value] : headers) request.set(name, value);
    return call(request);
  };
  const std::string before = "Thu, 23 May 2013 00:00:00 GMT";
  const std::string at = "Fri, 24 May 2013 00:00:00 GMT";
  const std::string future = "Fri, 24 May 2030 00:00:00 GMT";
  EXPECT_EQ(get({{"if-match", etag}}).status, 200u);
  const Reply failed = get({{"if-match", "\"other\""}});
  EXPECT_EQ(failed.status, 412u);
  EXPECT_EQ(failed.code(), "PreconditionFailed");
  EXPECT_EQ(failed.element("Condition"), "If-Match");
  EXPECT_EQ(get({{"if-match", etag}, {"if-unmodified-since", before}}).status, 200u);
  EXPECT_EQ(get({{"if-unmodified-since", before}}).status, 412u);
  EXPECT_EQ(get({{"if-unmodified-since", at}}).status, 200u);
  const Reply same = get({{"if-none-match", etag}});
  EXPECT_EQ(same.status, 304u);
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(same.header("ETag"), etag);
  EXPECT_EQ(same.header("Last-Modified"), at);
  EXPECT_FALSE(same.has_header("Content-Type"));
  EXPECT_EQ(get({{"if-none-match", "\"x\""}, {"if-modified-since", at}}).status, 200u);
  EXPECT_EQ(get({{"if-modified-since", at}}).status, 304u);
  EXPECT_EQ(get({{"if-modified-since", before}}).status, 200u);
  EXPECT_EQ(get({{"if-modified-since", future}}).status, 200u) << "a date of the future counts as false";
  EXPECT_EQ(get({{"if-match", etag}}, "/bkt/missing").code(), "NoSuchKey");
}

// Items 58, 59.
TEST_F(ObjectTest, ConditionalWrites) {
  const auto put_if = [&](const char* key, const char* name, const std::string& value) {
    TestRequest request("PUT", key, "v2");
    request.set(name, value);
    return call(request);
  };
  EXPECT_EQ(put_if("/bkt/k", "if-none-match", "*").status, 200u);
  const Reply second = put_if("/bkt/k", "if-none-match", "*");
  EXPECT_EQ(second.status, 412u);
  EXPECT_FALSE(second.body_was_read);
  EXPECT_EQ(put_if("/bkt/k", "if-none-match", "\"x\"").status, 501u);
  EXPECT_EQ(put_if("/bkt/k", "if-match", "\"x\"").status, 412u);
  EXPECT_EQ(put_if("/bkt/k", "if-match", call("HEAD", "/bkt/k").header("ETag")).status, 200u);
  EXPECT_EQ(put_if("/bkt/missing", "if-match", "\"x\"").code(), "NoSuchKey");
}

// Items 60, 65, 141, 156.
TEST_F(ObjectTest, Deletes) {
  const std::string etag = put("/bkt/k", "hello").header("ETag");
  const auto remove_if = [&](const char* name, const std::string& value, const char* key = "/bkt/k") {
    TestRequest request("DELETE", key);
    request.set(name, value);
    return call(request);
  };
  EXPECT_EQ(remove_if("if-match", "\"x\"").status, 412u);
  EXPECT_EQ(remove_if("x-amz-if-match-size", "4").status, 412u);
  EXPECT_EQ(remove_if("x-amz-if-match-size", "four").code(), "InvalidArgument");
  EXPECT_EQ(remove_if("x-amz-if-match-last-modified-time", "Thu, 23 May 2013 00:00:00 GMT").status, 412u);
  EXPECT_EQ(remove_if("if-match", "\"x\"", "/bkt/missing").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/k").status, 200u);
  const Reply gone = remove_if("if-match", etag);
  EXPECT_EQ(gone.status, 204u);
  EXPECT_FALSE(gone.has_header("Content-Type"));
  EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey");
  EXPECT_EQ(call("DELETE", "/bkt/k").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/k?versionId=null").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/k?versionId=abc").code(), "InvalidArgument");
}

// Item 64.
TEST_F(ObjectTest, HeadErrorsHaveNoBody) {
  const Reply missing = call("HEAD", "/bkt/missing");
  EXPECT_EQ(missing.status, 404u);
  EXPECT_EQ(missing.body, "");
  EXPECT_EQ(missing.content_length, 0u);
  EXPECT_TRUE(missing.head_only);
}

// Item 46.
TEST_F(ObjectTest, ResponseOverrides) {
  put("/bkt/k", "hello");
  const Reply reply = call("GET",
                           "/bkt/k?response-content-type=text%2Fcsv&response-cache-control=none&"
                           "response-content-disposition=attachment&response-expires=x");
  EXPECT_EQ(reply.header("Content-Type"), "text/csv");
  EXPECT_EQ(reply.header("Cache-Control"), "none");
  EXPECT_EQ(reply.header("Content-Disposition"), "attachment");
  EXPECT_EQ(call("GET", "/bkt/k?response-content-type=a%0d%0aSet-Cookie:%20x").code(), "InvalidArgument");

  auto options = default_options();
  options.unsafe_anonymous_reads = true;
  make_service(options);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).body, "hello");
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k?response-content-type=x")).code(), "InvalidRequest");
  EXPECT_EQ(send(TestRequest("GET", "/bkt")).code(), "AccessDenied");
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k?tagging")).code(), "AccessDenied");
  EXPECT_EQ(send(TestRequest("PUT", "/bkt/k")).code(), "AccessDenied");
}

TEST_F(ObjectTest, AnswersFromMemoryAreTheSame) {
  put("/bkt/k", "hello world");
  for (int round = 0; round < 3; ++round) {  // from the second on out of memory
    EXPECT_EQ(call("GET", "/bkt/k").body, "hello world");
    TestRequest range("GET", "/bkt/k");
    range.set("Range", "bytes=6-8");
    const Reply part = call(range);
    EXPECT_EQ(part.status, 206u);
    EXPECT_EQ(part.header("Content-Range"), "bytes 6-8/11");
    EXPECT_EQ(part.body, "wor");
    TestRequest beyond("GET", "/bkt/k");
    beyond.set("Range", "bytes=11-");
    EXPECT_EQ(call(beyond).code(), "InvalidRange");
    TestRequest unchanged("GET", "/bkt/k");
    unchanged.set("If-None-Match", call("HEAD", "/bkt/k").header("ETag"));
    const Reply not_modified = call(unchanged);
    EXPECT_EQ(not_modified.status, 304u);
    EXPECT_EQ(not_modified.body, "");
    TestRequest stranger("GET", "/bkt/k");
    stranger.set("x-amz-expected-bucket-owner", "somebody-else");
    EXPECT_EQ(call(stranger).code(), "AccessDenied");
    EXPECT_EQ(call("GET", "/bkt/k?versionId=unknown").code(), "InvalidArgument");
    EXPECT_EQ(call("GET", "/bkt/k?versionId=" + std::string(32, 'A')).code(), "NoSuchVersion");
  }
  put("/bkt/k", "other");
  EXPECT_EQ(call("GET", "/bkt/k").body, "other");
  EXPECT_EQ(call("DELETE", "/bkt/k").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey");
}

// Items 32, 36.
TEST_F(ObjectTest, ChecksumsAreEchoed) {
  TestRequest request("PUT", "/bkt/k", "hello");
  request.set("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  request.set("x-amz-sdk-checksum-algorithm", "SHA256");
  const Reply put = call(request);
  EXPECT_EQ(put.header("x-amz-checksum-sha256"), "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  for (const char* mode : {"ENABLED", "enabled"}) {
    TestRequest get("GET", "/bkt/k");
    get.set("x-amz-checksum-mode", mode);
    EXPECT_EQ(call(get).header("x-amz-checksum-sha256"), put.header("x-amz-checksum-sha256"));
    EXPECT_EQ(call(get).header("x-amz-checksum-type"), "FULL_OBJECT");
  }
}

TEST_F(ObjectTest, WrongBodiesStoreNothing) {
  const auto refused = [&](TestRequest request, const char* code) {
    const Reply reply = send(request);
    EXPECT_EQ(reply.code(), code) << reply.body;
    EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey") << code;
  };
  TestRequest digest("PUT", "/bkt/k", "hello");
  digest.set("content-md5", "XUFAKrxLKna5cZ2REBfFkA==");
  sign(digest, main_user());
  refused(digest, "BadDigest");
  TestRequest replaced("PUT", "/bkt/k", "hello");
  sign(replaced, main_user());
  replaced.body = "jello";
  refused(replaced, "XAmzContentSHA256Mismatch");
  replaced.body = "";
  refused(replaced, "XAmzContentSHA256Mismatch");
  TestRequest unmeasured("PUT", "/bkt/k", "hello");
  unmeasured.no_length = true;
  sign(unmeasured, main_user());
  refused(unmeasured, "MissingContentLength");
}

TEST_F(ObjectTest, StreamedUploads) {
  const std::string text(200'000, 'x');
  for (const char* payload :
       {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}) {
    const bool is_signed = std::string_view(payload).find("AWS4") != std::string_view::npos;
    const bool trailer = std::string_view(payload).ends_with("TRAILER");
    for (const std::size_t step : {std::size_t{997}, SIZE_MAX}) {
      body_step_ = step;
      TestRequest request("PUT", "/bkt/streamed");
      request.set("x-amz-decoded-content-length", std::to_string(text.size()));
      if (trailer) request.set("x-amz-trailer", "x-amz-checksum-crc32");
      SignOptions options = main_user();
      options.payload = payload;
      const auto signature = sign(request, options);
      request.body = tests::aws_chunked(text, 65'536, is_signed ? &signature.chunks : nullptr,
                                        trailer ? "x-amz-checksum-crc32:AAAAAA==" : "");
      request.http_chunked = true;
      const Reply reply = send(request);
      if (trailer) {
        EXPECT_EQ(reply.code(), "BadDigest") << payload;
        EXPECT_EQ(call("GET", "/bkt/streamed").status, 404u);
        continue;
      }
      EXPECT_EQ(reply.status, 200u) << reply.body;
      EXPECT_EQ(call("GET", "/bkt/streamed").body, text);
      request.body[100] = 'y';
      EXPECT_EQ(send(request).code(), "SignatureDoesNotMatch");
      EXPECT_EQ(call("DELETE", "/bkt/streamed").status, 204u);
    }
  }
}

// Items 10, 135, 139 and the directives that are not built.
TEST_F(ObjectTest, DirectivesThatAreNotBuilt) {
  for (const auto& [name, value] : {std::pair{"x-amz-copy-source-if-match", "x"},
                                    {"x-amz-rename-source", "other"},
                                    {"x-amz-unheard-of", "1"}}) {
    TestRequest request("PUT", "/bkt/k", "hello");
    request.set(name, value);
    const Reply reply = call(request);
    EXPECT_EQ(reply.code(), "NotImplemented") << name;
    EXPECT_FALSE(reply.body_was_read) << name;
  }
  for (const auto& [name, value] : {std::pair{"x-amz-acl", "private"},
                                    {"x-amz-storage-class", "STANDARD"},
                                    {"x-amz-object-lock-legal-hold", "OFF"},
                                    {"x-amz-request-payer", "requester"},
                                    {"x-amz-api-version", "2006-03-01"}}) {
    TestRequest request("PUT", "/bkt/default", "hello");
    request.set(name, value);
    EXPECT_EQ(call(request).status, 200u) << name;
  }
  for (const auto& [method, target] : {std::pair{"PUT", "/newbucket"},
                                       {"PUT", "/bkt/k?tagging"},
                                       {"POST", "/bkt/k?uploads"},
                                       {"DELETE", "/bkt/default"}}) {
    TestRequest misplaced(method, target);
    misplaced.set("x-amz-copy-source", "/bkt/default");
    EXPECT_EQ(call(misplaced).code(), "NotImplemented") << method << target;
  }
  TestRequest storage_class("PUT", "/bkt/k", "hello");
  storage_class.set("x-amz-storage-class", "WARM");
  EXPECT_EQ(call(storage_class).code(), "InvalidStorageClass");
  EXPECT_EQ(call("GET", "/bkt/k").status, 404u);
}

// Item 45.
TEST_F(ObjectTest, MetadataIsBounded) {
  TestRequest fits("PUT", "/bkt/k", "x");
  fits.set("x-amz-meta-a", std::string(2047, 'v'));
  EXPECT_EQ(call(fits).status, 200u);
  TestRequest large("PUT", "/bkt/k", "x");
  large.set("x-amz-meta-a", std::string(2048, 'v'));
  EXPECT_EQ(call(large).code(), "MetadataTooLarge");
}

// Items 100 to 102, 61, 150.
TEST_F(ObjectTest, Copies) {
  TestRequest source("PUT", "/bkt/a%20b+c", "hello");
  source.set("x-amz-meta-a", "1").set("x-amz-tagging", "class=cat").set("content-type", "text/plain");
  const std::string etag = call(source).header("ETag");
  const auto copy = [&](const std::string& to, const std::string& from,
                        std::vector<std::pair<std::string, std::string>> headers = {}) {
    TestRequest request("PUT", to);
    request.set("x-amz-copy-source", from);
    for (auto& [name, value] : headers) request.set(name, value);
    return call(request);
  };
  const Reply plain = copy("/bkt/copy", "/bkt/a%20b+c");
  ASSERT_EQ(plain.status, 200u) << plain.body;
  EXPECT_NE(plain.body.find("<CopyObjectResult xmlns="), std::string::npos);
  EXPECT_EQ(plain.element("ETag"), "&quot;5d41402abc4b2a76b9719d911017c592&quot;");
  const Reply copied = call("GET", "/bkt/copy");
  EXPECT_EQ(copied.body, "hello");
  EXPECT_EQ(copied.header("x-amz-meta-a"), "1");
  EXPECT_EQ(copied.header("Content-Type"), "text/plain");
  EXPECT_EQ(copied.header("x-amz-tagging-count"), "1");

  const Reply replaced = copy("/bkt/copy2", "bkt/a%20b+c",
                              {{"x-amz-metadata-directive", "REPLACE"},
                               {"x-amz-meta-b", "2"},
                               {"x-amz-tagging-directive", "REPLACE"},
                               {"x-amz-tagging", "x=1&y=2"}});
  ASSERT_EQ(replaced.status, 200u);
  EXPECT_FALSE(call("GET", "/bkt/copy2").has_header("x-amz-meta-a"));
  EXPECT_EQ(call("GET", "/bkt/copy2").header("x-amz-meta-b"), "2");
  EXPECT_EQ(call("GET", "/bkt/copy2").header("x-amz-tagging-count"), "2");

  EXPECT_EQ(copy("/bkt/copy", "/bkt/copy").code(), "InvalidRequest");
  EXPECT_EQ(copy("/bkt/copy", "/bkt/copy", {{"x-amz-metadata-directive", "REPLACE"}}).status, 200u);
  EXPECT_EQ(copy("/bkt/c", "/bkt/copy", {{"x-amz-metadata-directive", "MERGE"}}).code(), "InvalidArgument");
  EXPECT_EQ(copy("/bkt/c", "/bkt/missing").code(), "NoSuchKey");
  EXPECT_EQ(copy("/bkt/c", "/other-bucket/k").code(), "NoSuchBucket");
  for (const char* broken : {"", "/", "bkt", "/bkt/", "%zz/k"}) {
    EXPECT_EQ(copy("/bkt/c", broken).code(), "InvalidArgument") << broken;
  }
  EXPECT_EQ(copy("/bkt/c", "/bkt/copy", {{"x-amz-copy-source-if-match", "\"x\""}}).status, 412u);
  EXPECT_EQ(copy("/bkt/c", "/bkt/copy", {{"x-amz-copy-source-if-none-match", etag}}).status, 412u)
      << "never 304";
  EXPECT_EQ(copy("/bkt/copy", "/bkt/copy2", {{"if-none-match", "*"}}).status, 412u);
  EXPECT_EQ(call("GET", "/bkt/c").status, 404u);

  const Reply hashed = copy("/bkt/hashed", "/bkt/a%20b+c", {{"x-amz-checksum-algorithm", "SHA256"}});
  EXPECT_EQ(hashed.element("ChecksumSHA256"), "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  EXPECT_EQ(call("GET", "/bkt/hashed").header("x-amz-tagging-count"), "1");
  EXPECT_EQ(copy("/bkt/hashed", "/bkt/copy", {{"x-amz-checksum-algorithm", "BLAKE3"}}).code(), "InvalidRequest");
}

// Items 104, 114.
TEST_F(ObjectTest, Tags) {
  put("/bkt/k", "hello");
  const Reply none = call("GET", "/bkt/k?tagging");
  EXPECT_EQ(none.status, 200u);
  EXPECT_EQ(none.element("TagSet"), "");
  const std::string document =
      "<Tagging><TagSet><Tag><Key>class</Key><Value>cat</Value></Tag></TagSet></Tagging>";
  EXPECT_EQ(call("PUT", "/bkt/k?tagging", document).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k?tagging").element("Value"), "cat");
  EXPECT_EQ(call("GET", "/bkt/k").header("x-amz-tagging-count"), "1");
  EXPECT_EQ(call("PUT", "/bkt/k?tagging", "<Tagging>").code(), "MalformedXML");
  EXPECT_EQ(call("PUT", "/bkt/k?tagging").code(), "MissingRequestBodyError");
  EXPECT_EQ(
      call("PUT", "/bkt/k?tagging", "<Tagging><TagSet><Tag><Key></Key><Value/></Tag></TagSet></Tagging>")
          .code(),
      "InvalidTag");
  EXPECT_EQ(call("PUT", "/bkt/missing?tagging", document).code(), "NoSuchKey");
  EXPECT_EQ(call("DELETE", "/bkt/k?tagging").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/k?tagging").count("<Tag>"), 0u);
  EXPECT_EQ(call("GET", "/bkt/missing?tagging").code(), "NoSuchKey");
  TestRequest many("PUT", "/bkt/k", "x");
  many.set("x-amz-tagging", "a=1&a=2");
  EXPECT_EQ(call(many).code(), "InvalidTag");
}

TEST_F(ObjectTest, Attributes) {
  TestRequest request("GET", "/bkt/k?attributes");
  put("/bkt/k", "hello");
  EXPECT_EQ(call(request).code(), "InvalidArgument");
  request.set("x-amz-object-attributes", "ETag,Checksum,ObjectSize,StorageClass,ObjectParts");
  const Reply reply = call(request);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.element("ETag"), "5d41402abc4b2a76b9719d911017c592");
  EXPECT_EQ(reply.element("ObjectSize"), "5");
  EXPECT_EQ(reply.element("StorageClass"), "STANDARD");
  EXPECT_EQ(reply.element("ChecksumType"), "FULL_OBJECT");
  EXPECT_EQ(reply.count("<ObjectParts>"), 0u);
  request.replace("x-amz-object-attributes", "Nonsense");
  EXPECT_EQ(call(request).code(), "InvalidArgument");
}

// Items 14, 40: presigning clients put x-amz- headers into the query.
TEST_F(ObjectTest, PresignedRequests) {
  TestRequest put(
      "PUT",
      "/bkt/"
      "k?x-amz-meta-a=1&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject",
      "hello");
  presign(put, main_user());
  EXPECT_EQ(send(put).status, 200u);
  TestRequest get("GET", "/bkt/k?response-content-type=text%2Fplain");
  presign(get, main_user());
  const Reply reply = send(get);
  EXPECT_EQ(reply.body, "hello");
  EXPECT_EQ(reply.header("x-amz-meta-a"), "1");
  EXPECT_EQ(reply.header("Content-Type"), "text/plain");
  TestRequest acl("PUT", "/bkt/k?x-amz-acl=public-read", "hello");
  presign(acl, main_user());
  EXPECT_EQ(send(acl).status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).body, "hello") << "public now";
}

}  // namespace
