// Access control lists and object ownership on the wire.
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

class AclTest : public ServiceTest {
 protected:
  AclTest() { call("PUT", "/bkt"); }

  Reply alt(TestRequest request) { return call_as(alt_user(), std::move(request)); }
  Reply canned(const std::string& method, const std::string& target, const std::string& acl, std::string body = {}) {
    TestRequest request(method, target, std::move(body));
    request.set("x-amz-acl", acl);
    return call(request);
  }
  static std::string document(const std::string& grants) {
    return "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>main-id</ID></Owner>"
           "<AccessControlList>" + grants + "</AccessControlList></AccessControlPolicy>";
  }
  static std::string grant(const std::string& id, const std::string& permission) {
    return "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>" + id +
           "</ID></Grantee><Permission>" + permission + "</Permission></Grant>";
  }
  Reply own(const std::string& ownership) {
    return call("PUT", "/bkt?ownershipControls", "<OwnershipControls><Rule><ObjectOwnership>" + ownership +
                                                     "</ObjectOwnership></Rule></OwnershipControls>");
  }
};

TEST_F(AclTest, DefaultsAndDocuments) {
  put("/bkt/k", "x");
  for (const char* target : {"/bkt?acl", "/bkt/k?acl"}) {
    const Reply reply = call("GET", target);
    EXPECT_NE(reply.body.find("<Owner><ID>main-id</ID><DisplayName>main</DisplayName></Owner><AccessControlList><Grant>"
                              "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">"
                              "<ID>main-id</ID><DisplayName>main</DisplayName></Grantee><Permission>FULL_CONTROL</Permission>"
                              "</Grant></AccessControlList>"),
              std::string::npos)
        << reply.body;
    EXPECT_EQ(call("PUT", target, document(grant("main-id", "FULL_CONTROL") + grant("alt-id", "READ_ACP"))).status, 200u);
    EXPECT_EQ(alt(TestRequest("GET", target)).count("<Grant>"), 2u);
    EXPECT_EQ(alt(TestRequest("PUT", target)).status, 403u);
    EXPECT_EQ(call("PUT", target, document(grant("nobody", "READ"))).code(), "InvalidArgument");
    EXPECT_EQ(call("PUT", target, document("<Grant/>")).code(), "MalformedACLError");
    const std::string email = "<Grant><Grantee><EmailAddress>alt@example.test</EmailAddress></Grantee>"
                              "<Permission>READ</Permission></Grant>";
    EXPECT_EQ(call("PUT", target, document(email)).status, 200u);
    EXPECT_EQ(call("GET", target).count("<ID>alt-id</ID>"), 1u);
    std::string nobody = email;
    nobody.replace(nobody.find("alt@"), 4, "who@");
    EXPECT_EQ(call("PUT", target, document(nobody)).code(), "UnresolvableGrantByEmailAddress");
    std::string stolen = document(grant("alt-id", "READ"));
    stolen.replace(stolen.find("main-id"), 7, "alt-id");
    EXPECT_EQ(call("PUT", target, stolen).code(), "AccessDenied");
    TestRequest both("PUT", target, document(grant("alt-id", "READ")));
    both.set("x-amz-acl", "private");
    EXPECT_EQ(call(both).code(), "UnexpectedContent");
    EXPECT_EQ(canned("PUT", target, "no-such-list").code(), "InvalidArgument");
  }
  EXPECT_EQ(canned("PUT", "/bkt?acl", "private").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/none?acl").code(), "NoSuchKey");
}

TEST_F(AclTest, CannedListsOfBuckets) {
  put("/bkt/k", "x");
  EXPECT_EQ(canned("PUT", "/bkt?acl", "public-read").status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt")).status, 200u);
  EXPECT_EQ(send(TestRequest("HEAD", "/bkt")).status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u) << "an object has a list of its own";
  EXPECT_EQ(send(TestRequest("GET", "/bkt/gone")).code(), "NoSuchKey") << "who lists may know";
  EXPECT_EQ(send(TestRequest("PUT", "/bkt/new", "x")).status, 403u);
  EXPECT_EQ(canned("PUT", "/bkt?acl", "public-read-write").status, 200u);
  EXPECT_EQ(call("GET", "/bkt?acl").count("AllUsers"), 2u);
  EXPECT_EQ(send(TestRequest("PUT", "/bkt/new", "x")).status, 200u);
  EXPECT_EQ(alt(TestRequest("PUT", "/bkt/alt", "x")).status, 200u);
  EXPECT_EQ(send(TestRequest("DELETE", "/bkt/new")).status, 204u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt?acl")).status, 403u);
  EXPECT_EQ(canned("PUT", "/bkt?acl", "authenticated-read").status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt")).status, 403u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt")).status, 200u);
  EXPECT_EQ(canned("PUT", "/bkt?acl", "log-delivery-write").status, 200u);
  EXPECT_EQ(call("GET", "/bkt?acl").count("LogDelivery"), 2u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt")).status, 403u);
}

TEST_F(AclTest, CannedListsOfObjects) {
  EXPECT_EQ(canned("PUT", "/bkt/k", "public-read", "hello").status, 200u);
  for (int round = 0; round < 3; ++round) EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).body, "hello");
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k?attributes")).status != 200u, true) << "it wants a header";
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k?tagging")).status, 403u);
  EXPECT_EQ(canned("PUT", "/bkt/k?acl", "private").status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u);
  EXPECT_EQ(canned("PUT", "/bkt/k?acl", "authenticated-read").status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/k")).body, "hello");
  EXPECT_EQ(put("/bkt/k", "again").status, 200u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/k")).status, 403u) << "a new object has a new list";
}

TEST_F(AclTest, UploadsAndCopiesCarryTheirs) {
  TestRequest start("POST", "/bkt/multi?uploads");
  start.set("x-amz-acl", "public-read");
  const std::string upload = call(start).element("UploadId");
  const std::string etag = put_part("/bkt/multi", upload, 1, "part");
  EXPECT_EQ(call("POST", "/bkt/multi?uploadId=" + upload, complete_body({{1, etag}})).status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/multi")).body, "part");
  TestRequest copy("PUT", "/bkt/copy");
  copy.set("x-amz-copy-source", "/bkt/multi");
  EXPECT_EQ(call(copy).status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/copy")).status, 403u) << "a copy is private unless it says otherwise";
  copy.set("x-amz-acl", "public-read").set("x-amz-metadata-directive", "REPLACE");
  EXPECT_EQ(call(copy).status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/copy")).body, "part");
}

TEST_F(AclTest, GrantHeaders) {
  TestRequest create("PUT", "/granted");
  for (const char* name : {"read", "write", "read-acp", "write-acp", "full-control"}) {
    create.set(std::string("x-amz-grant-") + name, "id=alt-id");
  }
  EXPECT_EQ(call(create).status, 200u);
  EXPECT_EQ(alt(TestRequest("GET", "/granted?acl")).count("<Grant>"), 5u) << "the owner is not among them";
  EXPECT_EQ(alt(TestRequest("PUT", "/granted/k", "x")).status, 200u);
  EXPECT_EQ(call("GET", "/granted").status, 403u) << "who gives all away has what is left";
  EXPECT_EQ(call("GET", "/granted?acl").status, 200u);
  TestRequest both("PUT", "/bkt/k", "x");
  both.set("x-amz-acl", "private").set("x-amz-grant-read", "id=alt-id");
  EXPECT_EQ(call(both).code(), "InvalidRequest");
  TestRequest wrong("PUT", "/bkt/k", "x");
  wrong.set("x-amz-grant-read", "id=nobody");
  EXPECT_EQ(call(wrong).code(), "InvalidArgument");
}

TEST_F(AclTest, CreationAgainKeepsTheList) {
  EXPECT_EQ(canned("PUT", "/listed", "public-read").status, 200u);
  EXPECT_EQ(call("PUT", "/listed").code(), "BucketAlreadyExists");
  EXPECT_EQ(canned("PUT", "/listed", "public-read").status, 200u);
  EXPECT_EQ(canned("PUT", "/bkt", "public-read").code(), "BucketAlreadyExists");
}

TEST_F(AclTest, BucketOwnersAndWriters) {
  EXPECT_EQ(canned("PUT", "/bkt?acl", "public-read-write").status, 200u);
  TestRequest given("PUT", "/bkt/given", "x");
  given.set("x-amz-acl", "bucket-owner-read");
  EXPECT_EQ(alt(given).status, 200u);
  const Reply acl = alt(TestRequest("GET", "/bkt/given?acl"));
  EXPECT_EQ(acl.count("<ID>alt-id</ID>"), 2u) << acl.body;
  EXPECT_EQ(acl.count("<ID>main-id</ID>"), 1u);
  EXPECT_EQ(call("GET", "/bkt/given").body, "x");
  EXPECT_EQ(call("GET", "/bkt/given?acl").status, 403u);
  EXPECT_EQ(own("BucketOwnerPreferred").status, 200u);
  given.replace("x-amz-acl", "bucket-owner-full-control");
  EXPECT_EQ(alt(given).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/given?acl").count("alt-id"), 0u) << "now it is the bucket owner's";
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/given")).status, 403u);
}

TEST_F(AclTest, OwnershipControls) {
  EXPECT_EQ(call("GET", "/bkt?ownershipControls").code(), "OwnershipControlsNotFoundError");
  EXPECT_EQ(own("Nobody").code(), "MalformedXML");
  EXPECT_EQ(own("ObjectWriter").status, 200u);
  EXPECT_EQ(call("GET", "/bkt?ownershipControls").element("ObjectOwnership"), "ObjectWriter");
  EXPECT_EQ(canned("PUT", "/bkt?acl", "public-read").status, 200u);
  EXPECT_EQ(own("BucketOwnerEnforced").code(), "InvalidBucketAclWithObjectOwnership");
  EXPECT_EQ(canned("PUT", "/bkt?acl", "private").status, 200u);
  EXPECT_EQ(canned("PUT", "/bkt/k", "public-read", "x").status, 200u);
  EXPECT_EQ(own("BucketOwnerEnforced").status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u) << "lists are off";
  for (const char* target : {"/bkt?acl", "/bkt/k?acl"}) {
    const Reply refused = canned("PUT", target, "public-read");
    EXPECT_EQ(refused.status, 400u);
    EXPECT_EQ(refused.code(), "AccessControlListNotSupported") << target;
    EXPECT_EQ(call("GET", target).count("<Grant>"), 1u);
  }
  EXPECT_EQ(canned("PUT", "/bkt/k", "public-read", "x").code(), "AccessControlListNotSupported");
  EXPECT_EQ(canned("PUT", "/bkt/k", "bucket-owner-full-control", "x").status, 200u);
  EXPECT_EQ(call("DELETE", "/bkt?ownershipControls").status, 204u);
  EXPECT_EQ(call("GET", "/bkt?ownershipControls").code(), "OwnershipControlsNotFoundError");
  TestRequest created("PUT", "/enforced");
  created.set("x-amz-object-ownership", "BucketOwnerEnforced");
  EXPECT_EQ(call(created).status, 200u);
  EXPECT_EQ(call("GET", "/enforced?ownershipControls").element("ObjectOwnership"), "BucketOwnerEnforced");
  TestRequest contradicting("PUT", "/enforced-2");
  contradicting.set("x-amz-object-ownership", "BucketOwnerEnforced").set("x-amz-acl", "public-read");
  EXPECT_EQ(call(contradicting).code(), "InvalidBucketAclWithObjectOwnership");
  contradicting.replace("x-amz-object-ownership", "Nobody");
  EXPECT_EQ(call(contradicting).code(), "InvalidArgument");
}

TEST_F(AclTest, VersionsHaveListsOfTheirOwn) {
  EXPECT_EQ(call("PUT", "/bkt?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>").status, 200u);
  const std::string old = put("/bkt/k", "old").header("x-amz-version-id");
  put("/bkt/k", "new");
  EXPECT_EQ(canned("PUT", "/bkt/k?acl&versionId=" + old, "public-read").header("x-amz-version-id"), old);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k?versionId=" + old)).body, "old");
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u);
  EXPECT_EQ(call("GET", "/bkt/k?acl&versionId=" + old).count("AllUsers"), 1u);
  EXPECT_EQ(call("GET", "/bkt/k?acl").count("AllUsers"), 0u);
  EXPECT_EQ(call("DELETE", "/bkt/k").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/k?acl").code(), "NoSuchKey");
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u) << "a marker is no secret told";
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k?versionId=" + old)).body, "old");
  EXPECT_EQ(alt(TestRequest("DELETE", "/bkt/k?versionId=" + old)).status, 403u);
}

// Without the owner's grant the owner may not write, but may take it back.
TEST_F(AclTest, OwnersMayTakeTheirGrantsAway) {
  put("/bkt/k", "x");
  EXPECT_EQ(call("PUT", "/bkt?acl", document("")).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k").body, "x");
  EXPECT_EQ(call("PUT", "/bkt/new", "x").code(), "AccessDenied");
  EXPECT_EQ(call("GET", "/bkt?acl").count("<Grant>"), 0u);
  EXPECT_EQ(canned("PUT", "/bkt?acl", "private").status, 200u);
  EXPECT_EQ(put("/bkt/new", "x").status, 200u);
}

}  // namespace
}  // namespace tests
