#include "api/routes.h"

#include <gtest/gtest.h>

#include "api/ascii.h"
#include "api/call.h"
#include "tests/unit/api/requests.h"

namespace {

using api::S3Error;

// The operation of a request, or the code of the failure.
std::string route(std::string_view method, std::string_view target, bool copy = false) {
  const auto parsed = api::parse_target(target, "127.0.0.1:9000", {});
  if (!parsed) return "unparsable";
  const auto found = api::find_route(method, *parsed, copy);
  if (!found) return std::string(api::error_row(found.error().error()).code);
  return std::string((*found)->operation);
}

TEST(Routes, EveryOperation) {
  EXPECT_EQ(route("GET", "/"), "ListBuckets");
  EXPECT_EQ(route("PUT", "/b"), "CreateBucket");
  EXPECT_EQ(route("PUT", "/b/"), "CreateBucket");
  EXPECT_EQ(route("HEAD", "/b"), "HeadBucket");
  EXPECT_EQ(route("DELETE", "/b"), "DeleteBucket");
  EXPECT_EQ(route("GET", "/b"), "ListObjects");
  EXPECT_EQ(route("GET", "/b?list-type=2&prefix=x"), "ListObjects");
  EXPECT_EQ(route("GET", "/b?versions"), "ListObjectVersions");
  EXPECT_EQ(route("GET", "/b?uploads="), "ListMultipartUploads");
  EXPECT_EQ(route("POST", "/b?delete="), "DeleteObjects");
  EXPECT_EQ(route("GET", "/b?LOCATION"), "GetBucketLocation");
  EXPECT_EQ(route("GET", "/b/k"), "GetObject");
  EXPECT_EQ(route("HEAD", "/b//"), "HeadObject");
  EXPECT_EQ(route("PUT", "/b/k"), "PutObject");
  EXPECT_EQ(route("PUT", "/b/k", true), "CopyObject");
  EXPECT_EQ(route("PUT", "/b/k?x-id=PutObject"), "PutObject");
  EXPECT_EQ(route("DELETE", "/b/k?versionId=null"), "DeleteObject");
  EXPECT_EQ(route("POST", "/b/k?uploads"), "CreateMultipartUpload");
  EXPECT_EQ(route("PUT", "/b/k?partNumber=1&uploadId=u"), "UploadPart");
  EXPECT_EQ(route("PUT", "/b/k?uploadId=u&partNumber=1", true), "UploadPartCopy");
  EXPECT_EQ(route("POST", "/b/k?uploadId=u"), "CompleteMultipartUpload");
  EXPECT_EQ(route("DELETE", "/b/k?uploadId=u"), "AbortMultipartUpload");
  EXPECT_EQ(route("GET", "/b/k?uploadId=u&max-parts=1"), "ListParts");
  EXPECT_EQ(route("GET", "/b/k?attributes"), "GetObjectAttributes");
  EXPECT_EQ(route("GET", "/b/k?tagging"), "GetObjectTagging");
  EXPECT_EQ(route("PUT", "/b/k?tagging"), "PutObjectTagging");
  EXPECT_EQ(route("DELETE", "/b/k?tagging"), "DeleteObjectTagging");
  EXPECT_EQ(route("PUT", "/b/k?acl"), "PutObjectAcl");
}

// Items 5, 73, 139: what a write carries and nobody knows never becomes a plain write.
TEST(Routes, UnknownParametersOfWritesAreNotImplemented) {
  for (const char* method : {"PUT", "DELETE"}) {
    for (const char* target :
         {"/b?anything", "/b/k?anything=1", "/b?list-type=2", "/b/k?prefix=a", "/b?x-idd"}) {
      EXPECT_EQ(route(method, target), "NotImplemented") << method << " " << target;
    }
  }
  EXPECT_EQ(route("POST", "/b?delete&quiet"), "NotImplemented");
  EXPECT_EQ(route("POST", "/b/k?uploads&foo"), "NotImplemented");
  EXPECT_EQ(route("DELETE", "/b?versionId=null"), "NotImplemented");
  EXPECT_EQ(route("GET", "/b/k?anything=1"), "GetObject");
  EXPECT_EQ(route("GET", "/b?anything=1"), "ListObjects");
}

// Sub-resources that S3 has and this version has not, on every method that S3 has for them.
TEST(Routes, SubResourcesThatAreNotBuilt) {
  for (const char* name : {"replication"}) {
    const std::string target = std::string("/b?") + name;
    EXPECT_EQ(route("PUT", target), "NotImplemented") << name;
    EXPECT_EQ(route("DELETE", target), "NotImplemented") << name;
    EXPECT_EQ(route("POST", target), "MethodNotAllowed") << name;
  }
  for (const char* target : {"/b?inventory&id=1", "/b?metrics&id=1",
                             "/b?analytics&id=1", "/b?intelligent-tiering&id=1"}) {
    EXPECT_EQ(route("PUT", target), "NotImplemented") << target;
  }
  EXPECT_EQ(route("GET", "/b?inventory"), "NotImplemented");
  EXPECT_EQ(route("GET", "/b?session"), "NotImplemented");
  EXPECT_EQ(route("POST", "/b/k?select&select-type=2"), "NotImplemented");
  EXPECT_EQ(route("POST", "/b/k?restore"), "NotImplemented");
  EXPECT_EQ(route("DELETE", "/b/k?annotation=x"), "DeleteObjectAnnotation");
  EXPECT_EQ(route("PUT", "/b/k?annotation&annotationName=n&versionId=null"), "PutObjectAnnotation");
  EXPECT_EQ(route("PUT", "/b/k?annotation&other=n"), "NotImplemented");
  EXPECT_EQ(route("GET", "/b/k?annotation&annotationName=n"), "GetObjectAnnotation");
  EXPECT_EQ(route("GET", "/b/k?annotation"), "ListObjectAnnotations");
  EXPECT_EQ(route("HEAD", "/b/k?annotation"), "MethodNotAllowed");
  EXPECT_EQ(route("POST", "/b"), "PostObject");
}

// Items 131, 139, 158.
TEST(Routes, MisplacedSubResources) {
  EXPECT_EQ(route("GET", "/b/k?uploads"), "InvalidRequest");
  EXPECT_EQ(route("PUT", "/b/k?uploads"), "InvalidRequest");
  EXPECT_EQ(route("PUT", "/b/k?partNumber=1"), "InvalidArgument");
  EXPECT_EQ(route("PUT", "/b/k?uploadId=x"), "InvalidArgument");
  EXPECT_EQ(route("DELETE", "/b/k?policy"), "InvalidRequest");
  EXPECT_EQ(route("PUT", "/b?uploadId=x"), "InvalidRequest");
  EXPECT_EQ(route("DELETE", "/b?uploadId=x"), "InvalidRequest");
  EXPECT_EQ(route("POST", "/b/k?delete"), "InvalidRequest");
  EXPECT_EQ(route("GET", "/b?acl&policy"), "InvalidArgument");
  EXPECT_EQ(route("DELETE", "/b?delete"), "MethodNotAllowed");
  EXPECT_EQ(route("POST", "/b/k?acl"), "MethodNotAllowed");
  EXPECT_EQ(route("PATCH", "/b/k"), "MethodNotAllowed");
  EXPECT_EQ(route("POST", "/b/k"), "MethodNotAllowed");
  EXPECT_EQ(route("POST", "/"), "MethodNotAllowed");
  EXPECT_EQ(route("DELETE", "/"), "MethodNotAllowed");
}

TEST(Routes, AllowNamesWhatIsAllowed) {
  const auto target = api::parse_target("/b?location", "h", {});
  const auto found = api::find_route("POST", *target, false);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().headers(), "Allow: GET\r\n");
}

// The table itself: no row can hide another one.
TEST(Routes, RowsAreDistinct) {
  const auto rows = api::routes();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_NE(rows[i].handler, nullptr) << rows[i].operation;
    for (std::size_t j = 0; j < i; ++j) {
      const bool same = rows[i].method == rows[j].method && rows[i].scope == rows[j].scope &&
                        api::equals_caseless(rows[i].sub_resource, rows[j].sub_resource) &&
                        rows[i].copy == rows[j].copy;
      EXPECT_FALSE(same) << rows[i].operation << " and " << rows[j].operation;
    }
  }
}

}  // namespace
