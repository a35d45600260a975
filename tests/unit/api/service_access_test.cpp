// Who may do what: every route of the table as nobody, as a stranger, as a permitted and as a denied user; and what the
// decision hangs on where it is more than one word.
#include "api/access/operation_rules.h"
#include "api/routes.h"
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

using api::Route;
using api::Scope;

class AccessTest : public ServiceTest {
 protected:
  AccessTest() {
    call("PUT", "/bkt");
    upload_ = start_upload("/bkt/k");
  }

  static std::string policy(const std::string& statements) {
    return R"({"Version":"2012-10-17","Statement":[)" + statements + "]}";
  }
  static std::string statement(const std::string& effect, const std::string& principal, const std::string& actions) {
    return R"({"Effect":")" + effect + R"(","Principal":)" + principal + R"(,"Action":[)" + actions +
           R"(],"Resource":["arn:aws:s3:::bkt","arn:aws:s3:::bkt/*","arn:aws:s3:::bkt/.granary/*"]})";
  }
  void set_policy(const std::string& text) {
    const Reply reply = call("PUT", "/bkt?policy", text);
    ASSERT_EQ(reply.status, 204u) << reply.body << text;
  }
  TestRequest with(TestRequest request, const std::string& name, const std::string& value) {
    return request.set(name, value);
  }
  Reply alt(TestRequest request) { return call_as(alt_user(), std::move(request)); }

  // A request that means the route.
  TestRequest request_of(const Route& route) const {
    std::string target = route.scope == Scope::object ? "/bkt/k" : "/bkt";
    if (route.scope == Scope::virtual_object) target = "/bkt/.granary/labels/truth";
    if (!route.sub_resource.empty()) {
      target += "?" + std::string(route.sub_resource);
      if (route.sub_resource == "uploadId") target += "=" + upload_;
      if (route.sub_resource == "uploadId" && route.method == "PUT") target += "&partNumber=1";
      if (route.sub_resource == "annotation") target += "&annotationName=n";
      if (route.operation == "ListObjectAnnotations") target = "/bkt/k?annotation";
    }
    TestRequest request(std::string(route.method), target);
    if (route.copy) request.set("x-amz-copy-source", "/bkt/source");
    return request;
  }

  std::string upload_;
};

constexpr const char* kAlt = R"({"AWS":"alt-id"})";

TEST_F(AccessTest, EveryRouteIsClosedToNobodyAndToStrangers) {
  put("/bkt/k", "x");
  put("/bkt/source", "x");
  for (const Route& route : api::routes()) {
    if (!route.needs_bucket) continue;
    const TestRequest request = request_of(route);
    const Reply nobody = send(request);
    EXPECT_EQ(nobody.status, 403u) << route.operation;
    EXPECT_FALSE(nobody.body_was_read) << route.operation;
    const Reply stranger = alt(request);
    EXPECT_EQ(stranger.status, 403u) << route.operation;
    EXPECT_FALSE(stranger.body_was_read) << route.operation;
  }
  EXPECT_EQ(call("GET", "/bkt/k").body, "x");
}

TEST_F(AccessTest, EveryRouteObeysThePolicy) {
  for (const Route& route : api::routes()) {
    if (!route.needs_bucket) continue;
    call("PUT", "/bkt/k", "x");
    call("PUT", "/bkt/source", "x");
    const api::OperationRule& rule = api::rule_of(route);
    const std::string action = "\"" + std::string(api::action_name(rule.action)) + "\"";
    const std::string also = action + R"(,"s3:GetObject","s3:GetObjectAttributes","s3:ListBucket")";
    set_policy(policy(statement("Allow", kAlt, also)));
    const Reply permitted = alt(request_of(route));
    EXPECT_NE(permitted.status, 403u) << route.operation << permitted.body;
    const Reply nobody = send(request_of(route));
    EXPECT_EQ(nobody.status, 403u) << route.operation << " is not everybody's";
    EXPECT_FALSE(nobody.body_was_read) << route.operation;
    if (call("GET", "/bkt/k").status == 404) call("PUT", "/bkt/k", "x");
    set_policy(policy(statement("Allow", R"("*")", R"("s3:*")") + "," + statement("Deny", kAlt, action)));
    const Reply denied = alt(request_of(route));
    if (route.operation == "DeleteObjects") continue;  // decided key by key, see below
    EXPECT_EQ(denied.status, 403u) << route.operation;
    EXPECT_FALSE(denied.body_was_read) << route.operation;
  }
}

TEST_F(AccessTest, ServiceRoutes) {
  const Reply none = send(TestRequest("GET", "/"));
  EXPECT_EQ(none.status, 200u) << "nobody owns nothing";
  EXPECT_EQ(none.count("<Bucket>"), 0u);
  EXPECT_EQ(send(TestRequest("PUT", "/new")).code(), "AccessDenied");
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/")).count("<Name>bkt<"), 0u);
}

TEST_F(AccessTest, OwnersKeepTheirPolicy) {
  put("/bkt/k", "x");
  set_policy(policy(statement("Deny", R"("*")", R"("s3:*")")));
  EXPECT_EQ(call("GET", "/bkt/k").code(), "AccessDenied") << "Deny is for owners too";
  EXPECT_EQ(call("GET", "/bkt").code(), "AccessDenied");
  EXPECT_EQ(call("GET", "/bkt?policy").status, 200u);
  EXPECT_EQ(call("PUT", "/bkt?policy", policy(statement("Deny", R"("*")", R"("s3:*")"))).status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt?policy").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/k").body, "x");
}

// Without leave to list, a key that is not there and one that is closed look the same.
TEST_F(AccessTest, MissingKeys) {
  EXPECT_EQ(send(TestRequest("GET", "/bkt/none")).status, 403u);
  EXPECT_EQ(alt(TestRequest("HEAD", "/bkt/none")).status, 403u);
  set_policy(policy(statement("Allow", R"("*")", R"("s3:GetObject","s3:GetObjectTagging")")));
  for (const char* target : {"/bkt/none", "/bkt/none?tagging"}) {
    EXPECT_EQ(send(TestRequest("GET", target)).code(), "AccessDenied") << target;
  }
  set_policy(policy(statement("Allow", R"("*")", R"("s3:GetObject","s3:GetObjectTagging","s3:ListBucket")")));
  for (const char* target : {"/bkt/none", "/bkt/none?tagging"}) {
    EXPECT_EQ(send(TestRequest("GET", target)).code(), "NoSuchKey") << target;
  }
  EXPECT_EQ(call("GET", "/bkt/none").code(), "NoSuchKey");
  EXPECT_EQ(send(TestRequest("GET", "/none/none")).code(), "NoSuchBucket");
}

TEST_F(AccessTest, AnswersFromMemoryAskThePolicyToo) {
  put("/bkt/k", "hello");
  set_policy(policy(statement("Allow", kAlt, R"("s3:GetObject")")));
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(alt(TestRequest("GET", "/bkt/k")).body, "hello");
    EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u);
  }
  set_policy(policy(statement("Deny", kAlt, R"("s3:GetObject")")));
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/k")).status, 403u) << "the new policy counts at once";
}

TEST_F(AccessTest, DeleteObjectsDecidesKeyByKey) {
  put("/bkt/free", "x");
  put("/bkt/kept", "x");
  set_policy(policy(statement("Allow", kAlt, R"("s3:DeleteObject")") +
                    R"(,{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::bkt/kept"})"));
  const std::string body = "<Delete><Object><Key>free</Key></Object><Object><Key>kept</Key></Object></Delete>";
  const Reply reply = alt(TestRequest("POST", "/bkt?delete", body));
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.count("<Deleted><Key>free</Key>"), 1u) << reply.body;
  EXPECT_EQ(reply.count("<Error><Key>kept</Key><Code>AccessDenied</Code>"), 1u) << reply.body;
  EXPECT_EQ(call("GET", "/bkt/kept").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/free").status, 404u);
  set_policy(policy(statement("Allow", kAlt, R"("s3:GetObject")")));
  const Reply none = alt(TestRequest("POST", "/bkt?delete", body));
  EXPECT_EQ(none.status, 403u) << "no key could be allowed";
  EXPECT_FALSE(none.body_was_read);
}

TEST_F(AccessTest, CopiesReadTheirSource) {
  put("/bkt/k", "x");
  EXPECT_EQ(alt(TestRequest("PUT", "/mine")).status, 200u);
  const TestRequest copy = with(TestRequest("PUT", "/mine/k"), "x-amz-copy-source", "/bkt/k");
  EXPECT_EQ(alt(copy).code(), "AccessDenied");
  EXPECT_EQ(alt(with(TestRequest("PUT", "/mine/k"), "x-amz-copy-source", "/bkt/none")).code(), "AccessDenied");
  set_policy(policy(statement("Allow", kAlt, R"("s3:GetObject")")));
  EXPECT_EQ(alt(copy).status, 200u);
  EXPECT_EQ(alt(TestRequest("GET", "/mine/k")).body, "x");
}

TEST_F(AccessTest, WritesNeedLeaveForWhatTheySet) {
  set_policy(policy(statement("Allow", kAlt, R"("s3:PutObject")")));
  EXPECT_EQ(alt(TestRequest("PUT", "/bkt/a", "x")).status, 200u);
  const TestRequest tagged = with(TestRequest("PUT", "/bkt/a", "x"), "x-amz-tagging", "a=1");
  const TestRequest listed = with(TestRequest("PUT", "/bkt/a", "x"), "x-amz-acl", "public-read");
  EXPECT_EQ(alt(tagged).code(), "AccessDenied");
  EXPECT_EQ(alt(listed).code(), "AccessDenied");
  set_policy(policy(statement("Allow", kAlt, R"("s3:PutObject","s3:PutObjectTagging","s3:PutObjectAcl")")));
  EXPECT_EQ(alt(tagged).status, 200u);
  EXPECT_EQ(alt(listed).status, 200u);
  set_policy(policy(statement("Allow", kAlt, R"("s3:*")") + "," + statement("Deny", kAlt, R"("s3:PutObjectTagging")")));
  EXPECT_EQ(alt(tagged).code(), "AccessDenied");
}

TEST_F(AccessTest, BypassIsAnActionOfItsOwn) {
  put("/bkt/k", "x");
  set_policy(policy(statement("Allow", kAlt, R"("s3:DeleteObject")")));
  const TestRequest bypass = with(TestRequest("DELETE", "/bkt/k"), "x-amz-bypass-governance-retention", "true");
  EXPECT_EQ(alt(bypass).code(), "AccessDenied");
  set_policy(policy(statement("Allow", kAlt, R"("s3:DeleteObject","s3:BypassGovernanceRetention")")));
  EXPECT_EQ(alt(bypass).status, 204u);
}

TEST_F(AccessTest, ForeignObjectsAreNotTheBucketOwners) {
  set_policy(policy(statement("Allow", kAlt, R"("s3:PutObject")")));
  EXPECT_EQ(alt(TestRequest("PUT", "/bkt/k", "mine")).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k").code(), "AccessDenied");
  EXPECT_EQ(call("GET", "/bkt/k?acl").code(), "AccessDenied");
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/k")).body, "mine");
  set_policy(policy(statement("Allow", R"("*")", R"("s3:GetObject")")));
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).status, 403u) << "nor theirs to give away";
  EXPECT_NE(call("GET", "/bkt").body.find("<Owner><ID>alt-id</ID>"), std::string::npos);
  EXPECT_EQ(call("PUT", "/bkt?ownershipControls",
                 "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>")
                .status,
            200u);
  EXPECT_EQ(call("GET", "/bkt/k").body, "mine");
  EXPECT_EQ(send(TestRequest("GET", "/bkt/k")).body, "mine");
  EXPECT_EQ(call("DELETE", "/bkt/k").status, 204u);
}

TEST_F(AccessTest, UploadsOfTheirInitiators) {
  set_policy(policy(statement("Allow", kAlt, R"("s3:PutObject")")));
  const std::string theirs = alt(TestRequest("POST", "/bkt/u?uploads")).element("UploadId");
  ASSERT_FALSE(theirs.empty());
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/u?uploadId=" + theirs)).status, 200u);
  EXPECT_EQ(alt(TestRequest("GET", "/bkt/k?uploadId=" + upload_)).status, 403u) << "not somebody else's";
  EXPECT_EQ(alt(TestRequest("DELETE", "/bkt/k?uploadId=" + upload_)).status, 403u);
  set_policy(policy(statement("Allow", kAlt, R"("s3:PutObject")") + "," +
                    statement("Deny", kAlt, R"("s3:AbortMultipartUpload")")));
  EXPECT_EQ(alt(TestRequest("DELETE", "/bkt/u?uploadId=" + theirs)).status, 403u);
  set_policy(policy(statement("Allow", kAlt, R"("s3:PutObject")")));
  EXPECT_EQ(alt(TestRequest("DELETE", "/bkt/u?uploadId=" + theirs)).status, 204u);
}

// A body that is framed needs no signature to be unframed.
TEST_F(AccessTest, UnsignedUploads) {
  TestRequest acl("PUT", "/bkt?acl");
  acl.set("x-amz-acl", "public-read-write");
  EXPECT_EQ(call(acl).status, 200u);
  EXPECT_EQ(send(TestRequest("PUT", "/bkt/k", "plain")).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k").body, "plain") << "what nobody wrote is the bucket owner's";
  TestRequest framed("PUT", "/bkt/k", aws_chunked("framed", 3, nullptr, "x-amz-checksum-crc32:LFqtMQ=="));
  framed.set("x-amz-trailer", "x-amz-checksum-crc32").set("x-amz-decoded-content-length", "6");
  const Reply reply = send(framed);
  EXPECT_NE(reply.code(), "AccessDenied") << reply.body;
  EXPECT_TRUE(reply.status == 200 || reply.code() == "BadDigest") << reply.body;
  TestRequest pretended("PUT", "/bkt/k", "x");
  pretended.set("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
  EXPECT_EQ(send(pretended).code(), "AccessDenied");
}

}  // namespace
}  // namespace tests
