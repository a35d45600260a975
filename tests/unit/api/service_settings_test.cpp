// Configuration of buckets through the whole service: CORS, tags, lifecycle, storage classes.
#include "api/lifecycle.h"
#include "tests/support/run_task.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

class SettingsTest : public ServiceTest {
 protected:
  SettingsTest() { EXPECT_EQ(call("PUT", "/bkt").status, 200u); }

  Reply browser(const std::string& method, const std::string& target, const std::string& origin,
                const std::string& asked = {}, const std::string& headers = {}) {
    TestRequest request(method, target);
    if (!origin.empty()) request.set("origin", origin);
    if (!asked.empty()) request.set("access-control-request-method", asked);
    if (!headers.empty()) request.set("access-control-request-headers", headers);
    return method == "OPTIONS" ? send(request) : call(request);
  }
};

std::string cors(const std::string& rule) { return "<CORSConfiguration>" + rule + "</CORSConfiguration>"; }

// Items 19, 132.
TEST_F(SettingsTest, CorsOnAnswersAndPreflights) {
  EXPECT_EQ(browser("OPTIONS", "/bkt/k", "").code(), "BadRequest");
  EXPECT_EQ(browser("OPTIONS", "/bkt/k", "foo.suffix", "GET").code(), "AccessForbidden");
  EXPECT_EQ(browser("OPTIONS", "/nowhere/k", "foo.suffix", "GET").code(), "AccessForbidden");
  EXPECT_EQ(call("GET", "/bkt?cors").code(), "NoSuchCORSConfiguration");
  const std::string rules = cors(
      "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*suffix</AllowedOrigin></CORSRule>"
      "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>start*end</AllowedOrigin></CORSRule>"
      "<CORSRule><ID>put</ID><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>*.put</AllowedOrigin>"
      "<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>");
  EXPECT_EQ(call("PUT", "/bkt?cors", rules).status, 200u);
  const Reply stored = call("GET", "/bkt?cors");
  EXPECT_EQ(stored.count("<CORSRule>"), 3u);
  EXPECT_EQ(stored.element("MaxAgeSeconds"), "60");
  EXPECT_EQ(browser("OPTIONS", "/bkt/k", "foo.suffix").code(), "BadRequest") << "no method";

  EXPECT_FALSE(browser("GET", "/bkt", "").has_header("access-control-allow-origin"));
  const Reply get = browser("GET", "/bkt", "foo.suffix");
  EXPECT_EQ(get.status, 200u);
  EXPECT_EQ(get.header("access-control-allow-origin"), "foo.suffix");
  EXPECT_EQ(get.header("access-control-allow-methods"), "GET");
  EXPECT_FALSE(browser("GET", "/bkt", "foo.bar").has_header("access-control-allow-origin"));
  EXPECT_EQ(browser("GET", "/bkt", "startend").header("access-control-allow-origin"), "startend");
  EXPECT_FALSE(browser("GET", "/bkt", "start").has_header("access-control-allow-origin"));
  EXPECT_EQ(browser("GET", "/bkt/missing", "foo.suffix").status, 404u);
  EXPECT_EQ(browser("GET", "/bkt/missing", "foo.suffix").header("access-control-allow-origin"), "foo.suffix");
  TestRequest stranger("PUT", "/bkt/k", "x");
  stranger.set("origin", "a.put");
  const Reply refused = send(stranger);
  EXPECT_EQ(refused.status, 403u);
  EXPECT_EQ(refused.header("access-control-allow-origin"), "a.put");
  EXPECT_EQ(refused.header("access-control-expose-headers"), "ETag");
  put("/bkt/cached", "x");
  EXPECT_EQ(browser("GET", "/bkt/cached", "foo.suffix").header("access-control-allow-origin"), "foo.suffix");

  const Reply preflight = browser("OPTIONS", "/bkt/k", "a.put", "PUT", "X-Amz-Date, x-amz-meta-a");
  EXPECT_EQ(preflight.status, 200u);
  EXPECT_EQ(preflight.header("access-control-allow-origin"), "a.put");
  EXPECT_EQ(preflight.header("access-control-allow-methods"), "PUT");
  EXPECT_EQ(preflight.header("access-control-allow-headers"), "x-amz-date, x-amz-meta-a");
  EXPECT_EQ(preflight.header("access-control-max-age"), "60");
  EXPECT_EQ(browser("OPTIONS", "/bkt/k", "a.put", "PUT", "content-type").code(), "AccessForbidden");
  EXPECT_EQ(browser("OPTIONS", "/bkt/k", "a.put", "DELETE").code(), "AccessForbidden");
  EXPECT_EQ(browser("OPTIONS", "/bkt", "foo.bar", "GET").code(), "AccessForbidden");

  EXPECT_EQ(call("PUT", "/bkt?cors", cors("<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>")).status, 200u);
  EXPECT_EQ(browser("GET", "/bkt", "anybody").header("access-control-allow-origin"), "*") << "rules of before are forgotten";
  EXPECT_EQ(call("DELETE", "/bkt?cors").status, 204u);
  EXPECT_FALSE(browser("GET", "/bkt", "anybody").has_header("access-control-allow-origin"));
}

TEST_F(SettingsTest, CorsThatIsRefused) {
  const auto code = [&](const std::string& rule) { return call("PUT", "/bkt?cors", cors(rule)).code(); };
  const std::string origin = "<AllowedOrigin>*</AllowedOrigin>";
  const std::string method = "<AllowedMethod>GET</AllowedMethod>";
  EXPECT_EQ(code(""), "MalformedXML");
  EXPECT_EQ(code("<CORSRule>" + origin + "</CORSRule>"), "MalformedXML");
  EXPECT_EQ(code("<CORSRule>" + method + "</CORSRule>"), "MalformedXML");
  EXPECT_EQ(code("<CORSRule>" + origin + "<AllowedMethod>PATCH</AllowedMethod></CORSRule>"), "InvalidRequest");
  EXPECT_EQ(code("<CORSRule>" + method + "<AllowedOrigin>*a*</AllowedOrigin></CORSRule>"), "InvalidRequest");
  EXPECT_EQ(code("<CORSRule>" + method + origin + "<AllowedHeader>**</AllowedHeader></CORSRule>"), "InvalidRequest");
  EXPECT_EQ(code("<CORSRule>" + method + origin + "<ExposeHeader>x-*</ExposeHeader></CORSRule>"), "InvalidRequest");
  EXPECT_EQ(code("<CORSRule>" + method + origin + "<MaxAgeSeconds>soon</MaxAgeSeconds></CORSRule>"), "MalformedXML");
  EXPECT_EQ(code("<CORSRule>" + method + origin + "<ID>" + std::string(256, 'i') + "</ID></CORSRule>"), "MalformedXML");
  std::string many;
  for (int i = 0; i < 101; ++i) many += "<CORSRule>" + method + origin + "</CORSRule>";
  EXPECT_EQ(code(many), "MalformedXML");
  EXPECT_EQ(call("GET", "/bkt?cors").code(), "NoSuchCORSConfiguration");
}

// Items 114, 151.
TEST_F(SettingsTest, TagsOfBuckets) {
  const auto tags = [](unsigned count, const std::string& prefix = "k") {
    std::string set;
    for (unsigned i = 0; i < count; ++i) {
      set += "<Tag><Key>" + prefix + std::to_string(i) + "</Key><Value>v</Value></Tag>";
    }
    return "<Tagging><TagSet>" + set + "</TagSet></Tagging>";
  };
  EXPECT_EQ(call("GET", "/bkt?tagging").code(), "NoSuchTagSet");
  EXPECT_EQ(call("PUT", "/bkt?tagging", tags(50)).status, 204u);
  EXPECT_EQ(call("GET", "/bkt?tagging").count("<Tag>"), 50u);
  EXPECT_EQ(call("PUT", "/bkt?tagging", tags(51)).code(), "BadRequest");
  EXPECT_EQ(call("PUT", "/bkt?tagging", tags(1, "aws:")).code(), "InvalidTag");
  EXPECT_EQ(call("PUT", "/bkt?tagging", tags(1, std::string(128, 'k'))).code(), "InvalidTag");
  EXPECT_EQ(call("PUT", "/bkt?tagging", "<Tagging/>").code(), "MalformedXML");
  EXPECT_EQ(call("GET", "/bkt?tagging").count("<Tag>"), 50u);
  EXPECT_EQ(call("DELETE", "/bkt?tagging").status, 204u);
  EXPECT_EQ(call("GET", "/bkt?tagging").code(), "NoSuchTagSet");
}

std::string lifecycle(const std::string& rules) {
  return "<LifecycleConfiguration>" + rules + "</LifecycleConfiguration>";
}
std::string rule(const std::string& inner) { return "<Rule><Status>Enabled</Status>" + inner + "</Rule>"; }

// Item 120.
TEST_F(SettingsTest, LifecycleRoundTripAndHeaders) {
  EXPECT_EQ(call("GET", "/bkt?lifecycle").code(), "NoSuchLifecycleConfiguration");
  const std::string document = lifecycle(
      rule("<ID>old</ID><Prefix>logs/</Prefix><Expiration><Days>3</Days></Expiration>") +
      rule("<Filter><And><Prefix>tmp/</Prefix><Tag><Key>class</Key><Value>a</Value></Tag>"
           "<ObjectSizeGreaterThan>2</ObjectSizeGreaterThan></And></Filter><Expiration><Date>2013-06-01T00:00:00Z</Date></Expiration>") +
      rule("<ID>parts</ID><Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
           "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration>"));
  const Reply stored = call("PUT", "/bkt?lifecycle", document);
  ASSERT_EQ(stored.status, 200u) << stored.body;
  EXPECT_EQ(stored.header("x-amz-transition-default-minimum-object-size"), "all_storage_classes_128K");
  const Reply got = call("GET", "/bkt?lifecycle");
  EXPECT_EQ(got.count("<Rule>"), 3u);
  EXPECT_EQ(got.count("<ID>"), 3u) << "one was made";
  EXPECT_EQ(got.count("<Prefix>logs/</Prefix>"), 1u);
  EXPECT_EQ(call("GET", "/bkt?lifecycle").body, got.body) << "and stays";

  // Midnight of the day of the tests: three days later is midnight again.
  const std::string expected = "expiry-date=\"Mon, 27 May 2013 00:00:00 GMT\", rule-id=\"old\"";
  EXPECT_EQ(put("/bkt/logs/a", "x").header("x-amz-expiration"), expected);
  EXPECT_EQ(call("GET", "/bkt/logs/a").header("x-amz-expiration"), expected);
  EXPECT_EQ(call("HEAD", "/bkt/logs/a").header("x-amz-expiration"), expected);
  clock_.advance(1000);
  TestRequest later("PUT", "/bkt/logs/b", "x");
  const Reply next = call(later);
  EXPECT_NE(next.header("x-amz-expiration").find("Tue, 28 May 2013 00:00:00 GMT"), std::string::npos);
  EXPECT_FALSE(put("/bkt/other", "x").has_header("x-amz-expiration"));
  TestRequest tagged("PUT", "/bkt/tmp/a", "xxx");
  tagged.set("x-amz-tagging", "class=a");
  EXPECT_NE(call(tagged).header("x-amz-expiration").find("Sat, 01 Jun 2013 00:00:00 GMT"), std::string::npos);
  tagged.body = "xx";
  EXPECT_FALSE(call(tagged).has_header("x-amz-expiration")) << "too small";
  EXPECT_FALSE(put("/bkt/tmp/b", "xxx").has_header("x-amz-expiration")) << "not tagged";
  const Reply upload = call("POST", "/bkt/k?uploads");
  EXPECT_EQ(upload.header("x-amz-abort-rule-id"), "parts");
  EXPECT_EQ(upload.header("x-amz-abort-date"), "Mon, 27 May 2013 00:00:00 GMT");

  EXPECT_EQ(call("DELETE", "/bkt?lifecycle").status, 204u);
  EXPECT_FALSE(call("GET", "/bkt/logs/a").has_header("x-amz-expiration"));
}

TEST_F(SettingsTest, LifecycleThatIsRefused) {
  api::ServiceOptions options = default_options();
  options.storage_classes = {"COLD"};
  make_service(options);
  const auto code = [&](const std::string& rules) { return call("PUT", "/bkt?lifecycle", lifecycle(rules)).code(); };
  const std::string days = "<Expiration><Days>1</Days></Expiration>";
  const std::string filter = "<Filter><Prefix>a</Prefix></Filter>";
  const std::string tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
  for (const auto& [rules, expected] : std::vector<std::pair<std::string, std::string>>{
           {"", "MalformedXML"},
           {"<Rule>" + filter + days + "</Rule>", "MalformedXML"},
           {"<Rule><Status>enabled</Status>" + filter + days + "</Rule>", "MalformedXML"},
           {rule(days), "MalformedXML"},
           {rule("<Prefix/>" + filter + days), "MalformedXML"},
           {rule(filter), "InvalidRequest"},
           {rule(filter + "<ID>" + std::string(256, 'i') + "</ID>" + days), "InvalidArgument"},
           {rule("<ID>a</ID>" + filter + days) + rule("<ID>a</ID>" + filter + days), "InvalidArgument"},
           {rule(filter + "<Expiration><Days>0</Days></Expiration>"), "InvalidArgument"},
           {rule(filter + "<Expiration><Days>-1</Days></Expiration>"), "InvalidArgument"},
           {rule(filter + "<Expiration><Days>x</Days></Expiration>"), "MalformedXML"},
           {rule(filter + "<Expiration><Days>1</Days><Date>2013-06-01T00:00:00Z</Date></Expiration>"), "MalformedXML"},
           {rule(filter + "<Expiration><Date>2013-06-01T01:00:00Z</Date></Expiration>"), "InvalidArgument"},
           {rule(filter + "<Expiration><Date>20200101</Date></Expiration>"), "MalformedXML"},
           {rule(filter + "<Expiration/>"), "MalformedXML"},
           {rule("<Filter>" + tag + "<Prefix>a</Prefix></Filter>" + days), "MalformedXML"},
           {rule("<Filter><And>" + tag + tag + "</And></Filter>" + days), "InvalidRequest"},
           {rule("<Filter><And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And></Filter>" + days),
            "InvalidRequest"},
           {rule("<Filter>" + tag + "</Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"), "InvalidRequest"},
           {rule("<Filter>" + tag + "</Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"),
            "InvalidRequest"},
           {rule(filter + "<AbortIncompleteMultipartUpload><DaysAfterInitiation>0</DaysAfterInitiation></AbortIncompleteMultipartUpload>"), "InvalidArgument"},
           {rule(filter + "<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>"), "MalformedXML"},
           {rule(filter + "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions></NoncurrentVersionExpiration>"),
            "InvalidArgument"},
           {rule(filter + "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"), "InvalidStorageClass"},
           {rule(filter + "<Transition><Days>1</Days></Transition>"), "MalformedXML"},
           {rule(filter + days + "<Transition><Days>1</Days><StorageClass>COLD</StorageClass></Transition>"), "InvalidArgument"},
           {rule(filter + days + "<Transition><Date>2013-06-01T00:00:00Z</Date><StorageClass>COLD</StorageClass></Transition>"), "InvalidRequest"},
           {rule(filter + "<NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><StorageClass>WARM</StorageClass></NoncurrentVersionTransition>"), "InvalidStorageClass"},
           {rule(filter + "<NoncurrentVersionTransition><StorageClass>COLD</StorageClass></NoncurrentVersionTransition>"), "MalformedXML"},
           {rule(filter + "<NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions><StorageClass>COLD</StorageClass></NoncurrentVersionTransition>"), "InvalidArgument"},
           {rule(filter + days + "<Other/>"), "MalformedXML"}}) {
    EXPECT_EQ(code(rules), expected) << rules;
  }
  EXPECT_EQ(call("GET", "/bkt?lifecycle").code(), "NoSuchLifecycleConfiguration");
  TestRequest size("PUT", "/bkt?lifecycle", lifecycle(rule(filter + days)));
  size.set("x-amz-transition-default-minimum-object-size", "varies_by_storage_class");
  EXPECT_EQ(call(size).status, 200u);
  EXPECT_EQ(call("GET", "/bkt?lifecycle").header("x-amz-transition-default-minimum-object-size"), "varies_by_storage_class");
}

TEST(Lifecycle, WhenSomethingIsDue) {
  constexpr std::int64_t kDay = 24LL * 3600 * 1000;
  EXPECT_EQ(api::due_ms(10 * kDay, 1, 24 * 3600), 11 * kDay);
  EXPECT_EQ(api::due_ms(10 * kDay + 1, 1, 24 * 3600), 12 * kDay);
  EXPECT_EQ(api::due_ms(10 * kDay + 1, 3, 2), 10 * kDay + 6001) << "days of a test are not rounded";
}

TEST_F(SettingsTest, LifecycleMovesVersionsBetweenClasses) {
  api::ServiceOptions options = default_options();
  options.lifecycle.day_seconds = 2;
  options.storage_classes = {"WARM", "COLD", "GLACIER", "STANDARD_IA"};
  make_service(options);
  const auto run = [&] { tests::run_task(context_, service_->run_lifecycle()); };
  const auto to = [](const std::string& days, const std::string& name) {
    return "<Transition><Days>" + days + "</Days><StorageClass>" + name + "</StorageClass></Transition>";
  };
  ASSERT_EQ(call("PUT", "/bkt?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>").status, 200u);
  const std::string rules = lifecycle(
      rule("<ID>two</ID><Filter><Prefix>a/</Prefix></Filter>" + to("1", "WARM") + to("3", "COLD") + "<Expiration><Days>6</Days></Expiration>") +
      rule("<ID>tag</ID><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>" + to("2", "GLACIER")) +
      rule("<ID>up</ID><Filter><Prefix>g/</Prefix></Filter>" + to("1", "STANDARD_IA")) +
      rule("<ID>old</ID><Filter><Prefix>n/</Prefix></Filter><NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays>"
           "<NewerNoncurrentVersions>1</NewerNoncurrentVersions><StorageClass>COLD</StorageClass></NoncurrentVersionTransition>"));
  ASSERT_EQ(call("PUT", "/bkt?lifecycle", rules).status, 200u);
  const std::string etag = put("/bkt/a/1", "x").header("ETag");
  put("/bkt/other", "x");
  TestRequest tagged("PUT", "/bkt/t", "x");
  tagged.set("x-amz-tagging", "k=v");
  ASSERT_EQ(call(tagged).status, 200u);
  TestRequest glacier("PUT", "/bkt/g/1", "x");
  glacier.set("x-amz-storage-class", "GLACIER");
  ASSERT_EQ(call(glacier).status, 200u);
  std::vector<std::string> versions;
  for (int i = 0; i < 3; ++i) versions.push_back(put("/bkt/n/1", "x").header("x-amz-version-id"));
  const auto class_of = [&](const std::string& target) { return call("HEAD", target).header("x-amz-storage-class"); };
  run();
  EXPECT_EQ(class_of("/bkt/a/1"), "");
  clock_.advance(2000);
  run();
  EXPECT_EQ(class_of("/bkt/a/1"), "WARM");
  EXPECT_EQ(call("HEAD", "/bkt/a/1").header("ETag"), etag) << "nothing but the class has changed";
  EXPECT_EQ(call("GET", "/bkt?prefix=a/").element("StorageClass"), "WARM");
  EXPECT_EQ(class_of("/bkt/t"), "");
  EXPECT_EQ(class_of("/bkt/other"), "");
  EXPECT_EQ(class_of("/bkt/g/1"), "GLACIER") << "nothing goes up";
  EXPECT_EQ(class_of("/bkt/n/1"), "");
  EXPECT_EQ(class_of("/bkt/n/1?versionId=" + versions[1]), "") << "the newest noncurrent version stays";
  EXPECT_EQ(class_of("/bkt/n/1?versionId=" + versions[0]), "COLD");
  clock_.advance(2000);
  run();
  EXPECT_EQ(class_of("/bkt/t"), "GLACIER");
  clock_.advance(2000);
  run();
  EXPECT_EQ(class_of("/bkt/a/1"), "COLD") << "the later one wins";
  run();
  EXPECT_EQ(class_of("/bkt/a/1"), "COLD");
  EXPECT_EQ(call("GET", "/bkt/a/1").body, "x");
  clock_.advance(6000);
  run();
  EXPECT_EQ(call("HEAD", "/bkt/a/1").status, 404u) << "expired in the end";
}

// S3's rule for small objects, where the configuration says it.
TEST_F(SettingsTest, SmallObjectsStayWhereThatIsSaid) {
  api::ServiceOptions options = default_options();
  options.lifecycle.day_seconds = 2;
  options.storage_classes = {"WARM", "GLACIER"};
  make_service(options);
  put("/bkt/small", std::string(131'071, 'x'));
  put("/bkt/large", std::string(131'072, 'x'));
  const auto run_with = [&](const std::string& size, const std::string& name, const std::string& inside) {
    TestRequest request("PUT", "/bkt?lifecycle", lifecycle(rule("<Filter>" + inside + "</Filter><Transition><Days>0</Days><StorageClass>" + name + "</StorageClass></Transition>")));
    if (!size.empty()) request.set("x-amz-transition-default-minimum-object-size", size);
    EXPECT_EQ(call(request).status, 200u);
    tests::run_task(context_, service_->run_lifecycle());
    return call("HEAD", "/bkt/small").header("x-amz-storage-class") + " " + call("HEAD", "/bkt/large").header("x-amz-storage-class");
  };
  EXPECT_EQ(run_with("all_storage_classes_128K", "WARM", ""), " WARM");
  EXPECT_EQ(run_with("varies_by_storage_class", "GLACIER", ""), "GLACIER GLACIER");
  EXPECT_EQ(run_with("all_storage_classes_128K", "WARM", "<ObjectSizeLessThan>200000</ObjectSizeLessThan>"), "WARM WARM");
  put("/bkt/small", "x");
  EXPECT_EQ(run_with("", "WARM", ""), "WARM WARM");
}

// The runner removes what is due, and nothing else; walks happen only when something may be due.
TEST_F(SettingsTest, LifecycleRuns) {
  api::ServiceOptions options = default_options();
  options.lifecycle.day_seconds = 2;
  make_service(options);
  const auto run = [&] { tests::run_task(context_, service_->run_lifecycle()); };
  const std::string rules = lifecycle(
      rule("<ID>a</ID><Filter><Prefix>a/</Prefix></Filter><Expiration><Days>1</Days></Expiration>") +
      rule("<ID>tag</ID><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Expiration><Days>2</Days></Expiration>") +
      rule("<ID>large</ID><Filter><And><Prefix>b/</Prefix><ObjectSizeGreaterThan>3</ObjectSizeGreaterThan></And></Filter><Expiration><Days>1</Days></Expiration>") +
      rule("<ID>up</ID><Filter><Prefix>u/</Prefix></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>") +
      "<Rule><ID>off</ID><Status>Disabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule>");
  ASSERT_EQ(call("PUT", "/bkt?lifecycle", rules).status, 200u);
  put("/bkt/a/1", "x");
  put("/bkt/b/small", "xxx");
  put("/bkt/b/large", "xxxx");
  put("/bkt/other", "x");
  TestRequest tagged("PUT", "/bkt/tagged", "x");
  tagged.set("x-amz-tagging", "k=v");
  EXPECT_EQ(call(tagged).status, 200u);
  const std::string upload = start_upload("/bkt/u/1");
  const auto names = [&] {
    std::string all;
    const Reply list = call("GET", "/bkt");
    for (const char* name : {"a/1", "a/2", "b/large", "b/small", "other", "tagged"}) {
      if (list.count("<Key>" + std::string(name) + "</Key>") > 0) all += std::string(name) + " ";
    }
    return all;
  };
  run();
  EXPECT_EQ(names(), "a/1 b/large b/small other tagged ");
  clock_.advance(1999);
  run();
  EXPECT_EQ(names(), "a/1 b/large b/small other tagged ");
  put("/bkt/a/2", "x");
  clock_.advance(1);
  run();
  EXPECT_EQ(names(), "a/2 b/small other tagged ");
  clock_.advance(2000);
  run();
  EXPECT_EQ(names(), "b/small other ");
  EXPECT_EQ(call("GET", "/bkt?uploads").count("<Upload>"), 1u);
  clock_.advance(2000);
  run();
  EXPECT_EQ(call("GET", "/bkt?uploads").count("<Upload>"), 0u);
  // Tags that come late are seen within a day.
  EXPECT_EQ(call("PUT", "/bkt/other?tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>").status, 200u);
  clock_.advance(2000);
  run();
  EXPECT_EQ(names(), "b/small ");
  // A new configuration counts at once.
  ASSERT_EQ(call("PUT", "/bkt?lifecycle",
                 lifecycle(rule("<Filter/><Expiration><Date>2013-05-24T00:00:00Z</Date></Expiration>")))
                .status,
            200u);
  run();
  EXPECT_EQ(names(), "");
}

TEST_F(SettingsTest, LifecycleOfVersions) {
  api::ServiceOptions options = default_options();
  options.lifecycle.day_seconds = 2;
  make_service(options);
  const auto run = [&] { tests::run_task(context_, service_->run_lifecycle()); };
  ASSERT_EQ(call("PUT", "/bkt?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>").status, 200u);
  ASSERT_EQ(call("PUT", "/bkt?lifecycle",
                 lifecycle(rule("<ID>old</ID><Filter><Prefix>n/</Prefix></Filter><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
                                "<NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>") +
                           rule("<ID>markers</ID><Filter><Prefix>m/</Prefix></Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>") +
                           rule("<ID>current</ID><Filter><Prefix>c/</Prefix></Filter><Expiration><Days>1</Days></Expiration>")))
                .status,
            200u);
  for (int i = 0; i < 6; ++i) put("/bkt/n/k", std::to_string(i));
  put("/bkt/c/k", "x");
  const std::string version = put("/bkt/m/gone", "x").header("x-amz-version-id");
  EXPECT_EQ(call("DELETE", "/bkt/m/gone").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/m/gone?versionId=" + version).status, 204u);
  put("/bkt/m/kept", "x");
  EXPECT_EQ(call("DELETE", "/bkt/m/kept").status, 204u);
  const auto versions = [&](const std::string& prefix) { return call("GET", "/bkt?versions&prefix=" + prefix); };
  EXPECT_EQ(versions("n/").count("<Version>"), 6u);
  run();
  EXPECT_EQ(versions("n/").count("<Version>"), 6u);
  EXPECT_EQ(versions("m/gone").count("<DeleteMarker>"), 0u) << "a marker alone";
  EXPECT_EQ(versions("m/kept").count("<DeleteMarker>"), 1u) << "a marker before a version";
  clock_.advance(2000);
  run();
  EXPECT_EQ(versions("n/").count("<Version>"), 3u) << "the current one and two";
  EXPECT_EQ(call("GET", "/bkt/n/k").body, "5");
  EXPECT_EQ(versions("c/").count("<Version>"), 1u);
  EXPECT_EQ(versions("c/").count("<DeleteMarker>"), 1u) << "expired by a marker";
  EXPECT_EQ(call("GET", "/bkt/c/k").status, 404u);
}

// Item 49.
TEST_F(SettingsTest, StorageClassesAreKeptAndTold) {
  api::ServiceOptions options = default_options();
  options.storage_classes = {"COLD"};
  make_service(options);
  for (const char* name : {"GLACIER", "STANDARD_IA", "COLD"}) {
    TestRequest request("PUT", "/bkt/k", "x");
    request.set("x-amz-storage-class", name);
    EXPECT_EQ(call(request).status, 200u) << name;
    EXPECT_EQ(call("GET", "/bkt/k").header("x-amz-storage-class"), name);
    EXPECT_EQ(call("GET", "/bkt").element("StorageClass"), name);
  }
  TestRequest unknown("PUT", "/bkt/k", "x");
  unknown.set("x-amz-storage-class", "WARM");
  EXPECT_EQ(call(unknown).code(), "InvalidStorageClass");
  TestRequest copy("PUT", "/bkt/copy");
  copy.set("x-amz-copy-source", "/bkt/k");
  EXPECT_EQ(call(copy).status, 200u);
  EXPECT_FALSE(call("GET", "/bkt/copy").has_header("x-amz-storage-class")) << "the class of a source is not copied";
  TestRequest self("PUT", "/bkt/k");
  self.set("x-amz-copy-source", "/bkt/k");
  EXPECT_EQ(call(self).code(), "InvalidRequest");
  self.set("x-amz-storage-class", "GLACIER");
  EXPECT_EQ(call(self).status, 200u);
  EXPECT_EQ(call("HEAD", "/bkt/k").header("x-amz-storage-class"), "GLACIER");
}

}  // namespace
