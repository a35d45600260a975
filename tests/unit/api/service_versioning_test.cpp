// Versions through the whole service: ids on every answer, markers, listings, bulk deletes, copies, tags.
#include "api/http_date.h"
#include "storage/version_id.h"
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

class VersioningTest : public ServiceTest {
 protected:
  VersioningTest() { EXPECT_EQ(call("PUT", "/bkt").status, 200u); }

  Reply set(const std::string& status) {
    return call("PUT", "/bkt?versioning",
                "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>" + status +
                    "</Status></VersioningConfiguration>");
  }
  std::string put_version(const std::string& target, const std::string& body) {
    return put(target, body).header("x-amz-version-id");
  }
  Reply bulk_delete(const std::string& objects) {
    TestRequest request("POST", "/bkt?delete", "<Delete>" + objects + "</Delete>");
    return call(request);
  }
};

TEST_F(VersioningTest, ConfigurationOfABucket) {
  const Reply off = call("GET", "/bkt?versioning");
  EXPECT_EQ(off.status, 200u);
  EXPECT_EQ(off.count("<Status>"), 0u);
  EXPECT_EQ(set("Enabled").status, 200u);
  EXPECT_EQ(call("GET", "/bkt?versioning").element("Status"), "Enabled");
  EXPECT_EQ(set("Suspended").status, 200u);
  EXPECT_EQ(call("GET", "/bkt?versioning").element("Status"), "Suspended");
  EXPECT_EQ(set("Off").code(), "MalformedXML");
  EXPECT_EQ(set("enabled").code(), "MalformedXML");
  EXPECT_EQ(call("PUT", "/bkt?versioning", "<VersioningConfiguration/>").code(),
            "IllegalVersioningConfigurationException");
  EXPECT_EQ(call("PUT", "/bkt?versioning",
                 "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"
                 "</VersioningConfiguration>")
                .code(),
            "NotImplemented");
  EXPECT_EQ(call("PUT", "/bkt?versioning",
                 "<VersioningConfiguration><MfaDelete>Disabled</MfaDelete><Status>Enabled</Status>"
                 "</VersioningConfiguration>")
                .status,
            200u);
  EXPECT_EQ(call("PUT", "/none?versioning", "<VersioningConfiguration/>").code(), "NoSuchBucket");
}

// Item 117.
TEST_F(VersioningTest, EveryAnswerNamesItsVersion) {
  EXPECT_FALSE(put("/bkt/k", "null").has_header("x-amz-version-id")) << "not before versioning was on";
  EXPECT_FALSE(call("GET", "/bkt/k").has_header("x-amz-version-id"));
  ASSERT_EQ(set("Enabled").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/k").header("x-amz-version-id"), "null");
  const std::string first = put_version("/bkt/k", "first");
  const std::string second = put_version("/bkt/k", "second");
  EXPECT_EQ(first.size(), storage::kVersionIdCharacters);
  EXPECT_NE(first, second);
  for (int round = 0; round < 2; ++round) {  // the second time out of memory
    EXPECT_EQ(call("GET", "/bkt/k").header("x-amz-version-id"), second);
    const Reply old = call("GET", "/bkt/k?versionId=" + first);
    EXPECT_EQ(old.body, "first");
    EXPECT_EQ(old.header("x-amz-version-id"), first);
    EXPECT_EQ(call("GET", "/bkt/k?versionId=null").body, "null");
  }
  EXPECT_EQ(call("HEAD", "/bkt/k?versionId=" + first).header("x-amz-version-id"), first);
  TestRequest ranged("GET", "/bkt/k?versionId=" + first);
  ranged.set("range", "bytes=1-2");
  EXPECT_EQ(call(ranged).body, "ir");
  TestRequest attributes("GET", "/bkt/k?attributes&versionId=" + first);
  attributes.set("x-amz-object-attributes", "ObjectSize");
  const Reply described = call(attributes);
  EXPECT_EQ(described.element("ObjectSize"), "5");
  EXPECT_EQ(described.header("x-amz-version-id"), first);
  const Reply missing = call("GET", "/bkt/k?versionId=" + storage::new_version_id(2));
  EXPECT_EQ(missing.status, 404u);
  EXPECT_EQ(missing.code(), "NoSuchVersion");
  EXPECT_EQ(missing.element("Key"), "k");
  EXPECT_EQ(call("GET", "/bkt/other?versionId=" + first).code(), "NoSuchVersion");
  for (const char* method : {"GET", "DELETE"}) {
    EXPECT_EQ(call(method, "/bkt/k?versionId=").code(), "InvalidArgument");
    EXPECT_EQ(call(method, "/bkt/k?versionId=%20").code(), "InvalidArgument");
  }
  EXPECT_EQ(call("HEAD", "/bkt/k?versionId=bogus").status, 400u);
}

// Items 115, 126.
TEST_F(VersioningTest, DeleteMarkers) {
  ASSERT_EQ(set("Enabled").status, 200u);
  const std::string version = put_version("/bkt/k", "hello");
  const Reply removed = call("DELETE", "/bkt/k");
  EXPECT_EQ(removed.status, 204u);
  EXPECT_EQ(removed.header("x-amz-delete-marker"), "true");
  const std::string marker = removed.header("x-amz-version-id");
  EXPECT_NE(marker, version);
  for (const char* method : {"GET", "HEAD"}) {
    const Reply gone = call(method, "/bkt/k");
    EXPECT_EQ(gone.status, 404u);
    EXPECT_EQ(gone.header("x-amz-delete-marker"), "true");
    EXPECT_EQ(gone.header("x-amz-version-id"), marker);
    const Reply itself = call(method, "/bkt/k?versionId=" + marker);
    EXPECT_EQ(itself.status, 405u);
    EXPECT_EQ(itself.header("Allow"), "DELETE");
    EXPECT_EQ(itself.header("Last-Modified"), "Fri, 24 May 2013 00:00:00 GMT");
    EXPECT_EQ(itself.header("x-amz-delete-marker"), "true");
  }
  EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey");
  EXPECT_EQ(call("GET", "/bkt/k?versionId=" + marker).code(), "MethodNotAllowed");
  EXPECT_EQ(call("GET", "/bkt/k?tagging&versionId=" + marker).code(), "MethodNotAllowed");
  EXPECT_EQ(call("DELETE", "/bkt/k?tagging").code(), "NoSuchKey");
  EXPECT_EQ(call("GET", "/bkt?list-type=2").element("KeyCount"), "0");
  EXPECT_EQ(call("DELETE", "/bkt").code(), "BucketNotEmpty");
  EXPECT_EQ(call("GET", "/bkt/k?versionId=" + version).body, "hello");
  const Reply undone = call("DELETE", "/bkt/k?versionId=" + marker);
  EXPECT_EQ(undone.header("x-amz-delete-marker"), "true");
  EXPECT_EQ(undone.header("x-amz-version-id"), marker);
  EXPECT_EQ(call("GET", "/bkt/k").body, "hello");
  const Reply last = call("DELETE", "/bkt/k?versionId=" + version);
  EXPECT_EQ(last.status, 204u);
  EXPECT_FALSE(last.has_header("x-amz-delete-marker"));
  EXPECT_EQ(last.header("x-amz-version-id"), version);
  EXPECT_EQ(call("DELETE", "/bkt/k?versionId=" + version).status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt").status, 204u);
}

// Item 116.
TEST_F(VersioningTest, Suspended) {
  put("/bkt/k", "oldest");
  ASSERT_EQ(set("Enabled").status, 200u);
  const std::string kept = put_version("/bkt/k", "kept");
  ASSERT_EQ(set("Suspended").status, 200u);
  EXPECT_EQ(put_version("/bkt/k", "null now"), "null");
  EXPECT_EQ(call("GET", "/bkt/k").header("x-amz-version-id"), "null");
  EXPECT_EQ(call("GET", "/bkt/k?versionId=null").body, "null now");
  const Reply removed = call("DELETE", "/bkt/k");
  EXPECT_EQ(removed.header("x-amz-version-id"), "null");
  EXPECT_EQ(removed.header("x-amz-delete-marker"), "true");
  EXPECT_EQ(call("GET", "/bkt/k?versionId=" + kept).body, "kept");
  EXPECT_EQ(call("GET", "/bkt?versions").count("<Version>"), 1u);
  EXPECT_EQ(call("GET", "/bkt?versions").count("<DeleteMarker>"), 1u);
}

TEST_F(VersioningTest, ListingVersions) {
  put("/bkt/a/x", "1");
  ASSERT_EQ(set("Enabled").status, 200u);
  const std::string second = put_version("/bkt/a/x", "22");
  const std::string marker = call("DELETE", "/bkt/a/x").header("x-amz-version-id");
  put("/bkt/b", "3");
  const Reply all = call("GET", "/bkt?versions");
  EXPECT_EQ(all.count("<Version>"), 3u);
  EXPECT_EQ(all.count("<DeleteMarker>"), 1u);
  EXPECT_EQ(all.count("<IsLatest>true</IsLatest>"), 2u);
  EXPECT_EQ(all.count("<Owner><ID>"), 4u);
  EXPECT_LT(all.body.find(marker), all.body.find(second));
  EXPECT_LT(all.body.find(second), all.body.find("<VersionId>null</VersionId>"));
  const std::string of_marker = all.element("DeleteMarker");
  EXPECT_EQ(of_marker.find("<Size>"), std::string::npos);
  EXPECT_EQ(of_marker.find("<ETag>"), std::string::npos);
  const Reply page = call("GET", "/bkt?versions&max-keys=2");
  EXPECT_EQ(page.element("IsTruncated"), "true");
  EXPECT_EQ(page.element("NextKeyMarker"), "a/x");
  EXPECT_EQ(page.element("NextVersionIdMarker"), second);
  const Reply next = call("GET", "/bkt?versions&key-marker=a/x&version-id-marker=" + second);
  EXPECT_EQ(next.element("VersionIdMarker"), second);
  EXPECT_EQ(next.count("<Version>"), 2u);
  EXPECT_EQ(next.element("VersionId"), "null");
  EXPECT_EQ(call("GET", "/bkt?versions&key-marker=a/x").count("<Version>"), 1u);
  const Reply grouped = call("GET", "/bkt?versions&delimiter=/&encoding-type=url");
  EXPECT_EQ(grouped.element("CommonPrefixes"), "<Prefix>a/</Prefix>");
  EXPECT_EQ(grouped.count("<Version>"), 1u);
  EXPECT_EQ(call("GET", "/bkt?versions&prefix=a/").count("<Version>"), 2u);
  EXPECT_EQ(call("GET", "/bkt?versions&version-id-marker=" + second).code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bkt?versions&key-marker=a&version-id-marker=bogus").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bkt?versions&max-keys=0").element("IsTruncated"), "false");
}

// Item 113.
TEST_F(VersioningTest, BulkDeletesOfVersions) {
  ASSERT_EQ(set("Enabled").status, 200u);
  const std::string version = put_version("/bkt/k", "x");
  put("/bkt/other", "x");
  const Reply marked = bulk_delete("<Object><Key>k</Key></Object><Object><Key>never</Key></Object>");
  EXPECT_EQ(marked.status, 200u);
  EXPECT_EQ(marked.count("<DeleteMarker>true</DeleteMarker>"), 2u);
  EXPECT_EQ(marked.count("<DeleteMarkerVersionId>"), 2u);
  EXPECT_EQ(marked.count("<VersionId>"), 0u);
  const std::string marker = marked.element("DeleteMarkerVersionId");
  const Reply removed = bulk_delete("<Object><Key>k</Key><VersionId>" + marker +
                                    "</VersionId></Object><Object><Key>k</Key><VersionId>" + version +
                                    "</VersionId></Object><Object><Key>k</Key><VersionId>bogus</VersionId></Object>");
  EXPECT_EQ(removed.count("<Deleted>"), 2u);
  EXPECT_EQ(removed.element("DeleteMarkerVersionId"), marker);
  EXPECT_EQ(removed.element("VersionId"), marker);
  EXPECT_EQ(removed.count("<DeleteMarker>true</DeleteMarker>"), 1u);
  EXPECT_EQ(removed.code(), "NoSuchVersion");
  EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey");
  EXPECT_FALSE(call("GET", "/bkt/k").has_header("x-amz-delete-marker"));
}

// Items 100, 102.
TEST_F(VersioningTest, CopiesOfVersions) {
  ASSERT_EQ(set("Enabled").status, 200u);
  const std::string first = put_version("/bkt/k", "first");
  put("/bkt/k", "second");
  const auto copy = [&](const std::string& source, const std::string& target) {
    TestRequest request("PUT", target);
    request.set("x-amz-copy-source", source);
    return call(request);
  };
  const Reply restored = copy("/bkt/k?versionId=" + first, "/bkt/k");
  EXPECT_EQ(restored.status, 200u) << restored.body;
  EXPECT_EQ(restored.header("x-amz-copy-source-version-id"), first);
  EXPECT_EQ(restored.header("x-amz-version-id").size(), storage::kVersionIdCharacters);
  EXPECT_EQ(call("GET", "/bkt/k").body, "first");
  EXPECT_EQ(copy("/bkt/k", "/bkt/k").code(), "InvalidRequest") << "onto itself without a change";
  const std::string marker = call("DELETE", "/bkt/k").header("x-amz-version-id");
  EXPECT_EQ(copy("/bkt/k", "/bkt/copy").code(), "NoSuchKey");
  EXPECT_EQ(copy("/bkt/k?versionId=" + marker, "/bkt/copy").code(), "InvalidRequest");
  EXPECT_EQ(copy("/bkt/k?versionId=" + storage::new_version_id(1), "/bkt/copy").code(), "NoSuchVersion");
  EXPECT_EQ(copy("/bkt/k?versionId=bogus", "/bkt/copy").code(), "InvalidArgument");
  const std::string upload = start_upload("/bkt/made");
  TestRequest part("PUT", "/bkt/made?partNumber=1&uploadId=" + upload);
  part.set("x-amz-copy-source", "/bkt/k?versionId=" + first);
  const Reply copied = call(part);
  EXPECT_EQ(copied.status, 200u) << copied.body;
  EXPECT_EQ(copied.header("x-amz-copy-source-version-id"), first);
  const Reply complete =
      call("POST", "/bkt/made?uploadId=" + upload, complete_body({{1, copied.element("ETag")}}));
  EXPECT_EQ(complete.status, 200u) << complete.body;
  EXPECT_EQ(complete.header("x-amz-version-id").size(), storage::kVersionIdCharacters);
  EXPECT_EQ(call("GET", "/bkt/made?versionId=" + complete.header("x-amz-version-id")).body, "first");
}

TEST_F(VersioningTest, TagsOfVersions) {
  ASSERT_EQ(set("Enabled").status, 200u);
  const std::string first = put_version("/bkt/k", "first");
  const std::string second = put_version("/bkt/k", "second");
  const std::string tags = "<Tagging><TagSet><Tag><Key>n</Key><Value>v</Value></Tag></TagSet></Tagging>";
  const Reply set_tags = call("PUT", "/bkt/k?tagging&versionId=" + first, tags);
  EXPECT_EQ(set_tags.status, 200u) << set_tags.body;
  EXPECT_EQ(set_tags.header("x-amz-version-id"), first);
  EXPECT_EQ(call("GET", "/bkt/k?tagging").count("<Tag>"), 0u);
  EXPECT_EQ(call("GET", "/bkt/k?tagging&versionId=" + first).element("Value"), "v");
  EXPECT_EQ(call("HEAD", "/bkt/k?versionId=" + first).header("x-amz-tagging-count"), "1");
  const Reply cleared = call("DELETE", "/bkt/k?tagging&versionId=" + first);
  EXPECT_EQ(cleared.status, 204u);
  EXPECT_EQ(cleared.header("x-amz-version-id"), first);
  EXPECT_EQ(call("GET", "/bkt/k?tagging").header("x-amz-version-id"), second);
  EXPECT_EQ(call("PUT", "/bkt/k?tagging&versionId=" + storage::new_version_id(1), tags).code(), "NoSuchVersion");
}

TEST_F(VersioningTest, ConditionsSeeAMarkerAsAbsent) {
  ASSERT_EQ(set("Enabled").status, 200u);
  put("/bkt/k", "x");
  call("DELETE", "/bkt/k");
  TestRequest replaces("PUT", "/bkt/k", "y");
  replaces.set("if-match", "*");
  EXPECT_EQ(call(replaces).status, 404u);
  TestRequest creates("PUT", "/bkt/k", "y");
  creates.set("if-none-match", "*");
  EXPECT_EQ(call(creates).status, 200u);
  EXPECT_EQ(call(creates).status, 412u);
}

TEST_F(VersioningTest, Renames) {
  put("/bkt/old name", "hello");
  const auto rename = [&](const std::string& source, const std::string& target) {
    TestRequest request("PUT", target + "?renameObject");
    request.set("x-amz-rename-source", source);
    return request;
  };
  EXPECT_EQ(call(rename("old%20name", "/bkt/new")).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/new").body, "hello");
  EXPECT_EQ(call("GET", "/bkt/old%20name").code(), "NoSuchKey");
  EXPECT_EQ(call(rename("old%20name", "/bkt/new")).code(), "NoSuchKey");
  put("/bkt/target", "there");
  TestRequest no_overwrite = rename("/bkt/new", "/bkt/target");
  no_overwrite.set("if-none-match", "*");
  EXPECT_EQ(call(no_overwrite).status, 412u);
  TestRequest other_source = rename("new", "/bkt/target");
  other_source.set("x-amz-rename-source-if-match", "\"other\"");
  EXPECT_EQ(call(other_source).status, 412u);
  TestRequest with_token = rename("new", "/bkt/target");
  with_token.set("x-amz-client-token", "once");
  EXPECT_EQ(call(with_token).status, 200u);
  EXPECT_EQ(call(with_token).status, 200u) << "again";
  EXPECT_EQ(call("GET", "/bkt/target").body, "hello");
  EXPECT_EQ(call(rename("target", "/bkt/target")).code(), "InvalidRequest");
  EXPECT_EQ(call(rename("target", "/bkt/folder/")).code(), "InvalidRequest");
  EXPECT_EQ(call("PUT", "/bkt/x?renameObject").code(), "InvalidArgument");
  ASSERT_EQ(set("Enabled").status, 200u);
  const Reply refused = call(rename("target", "/bkt/x"));
  EXPECT_EQ(refused.status, 400u);
}

// Who may write one key may not take away another by giving it that name.
TEST_F(VersioningTest, ARenameNeedsTheRightToItsSource) {
  put("/bkt/theirs/k", "secret");
  const std::string statement =
      R"({"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::bkt/mine/*"})";
  const auto set_policy = [&](const std::string& more) {
    return call("PUT", "/bkt?policy", R"({"Version":"2012-10-17","Statement":[)" + statement + more + "]}");
  };
  ASSERT_EQ(set_policy("").status, 204u);
  const auto rename = [&] {
    TestRequest request("PUT", "/bkt/mine/k?renameObject");
    request.set("x-amz-rename-source", "theirs/k");
    return call_as(alt_user(), request);
  };
  EXPECT_EQ(rename().code(), "AccessDenied");
  const std::string removes =
      R"(,{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:DeleteObject","Resource":"arn:aws:s3:::bkt/theirs/*"})";
  ASSERT_EQ(set_policy(removes).status, 204u);
  EXPECT_EQ(rename().code(), "AccessDenied") << "it could not be read";
  const std::string reads =
      R"(,{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/theirs/*"})";
  ASSERT_EQ(set_policy(removes + reads).status, 204u);
  EXPECT_EQ(rename().status, 200u);
}

TEST_F(VersioningTest, Appends) {
  const auto append = [&](const std::string& offset, const std::string& body) {
    TestRequest request("PUT", "/bkt/log", body);
    request.set("x-amz-write-offset-bytes", offset);
    return call(request);
  };
  EXPECT_EQ(append("5", "x").code(), "NoSuchKey");
  EXPECT_EQ(append("0", "hello").status, 200u);
  EXPECT_EQ(append("0", "again").code(), "InvalidWriteOffset");
  const Reply second = append("5", " world");
  EXPECT_EQ(second.status, 200u) << second.body;
  EXPECT_EQ(second.header("x-amz-object-size"), "11");
  EXPECT_EQ(second.header("x-amz-checksum-type"), "FULL_OBJECT");
  EXPECT_EQ(call("GET", "/bkt/log").body, "hello world");
  const std::string whole = second.header("x-amz-checksum-crc64nvme");
  put("/bkt/whole", "hello world");
  TestRequest checked("HEAD", "/bkt/whole");
  checked.set("x-amz-checksum-mode", "ENABLED");
  EXPECT_EQ(call(checked).header("x-amz-checksum-crc64nvme"), whole);
  TestRequest locked("PUT", "/bkt/log", "x");
  locked.set("x-amz-write-offset-bytes", "11").set("x-amz-object-lock-legal-hold", "ON");
  EXPECT_EQ(call(locked).code(), "InvalidRequest");
  TestRequest encrypted("PUT", "/bkt/log", "x");
  encrypted.set("x-amz-write-offset-bytes", "11").set("x-amz-server-side-encryption", "AES256");
  EXPECT_EQ(call(encrypted).code(), "InvalidRequest") << "the object is not encrypted";
  EXPECT_EQ(append("nine", "x").code(), "InvalidArgument");
  EXPECT_EQ(append("4", "x").code(), "InvalidWriteOffset");
  ASSERT_EQ(set("Suspended").status, 200u);
  EXPECT_EQ(append("11", "x").code(), "InvalidRequest");
}

}  // namespace
