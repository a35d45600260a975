// Object lock through the whole service: bucket configuration, default retention, retention, legal holds, bypass.
#include "api/object_lock.h"
#include "storage/version_id.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
constexpr const char* kTomorrow = "2013-05-25T00:00:00.000Z";
constexpr const char* kLater = "2013-05-26T00:00:00Z";

class LockTest : public ServiceTest {
 protected:
  LockTest() {
    EXPECT_EQ(call("PUT", "/plain").status, 200u);
    TestRequest locked("PUT", "/bkt");
    locked.set("x-amz-bucket-object-lock-enabled", "true");
    EXPECT_EQ(call(locked).status, 200u);
  }

  Reply configure(const std::string& rule, const std::string& bucket = "/bkt") {
    return call("PUT", bucket + "?object-lock",
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>" + rule +
                    "</ObjectLockConfiguration>");
  }
  static std::string rule(const std::string& mode, const std::string& period) {
    return "<Rule><DefaultRetention><Mode>" + mode + "</Mode>" + period + "</DefaultRetention></Rule>";
  }
  Reply retain(const std::string& mode, const std::string& date, bool bypass = false,
               const std::string& query = {}) {
    TestRequest request("PUT", "/bkt/k?retention" + query,
                        "<Retention><Mode>" + mode + "</Mode><RetainUntilDate>" + date +
                            "</RetainUntilDate></Retention>");
    if (bypass) request.set("x-amz-bypass-governance-retention", "true");
    return call(request);
  }
  Reply hold(const std::string& status) {
    return call("PUT", "/bkt/k?legal-hold", "<LegalHold><Status>" + status + "</Status></LegalHold>");
  }
  Reply remove(const std::string& version, bool bypass = false) {
    TestRequest request("DELETE", "/bkt/k?versionId=" + version);
    if (bypass) request.set("x-amz-bypass-governance-retention", "true");
    return call(request);
  }
};

TEST_F(LockTest, BucketConfiguration) {
  EXPECT_EQ(call("GET", "/bkt?versioning").element("Status"), "Enabled");
  const Reply plain = call("GET", "/bkt?object-lock");
  EXPECT_EQ(plain.element("ObjectLockEnabled"), "Enabled");
  EXPECT_EQ(plain.count("<Rule>"), 0u);
  EXPECT_EQ(configure(rule("GOVERNANCE", "<Days>2</Days>")).status, 200u);
  const Reply set = call("GET", "/bkt?object-lock");
  EXPECT_EQ(set.element("Mode"), "GOVERNANCE");
  EXPECT_EQ(set.element("Days"), "2");
  EXPECT_EQ(configure(rule("COMPLIANCE", "<Years>3</Years>")).status, 200u);
  EXPECT_EQ(call("GET", "/bkt?object-lock").element("Years"), "3");
  EXPECT_EQ(configure("").status, 200u);
  EXPECT_EQ(call("GET", "/bkt?object-lock").count("<Rule>"), 0u);
  for (const char* wrong : {"<Days>1</Days><Years>1</Years>", "", "<Days>one</Days>"}) {
    EXPECT_EQ(configure(rule("GOVERNANCE", wrong)).code(), "MalformedXML") << wrong;
  }
  EXPECT_EQ(configure(rule("SOMETIMES", "<Days>1</Days>")).code(), "MalformedXML");
  EXPECT_EQ(configure("<Rule/>").code(), "MalformedXML");
  for (const char* wrong : {"<Days>0</Days>", "<Days>-1</Days>", "<Years>0</Years>", "<Years>101</Years>"}) {
    const Reply refused = configure(rule("GOVERNANCE", wrong));
    EXPECT_EQ(refused.status, 400u);
    EXPECT_EQ(refused.code(), "InvalidRetentionPeriod") << wrong;
  }
  EXPECT_EQ(call("PUT", "/bkt?object-lock", "<ObjectLockConfiguration/>").code(), "MalformedXML");
  const Reply suspend =
      call("PUT", "/bkt?versioning", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>");
  EXPECT_EQ(suspend.status, 409u);
  EXPECT_EQ(suspend.code(), "InvalidBucketState");
  EXPECT_EQ(configure("", "/plain").code(), "InvalidBucketState") << "without versioning";
  EXPECT_EQ(call("GET", "/plain?object-lock").code(), "ObjectLockConfigurationNotFoundError");
  call("PUT", "/plain?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  EXPECT_EQ(configure("", "/plain").status, 200u) << "later, on a versioned bucket";
}

// Item 118.
TEST_F(LockTest, HeadersOfWrites) {
  const auto put_with = [&](const std::vector<std::pair<std::string, std::string>>& headers, bool md5 = true,
                            const std::string& target = "/bkt/k") {
    TestRequest request("PUT", target, "hello");
    if (md5) request.set("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    for (const auto& [name, value] : headers) request.set(name, value);
    return call(request);
  };
  const std::string mode = "x-amz-object-lock-mode";
  const std::string date = "x-amz-object-lock-retain-until-date";
  const std::string legal = "x-amz-object-lock-legal-hold";
  EXPECT_EQ(put_with({{mode, "COMPLIANCE"}, {date, kTomorrow}, {legal, "ON"}}).status, 200u);
  for (int round = 0; round < 2; ++round) {
    const Reply get = call("GET", "/bkt/k");
    EXPECT_EQ(get.header(mode), "COMPLIANCE");
    EXPECT_EQ(get.header(date), kTomorrow);
    EXPECT_EQ(get.header(legal), "ON");
  }
  EXPECT_EQ(put_with({{mode, "COMPLIANCE"}, {date, kTomorrow}}, false).code(), "InvalidRequest");
  EXPECT_EQ(put_with({{mode, "COMPLIANCE"}}).code(), "InvalidArgument");
  EXPECT_EQ(put_with({{date, kTomorrow}}).code(), "InvalidArgument");
  EXPECT_EQ(put_with({{mode, "compliance"}, {date, kTomorrow}}).code(), "InvalidArgument");
  EXPECT_EQ(put_with({{mode, "COMPLIANCE"}, {date, "tomorrow"}}).code(), "InvalidArgument");
  EXPECT_EQ(put_with({{mode, "COMPLIANCE"}, {date, "2013-05-23T00:00:00Z"}}).code(), "InvalidArgument");
  EXPECT_EQ(put_with({{legal, "MAYBE"}}).code(), "InvalidArgument");
  EXPECT_EQ(put_with({{mode, "COMPLIANCE"}, {date, kTomorrow}}, true, "/plain/k").code(), "InvalidRequest");
  EXPECT_EQ(put_with({{legal, "ON"}}, true, "/plain/k").code(), "InvalidRequest");
  EXPECT_EQ(put_with({{legal, "OFF"}}, true, "/plain/k").status, 200u);
  TestRequest copy("PUT", "/bkt/copy");
  copy.set("x-amz-copy-source", "/bkt/k").set(legal, "ON");
  EXPECT_EQ(call(copy).status, 200u);
  EXPECT_EQ(call("HEAD", "/bkt/copy").header(legal), "ON");
  EXPECT_FALSE(call("HEAD", "/bkt/copy").has_header(mode)) << "a copy takes no lock along";
  TestRequest create("POST", "/bkt/made?uploads");
  create.set(mode, "GOVERNANCE").set(date, kTomorrow);
  const std::string upload = call(create).element("UploadId");
  const std::string etag = put_part("/bkt/made", upload, 1, "part");
  EXPECT_EQ(call("POST", "/bkt/made?uploadId=" + upload, complete_body({{1, etag}})).status, 200u);
  EXPECT_EQ(call("HEAD", "/bkt/made").header(mode), "GOVERNANCE");
}

TEST_F(LockTest, DefaultRetentionIsGivenToNewVersions) {
  put("/bkt/before", "x");
  ASSERT_EQ(configure(rule("GOVERNANCE", "<Days>1</Days>")).status, 200u);
  const Reply made = put("/bkt/k", "x");
  const Reply head = call("HEAD", "/bkt/k");
  EXPECT_EQ(head.header("x-amz-object-lock-mode"), "GOVERNANCE");
  EXPECT_EQ(head.header("x-amz-object-lock-retain-until-date"), kTomorrow);
  EXPECT_FALSE(call("HEAD", "/bkt/before").has_header("x-amz-object-lock-mode"));
  const std::string version = made.header("x-amz-version-id");
  EXPECT_EQ(remove(version).code(), "AccessDenied");
  EXPECT_EQ(remove(version, true).status, 204u);
}

// Items 118, 126, 134.
TEST_F(LockTest, RetentionHoldsAgainstRemoval) {
  const std::string version = put("/bkt/k", "x").header("x-amz-version-id");
  EXPECT_EQ(call("GET", "/bkt/k?retention").code(), "NoSuchObjectLockConfiguration");
  const Reply set = retain("GOVERNANCE", kTomorrow);
  EXPECT_EQ(set.status, 200u) << set.body;
  const Reply get = call("GET", "/bkt/k?retention&versionId=" + version);
  EXPECT_EQ(get.element("Mode"), "GOVERNANCE");
  EXPECT_EQ(get.element("RetainUntilDate"), kTomorrow);
  const Reply refused = remove(version);
  EXPECT_EQ(refused.status, 403u);
  EXPECT_EQ(refused.code(), "AccessDenied");
  EXPECT_EQ(call("DELETE", "/bkt/k").header("x-amz-delete-marker"), "true") << "a marker only";
  put("/bkt/k", "on top");
  put("/bkt/elsewhere", "x");
  EXPECT_EQ(call("GET", "/bkt?versions").count("<Version>"), 3u);
  TestRequest bulk("POST", "/bkt?delete",
                   "<Delete><Object><Key>k</Key><VersionId>" + version +
                       "</VersionId></Object><Object><Key>elsewhere</Key></Object></Delete>");
  const Reply deleted = call(bulk);
  EXPECT_EQ(deleted.code(), "AccessDenied");
  EXPECT_EQ(deleted.count("<Deleted>"), 1u);
  bulk.set("x-amz-bypass-governance-retention", "true");
  EXPECT_EQ(call(bulk).count("<Error>"), 0u);
}

TEST_F(LockTest, RetentionIsExtendedAndNeverShortened) {
  put("/bkt/k", "x");
  ASSERT_EQ(retain("GOVERNANCE", kTomorrow).status, 200u);
  EXPECT_EQ(retain("GOVERNANCE", kLater).status, 200u) << "longer";
  EXPECT_EQ(retain("GOVERNANCE", kTomorrow).code(), "AccessDenied");
  EXPECT_EQ(retain("GOVERNANCE", kTomorrow, true).status, 200u);
  EXPECT_EQ(retain("COMPLIANCE", kTomorrow).code(), "AccessDenied");
  EXPECT_EQ(call("PUT", "/bkt/k?retention", "<Retention/>").code(), "AccessDenied");
  TestRequest clear("PUT", "/bkt/k?retention", "<Retention/>");
  clear.set("x-amz-bypass-governance-retention", "true");
  EXPECT_EQ(call(clear).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k?retention").code(), "NoSuchObjectLockConfiguration");
  EXPECT_EQ(retain("COMPLIANCE", kTomorrow).status, 200u);
  EXPECT_EQ(retain("GOVERNANCE", kLater, true).code(), "AccessDenied");
  EXPECT_EQ(retain("COMPLIANCE", "2013-05-24T12:00:00Z", true).code(), "AccessDenied");
  EXPECT_EQ(call(clear).code(), "AccessDenied");
  EXPECT_EQ(retain("COMPLIANCE", kLater).status, 200u);
  EXPECT_EQ(retain("COMPLIANCE", "2013-05-23T00:00:00Z").code(), "InvalidArgument");
  EXPECT_EQ(retain("GLACIAL", kLater).code(), "MalformedXML");
  EXPECT_EQ(retain("COMPLIANCE", "soon").code(), "MalformedXML");
  EXPECT_EQ(call("PUT", "/bkt/k?retention", "<Retention><Mode>GOVERNANCE</Mode></Retention>").code(), "MalformedXML");
  EXPECT_EQ(call("PUT", "/plain/k?retention", "<Retention/>").code(), "InvalidRequest");
  EXPECT_EQ(call("GET", "/plain/k?retention").code(), "InvalidRequest");
  EXPECT_EQ(call("GET", "/bkt/none?retention").code(), "NoSuchKey");
  clock_.advance(3 * kDayMs);
  tests::SignOptions user = main_user();
  user.timestamp = "20130527T000000Z";
  TestRequest later("PUT", "/bkt/k?retention", "<Retention/>");
  EXPECT_EQ(call_as(user, later).status, 200u) << "its time is over";
}

TEST_F(LockTest, LegalHold) {
  const std::string version = put("/bkt/k", "x").header("x-amz-version-id");
  EXPECT_EQ(call("GET", "/bkt/k?legal-hold").code(), "NoSuchObjectLockConfiguration");
  EXPECT_EQ(hold("ON").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k?legal-hold").element("Status"), "ON");
  EXPECT_EQ(remove(version, true).code(), "AccessDenied");
  EXPECT_EQ(hold("on").code(), "MalformedXML");
  EXPECT_EQ(hold("OFF").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k?legal-hold").element("Status"), "OFF");
  EXPECT_EQ(remove(version).status, 204u);
  EXPECT_EQ(call("PUT", "/plain/k?legal-hold", "<LegalHold><Status>ON</Status></LegalHold>").code(), "InvalidRequest");
}

TEST(RetentionDate, Forms) {
  constexpr std::int64_t kMs = 1369440000000;  // 2013-05-25T00:00:00Z
  for (const char* text : {"2013-05-25T00:00:00Z", "2013-05-25T00:00:00.000Z", "2013-05-25", "2013-05-25T00:00:00",
                           "20130525T000000Z", "2013-05-25T02:00:00+02:00", "2013-05-24T19:30:00-04:30"}) {
    EXPECT_EQ(api::parse_retention_date(text), kMs) << text;
  }
  EXPECT_EQ(api::parse_retention_date("2013-05-25T00:00:00.5Z"), kMs + 500);
  for (const char* text : {"", "soon", "2013-05-25T00:00:00.x", "2013-25-05", "2013-05-25T00:00:00+99:00"}) {
    EXPECT_FALSE(api::parse_retention_date(text)) << text;
  }
}

}  // namespace
