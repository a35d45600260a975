// Websites on their hosts, request payment, and configurations that can only be absent.
#include "tests/support/run_task.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

class WebsiteTest : public ServiceTest {
 protected:
  WebsiteTest() {
    api::ServiceOptions options = default_options();
    options.website_domains = {"web.test"};
    make_service(options);
    EXPECT_EQ(call("PUT", "/site").status, 200u);
    EXPECT_EQ(call("PUT", "/site?policy",
                   R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],
                       "Resource":["arn:aws:s3:::site","arn:aws:s3:::site/*"]}]})")
                  .status,
              204u);
  }
  Reply visit(const std::string& path, const std::string& method = "GET", const std::string& host = "site.web.test:9000") {
    TestRequest request(method, path);
    request.replace("host", host);
    return send(request);
  }
  Reply configure(const std::string& inner) {
    return call("PUT", "/site?website", "<WebsiteConfiguration>" + inner + "</WebsiteConfiguration>");
  }
};

const std::string kDocuments =
    "<IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>error.html</Key></ErrorDocument>";

TEST_F(WebsiteTest, DocumentsFoldersAndErrors) {
  EXPECT_EQ(call("GET", "/site?website").code(), "NoSuchWebsiteConfiguration");
  EXPECT_NE(visit("/").body.find("NoSuchWebsiteConfiguration"), std::string::npos);
  EXPECT_NE(visit("/", "GET", "other.web.test").body.find("NoSuchBucket"), std::string::npos);
  EXPECT_NE(visit("/", "GET", "other.s3-website.localhost:9000").body.find("NoSuchBucket"), std::string::npos);
  ASSERT_EQ(configure(kDocuments).status, 200u);
  EXPECT_EQ(call("GET", "/site?website").element("Suffix"), "index.html");
  put("/site/index.html", "home");
  put("/site/docs/index.html", "docs");
  put("/site/page", "page");
  EXPECT_EQ(visit("/").body, "home");
  EXPECT_EQ(visit("/page").body, "page");
  EXPECT_EQ(visit("/docs/").body, "docs");
  EXPECT_EQ(visit("/docs").status, 302u);
  EXPECT_EQ(visit("/docs").header("Location"), "/docs/");
  const Reply plain = visit("/none");
  EXPECT_EQ(plain.status, 404u);
  EXPECT_NE(plain.body.find("<li>Code: NoSuchKey</li>"), std::string::npos) << plain.body;
  put("/site/error.html", "sorry");
  EXPECT_EQ(visit("/none").status, 404u);
  EXPECT_EQ(visit("/none").body, "sorry");
  EXPECT_EQ(visit("/page", "HEAD").content_length, 4u);
  EXPECT_EQ(visit("/page", "PUT").status, 405u);
  TestRequest moved("PUT", "/site/moved", "x");
  moved.set("x-amz-website-redirect-location", "/page");
  EXPECT_EQ(call(moved).status, 200u);
  EXPECT_EQ(visit("/moved").status, 301u);
  EXPECT_EQ(visit("/moved").header("Location"), "/page");
  // Without leave to read, a website shows nothing.
  EXPECT_EQ(call("DELETE", "/site?policy").status, 204u);
  EXPECT_EQ(visit("/page").status, 403u);
  EXPECT_EQ(call("DELETE", "/site?website").status, 204u);
  EXPECT_EQ(visit("/page").status, 404u);
}

TEST_F(WebsiteTest, Redirects) {
  ASSERT_EQ(configure(kDocuments +
                      "<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition>"
                      "<Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect></RoutingRule>"
                      "<RoutingRule><Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>"
                      "<Redirect><HostName>example.test</HostName><Protocol>https</Protocol><HttpRedirectCode>307</HttpRedirectCode>"
                      "<ReplaceKeyWith>lost</ReplaceKeyWith></Redirect></RoutingRule></RoutingRules>")
                .status,
            200u);
  EXPECT_EQ(visit("/old/a%20b").status, 302u);
  EXPECT_EQ(visit("/old/a%20b").header("Location"), "http://site.web.test:9000/new/a%20b");
  EXPECT_EQ(visit("/none").status, 307u);
  EXPECT_EQ(visit("/none").header("Location"), "https://example.test/lost");
  ASSERT_EQ(configure("<RedirectAllRequestsTo><HostName>example.test</HostName></RedirectAllRequestsTo>").status, 200u);
  EXPECT_EQ(visit("/a/b").status, 301u);
  EXPECT_EQ(visit("/a/b").header("Location"), "http://example.test/a/b");
}

TEST_F(WebsiteTest, ConfigurationsThatAreRefused) {
  EXPECT_EQ(configure("").code(), "InvalidArgument");
  EXPECT_EQ(configure("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>").code(), "InvalidArgument");
  EXPECT_EQ(configure("<IndexDocument/>").code(), "InvalidArgument");
  EXPECT_EQ(configure(kDocuments + "<Other/>").code(), "MalformedXML");
  EXPECT_EQ(configure(kDocuments + "<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>").code(), "InvalidRequest");
  const auto rule = [&](const std::string& inner) {
    return configure(kDocuments + "<RoutingRules><RoutingRule>" + inner + "</RoutingRule></RoutingRules>").code();
  };
  EXPECT_EQ(rule("<Condition><KeyPrefixEquals>a</KeyPrefixEquals></Condition>"), "MalformedXML");
  EXPECT_EQ(rule("<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>"), "InvalidRequest");
  EXPECT_EQ(rule("<Redirect><Protocol>ftp</Protocol></Redirect>"), "InvalidRequest");
  EXPECT_EQ(rule("<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>"), "InvalidRequest");
  EXPECT_EQ(rule("<Condition><HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>h</HostName></Redirect>"),
            "InvalidRequest");
}

TEST_F(WebsiteTest, AnswersOnLocalhostWithoutConfiguration) {
  make_service(default_options());
  EXPECT_EQ(configure(kDocuments).status, 200u);
  put("/site/index.html", "home");
  EXPECT_EQ(visit("/", "GET", "site.s3-website.localhost:9000").body, "home");
}

TEST_F(WebsiteTest, WhoAsksPays) {
  EXPECT_EQ(call("GET", "/site?requestPayment").element("Payer"), "BucketOwner");
  const auto payer = [&](const std::string& who) {
    return call("PUT", "/site?requestPayment", "<RequestPaymentConfiguration><Payer>" + who + "</Payer></RequestPaymentConfiguration>");
  };
  EXPECT_EQ(payer("Nobody").code(), "MalformedXML");
  EXPECT_EQ(payer("Requester").status, 200u);
  EXPECT_EQ(call("GET", "/site?requestPayment").element("Payer"), "Requester");
  put("/site/k", "x");
  EXPECT_EQ(call("GET", "/site/k").status, 200u) << "the owner";
  EXPECT_EQ(send(TestRequest("GET", "/site/k")).status, 403u) << "nobody pays nothing";
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/site/k")).status, 403u);
  TestRequest paid("GET", "/site/k");
  paid.set("x-amz-request-payer", "requester");
  EXPECT_EQ(call_as(alt_user(), paid).status, 200u);
  EXPECT_EQ(payer("BucketOwner").status, 200u);
  EXPECT_EQ(send(TestRequest("GET", "/site/k")).status, 200u);
}

TEST_F(WebsiteTest, AccessLogs) {
  const auto logging = [&](const std::string& bucket, const std::string& more = {}) {
    return call("PUT", "/site?logging",
                "<BucketLoggingStatus><LoggingEnabled><TargetBucket>" + bucket +
                    "</TargetBucket><TargetPrefix>logs/</TargetPrefix>" + more + "</LoggingEnabled></BucketLoggingStatus>");
  };
  EXPECT_EQ(logging("nowhere").code(), "InvalidTargetBucketForLogging");
  ASSERT_EQ(call_as(alt_user(), TestRequest("PUT", "/strange")).status, 200u);
  EXPECT_EQ(logging("strange").code(), "InvalidTargetBucketForLogging");
  EXPECT_EQ(call("PUT", "/site?logging", "<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>").code(), "MalformedXML");
  ASSERT_EQ(call("PUT", "/target").status, 200u);
  EXPECT_EQ(logging("target", "<Other/>").code(), "MalformedXML");
  ASSERT_EQ(logging("target").status, 200u);
  EXPECT_EQ(call("GET", "/site?logging").element("TargetBucket"), "target");
  put("/site/a%20b", "hello");
  EXPECT_EQ(call("GET", "/site/a%20b").body, "hello");
  TestRequest forged("GET", "/site/none");
  forged.set("user-agent", "x\" 200 forged");
  EXPECT_EQ(send(forged).status, 404u);
  tests::run_task(context_, service_->flush_access_logs());
  const Reply list = call("GET", "/target?prefix=logs/2013-05-24-00-00-00-");
  ASSERT_EQ(list.count("<Key>"), 1u);
  const std::string log = call("GET", "/target/" + list.element("Key")).body;
  EXPECT_NE(log.find("main-id site [24/May/2013:00:00:00 +0000] - main-id 0123456789ABCDEF REST.PUT.OBJECT a%20b \"PUT /site/a%20b HTTP/1.1\" 200"),
            std::string::npos)
      << log;
  EXPECT_NE(log.find("REST.GET.OBJECT a%20b \"GET /site/a%20b HTTP/1.1\" 200 - 5 5 "), std::string::npos) << log;
  EXPECT_NE(log.find(" 404 NoSuchKey "), std::string::npos) << log;
  EXPECT_NE(log.find("\"x\\x22 200 forged\""), std::string::npos) << log;
  tests::run_task(context_, service_->flush_access_logs());
  EXPECT_EQ(call("GET", "/target?prefix=logs/").count("<Key>"), 1u) << "nothing is written for nothing";
  EXPECT_EQ(call("PUT", "/site?logging", "<BucketLoggingStatus/>").status, 200u);
  EXPECT_EQ(call("GET", "/site?logging").count("TargetBucket"), 0u);
}

TEST_F(WebsiteTest, LogsCarryTheGrantsOfTheirTarget) {
  ASSERT_EQ(call("PUT", "/target").status, 200u);
  const auto logging = [&](const std::string& grants) {
    return call("PUT", "/site?logging",
                "<BucketLoggingStatus><LoggingEnabled><TargetBucket>target</TargetBucket><TargetPrefix>l/</TargetPrefix>"
                "<TargetGrants>" + grants + "</TargetGrants></LoggingEnabled></BucketLoggingStatus>");
  };
  const auto grant = [](const std::string& grantee, const std::string& permission) {
    return "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"X\">" + grantee +
           "</Grantee><Permission>" + permission + "</Permission></Grant>";
  };
  EXPECT_EQ(logging(grant("<ID>alt-id</ID>", "READ_ACP")).code(), "MalformedXML");
  EXPECT_EQ(logging(grant("<ID>nobody</ID>", "READ")).code(), "InvalidArgument");
  EXPECT_EQ(logging(grant("<EmailAddress>nobody@example.test</EmailAddress>", "READ")).code(), "UnresolvableGrantByEmailAddress");
  EXPECT_EQ(logging("<Grant/>").code(), "MalformedXML");
  ASSERT_EQ(logging(grant("<EmailAddress>alt@example.test</EmailAddress>", "READ") +
                    grant("<URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI>", "WRITE")).status, 200u);
  const Reply kept = call("GET", "/site?logging");
  EXPECT_EQ(kept.count("xsi:type=\"CanonicalUser\"><ID>alt-id</ID>"), 1u) << kept.body;
  EXPECT_EQ(kept.count("xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI>"), 1u) << kept.body;
  EXPECT_EQ(call("PUT", "/site/k", "x").status, 200u);
  tests::run_task(context_, service_->flush_access_logs());
  const std::string log = "/target/" + call("GET", "/target?prefix=l/").element("Key");
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", log)).status, 200u) << "the grant lets them read";
  EXPECT_EQ(call("GET", log + "?acl").count("<Grant>"), 3u);
  ASSERT_EQ(call("PUT", "/target?ownershipControls",
                 "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>").status, 200u);
  EXPECT_EQ(logging(grant("<ID>alt-id</ID>", "READ")).code(), "AccessControlListNotSupported");
  EXPECT_EQ(logging("").status, 200u);
}

TEST_F(WebsiteTest, AccelerationAndLogging) {
  const auto status = [&](const std::string& text) {
    return call("PUT", "/site?accelerate", "<AccelerateConfiguration><Status>" + text + "</Status></AccelerateConfiguration>");
  };
  EXPECT_EQ(status("Maybe").code(), "MalformedXML");
  EXPECT_EQ(status("Enabled").status, 200u);
  EXPECT_EQ(call("GET", "/site?accelerate").element("Status"), "Enabled");
  EXPECT_EQ(call("PUT", "/site?logging", "<BucketLoggingStatus/>").status, 200u);
}

}  // namespace
