// Server-side encryption through the whole service: every kind, every way that bytes come and go, and what is at rest.
#include <openssl/evp.h>

#include <algorithm>

#include "api/digest.h"
#include "api/encoding.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t kMinimum = 5 * 1024 * 1024;

api::SecretKeyPtr key_of(char fill) {
  return std::make_shared<const api::SecretKey>(*api::SecretKey::from_bytes(std::string(32, fill)));
}

std::string md5_text(const std::string& bytes) {
  api::Md5 digest;
  digest.update(api::bytes_of(bytes));
  return digest.finish();
}

// The SSE-C headers of the key that is 32 times `fill`.
Headers customer(char fill, const std::string& prefix = "x-amz-") {
  const std::string key(32, fill);
  const std::string stem = prefix + "server-side-encryption-customer-";
  return {{stem + "algorithm", "AES256"}, {stem + "key", api::to_base64(key)}, {stem + "key-MD5", api::to_base64(md5_text(key))}};
}

struct Kind {
  std::string name;
  Headers write;
  Headers read;
  Headers copy_source;
  bool md5_etag = true;
};

std::vector<Kind> kinds() {
  const std::string name = "x-amz-server-side-encryption";
  return {{"none", {}, {}, {}, true},
          {"SSE-S3", {{name, "AES256"}}, {}, {}, true},
          {"SSE-KMS", {{name, "aws:kms"}, {name + "-aws-kms-key-id", "first"}}, {}, {}, false},
          {"DSSE-KMS", {{name, "aws:kms:dsse"}, {name + "-aws-kms-key-id", "first"}}, {}, {}, false},
          {"SSE-C", customer('c'), customer('c'), customer('c', "x-amz-copy-source-"), false}};
}

// Bytes with a mark in every 4 KiB that a search of the drives would find.
std::string marked(std::size_t length) {
  std::string text;
  while (text.size() < length) text += "granary-plain-text-mark-" + std::to_string(text.size()) + std::string(4000, '.');
  text.resize(length);
  return text;
}

class EncryptionTest : public ServiceTest {
 protected:
  EncryptionTest() {
    make_service(with_keys());
    EXPECT_EQ(call("PUT", "/bkt").status, 200u);
  }

  static api::ServiceOptions with_keys() {
    api::ServiceOptions options = default_options();
    options.encryption.keys = {{"first", key_of('1')}, {"second", key_of('2')}};
    options.encryption.allow_http = true;
    return options;
  }

  Reply with(const std::string& method, const std::string& target, const Headers& headers, std::string body = {}) {
    TestRequest request(method, target, std::move(body));
    for (const auto& [name, value] : headers) request.set(name, value);
    return call(request);
  }

  bool at_rest(std::string_view text) {
    std::vector<std::byte> block(1024 * 1024 + text.size());
    for (std::size_t disk = 0; disk < disks_.size(); ++disk) {
      for (std::uint64_t offset = 0; offset + block.size() <= 96ULL * 1024 * 1024; offset += 1024 * 1024) {
        disks_.peek(disk, offset, block);
        const std::string_view seen(reinterpret_cast<const char*>(block.data()), block.size());
        if (seen.find(text) != std::string_view::npos) return true;
      }
    }
    return false;
  }

  std::string multipart(const std::string& target, const Kind& kind, const std::vector<std::string>& parts) {
    const Reply created = with("POST", target + "?uploads", kind.write);
    EXPECT_EQ(created.status, 200u) << created.body;
    const std::string upload = created.element("UploadId");
    std::vector<std::pair<unsigned, std::string>> etags;
    for (unsigned i = 0; i < parts.size(); ++i) {
      // Numbers with gaps, and the last part sent twice: the second counts.
      const unsigned number = 2 * i + 1;
      const std::string part = target + "?partNumber=" + std::to_string(number) + "&uploadId=" + upload;
      if (i + 1 == parts.size()) EXPECT_EQ(with("PUT", part, kind.read, "first try").status, 200u);
      const Reply sent = with("PUT", part, kind.read, parts[i]);
      EXPECT_EQ(sent.status, 200u) << sent.body;
      etags.emplace_back(number, sent.header("ETag"));
    }
    const Reply done = call("POST", target + "?uploadId=" + upload, complete_body(etags));
    EXPECT_EQ(done.status, 200u) << done.body;
    return upload;
  }

  void expect_kind(const Reply& reply, const Kind& kind) {
    const std::string method = reply.header("x-amz-server-side-encryption");
    const std::string wanted = kind.name == "SSE-S3"     ? "AES256"
                               : kind.name == "SSE-KMS"  ? "aws:kms"
                               : kind.name == "DSSE-KMS" ? "aws:kms:dsse"
                                                         : "";
    EXPECT_EQ(method, wanted) << kind.name;
    EXPECT_EQ(reply.header("x-amz-server-side-encryption-aws-kms-key-id"), wanted.starts_with("aws:kms") ? "first" : "");
    EXPECT_EQ(reply.header("x-amz-server-side-encryption-customer-algorithm"), kind.name == "SSE-C" ? "AES256" : "");
  }
};

TEST_F(EncryptionTest, EveryKindAndSizeInWholeAndInRanges) {
  tests::SeededRandom random(7);
  for (const Kind& kind : kinds()) {
    for (const std::size_t size : {0u, 1u, 65'535u, 65'536u, 65'537u, 262'144u, 262'145u, 1'500'000u}) {
      SCOPED_TRACE(kind.name + " " + std::to_string(size));
      const std::string text = marked(size);
      const Reply put = with("PUT", "/bkt/k", kind.write, text);
      ASSERT_EQ(put.status, 200u) << put.body;
      expect_kind(put, kind);
      const std::string md5 = "\"" + api::to_hex(md5_text(text)) + "\"";
      EXPECT_EQ(put.header("ETag") == md5, kind.md5_etag);
      const Reply get = with("GET", "/bkt/k", kind.read);
      ASSERT_EQ(get.status, 200u) << get.body;
      EXPECT_EQ(get.body, text);
      EXPECT_EQ(get.content_length, size);
      expect_kind(get, kind);
      const Reply head = with("HEAD", "/bkt/k", kind.read);
      EXPECT_EQ(head.content_length, size);
      expect_kind(head, kind);
      EXPECT_NE(call("GET", "/bkt").body.find("<Size>" + std::to_string(size) + "</Size>"), std::string::npos);
      for (int i = 0; i < 12 && size > 0; ++i) {
        const std::uint64_t first = random.below(size);
        const std::uint64_t last = first + random.below(size - first);
        Headers headers = kind.read;
        headers.emplace_back("range", "bytes=" + std::to_string(first) + "-" + std::to_string(last));
        const Reply slice = with("GET", "/bkt/k", headers);
        ASSERT_EQ(slice.status, 206u);
        EXPECT_EQ(slice.body, text.substr(first, last - first + 1)) << first << "-" << last;
      }
    }
  }
}

// A search of all drives finds the text of a plain object, and nothing of encrypted ones.
TEST_F(EncryptionTest, NothingButCipherTextIsAtRest) {
  for (const Kind& kind : kinds()) {
    if (kind.name == "none") continue;
    EXPECT_EQ(with("PUT", "/bkt/small-" + kind.name, kind.write, marked(3000)).status, 200u);
    EXPECT_EQ(with("PUT", "/bkt/large-" + kind.name, kind.write, marked(3'000'000)).status, 200u);
    multipart("/bkt/parts-" + kind.name, kind, {marked(kMinimum), marked(100)});
  }
  EXPECT_FALSE(at_rest("granary-plain-text-mark-"));
  EXPECT_EQ(with("PUT", "/bkt/plain", {}, marked(3000)).status, 200u);
  EXPECT_TRUE(at_rest("granary-plain-text-mark-"));
}

TEST_F(EncryptionTest, MultipartOfEveryKind) {
  const std::string first = marked(kMinimum + 70'000);
  const std::string second(200'000, 'b');
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    multipart("/bkt/k", kind, {first, second});
    const Reply get = with("GET", "/bkt/k", kind.read);
    ASSERT_EQ(get.status, 200u);
    EXPECT_EQ(get.body, first + second);
    expect_kind(get, kind);
    EXPECT_EQ(with("GET", "/bkt/k?partNumber=3", kind.read).body, second);
    Headers across = kind.read;
    across.emplace_back("range", "bytes=5312000-5313999");
    EXPECT_EQ(with("GET", "/bkt/k", across).body, (first + second).substr(5'312'000, 2000));
    Headers to_the_end = kind.read;
    to_the_end.emplace_back("range", "bytes=-100");
    EXPECT_EQ(with("GET", "/bkt/k", to_the_end).body, std::string(100, 'b'));
  }
}

// Every kind to every kind: by CopyObject, and as a part.
TEST_F(EncryptionTest, CopiesBetweenAllKinds) {
  const std::string text = marked(300'000);
  for (const Kind& from : kinds()) {
    ASSERT_EQ(with("PUT", "/bkt/from", from.write, text).status, 200u);
    for (const Kind& to : kinds()) {
      SCOPED_TRACE(from.name + " to " + to.name);
      Headers headers = to.write;
      headers.insert(headers.end(), from.copy_source.begin(), from.copy_source.end());
      headers.emplace_back("x-amz-copy-source", "/bkt/from");
      const Reply copied = with("PUT", "/bkt/to", headers);
      ASSERT_EQ(copied.status, 200u) << copied.body;
      expect_kind(copied, to);
      EXPECT_EQ(with("GET", "/bkt/to", to.read).body, text);

      const std::string upload = with("POST", "/bkt/part?uploads", to.write).element("UploadId");
      Headers part_headers = to.read;
      part_headers.insert(part_headers.end(), from.copy_source.begin(), from.copy_source.end());
      part_headers.emplace_back("x-amz-copy-source", "/bkt/from");
      part_headers.emplace_back("x-amz-copy-source-range", "bytes=65000-199999");
      const Reply part = with("PUT", "/bkt/part?partNumber=7&uploadId=" + upload, part_headers);
      ASSERT_EQ(part.status, 200u) << part.body;
      ASSERT_EQ(call("POST", "/bkt/part?uploadId=" + upload, complete_body({{7, part.element("ETag")}})).status, 200u);
      EXPECT_EQ(with("GET", "/bkt/part", to.read).body, text.substr(65'000, 135'000));
    }
  }
  // The source's key is needed even where its bytes would be shared.
  ASSERT_EQ(with("PUT", "/bkt/from", customer('c'), text).status, 200u);
  Headers same = customer('c');
  same.emplace_back("x-amz-copy-source", "/bkt/from");
  EXPECT_EQ(with("PUT", "/bkt/to", same).code(), "InvalidRequest");
  // Encryption is a change enough for a copy onto itself.
  Headers rotate = customer('d');
  for (const auto& header : customer('c', "x-amz-copy-source-")) rotate.push_back(header);
  rotate.emplace_back("x-amz-copy-source", "/bkt/from");
  EXPECT_EQ(with("PUT", "/bkt/from", rotate).status, 200u);
  EXPECT_EQ(with("GET", "/bkt/from", customer('d')).body, text);
}

// Item 119.
TEST_F(EncryptionTest, CustomerKeysThatAreRefused) {
  ASSERT_EQ(with("PUT", "/bkt/k", customer('c'), "secret").status, 200u);
  ASSERT_EQ(put("/bkt/plain", "open").status, 200u);
  for (const char* method : {"GET", "HEAD"}) {
    EXPECT_EQ(call(method, "/bkt/k").status, 400u);
    EXPECT_EQ(with(method, "/bkt/k", customer('d')).status, 400u);
    EXPECT_EQ(with(method, "/bkt/plain", customer('d')).status, 400u);
    EXPECT_EQ(with(method, "/bkt/plain", {{"x-amz-server-side-encryption", "AES256"}}).status, 400u);
  }
  EXPECT_EQ(call("GET", "/bkt/k").code(), "InvalidRequest");
  const Headers whole = customer('c');
  for (const char* method : {"GET", "PUT"}) {
    for (std::size_t missing = 0; missing < whole.size(); ++missing) {
      Headers some = whole;
      some.erase(some.begin() + static_cast<std::ptrdiff_t>(missing));
      EXPECT_EQ(with(method, "/bkt/k", some).code(), "InvalidArgument") << method << missing;
    }
  }
  Headers wrong = whole;
  wrong[0].second = "AES128";
  EXPECT_EQ(with("PUT", "/bkt/k", wrong).code(), "InvalidEncryptionAlgorithmError");
  wrong = whole;
  wrong[1].second = api::to_base64("short");
  EXPECT_EQ(with("PUT", "/bkt/k", wrong).code(), "InvalidArgument");
  wrong = whole;
  wrong[2].second = api::to_base64(std::string(16, 'x'));
  EXPECT_EQ(with("PUT", "/bkt/k", wrong).code(), "InvalidArgument");
  EXPECT_EQ(with("GET", "/bkt/k", whole).body, "secret");

  const std::string upload = with("POST", "/bkt/up?uploads", customer('c')).element("UploadId");
  const std::string part = "/bkt/up?partNumber=1&uploadId=" + upload;
  EXPECT_EQ(with("PUT", part, {}, "x").code(), "InvalidRequest");
  EXPECT_EQ(with("PUT", part, customer('d'), "x").code(), "InvalidRequest");
  EXPECT_EQ(with("PUT", part, {{"x-amz-server-side-encryption", "AES256"}}, "x").code(), "InvalidArgument");
  const std::string open = start_upload("/bkt/open");
  EXPECT_EQ(with("PUT", "/bkt/open?partNumber=1&uploadId=" + open, customer('c'), "x").code(), "InvalidRequest");
}

TEST_F(EncryptionTest, HeadersThatContradictEachOther) {
  const std::string name = "x-amz-server-side-encryption";
  const auto code = [&](Headers headers) { return with("PUT", "/bkt/k", headers, "x").code(); };
  Headers both = customer('c');
  both.emplace_back(name, "AES256");
  EXPECT_EQ(code(both), "InvalidArgument");
  EXPECT_EQ(code({{name, "AES256"}, {name + "-aws-kms-key-id", "first"}}), "InvalidArgument");
  EXPECT_EQ(code({{name + "-aws-kms-key-id", "first"}}), "InvalidArgument");
  EXPECT_EQ(code({{name, "aes:kms"}}), "InvalidArgument");
  EXPECT_EQ(code({{name, "aws:kms"}}), "InvalidArgument");
  EXPECT_EQ(code({{name, "aws:kms"}, {name + "-aws-kms-key-id", "unknown"}}), "KMS.NotFoundException");
  EXPECT_EQ(code({{name, "aws:kms"}, {name + "-aws-kms-key-id", "first"}, {name + "-context", "bm8="}}), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey");
  const Headers full = {{name, "aws:kms"},
                        {name + "-aws-kms-key-id", "arn:aws:kms:us-east-1:1:key/second"},
                        {name + "-context", api::to_base64("{\"a\":\"b\"}")},
                        {name + "-bucket-key-enabled", "true"}};
  const Reply put = with("PUT", "/bkt/k", full, "x");
  ASSERT_EQ(put.status, 200u) << put.body;
  EXPECT_EQ(put.header(name + "-aws-kms-key-id"), "arn:aws:kms:us-east-1:1:key/second");
  EXPECT_EQ(put.header(name + "-bucket-key-enabled"), "true");
  EXPECT_EQ(put.header(name + "-context"), api::to_base64("{\"a\":\"b\"}"));
  EXPECT_EQ(call("GET", "/bkt/k").body, "x");
  EXPECT_FALSE(call("GET", "/bkt/k").has_header(name + "-context"));
}

TEST_F(EncryptionTest, KeysOfClientsNeedTls) {
  api::ServiceOptions options = with_keys();
  options.encryption.allow_http = false;
  ASSERT_EQ(with("PUT", "/bkt/k", customer('c'), "x").status, 200u);
  make_service(options);
  EXPECT_EQ(with("PUT", "/bkt/k", customer('c'), "x").code(), "InvalidRequest");
  EXPECT_EQ(with("GET", "/bkt/k", customer('c')).code(), "InvalidRequest");
  EXPECT_EQ(with("PUT", "/bkt/k", kinds()[2].write, "x").code(), "InvalidArgument");
  EXPECT_EQ(with("PUT", "/bkt/s3", kinds()[1].write, "x").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/s3").body, "x");
}

// What is appended gets the keys of the object, wherever it begins, and however often.
TEST_F(EncryptionTest, AppendsToEveryKind) {
  const auto append = [&](const std::string& target, const Headers& more, std::size_t offset, const std::string& body) {
    Headers headers = more;
    headers.emplace_back("x-amz-write-offset-bytes", std::to_string(offset));
    return with("PUT", target, headers, body);
  };
  for (const Kind& kind : kinds()) {
    for (const std::size_t size : {0u, 1u, 70'000u, 1'300'000u}) {
      SCOPED_TRACE(kind.name + " " + std::to_string(size));
      std::string text = marked(size);
      ASSERT_EQ(with("PUT", "/bkt/log", kind.write, text).status, 200u);
      if (kind.name == "SSE-C") {
        EXPECT_EQ(append("/bkt/log", kind.read, size, "x").code(), "InvalidRequest");
        EXPECT_EQ(append("/bkt/log", {}, size, "x").code(), "InvalidRequest");
        continue;
      }
      for (const std::string& piece : {std::string(65'536, 'a'), std::string("b"), std::string(), std::string(200'000, 'c')}) {
        const Reply appended = append("/bkt/log", {}, text.size(), piece);
        ASSERT_EQ(appended.status, 200u) << appended.body;
        expect_kind(appended, kind);
        text += piece;
        EXPECT_EQ(appended.header("x-amz-object-size"), std::to_string(text.size()));
      }
      EXPECT_EQ(call("GET", "/bkt/log").body, text);
      EXPECT_EQ(with("GET", "/bkt/log", {{"range", "bytes=" + std::to_string(size) + "-" + std::to_string(size + 65'540)}}).body,
                text.substr(size, 65'541));
      EXPECT_EQ(append("/bkt/log", {}, size, "late").code(), "InvalidWriteOffset");
      EXPECT_EQ(with("PUT", "/bkt/copy", {{"x-amz-copy-source", "/bkt/log"}}).status, 200u);
      EXPECT_EQ(call("GET", "/bkt/copy").body, text);
    }
  }
  multipart("/bkt/parts", kinds()[1], {marked(kMinimum), "end"});
  ASSERT_EQ(append("/bkt/parts", {{"x-amz-server-side-encryption", "AES256"}}, kMinimum + 3, "more").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/parts").body, marked(kMinimum) + "endmore");
  EXPECT_EQ(append("/bkt/parts", {{"x-amz-server-side-encryption", "aws:kms"}}, kMinimum + 7, "x").code(), "InvalidRequest");
}

TEST_F(EncryptionTest, DefaultsOfBuckets) {
  const auto configuration = [](const std::string& rule) {
    return "<ServerSideEncryptionConfiguration><Rule>" + rule + "</Rule></ServerSideEncryptionConfiguration>";
  };
  const auto by_default = [&](const std::string& inner) {
    return configuration("<ApplyServerSideEncryptionByDefault>" + inner + "</ApplyServerSideEncryptionByDefault>");
  };
  EXPECT_EQ(call("GET", "/bkt?encryption").code(), "ServerSideEncryptionConfigurationNotFoundError");
  for (const std::string& wrong :
       {by_default(""), by_default("<SSEAlgorithm>DES</SSEAlgorithm>"), configuration(""),
        std::string("<ServerSideEncryptionConfiguration/>"),
        configuration("<BucketKeyEnabled>maybe</BucketKeyEnabled>"), configuration("<Other/>")}) {
    EXPECT_EQ(call("PUT", "/bkt?encryption", wrong).code(), "MalformedXML") << wrong;
  }
  EXPECT_EQ(call("PUT", "/bkt?encryption",
                 by_default("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>first</KMSMasterKeyID>"))
                .code(),
            "InvalidArgument");
  EXPECT_EQ(call("PUT", "/bkt?encryption", by_default("<SSEAlgorithm>AES256</SSEAlgorithm>")).status, 200u);
  EXPECT_EQ(call("GET", "/bkt?encryption").element("SSEAlgorithm"), "AES256");
  EXPECT_EQ(put("/bkt/k", "text").header("x-amz-server-side-encryption"), "AES256");
  EXPECT_EQ(call("GET", "/bkt/k").body, "text");
  multipart("/bkt/parts", Kind{}, {"only"});
  EXPECT_EQ(call("GET", "/bkt/parts").header("x-amz-server-side-encryption"), "AES256");

  EXPECT_EQ(call("PUT", "/bkt?encryption",
                 by_default("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>second</KMSMasterKeyID>"))
                .status,
            200u);
  EXPECT_EQ(put("/bkt/k", "text").header("x-amz-server-side-encryption-aws-kms-key-id"), "second");
  EXPECT_EQ(with("PUT", "/bkt/k", {{"x-amz-server-side-encryption", "AES256"}}, "t").header("x-amz-server-side-encryption"),
            "AES256");
  EXPECT_EQ(call("PUT", "/bkt?encryption",
                 by_default("<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm><KMSMasterKeyID>first</KMSMasterKeyID>"))
                .status,
            200u);
  EXPECT_EQ(call("GET", "/bkt?encryption").element("SSEAlgorithm"), "aws:kms:dsse");
  EXPECT_EQ(put("/bkt/k", "text").header("x-amz-server-side-encryption"), "aws:kms:dsse");
  EXPECT_EQ(with("PUT", "/bkt/k", {{"x-amz-server-side-encryption", "aws:kms:dsse"},
                                   {"x-amz-server-side-encryption-bucket-key-enabled", "true"}}, "t").code(), "InvalidArgument");
  EXPECT_EQ(call("PUT", "/bkt?encryption",
                 by_default("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>second</KMSMasterKeyID>"))
                .status,
            200u);
  // A copy is encrypted as its bucket wants it, whatever its source was.
  ASSERT_EQ(call("PUT", "/other").status, 200u);
  put("/other/k", "plain");
  const Reply copied = with("PUT", "/bkt/copy", {{"x-amz-copy-source", "/other/k"}});
  EXPECT_EQ(copied.header("x-amz-server-side-encryption"), "aws:kms") << copied.body;
  EXPECT_EQ(call("GET", "/bkt/copy").body, "plain");

  EXPECT_EQ(call("PUT", "/bkt?encryption",
                 configuration("<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"))
                .status,
            200u);
  EXPECT_EQ(with("PUT", "/bkt/k", customer('c'), "x").code(), "AccessDenied");
  EXPECT_EQ(call("DELETE", "/bkt?encryption").status, 204u);
  EXPECT_EQ(call("GET", "/bkt?encryption").code(), "ServerSideEncryptionConfigurationNotFoundError");
  EXPECT_FALSE(put("/bkt/k", "text").has_header("x-amz-server-side-encryption"));
}

// The store's own key outlives the process, under a configured key once there is one; clients never see where it lies.
TEST_F(EncryptionTest, TheStoresOwnKey) {
  make_service(default_options());
  ASSERT_EQ(with("PUT", "/bkt/k", kinds()[1].write, "text").status, 200u);
  make_service(with_keys());
  EXPECT_EQ(call("GET", "/bkt/k").body, "text");
  make_service(default_options());
  EXPECT_EQ(call("GET", "/bkt/k").status, 500u) << "the key that wraps the store's own is gone";
  api::ServiceOptions other = with_keys();
  other.encryption.keys["first"] = key_of('9');
  make_service(other);
  EXPECT_EQ(call("GET", "/bkt/k").status, 500u);
  make_service(with_keys());
  EXPECT_EQ(call("GET", "/bkt/k").body, "text");
  // The default key changes: the store's own is wrapped anew, and the old one can go.
  api::ServiceOptions rotated = with_keys();
  rotated.encryption.default_key = "second";
  make_service(rotated);
  EXPECT_EQ(call("GET", "/bkt/k").body, "text");
  rotated.encryption.keys.erase("first");
  make_service(rotated);
  EXPECT_EQ(call("GET", "/bkt/k").body, "text");
  EXPECT_EQ(call("GET", "/").count("~encryption"), 0u);
  EXPECT_EQ(call("GET", "/~encryption").code(), "InvalidBucketName");
}

// Each version has a key of its own, whatever the others have; deleted ones come back readable.
TEST_F(EncryptionTest, VersionsOfEveryKind) {
  ASSERT_EQ(call("PUT", "/bkt?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>").status, 200u);
  std::vector<std::string> ids;
  for (const Kind& kind : kinds()) {
    const Reply put = with("PUT", "/bkt/k", kind.write, "text of " + kind.name);
    ASSERT_EQ(put.status, 200u) << put.body;
    ids.push_back(put.header("x-amz-version-id"));
  }
  EXPECT_EQ(call("DELETE", "/bkt/k").status, 204u);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Kind kind = kinds()[i];
    const Reply get = with("GET", "/bkt/k?versionId=" + ids[i], kind.read);
    EXPECT_EQ(get.body, "text of " + kind.name);
    expect_kind(get, kind);
    Headers copy = kinds()[1].write;
    copy.insert(copy.end(), kind.copy_source.begin(), kind.copy_source.end());
    copy.emplace_back("x-amz-copy-source", "/bkt/k?versionId=" + ids[i]);
    EXPECT_EQ(with("PUT", "/bkt/copy", copy).status, 200u);
    EXPECT_EQ(call("GET", "/bkt/copy").body, "text of " + kind.name);
  }
}

// A small object lies in memory as it lies on the drives: it is not handed out from there.
TEST_F(EncryptionTest, MemoryHandsOutNoCipherText) {
  for (const Kind& kind : kinds()) {
    ASSERT_EQ(with("PUT", "/bkt/k", kind.write, "a small one").status, 200u);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(with("GET", "/bkt/k", kind.read).body, "a small one") << kind.name;
    if (kind.name == "SSE-C") EXPECT_EQ(call("GET", "/bkt/k").code(), "InvalidRequest");
  }
}

// A body that breaks off or fails its checks leaves nothing behind.
TEST_F(EncryptionTest, WhatIsNotVerifiedIsNotStored) {
  Headers headers = kinds()[1].write;
  headers.emplace_back("x-amz-checksum-crc32", "AAAAAA==");
  EXPECT_EQ(with("PUT", "/bkt/k", headers, "hello").code(), "BadDigest");
  EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey");
  headers.back().second = "NhCmhg==";
  const Reply put = with("PUT", "/bkt/k", headers, "hello");
  EXPECT_EQ(put.header("x-amz-checksum-crc32"), "NhCmhg==");
  EXPECT_EQ(with("GET", "/bkt/k", {{"x-amz-checksum-mode", "ENABLED"}}).header("x-amz-checksum-crc32"), "NhCmhg==");
}

}  // namespace
