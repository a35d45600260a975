// Buckets, listings and everything that is answered without an object.
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

using BucketTest = ServiceTest;

// Items 105 to 110, 121.
TEST_F(BucketTest, LifeOfABucket) {
  const Reply made = call("PUT", "/bkt");
  EXPECT_EQ(made.status, 200u);
  EXPECT_EQ(made.header("Location"), "/bkt");
  EXPECT_EQ(call("PUT", "/bkt/").status, 200u) << "again by its owner, in us-east-1";
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", "/bkt")).code(), "BucketAlreadyExists");
  EXPECT_EQ(call("HEAD", "/bkt").status, 200u);
  EXPECT_EQ(call("HEAD", "/bkt").header("x-amz-bucket-region"), "us-east-1");
  EXPECT_EQ(call("GET", "/bkt?location")
                    .body.find("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                               "</LocationConstraint>") != std::string::npos,
            true);
  put("/bkt/k", "x");
  EXPECT_EQ(call("DELETE", "/bkt").code(), "BucketNotEmpty");
  EXPECT_EQ(call("DELETE", "/bkt/k").status, 204u);
  start_upload("/bkt/open");
  EXPECT_EQ(call("DELETE", "/bkt").status, 204u) << "an open upload does not hold the bucket";
  EXPECT_EQ(call("DELETE", "/bkt").code(), "NoSuchBucket");
  EXPECT_EQ(call("GET", "/bkt").code(), "NoSuchBucket");
  EXPECT_EQ(call("GET", "/bkt").element("BucketName"), "bkt");
  EXPECT_EQ(call("HEAD", "/bkt").status, 404u);
  const Reply lost = call("PUT", "/bkt/k", "x");
  EXPECT_EQ(lost.code(), "NoSuchBucket");
  EXPECT_FALSE(lost.body_was_read);
  EXPECT_EQ(call("PUT", "/Bkt").code(), "InvalidBucketName");
  EXPECT_EQ(send(TestRequest("PUT", "/b_kt")).code(), "InvalidBucketName")
      << "before credentials are looked at";
}

TEST_F(BucketTest, OtherRegionsRefuseASecondCreation) {
  auto options = default_options();
  options.region = "eu-test";
  make_service(options);
  auto user = main_user();
  user.region = "eu-test";
  EXPECT_EQ(call_as(user, TestRequest("PUT", "/bkt")).status, 200u);
  EXPECT_EQ(call_as(user, TestRequest("PUT", "/bkt")).code(), "BucketAlreadyOwnedByYou");
  EXPECT_EQ(call_as(user, TestRequest("GET", "/bkt?location")).body.find(">eu-test<") != std::string::npos,
            true);
}

TEST_F(BucketTest, LocationConstraints) {
  const auto create = [&](const char* name, const std::string& location) {
    return call(
        "PUT", std::string("/") + name,
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>" +
            location + "</LocationConstraint></CreateBucketConfiguration>");
  };
  EXPECT_EQ(create("bkt-1", "us-east-1").status, 200u);
  EXPECT_EQ(create("bkt-2", "eu-test").status, 200u);
  EXPECT_NE(call("GET", "/bkt-2?location").body.find(">eu-test</LocationConstraint>"), std::string::npos);
  EXPECT_EQ(create("bkt-3", "mars-1").code(), "InvalidLocationConstraint");
  EXPECT_EQ(call("PUT", "/bkt-3", "<CreateBucket").code(), "MalformedXML");
  EXPECT_EQ(call("PUT", "/bkt-3", "<CreateBucketConfiguration><Tags/></CreateBucketConfiguration>").code(),
            "NotImplemented");
  TestRequest locked("PUT", "/bkt-3");
  locked.set("x-amz-bucket-object-lock-enabled", "true");
  EXPECT_EQ(call("PUT", "/bkt-3?object-lock").code(), "NoSuchBucket");
  locked.replace("x-amz-bucket-object-lock-enabled", "perhaps");
  EXPECT_EQ(call(locked).code(), "InvalidArgument");
  locked.replace("x-amz-bucket-object-lock-enabled", "false");
  EXPECT_EQ(call(locked).status, 200u);
}

// Item 111.
TEST_F(BucketTest, ListBuckets) {
  for (const char* name : {"/aaa", "/bbb", "/ccc"}) EXPECT_EQ(call("PUT", name).status, 200u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", "/other")).status, 200u);
  const Reply all = call("GET", "/");
  EXPECT_EQ(all.operation, "ListBuckets");
  EXPECT_EQ(all.count("<Bucket>"), 3u);
  EXPECT_EQ(all.element("ID"), "main-id");
  EXPECT_EQ(all.element("DisplayName"), "main");
  const Reply page = call("GET", "/?max-buckets=2");
  EXPECT_EQ(page.count("<Bucket>"), 2u);
  const Reply rest = call("GET", "/?max-buckets=2&continuation-token=" + page.element("ContinuationToken"));
  EXPECT_EQ(rest.count("<Bucket>"), 1u);
  EXPECT_EQ(rest.element("Name"), "ccc");
  EXPECT_EQ(rest.element("ContinuationToken"), "");
  EXPECT_EQ(call("GET", "/?prefix=b").element("Name"), "bbb");
  EXPECT_EQ(call("GET", "/?max-buckets=x").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/?continuation-token=!").code(), "InvalidArgument");
}

// Item 141 and ownership.
TEST_F(BucketTest, ForeignBucketsAreClosed) {
  EXPECT_EQ(call("PUT", "/bkt").status, 200u);
  put("/bkt/k", "x");
  for (const auto& [method, target] : {std::pair{"GET", "/bkt"},
                                       {"GET", "/bkt/k"},
                                       {"PUT", "/bkt/k"},
                                       {"DELETE", "/bkt/k"},
                                       {"DELETE", "/bkt"},
                                       {"GET", "/bkt?acl"},
                                       {"POST", "/bkt?delete"},
                                       {"POST", "/bkt/k?uploads"},
                                       {"HEAD", "/bkt"}}) {
    EXPECT_EQ(call_as(alt_user(), TestRequest(method, target)).status, 403u) << method << target;
  }
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", "/mine")).status, 200u);
  TestRequest stolen("PUT", "/mine/k");
  stolen.set("x-amz-copy-source", "/bkt/k");
  EXPECT_EQ(call_as(alt_user(), stolen).code(), "AccessDenied");
  for (const auto& [method, target] :
       {std::pair{"GET", "/bkt/k"}, {"DELETE", "/bkt/k"}, {"DELETE", "/bkt"}, {"PUT", "/bkt"}}) {
    TestRequest expected(method, target);
    expected.set("x-amz-expected-bucket-owner", "somebody");
    EXPECT_EQ(call(expected).code(), "AccessDenied") << method;
  }
  EXPECT_EQ(call("GET", "/bkt/k").body, "x");
  TestRequest right("GET", "/bkt/k");
  right.set("x-amz-expected-bucket-owner", "main-id");
  EXPECT_EQ(call(right).status, 200u);
}

// Items 13, 142, 19, 132, 73, 158.
TEST_F(BucketTest, RequestsWithoutCredentials) {
  EXPECT_EQ(call("PUT", "/bkt").status, 200u);
  for (const char* method : {"GET", "PUT", "DELETE"}) {
    const Reply reply = send(TestRequest(method, "/bkt/k", "body"));
    EXPECT_EQ(reply.status, 403u);
    EXPECT_EQ(reply.code(), "AccessDenied");
    EXPECT_FALSE(reply.body_was_read);
  }
  EXPECT_EQ(send(TestRequest("PUT", "/bkt?policy")).code(), "AccessDenied");
  EXPECT_EQ(send(TestRequest("OPTIONS", "/bkt")).code(), "BadRequest");
  TestRequest preflight("OPTIONS", "/bkt");
  preflight.set("origin", "http://example.test");
  EXPECT_EQ(send(preflight).code(), "AccessForbidden");
  EXPECT_EQ(send(TestRequest("POST", "/", "Action=GetUser")).status, 405u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/%zz")).code(), "InvalidURI");
  const Reply error = send(TestRequest("GET", "/bkt/k"));
  EXPECT_EQ(error.element("RequestId"), "0123456789ABCDEF");
  EXPECT_EQ(error.element("HostId"), api::host_id("0123456789ABCDEF"));
  EXPECT_EQ(error.element("Resource"), "/bkt/k");
}

// Item 112.
TEST_F(BucketTest, WhatNobodyConfigured) {
  EXPECT_EQ(call("PUT", "/bkt").status, 200u);
  put("/bkt/k", "x");
  for (const auto& [name, code] : {std::pair{"policy", "NoSuchBucketPolicy"},
                                   {"cors", "NoSuchCORSConfiguration"},
                                   {"lifecycle", "NoSuchLifecycleConfiguration"},
                                   {"tagging", "NoSuchTagSet"},
                                   {"encryption", "ServerSideEncryptionConfigurationNotFoundError"},
                                   {"object-lock", "ObjectLockConfigurationNotFoundError"},
                                   {"publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"},
                                   {"ownershipControls", "OwnershipControlsNotFoundError"},
                                   {"website", "NoSuchWebsiteConfiguration"},
                                   {"replication", "ReplicationConfigurationNotFoundError"}}) {
    const Reply reply = call("GET", std::string("/bkt?") + name);
    EXPECT_EQ(reply.status, 404u) << name;
    EXPECT_EQ(reply.code(), code);
    EXPECT_EQ(call("GET", std::string("/bkt?") + name + "=").code(), code);
    EXPECT_EQ(call("HEAD", "/bkt").status, 200u);
  }
  for (const auto& [name, text] : {std::pair{"versioning", "<VersioningConfiguration xmlns"},
                                   {"policyStatus", "<IsPublic>false</IsPublic>"},
                                   {"logging", "<BucketLoggingStatus xmlns"},
                                   {"notification", "<NotificationConfiguration xmlns"},
                                   {"accelerate", "<AccelerateConfiguration xmlns"},
                                   {"requestPayment", "<Payer>BucketOwner</Payer>"},
                                   {"acl", "<Permission>FULL_CONTROL</Permission>"}}) {
    const Reply reply = call("GET", std::string("/bkt?") + name);
    EXPECT_EQ(reply.status, 200u) << name;
    EXPECT_NE(reply.body.find(text), std::string::npos) << reply.body;
  }
  EXPECT_EQ(call("GET", "/bkt/k?torrent").code(), "NoSuchKey");
  EXPECT_EQ(call("GET", "/bkt/k?retention").code(), "InvalidRequest");
  EXPECT_EQ(call("GET", "/bkt/k?legal-hold").code(), "InvalidRequest");
  EXPECT_EQ(call("GET", "/bkt/k?acl").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/missing?acl").code(), "NoSuchKey");
  EXPECT_EQ(call("DELETE", "/bkt?anything-unknown").code(), "NotImplemented");
  EXPECT_EQ(call("GET", "/bkt/k").status, 200u);
}

TEST_F(BucketTest, TheOwnersAcl) {
  EXPECT_EQ(call("PUT", "/bkt").status, 200u);
  put("/bkt/k", "x");
  const Reply acl = call("GET", "/bkt?acl");
  for (const char* target : {"/bkt?acl", "/bkt/k?acl"}) {
    EXPECT_EQ(call("PUT", target, acl.body).status, 200u) << "what was read can be written";
    TestRequest canned("PUT", target);
    canned.set("x-amz-acl", "private");
    EXPECT_EQ(call(canned).status, 200u);
    EXPECT_EQ(call("PUT", target, "<AccessControlPolicy/>").code(), "MalformedACLError");
    EXPECT_EQ(call("PUT", target, "<Nonsense").code(), "MalformedACLError");
    EXPECT_EQ(call("PUT", target).code(), "MissingSecurityHeader");
  }
}

class ListTest : public ServiceTest {
 protected:
  ListTest() { EXPECT_EQ(call("PUT", "/bkt").status, 200u); }
};

// Items 75 to 84, 123.
TEST_F(ListTest, PagesOfKeysAndPrefixes) {
  for (const char* key : {"a", "a%2F", "a%2Fb", "a-b", "a.b", "a%C3%A4", "foo%2B1%2Fx", "foo%2Fx", "z%20z"}) {
    put(std::string("/bkt/") + key, "x");
  }
  const Reply all = call("GET", "/bkt?list-type=2");
  EXPECT_EQ(all.element("KeyCount"), "9");
  EXPECT_EQ(all.element("IsTruncated"), "false");
  EXPECT_EQ(all.count("<NextContinuationToken>"), 0u);
  EXPECT_EQ(all.count("<Owner>"), 0u);
  EXPECT_EQ(all.element("StorageClass"), "STANDARD");
  EXPECT_EQ(all.element("LastModified"), "2013-05-24T00:00:00.000Z");
  EXPECT_LT(all.body.find("foo+1/x"), all.body.find("foo/x"));
  EXPECT_EQ(call("GET", "/bkt?list-type=2&fetch-owner=true").count("<Owner>"), 9u);
  EXPECT_EQ(call("GET", "/bkt").count("<Owner>"), 9u) << "V1 always has owners";

  std::string token;
  std::vector<std::string> names;
  for (int pages = 0; pages < 20; ++pages) {
    const Reply page = call("GET", "/bkt?list-type=2&delimiter=%2F&max-keys=2&continuation-token=" + token);
    EXPECT_EQ(page.element("ContinuationToken"), token);
    EXPECT_EQ(page.element("IsTruncated") == "true", page.count("<NextContinuationToken>") == 1);
    for (std::size_t at = page.body.find("<Contents>"); at != std::string::npos;
         at = page.body.find("<Contents>", at + 1)) {
      names.push_back("key");
    }
    for (std::size_t i = 0; i < page.count("<CommonPrefixes>"); ++i) names.push_back("prefix");
    token = page.element("NextContinuationToken");
    if (token.empty()) break;
  }
  EXPECT_EQ(std::count(names.begin(), names.end(), "key"), 5) << "a, a-b, a.b, aä, z z";
  EXPECT_EQ(std::count(names.begin(), names.end(), "prefix"), 3) << "a/, foo+1/, foo/";

  const Reply encoded = call("GET", "/bkt?list-type=2&encoding-type=url&prefix=z%20&start-after=a%20b");
  EXPECT_EQ(encoded.element("Key"), "z%20z");
  EXPECT_EQ(encoded.element("Prefix"), "z%20");
  EXPECT_EQ(encoded.element("StartAfter"), "a%20b");
  EXPECT_EQ(encoded.element("EncodingType"), "url");
  EXPECT_EQ(call("GET", "/bkt?list-type=2&max-keys=0").element("IsTruncated"), "false");
  EXPECT_EQ(call("GET", "/bkt?list-type=2&max-keys=5000").element("MaxKeys"), "1000");
  EXPECT_EQ(call("GET", "/bkt?list-type=2&delimiter=&prefix=").element("KeyCount"), "9");
  for (const char* query :
       {"max-keys=-1", "max-keys=x", "continuation-token=nonsense", "encoding-type=utf"}) {
    EXPECT_EQ(call("GET", std::string("/bkt?list-type=2&") + query).code(), "InvalidArgument") << query;
  }
  EXPECT_EQ(call("GET", "/bkt?list-type=3").code(), "InvalidArgument");
}

// Item 77.
TEST_F(ListTest, Version1Markers) {
  for (const char* key : {"a%2F1", "a%2F2", "b", "c"}) put(std::string("/bkt/") + key, "x");
  const Reply first = call("GET", "/bkt?delimiter=%2F&max-keys=1");
  EXPECT_EQ(first.element("NextMarker"), "a/");
  const Reply second = call("GET", "/bkt?delimiter=%2F&max-keys=1&marker=a%2F");
  EXPECT_EQ(second.element("Key"), "b");
  EXPECT_EQ(call("GET", "/bkt?max-keys=1").count("<NextMarker>"), 0u);
  EXPECT_EQ(call("GET", "/bkt?max-keys=1").element("IsTruncated"), "true");
  EXPECT_EQ(call("GET", "/bkt?marker=b0").element("Key"), "c");
}

// Item 85.
TEST_F(ListTest, NullVersions) {
  for (const char* key : {"a", "b", "c%2Fd"}) put(std::string("/bkt/") + key, "x");
  const Reply all = call("GET", "/bkt?versions");
  EXPECT_EQ(all.count("<Version>"), 3u);
  EXPECT_EQ(all.count("<VersionId>null</VersionId>"), 3u);
  EXPECT_EQ(all.count("<IsLatest>true</IsLatest>"), 3u);
  const Reply page = call("GET", "/bkt?versions&max-keys=1&delimiter=%2F");
  EXPECT_EQ(page.element("NextKeyMarker"), "a");
  EXPECT_EQ(page.element("NextVersionIdMarker"), "null");
  const Reply next = call("GET", "/bkt?versions&key-marker=b&version-id-marker=null&delimiter=%2F");
  EXPECT_EQ(next.count("<Version>"), 0u);
  EXPECT_EQ(next.count("<CommonPrefixes>"), 1u);
  EXPECT_EQ(call("GET", "/bkt?versions&version-id-marker=null").code(), "InvalidArgument");
}

// Items 41, 113, 137.
TEST_F(ListTest, DeleteObjects) {
  for (const char* key : {"a", "b", "c"}) put(std::string("/bkt/") + key, "x");
  const Reply first = call(
      "POST", "/bkt?delete",
      "<Delete><Object><Key>a</Key></Object><Object><Key>missing</Key><VersionId>null</VersionId></Object>"
      "<Object><Key>b</Key><ETag>\"x\"</ETag></Object><Object><Key>b</Key><VersionId>v1</VersionId></Object>"
      "</Delete>");
  EXPECT_EQ(first.status, 200u) << first.body;
  EXPECT_EQ(first.count("<Deleted>"), 2u);
  EXPECT_EQ(first.count("<Error>"), 2u);
  EXPECT_EQ(first.count("<Code>PreconditionFailed</Code>"), 1u);
  EXPECT_EQ(first.count("<Code>NoSuchVersion</Code>"), 1u);
  EXPECT_EQ(call("GET", "/bkt/a").status, 404u);
  EXPECT_EQ(call("GET", "/bkt/b").status, 200u);
  const Reply quiet =
      call("POST", "/bkt?delete", "<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>");
  EXPECT_EQ(quiet.count("<Deleted>"), 0u);
  EXPECT_EQ(call("GET", "/bkt/b").status, 404u);

  const auto refused = [&](TestRequest request, const char* code) {
    EXPECT_EQ(call(request).code(), code) << request.body.substr(0, 100);
    EXPECT_EQ(call("GET", "/bkt/c").status, 200u);
  };
  const std::string good = "<Delete><Object><Key>c</Key></Object></Delete>";
  refused(TestRequest("POST", "/bkt?delete", "<Delete></Delete>"), "MalformedXML");
  refused(TestRequest("POST", "/bkt?delete", "<Other><Object><Key>c</Key></Object></Other>"), "MalformedXML");
  refused(TestRequest("POST", "/bkt?delete", "<Delete><Object><Key>c<x/></Key></Object></Delete>"),
          "MalformedXML");
  refused(TestRequest("POST", "/bkt?delete", "<!DOCTYPE x>" + good), "MalformedXML");
  refused(TestRequest("POST", "/bkt?delete"), "MissingRequestBodyError");
  refused(TestRequest("POST", "/bkt?delete", good).set("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
          "BadDigest");
  refused(TestRequest("POST", "/bkt?delete", good).set("x-amz-checksum-crc32", "AAAAAA=="), "BadDigest");
  std::string many = "<Delete>";
  for (int i = 0; i < 1001; ++i) many += "<Object><Key>c</Key></Object>";
  refused(TestRequest("POST", "/bkt?delete", many + "</Delete>"), "MalformedXML");
  refused(TestRequest("POST", "/bkt?delete", std::string(8 * 1024 * 1024, ' ')), "MaxMessageLengthExceeded");

  TestRequest unsigned_body("POST", "/bkt?delete", good);
  auto user = main_user();
  user.payload = "UNSIGNED-PAYLOAD";
  EXPECT_EQ(call_as(user, unsigned_body).code(), "InvalidRequest") << "nothing vouches for the body";
  EXPECT_EQ(call("GET", "/bkt/c").status, 200u);
}

}  // namespace
