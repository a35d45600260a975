#include "api/routes.h"

#include <algorithm>
#include <array>
#include <string>

#include "api/ascii.h"
#include "api/operations/operations.h"
#include "api/request_target.h"
#include "api/virtual/virtual_object.h"

namespace api {
namespace {

// What ?annotation means to a GET that names none; no client can write it.
constexpr std::string_view kAnnotationList = "annotation ";

// A row a line, so that the table can be read as one.
// clang-format off
constexpr Route kRoutes[] = {
    {.method = "GET", .scope = Scope::service, .operation = "ListBuckets", .handler = list_buckets, .needs_bucket = false},

    {.method = "PUT", .scope = Scope::bucket, .operation = "CreateBucket", .handler = create_bucket, .needs_bucket = false},
    {.method = "HEAD", .scope = Scope::bucket, .operation = "HeadBucket", .handler = head_bucket},
    {.method = "DELETE", .scope = Scope::bucket, .operation = "DeleteBucket", .handler = delete_bucket},
    {.method = "GET", .scope = Scope::bucket, .operation = "ListObjects", .handler = list_objects},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "versions", .operation = "ListObjectVersions", .handler = list_object_versions},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "uploads", .operation = "ListMultipartUploads", .handler = list_multipart_uploads},
    {.method = "POST", .scope = Scope::bucket, .sub_resource = "delete", .operation = "DeleteObjects", .handler = delete_objects},
    {.method = "POST", .scope = Scope::bucket, .operation = "PostObject", .handler = post_object, .needs_bucket = false},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "location", .operation = "GetBucketLocation", .handler = get_bucket_location},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "acl", .operation = "GetBucketAcl", .handler = get_acl},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "acl", .operation = "PutBucketAcl", .handler = put_acl},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "policy", .operation = "GetBucketPolicy", .handler = get_bucket_policy},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "policy", .operation = "PutBucketPolicy", .handler = put_bucket_policy},
    {.method = "DELETE", .scope = Scope::bucket, .sub_resource = "policy", .operation = "DeleteBucketPolicy", .handler = delete_bucket_policy},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "policyStatus", .operation = "GetBucketPolicyStatus", .handler = get_bucket_policy_status},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "versioning", .operation = "GetBucketVersioning", .handler = get_bucket_versioning},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "versioning", .operation = "PutBucketVersioning", .handler = put_bucket_versioning},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "cors", .operation = "GetBucketCors", .handler = get_bucket_cors},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "cors", .operation = "PutBucketCors", .handler = put_bucket_cors},
    {.method = "DELETE", .scope = Scope::bucket, .sub_resource = "cors", .operation = "DeleteBucketCors", .handler = delete_bucket_cors},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "lifecycle", .operation = "GetBucketLifecycleConfiguration", .handler = get_bucket_lifecycle},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "lifecycle", .operation = "PutBucketLifecycleConfiguration", .handler = put_bucket_lifecycle},
    {.method = "DELETE", .scope = Scope::bucket, .sub_resource = "lifecycle", .operation = "DeleteBucketLifecycle", .handler = delete_bucket_lifecycle},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "tagging", .operation = "GetBucketTagging", .handler = get_bucket_tagging},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "tagging", .operation = "PutBucketTagging", .handler = put_bucket_tagging},
    {.method = "DELETE", .scope = Scope::bucket, .sub_resource = "tagging", .operation = "DeleteBucketTagging", .handler = delete_bucket_tagging},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "encryption", .operation = "GetBucketEncryption", .handler = get_bucket_encryption},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "encryption", .operation = "PutBucketEncryption", .handler = put_bucket_encryption},
    {.method = "DELETE", .scope = Scope::bucket, .sub_resource = "encryption", .operation = "DeleteBucketEncryption", .handler = delete_bucket_encryption},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "publicAccessBlock", .operation = "GetPublicAccessBlock", .handler = get_public_access_block},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "publicAccessBlock", .operation = "PutPublicAccessBlock", .handler = put_public_access_block},
    {.method = "DELETE", .scope = Scope::bucket, .sub_resource = "publicAccessBlock", .operation = "DeletePublicAccessBlock", .handler = delete_public_access_block},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "ownershipControls", .operation = "GetBucketOwnershipControls", .handler = get_ownership_controls},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "ownershipControls", .operation = "PutBucketOwnershipControls", .handler = put_ownership_controls},
    {.method = "DELETE", .scope = Scope::bucket, .sub_resource = "ownershipControls", .operation = "DeleteBucketOwnershipControls", .handler = delete_ownership_controls},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "object-lock", .operation = "GetObjectLockConfiguration", .handler = get_object_lock_configuration},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "object-lock", .operation = "PutObjectLockConfiguration", .handler = put_object_lock_configuration},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "website", .operation = "GetBucketWebsite", .handler = get_bucket_website},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "website", .operation = "PutBucketWebsite", .handler = put_bucket_website},
    {.method = "DELETE", .scope = Scope::bucket, .sub_resource = "website", .operation = "DeleteBucketWebsite", .handler = delete_bucket_website},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "replication", .operation = "GetBucketReplication", .handler = get_unconfigured},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "logging", .operation = "GetBucketLogging", .handler = get_bucket_logging},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "logging", .operation = "PutBucketLogging", .handler = put_bucket_logging},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "notification", .operation = "GetBucketNotificationConfiguration", .handler = get_bucket_notification},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "notification", .operation = "PutBucketNotificationConfiguration", .handler = put_bucket_notification},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "accelerate", .operation = "GetBucketAccelerateConfiguration", .handler = get_accelerate_configuration},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "accelerate", .operation = "PutBucketAccelerateConfiguration", .handler = put_accelerate_configuration},
    {.method = "GET", .scope = Scope::bucket, .sub_resource = "requestPayment", .operation = "GetBucketRequestPayment", .handler = get_request_payment},
    {.method = "PUT", .scope = Scope::bucket, .sub_resource = "requestPayment", .operation = "PutBucketRequestPayment", .handler = put_request_payment},

    {.method = "GET", .scope = Scope::object, .operation = "GetObject", .handler = get_object},
    {.method = "HEAD", .scope = Scope::object, .operation = "HeadObject", .handler = get_object},
    {.method = "PUT", .scope = Scope::object, .operation = "PutObject", .handler = put_object},
    {.method = "PUT", .scope = Scope::object, .copy = true, .operation = "CopyObject", .handler = copy_object},
    {.method = "PUT", .scope = Scope::object, .sub_resource = "renameObject", .operation = "RenameObject", .handler = rename_object},
    {.method = "DELETE", .scope = Scope::object, .operation = "DeleteObject", .handler = delete_object, .parameters = {"versionId"}},
    {.method = "POST", .scope = Scope::object, .sub_resource = "uploads", .operation = "CreateMultipartUpload", .handler = create_multipart_upload},
    {.method = "PUT", .scope = Scope::object, .sub_resource = "uploadId", .operation = "UploadPart", .handler = upload_part, .parameters = {"partNumber"}},
    {.method = "PUT", .scope = Scope::object, .sub_resource = "uploadId", .copy = true, .operation = "UploadPartCopy", .handler = upload_part_copy, .parameters = {"partNumber"}},
    {.method = "POST", .scope = Scope::object, .sub_resource = "uploadId", .operation = "CompleteMultipartUpload", .handler = complete_multipart_upload},
    {.method = "DELETE", .scope = Scope::object, .sub_resource = "uploadId", .operation = "AbortMultipartUpload", .handler = abort_multipart_upload},
    {.method = "GET", .scope = Scope::object, .sub_resource = "uploadId", .operation = "ListParts", .handler = list_parts},
    {.method = "GET", .scope = Scope::object, .sub_resource = "attributes", .operation = "GetObjectAttributes", .handler = get_object_attributes},
    {.method = "GET", .scope = Scope::object, .sub_resource = "tagging", .operation = "GetObjectTagging", .handler = get_object_tagging},
    {.method = "PUT", .scope = Scope::object, .sub_resource = "tagging", .operation = "PutObjectTagging", .handler = put_object_tagging, .parameters = {"versionId"}},
    {.method = "DELETE", .scope = Scope::object, .sub_resource = "tagging", .operation = "DeleteObjectTagging", .handler = delete_object_tagging, .parameters = {"versionId"}},
    {.method = "GET", .scope = Scope::object, .sub_resource = "acl", .operation = "GetObjectAcl", .handler = get_acl},
    {.method = "PUT", .scope = Scope::object, .sub_resource = "acl", .operation = "PutObjectAcl", .handler = put_acl, .parameters = {"versionId"}},
    {.method = "GET", .scope = Scope::object, .sub_resource = "retention", .operation = "GetObjectRetention", .handler = get_object_retention},
    {.method = "PUT", .scope = Scope::object, .sub_resource = "retention", .operation = "PutObjectRetention", .handler = put_object_retention, .parameters = {"versionId"}},
    {.method = "GET", .scope = Scope::object, .sub_resource = "legal-hold", .operation = "GetObjectLegalHold", .handler = get_object_legal_hold},
    {.method = "PUT", .scope = Scope::object, .sub_resource = "legal-hold", .operation = "PutObjectLegalHold", .handler = put_object_legal_hold, .parameters = {"versionId"}},
    {.method = "GET", .scope = Scope::object, .sub_resource = "annotation", .operation = "GetObjectAnnotation", .handler = get_object_annotation},
    {.method = "GET", .scope = Scope::object, .sub_resource = kAnnotationList, .operation = "ListObjectAnnotations", .handler = list_object_annotations},
    {.method = "PUT", .scope = Scope::object, .sub_resource = "annotation", .operation = "PutObjectAnnotation", .handler = put_object_annotation, .parameters = {"annotationName", "versionId"}},
    {.method = "DELETE", .scope = Scope::object, .sub_resource = "annotation", .operation = "DeleteObjectAnnotation", .handler = delete_object_annotation, .parameters = {"annotationName", "versionId"}},
    {.method = "GET", .scope = Scope::object, .sub_resource = "torrent", .operation = "GetObjectTorrent", .handler = get_unconfigured},

    {.method = "GET", .scope = Scope::virtual_object, .operation = "GetVirtualObject", .handler = get_virtual},
    {.method = "HEAD", .scope = Scope::virtual_object, .operation = "HeadVirtualObject", .handler = get_virtual},
    {.method = "PUT", .scope = Scope::virtual_object, .operation = "PutVirtualObject", .handler = put_virtual},
    {.method = "PUT", .scope = Scope::virtual_object, .copy = true, .operation = "CopyVirtualObject", .handler = copy_virtual},
    {.method = "DELETE", .scope = Scope::virtual_object, .operation = "DeleteVirtualObject", .handler = delete_virtual},
    {.method = "POST", .scope = Scope::virtual_object, .sub_resource = "uploads", .operation = "CreateVirtualUpload", .handler = create_virtual_upload},
    {.method = "PUT", .scope = Scope::virtual_object, .sub_resource = "uploadId", .operation = "UploadVirtualPart", .handler = upload_virtual_part, .parameters = {"partNumber"}},
    {.method = "PUT", .scope = Scope::virtual_object, .sub_resource = "uploadId", .copy = true, .operation = "CopyVirtualPart", .handler = copy_virtual_part, .parameters = {"partNumber"}},
    {.method = "POST", .scope = Scope::virtual_object, .sub_resource = "uploadId", .operation = "CompleteVirtualUpload", .handler = complete_virtual_upload},
    {.method = "DELETE", .scope = Scope::virtual_object, .sub_resource = "uploadId", .operation = "AbortVirtualUpload", .handler = abort_virtual_upload},
    {.method = "GET", .scope = Scope::virtual_object, .sub_resource = "uploadId", .operation = "ListVirtualParts", .handler = list_virtual_parts},
};
// clang-format on

// The rule of each row. A route without one would be a route without a decision.
constexpr std::array kRules = [] {
  std::array<const OperationRule*, std::size(kRoutes)> rules{};
  for (std::size_t i = 0; i < rules.size(); ++i) rules[i] = find_rule(kRoutes[i].operation);
  return rules;
}();
static_assert(std::find(kRules.begin(), kRules.end(), nullptr) == kRules.end(),
              "an operation of the table above has no row in access/operation_rules.h");

// The sub-resources of S3 and the methods that S3 has for them: what is here but not in the table above is
// not built (501); a method that is not here is wrong (405); a name of the other scope is misplaced (400).
struct SubResource {
  std::string_view name;
  std::string_view bucket_methods;
  std::string_view object_methods;
};

constexpr SubResource kSubResources[] = {
    {"abac", "GET, PUT", ""},
    {"accelerate", "GET, PUT", ""},
    {"acl", "GET, PUT", "GET, PUT"},
    {"analytics", "GET, PUT, DELETE", ""},
    {"annotation", "", "GET, PUT, DELETE"},
    {"annotations", "", "GET"},
    {"append", "", "POST"},
    {"attributes", "", "GET"},
    {"cors", "GET, PUT, DELETE", ""},
    {"delete", "POST", ""},
    {"encryption", "GET, PUT, DELETE", "PUT"},
    {"intelligent-tiering", "GET, PUT, DELETE", ""},
    {"inventory", "GET, PUT, DELETE", ""},
    {"legal-hold", "", "GET, PUT"},
    {"lifecycle", "GET, PUT, DELETE", ""},
    {"location", "GET", ""},
    {"logging", "GET, PUT", ""},
    {"metadataConfiguration", "GET, POST, DELETE", ""},
    {"metadataTable", "GET, POST, DELETE", ""},
    {"metrics", "GET, PUT, DELETE", ""},
    {"notification", "GET, PUT", ""},
    {"object-lock", "GET, PUT", ""},
    {"ownershipControls", "GET, PUT, DELETE", ""},
    {"policy", "GET, PUT, DELETE", ""},
    {"policyStatus", "GET", ""},
    {"publicAccessBlock", "GET, PUT, DELETE", ""},
    {"renameObject", "", "PUT"},
    {"replication", "GET, PUT, DELETE", ""},
    {"requestPayment", "GET, PUT", ""},
    {"restore", "", "POST"},
    {"retention", "", "GET, PUT"},
    {"select", "", "POST"},
    {"session", "GET", ""},
    {"tagging", "GET, PUT, DELETE", "GET, PUT, DELETE"},
    {"torrent", "", "GET"},
    {"uploadId", "", "GET, PUT, POST, DELETE"},
    {"uploads", "GET", "POST"},
    {"versioning", "GET, PUT", ""},
    {"versions", "GET", ""},
    {"website", "GET, PUT, DELETE", ""},
};

const SubResource* known_sub_resource(std::string_view name) {
  for (const SubResource& candidate : kSubResources) {
    if (equals_caseless(candidate.name, name)) return &candidate;
  }
  return nullptr;
}

bool lists_method(std::string_view methods, std::string_view method) {
  while (!methods.empty()) {
    if (trim(cut(methods, ',')) == method) return true;
  }
  return false;
}

Scope scope_of(const RequestTarget& target) {
  if (is_virtual_key(target.key)) return Scope::virtual_object;
  if (!target.key.empty()) return Scope::object;
  return target.bucket.empty() ? Scope::service : Scope::bucket;
}

std::string_view plain_methods(Scope scope) {
  switch (scope) {
    case Scope::service:
      return "GET";
    case Scope::bucket:
      return "GET, HEAD, PUT, POST, DELETE";
    case Scope::object:
    case Scope::virtual_object:
      return "GET, HEAD, PUT, DELETE";
  }
  return {};
}

Failure method_not_allowed(std::string_view method, std::string_view allowed) {
  return Failure(S3Error::method_not_allowed).with("Method", method).with_header("Allow", allowed);
}

Failure not_implemented(std::string_view what) {
  return Failure(S3Error::not_implemented).with("Header", what);
}

bool is_key(Scope scope) { return scope == Scope::object || scope == Scope::virtual_object; }

bool is_read(std::string_view method) { return method == "GET" || method == "HEAD"; }

// The one sub-resource of the query, or nullptr.
Outcome<const SubResource*> select_sub_resource(const RequestTarget& target) {
  const SubResource* selected = nullptr;
  for (const QueryParameter& parameter : target.query) {
    const SubResource* found = known_sub_resource(parameter.name);
    if (found == nullptr) continue;
    if (selected != nullptr) {
      std::string message = "Conflicting query string parameters: ";
      message.append(selected->name).append(", ").append(found->name);
      return Failure(S3Error::invalid_argument, std::move(message)).with("ArgumentName", "ResourceType");
    }
    selected = found;
  }
  return selected;
}

// Parts and uploads that are half said must never become plain objects.
Outcome<> check_misplaced(std::string_view method, Scope scope, const SubResource* sub,
                          const RequestTarget& target) {
  if (sub != nullptr) {
    const std::string_view here = is_key(scope)            ? sub->object_methods
                                  : scope == Scope::bucket ? sub->bucket_methods
                                                           : std::string_view{};
    const bool uploads_of_object = sub->name == "uploads" && is_key(scope) && method != "POST";
    if (here.empty() || uploads_of_object) {
      std::string message = "The sub-resource '";
      message.append(sub->name).append("' does not belong to this resource");
      return Failure(S3Error::invalid_request, std::move(message));
    }
  }
  if (is_key(scope) && method == "PUT") {
    const bool upload = sub != nullptr && sub->name == "uploadId";
    const bool part = target.has("partNumber");
    if (upload != part && (upload || sub == nullptr)) {
      return Failure(S3Error::invalid_argument, "This operation needs both partNumber and uploadId");
    }
  }
  return done();
}

Outcome<> check_parameters(const Route& route, const RequestTarget& target) {
  if (is_read(route.method)) return done();
  // The parameters of a link of signature version 2.
  const bool old_link = target.has("AWSAccessKeyId");
  for (const QueryParameter& parameter : target.query) {
    const std::string_view name = parameter.name;
    if (old_link && (name == "AWSAccessKeyId" || name == "Expires" || name == "Signature")) continue;
    if (equals_caseless(name, route.sub_resource) || equals_caseless(name, "x-id")) continue;
    if (starts_with_caseless(name, "x-amz-")) continue;
    bool known = false;
    for (const std::string_view allowed : route.parameters) known = known || equals_caseless(name, allowed);
    if (!known) return not_implemented(name);
  }
  return done();
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

const OperationRule& rule_of(const Route& route) {
  return *kRules.at(static_cast<std::size_t>(&route - &kRoutes[0]));
}

Outcome<const Route*> find_route(std::string_view method, const RequestTarget& target, bool copy) {
  const Scope scope = scope_of(target);
  const auto selected = select_sub_resource(target);
  if (!selected) return selected.error();
  const SubResource* const sub = *selected;
  if (auto placed = check_misplaced(method, scope, sub, target); !placed) return placed.error();

  std::string_view sub_name = sub != nullptr ? sub->name : std::string_view{};
  if (sub_name == "annotation" && method == "GET" && !target.has("annotationName")) sub_name = kAnnotationList;
  const bool copies =
      copy && is_key(scope) && method == "PUT" && (sub == nullptr || sub_name == "uploadId");
  for (const Route& route : kRoutes) {
    if (route.scope != scope || route.method != method || route.sub_resource != sub_name ||
        route.copy != copies)
      continue;
    if (auto checked = check_parameters(route, target); !checked) return checked.error();
    return &route;
  }
  if (sub == nullptr) return method_not_allowed(method, plain_methods(scope));
  // Tags, grants, locks: a virtual object has none that could be written.
  if (scope == Scope::virtual_object && !is_read(method)) return method_not_allowed(method, "GET, HEAD");
  const std::string_view methods = is_key(scope) ? sub->object_methods : sub->bucket_methods;
  if (lists_method(methods, method)) return not_implemented(sub->name);
  return method_not_allowed(method, methods);
}

}  // namespace api
