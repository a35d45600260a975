// Users of the metadata store, temporary credentials, and the old signature.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "api/digest.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/request_target.h"
#include "api/user_registry.h"
#include "tests/support/run_task.h"
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

class UsersTest : public ServiceTest {
 protected:
  UsersTest() { remake(); }

  void remake(const std::string& key = std::string(32, 'k')) {
    auto options = default_options();
    options.secrets_key = key;
    make_service(options);
    EXPECT_TRUE(run_task(context_, service_->start()));
  }

  api::UserRegistry& users() { return service_->users(); }
  template <class T>
  T run(storage::Task<T> task) {
    return run_task(context_, std::move(task));
  }
  SignOptions add(const std::string& name) {
    const auto key = run(users().add(name, name + "@example.test"));
    EXPECT_TRUE(key) << (key ? "" : key.error().message());
    return key_of(*key);
  }
  static SignOptions key_of(const api::NewUserKey& key) {
    SignOptions options;
    options.access_key = key.access_key;
    options.secret_key = key.secret_key;
    return options;
  }
  static std::string allow(const std::string& action, const std::string& resource) {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":")" + action + R"(","Resource":")" + resource +
           R"("}]})";
  }

  // A call of the token service, signed as those clients do: no x-amz-content-sha256 header.
  Reply sts(const SignOptions& user, const std::string& form, const std::string& token = {}) {
    TestRequest request("POST", "/", form);
    request.set("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    request.set("x-amz-date", "20130524T000000Z");
    if (!token.empty()) request.set("x-amz-security-token", token);
    const std::string names = "content-type;host;x-amz-date" + std::string(token.empty() ? "" : ";x-amz-security-token");
    const api::Request view = request.view();
    const auto target = api::parse_target(view.target, "127.0.0.1:9000", {});
    const std::string canonical = api::canonical_request(view, *target, names, sha256_hex(form), false);
    const std::string scope = "20130524/us-east-1/sts/aws4_request";
    const std::string to_sign = "AWS4-HMAC-SHA256\n20130524T000000Z\n" + scope + "\n" + sha256_hex(canonical);
    const auto key = api::signing_key(user.secret_key, "20130524", "us-east-1", "sts");
    std::string signature;
    api::append_hex(signature, api::hmac_sha256(key, to_sign));
    request.set("authorization", "AWS4-HMAC-SHA256 Credential=" + user.access_key + "/" + scope + ", SignedHeaders=" + names +
                                     ", Signature=" + signature);
    return send(request);
  }
  static SignOptions session_of(const Reply& reply) {
    SignOptions options;
    options.access_key = reply.element("AccessKeyId");
    options.secret_key = reply.element("SecretAccessKey");
    return options;
  }
  Reply with_token(const SignOptions& user, const std::string& token, TestRequest request) {
    request.set("x-amz-security-token", token);
    return call_as(user, std::move(request));
  }
};

TEST_F(UsersTest, ComeAndGo) {
  call("PUT", "/main");
  const SignOptions carol = add("carol");
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/carols")).status, 200u);
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/carols/k", "x")).status, 200u);
  EXPECT_EQ(call_as(carol, TestRequest("GET", "/main")).status, 403u);
  EXPECT_EQ(call("GET", "/carols").status, 403u) << "not even for a configured user";
  EXPECT_NE(call_as(carol, TestRequest("GET", "/")).body.find("<DisplayName>carol</DisplayName>"), std::string::npos);
  EXPECT_FALSE(run(users().add("carol", ""))) << "one of a name";
  EXPECT_FALSE(run(users().add("main", ""))) << "not that of a configured one either";
  EXPECT_FALSE(run(users().add("a b", "")));

  const auto second = run(users().add_key("carol"));
  ASSERT_TRUE(second);
  EXPECT_EQ(call_as(key_of(*second), TestRequest("GET", "/carols/k")).body, "x");
  EXPECT_TRUE(run(users().remove_key("carol", carol.access_key)));
  EXPECT_EQ(call_as(carol, TestRequest("GET", "/carols/k")).code(), "InvalidAccessKeyId");
  EXPECT_EQ(call_as(key_of(*second), TestRequest("GET", "/carols/k")).body, "x");
  EXPECT_EQ(run(users().remove_key("carol", "nokey")).error().error(), api::S3Error::no_such_key);

  EXPECT_TRUE(run(users().set_enabled("carol", false)));
  EXPECT_EQ(call_as(key_of(*second), TestRequest("GET", "/carols/k")).code(), "InvalidAccessKeyId");
  EXPECT_TRUE(run(users().set_enabled("carol", true)));
  EXPECT_EQ(call_as(key_of(*second), TestRequest("GET", "/carols/k")).body, "x");

  remake();
  EXPECT_EQ(call_as(key_of(*second), TestRequest("GET", "/carols/k")).body, "x") << "after a restart";
  EXPECT_EQ(run(users().list())->size(), 1u);
  EXPECT_TRUE(run(users().remove("carol")));
  EXPECT_EQ(call_as(key_of(*second), TestRequest("GET", "/carols/k")).code(), "InvalidAccessKeyId");
  EXPECT_EQ(run(users().remove("carol")).error().error(), api::S3Error::no_such_key);
}

TEST_F(UsersTest, SecretsAreSealed) {
  const SignOptions carol = add("carol");
  const auto row = run(store_->registry_row("users", "carol"));
  ASSERT_TRUE(row);
  EXPECT_NE(row->value.find(carol.access_key), std::string::npos);
  EXPECT_EQ(row->value.find(carol.secret_key), std::string::npos);
  remake(std::string(32, 'x'));
  EXPECT_EQ(call_as(carol, TestRequest("GET", "/")).code(), "InvalidAccessKeyId") << "another key opens nothing";
  remake("");
  const auto refused = run(users().add("dave", ""));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error(), api::S3Error::invalid_request);
}

TEST_F(UsersTest, KeysAreBounded) {
  add("carol");
  for (std::size_t i = 1; i < api::kUserKeysMax; ++i) EXPECT_TRUE(run(users().add_key("carol")));
  EXPECT_FALSE(run(users().add_key("carol")));
}

// With a policy a user may do what it says, where they please, and nothing else.
TEST_F(UsersTest, PoliciesOfUsers) {
  call("PUT", "/main");
  put("/main/read/k", "x");
  put("/main/other", "y");
  const SignOptions carol = add("carol");
  call_as(carol, TestRequest("PUT", "/carols"));
  EXPECT_FALSE(run(users().put_policy("carol", "p", "{}")));
  EXPECT_TRUE(run(users().put_policy("carol", "reader", allow("s3:GetObject", "arn:aws:s3:::main/read/*"))));
  EXPECT_EQ(call_as(carol, TestRequest("GET", "/main/read/k")).body, "x");
  EXPECT_EQ(call_as(carol, TestRequest("GET", "/main/other")).status, 403u);
  EXPECT_EQ(call_as(carol, TestRequest("GET", "/main/read/none")).code(), "AccessDenied");
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/carols/k", "x")).status, 403u) << "what they own is no exception";
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/new")).status, 403u);
  EXPECT_EQ(call_as(carol, TestRequest("GET", "/")).status, 403u);
  EXPECT_TRUE(run(users().put_policy("carol", "all", allow("s3:*", "*"))));
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/main/new", "x")).status, 200u);
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/new")).status, 200u);
  EXPECT_TRUE(run(users().put_policy("carol", "not", R"({"Statement":{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}})")));
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/main/new", "x")).status, 403u);
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/carols/new", "x")).status, 403u);
  for (const char* name : {"reader", "all", "not"}) EXPECT_TRUE(run(users().remove_policy("carol", name)));
  EXPECT_EQ(call_as(carol, TestRequest("PUT", "/carols/k", "x")).status, 200u) << "an owner again";
  EXPECT_EQ(call_as(carol, TestRequest("GET", "/main/read/k")).status, 403u);
}

TEST_F(UsersTest, TemporaryCredentials) {
  call("PUT", "/bkt");
  put("/bkt/k", "x");
  const Reply made = sts(main_user(), "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900");
  ASSERT_EQ(made.status, 200u) << made.body;
  EXPECT_EQ(made.operation, "GetSessionToken");
  EXPECT_EQ(made.element("Expiration"), "2013-05-24T00:15:00.000Z");
  const SignOptions session = session_of(made);
  const std::string token = made.element("SessionToken");
  EXPECT_EQ(with_token(session, token, TestRequest("GET", "/bkt/k")).body, "x");
  EXPECT_EQ(with_token(session, token, TestRequest("PUT", "/bkt/new", "x")).status, 200u);
  EXPECT_EQ(call_as(session, TestRequest("GET", "/bkt/k")).code(), "InvalidAccessKeyId") << "without the token";
  EXPECT_EQ(with_token(session, token + "x", TestRequest("GET", "/bkt/k")).code(), "InvalidToken");
  EXPECT_EQ(with_token(main_user(), token, TestRequest("GET", "/bkt/k")).code(), "InvalidToken") << "another key's";
  SignOptions wrong = session;
  wrong.secret_key += "x";
  EXPECT_EQ(with_token(wrong, token, TestRequest("GET", "/bkt/k")).code(), "SignatureDoesNotMatch");
  EXPECT_EQ(sts(session, "Action=GetSessionToken", token).element("Code"), "AccessDenied") << "not from each other";
  remake();
  EXPECT_EQ(with_token(session, token, TestRequest("GET", "/bkt/k")).body, "x") << "after a restart";
  clock_.advance(15 * 60 * 1000);
  SignOptions later = session;
  later.timestamp = "20130524T001500Z";
  const Reply expired = with_token(later, token, TestRequest("GET", "/bkt/k"));
  EXPECT_EQ(expired.status, 400u);
  EXPECT_EQ(expired.code(), "ExpiredToken");
}

TEST_F(UsersTest, SessionPolicies) {
  call("PUT", "/bkt");
  put("/bkt/open/k", "x");
  put("/bkt/k", "y");
  const std::string form = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader&RoleSessionName=me&Policy=" +
                           api::percent_encode(allow("s3:Get*", "arn:aws:s3:::bkt/open/*"), api::Slash::encode);
  const Reply made = sts(main_user(), form);
  ASSERT_EQ(made.status, 200u) << made.body;
  EXPECT_EQ(made.element("Arn"), "arn:aws:sts::main-id:assumed-role/reader/me");
  const SignOptions session = session_of(made);
  const std::string token = made.element("SessionToken");
  EXPECT_EQ(with_token(session, token, TestRequest("GET", "/bkt/open/k")).body, "x");
  for (int round = 0; round < 2; ++round) EXPECT_EQ(with_token(session, token, TestRequest("GET", "/bkt/k")).status, 403u);
  EXPECT_EQ(with_token(session, token, TestRequest("PUT", "/bkt/open/k", "x")).status, 403u);
  EXPECT_EQ(with_token(session, token, TestRequest("GET", "/bkt?policy")).status, 403u);
}

TEST_F(UsersTest, SessionsEndWithTheirUser) {
  const SignOptions carol = add("carol");
  const Reply made = sts(carol, "Action=GetSessionToken");
  ASSERT_EQ(made.status, 200u) << made.body;
  const SignOptions session = session_of(made);
  const std::string token = made.element("SessionToken");
  EXPECT_EQ(with_token(session, token, TestRequest("GET", "/")).status, 200u);
  EXPECT_TRUE(run(users().set_enabled("carol", false)));
  EXPECT_EQ(with_token(session, token, TestRequest("GET", "/")).code(), "InvalidAccessKeyId");
}

TEST_F(UsersTest, TokenServiceRefuses) {
  EXPECT_EQ(sts(main_user(), "Action=AssumeRole").element("Code"), "ValidationError");
  EXPECT_EQ(sts(main_user(), "Action=GetSessionToken&DurationSeconds=1").element("Code"), "ValidationError");
  SignOptions nobody;
  EXPECT_EQ(sts(nobody, "Action=GetSessionToken").element("Code"), "InvalidClientTokenId");
  SignOptions wrong = main_user();
  wrong.secret_key = "wrong";
  EXPECT_EQ(sts(wrong, "Action=GetSessionToken").element("Code"), "SignatureDoesNotMatch");
  EXPECT_EQ(sts(main_user(), "Action=ListRoles").status, 405u) << "another service's call is answered at once";
  TestRequest unsigned_call("POST", "/", "Action=GetSessionToken");
  unsigned_call.set("content-type", "application/x-www-form-urlencoded");
  EXPECT_EQ(send(unsigned_call).status, 403u);
  TestRequest long_form("POST", "/", std::string(40'000, 'x'));
  long_form.set("content-type", "application/x-www-form-urlencoded");
  EXPECT_EQ(send(long_form).status, 400u);
}

// --- Signature version 2.

std::string signature_v2(const TestRequest& request, const std::string& date, const std::string& secret,
                         const std::vector<std::string>& domains = {}) {
  const api::Request view = request.view();
  const auto target = api::parse_target(view.target, view.header("host").value_or(""), domains);
  const std::string to_sign = api::string_to_sign_v2(view, *target, date);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(to_sign.data()),
       to_sign.size(), digest, &length);
  return api::to_base64(std::string_view(reinterpret_cast<const char*>(digest), length));
}

TestRequest presigned_v2(TestRequest request, const std::string& expires, const SignOptions& user,
                         const std::vector<std::string>& domains = {}) {
  const std::string signature = signature_v2(request, expires, user.secret_key, domains);
  request.target += request.target.find('?') == std::string::npos ? "?" : "&";
  request.target += "AWSAccessKeyId=" + user.access_key + "&Expires=" + expires +
                    "&Signature=" + api::percent_encode(signature, api::Slash::encode);
  return request;
}

constexpr const char* kLater = "1369357200";  // an hour after the test's clock

TEST_F(UsersTest, SignatureV2OfTheDocumentation) {
  // "Signing and authenticating REST requests", Amazon S3 developer guide: the key and string are its own.
  TestRequest request("GET", "/photos/puppy.jpg");
  request.headers = {{"host", "awsexamplebucket1.s3.us-west-1.amazonaws.com"}, {"date", "Tue, 27 Mar 2007 19:36:42 +0000"}};
  const api::Request view = request.view();
  const std::vector<std::string> domains = {"s3.us-west-1.amazonaws.com"};
  const auto target = api::parse_target(view.target, view.header("host").value_or(""), domains);
  EXPECT_EQ(api::string_to_sign_v2(view, *target, *view.header("date")),
            "GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/awsexamplebucket1/photos/puppy.jpg");
  EXPECT_EQ(signature_v2(request, "Tue, 27 Mar 2007 19:36:42 +0000", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", domains),
            "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=");
}

TEST_F(UsersTest, SignatureV2) {
  call("PUT", "/bkt");
  put("/bkt/k y", "x");
  const auto signed_v2 = [&](TestRequest request) {
    request.set("date", "Fri, 24 May 2013 00:00:00 GMT");
    request.set("authorization", "AWS MAINKEY:" + signature_v2(request, "Fri, 24 May 2013 00:00:00 GMT", "MAINSECRET"));
    return request;
  };
  EXPECT_EQ(send(signed_v2(TestRequest("GET", "/bkt/k%20y"))).body, "x");
  EXPECT_EQ(send(signed_v2(TestRequest("GET", "/bkt?acl"))).status, 200u);
  TestRequest put_acl = TestRequest("PUT", "/bkt/new", "y");
  put_acl.set("x-amz-acl", "public-read").set("content-type", "text/plain");
  EXPECT_EQ(send(signed_v2(put_acl)).status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/bkt/new")).header("Content-Type"), "text/plain");
  TestRequest added = signed_v2(TestRequest("PUT", "/bkt/new", "y"));
  added.set("x-amz-acl", "public-read");
  EXPECT_EQ(send(added).code(), "SignatureDoesNotMatch");
  TestRequest amz("GET", "/bkt/new");
  amz.set("x-amz-date", "Fri, 24 May 2013 00:00:00 GMT");
  amz.set("authorization", "AWS MAINKEY:" + signature_v2(amz, "", "MAINSECRET"));
  EXPECT_EQ(send(amz).body, "y");
  TestRequest broken("GET", "/bkt/new");
  broken.set("date", "Fri, 24 May 2013 00:00:00 GMT").set("authorization", "AWS MAINKEY");
  EXPECT_EQ(send(broken).code(), "InvalidArgument");
  TestRequest undated("GET", "/bkt/new");
  undated.set("authorization", "AWS MAINKEY:x");
  EXPECT_EQ(send(undated).code(), "AccessDenied");
  TestRequest unknown("GET", "/bkt/new");
  unknown.set("date", "Fri, 24 May 2013 00:00:00 GMT").set("authorization", "AWS NOKEY:x");
  EXPECT_EQ(send(unknown).code(), "InvalidAccessKeyId");
  clock_.advance(16 * 60 * 1000);
  EXPECT_EQ(send(signed_v2(TestRequest("GET", "/bkt/new"))).code(), "RequestTimeTooSkewed");
}

TEST_F(UsersTest, SignatureV2Presigned) {
  call("PUT", "/bkt");
  put("/bkt/k", "x");
  EXPECT_EQ(send(presigned_v2(TestRequest("GET", "/bkt/k"), kLater, main_user())).body, "x");
  // Item 148.
  const TestRequest overriding =
      presigned_v2(TestRequest("GET", "/bkt/k?response-content-type=text%2Fcsv"), kLater, main_user());
  EXPECT_EQ(send(overriding).header("Content-Type"), "text/csv");
  TestRequest changed = overriding;
  changed.target.replace(changed.target.find("csv"), 3, "xml");
  EXPECT_EQ(send(changed).code(), "SignatureDoesNotMatch");
  TestRequest virtual_hosted("GET", "/k");
  virtual_hosted.replace("host", "bkt.s3.example.test");
  EXPECT_EQ(send(presigned_v2(virtual_hosted, kLater, main_user(), {"s3.example.test"})).body, "x");
  EXPECT_EQ(send(presigned_v2(TestRequest("PUT", "/bkt/new", "y"), kLater, main_user())).status, 200u);
  EXPECT_EQ(send(presigned_v2(TestRequest("GET", "/bkt/k"), "1369353599", main_user())).code(), "AccessDenied");
  TestRequest later = presigned_v2(TestRequest("GET", "/bkt/k"), kLater, main_user());
  later.target.replace(later.target.find(kLater), 10, "1369357201");
  EXPECT_EQ(send(later).code(), "SignatureDoesNotMatch");
  // What the signature does not cover must not change what the request means.
  for (const char* extra : {"&acl", "&ACL", "&tagging", "&legal-hold", "&retention", "&encryption", "&x-amz-acl=public-read"}) {
    TestRequest extended = presigned_v2(TestRequest("PUT", "/bkt/k", "y"), kLater, main_user());
    extended.target += extra;
    EXPECT_EQ(send(extended).status, 403u) << extra;
  }
}

TEST_F(UsersTest, SignatureV2CanBeOff) {
  auto options = default_options();
  options.signature_v2 = false;
  make_service(options);
  call("PUT", "/bkt");
  EXPECT_EQ(send(presigned_v2(TestRequest("GET", "/bkt"), kLater, main_user())).code(), "InvalidRequest");
}

}  // namespace
}  // namespace tests
