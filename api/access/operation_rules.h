// What each operation of S3 needs to be allowed: an action of the policy language, and the grant of an access control list
// that gives the same. Every route must have a row here, or routes.cpp does not compile.
#pragma once

#include <string_view>

#include "api/access/action.h"

namespace api {

// Whose access control list a permission is looked for in.
enum class AclOf : std::uint8_t { nobody, bucket, object };

struct OperationRule {
  std::string_view operation;
  Action action;
  Action version_action;  // with a versionId; `none`: the same action
  AclOf acl = AclOf::nobody;  // nobody: the owner alone, and whom a policy names
  Permission permission = Permission::none;
};

// A row a line. Operations are here that no route has yet, so that a new route needs no change in this file.
// clang-format off
inline constexpr OperationRule kOperationRules[] = {
    {"ListBuckets", Action::list_all_my_buckets, Action::none},
    {"CreateBucket", Action::create_bucket, Action::none},
    {"DeleteBucket", Action::delete_bucket, Action::none},
    {"HeadBucket", Action::list_bucket, Action::none, AclOf::bucket, Permission::read},
    {"ListObjects", Action::list_bucket, Action::none, AclOf::bucket, Permission::read},
    {"ListObjectVersions", Action::list_bucket_versions, Action::none, AclOf::bucket, Permission::read},
    {"ListMultipartUploads", Action::list_bucket_multipart_uploads, Action::none, AclOf::bucket, Permission::read},
    {"GetBucketLocation", Action::get_bucket_location, Action::none},
    {"GetBucketAcl", Action::get_bucket_acl, Action::none, AclOf::bucket, Permission::read_acp},
    {"PutBucketAcl", Action::put_bucket_acl, Action::none, AclOf::bucket, Permission::write_acp},
    {"GetBucketVersioning", Action::get_bucket_versioning, Action::none},
    {"PutBucketVersioning", Action::put_bucket_versioning, Action::none},
    {"GetBucketPolicy", Action::get_bucket_policy, Action::none},
    {"PutBucketPolicy", Action::put_bucket_policy, Action::none},
    {"DeleteBucketPolicy", Action::delete_bucket_policy, Action::none},
    {"GetBucketPolicyStatus", Action::get_bucket_policy_status, Action::none},
    {"GetBucketCors", Action::get_bucket_cors, Action::none},
    {"PutBucketCors", Action::put_bucket_cors, Action::none},
    {"DeleteBucketCors", Action::put_bucket_cors, Action::none},
    {"GetBucketLifecycleConfiguration", Action::get_lifecycle_configuration, Action::none},
    {"PutBucketLifecycleConfiguration", Action::put_lifecycle_configuration, Action::none},
    {"DeleteBucketLifecycle", Action::put_lifecycle_configuration, Action::none},
    {"DeleteBucketLifecycleConfiguration", Action::put_lifecycle_configuration, Action::none},
    {"GetBucketTagging", Action::get_bucket_tagging, Action::none},
    {"PutBucketTagging", Action::put_bucket_tagging, Action::none},
    {"DeleteBucketTagging", Action::put_bucket_tagging, Action::none},
    {"GetBucketEncryption", Action::get_encryption_configuration, Action::none},
    {"PutBucketEncryption", Action::put_encryption_configuration, Action::none},
    {"DeleteBucketEncryption", Action::put_encryption_configuration, Action::none},
    {"GetObjectLockConfiguration", Action::get_bucket_object_lock_configuration, Action::none},
    {"PutObjectLockConfiguration", Action::put_bucket_object_lock_configuration, Action::none},
    {"GetPublicAccessBlock", Action::get_bucket_public_access_block, Action::none},
    {"PutPublicAccessBlock", Action::put_bucket_public_access_block, Action::none},
    {"DeletePublicAccessBlock", Action::put_bucket_public_access_block, Action::none},
    {"GetBucketOwnershipControls", Action::get_bucket_ownership_controls, Action::none},
    {"PutBucketOwnershipControls", Action::put_bucket_ownership_controls, Action::none},
    {"DeleteBucketOwnershipControls", Action::put_bucket_ownership_controls, Action::none},
    {"GetBucketWebsite", Action::get_bucket_website, Action::none},
    {"PutBucketWebsite", Action::put_bucket_website, Action::none},
    {"DeleteBucketWebsite", Action::delete_bucket_website, Action::none},
    {"GetBucketReplication", Action::get_replication_configuration, Action::none},
    {"PutBucketReplication", Action::put_replication_configuration, Action::none},
    {"DeleteBucketReplication", Action::put_replication_configuration, Action::none},
    {"GetBucketLogging", Action::get_bucket_logging, Action::none},
    {"PutBucketLogging", Action::put_bucket_logging, Action::none},
    {"GetBucketNotificationConfiguration", Action::get_bucket_notification, Action::none},
    {"PutBucketNotificationConfiguration", Action::put_bucket_notification, Action::none},
    {"GetBucketAccelerateConfiguration", Action::get_accelerate_configuration, Action::none},
    {"PutBucketAccelerateConfiguration", Action::put_accelerate_configuration, Action::none},
    {"GetBucketRequestPayment", Action::get_bucket_request_payment, Action::none},
    {"PutBucketRequestPayment", Action::put_bucket_request_payment, Action::none},
    {"GetObject", Action::get_object, Action::get_object_version, AclOf::object, Permission::read},
    {"HeadObject", Action::get_object, Action::get_object_version, AclOf::object, Permission::read},
    {"GetObjectAttributes", Action::get_object, Action::get_object_version, AclOf::object, Permission::read},
    {"GetObjectTorrent", Action::get_object_torrent, Action::get_object_version_torrent, AclOf::object, Permission::read},
    {"PutObject", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"PostObject", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"AppendObject", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"RenameObject", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"CopyObject", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"DeleteObject", Action::delete_object, Action::delete_object_version, AclOf::bucket, Permission::write},
    {"DeleteObjects", Action::delete_object, Action::none, AclOf::bucket, Permission::write},
    {"CreateMultipartUpload", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"UploadPart", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"UploadPartCopy", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"CompleteMultipartUpload", Action::put_object, Action::none, AclOf::bucket, Permission::write},
    {"AbortMultipartUpload", Action::abort_multipart_upload, Action::none, AclOf::bucket, Permission::write},
    {"ListParts", Action::list_multipart_upload_parts, Action::none, AclOf::bucket, Permission::write},
    {"GetObjectTagging", Action::get_object_tagging, Action::get_object_version_tagging},
    {"PutObjectTagging", Action::put_object_tagging, Action::put_object_version_tagging},
    {"DeleteObjectTagging", Action::delete_object_tagging, Action::delete_object_version_tagging},
    {"GetObjectAcl", Action::get_object_acl, Action::get_object_version_acl, AclOf::object, Permission::read_acp},
    {"PutObjectAcl", Action::put_object_acl, Action::put_object_version_acl, AclOf::object, Permission::write_acp},
    {"GetObjectRetention", Action::get_object_retention, Action::none},
    {"PutObjectRetention", Action::put_object_retention, Action::none},
    {"GetObjectLegalHold", Action::get_object_legal_hold, Action::none},
    {"PutObjectLegalHold", Action::put_object_legal_hold, Action::none},
    {"PutObjectAnnotation", Action::put_object_annotation, Action::none},
    {"GetObjectAnnotation", Action::get_object_annotation, Action::none},
    {"ListObjectAnnotations", Action::list_object_annotations, Action::none},
    {"DeleteObjectAnnotation", Action::delete_object_annotation, Action::none},
    {"GetVirtualObject", Action::get_object, Action::none},
    {"HeadVirtualObject", Action::get_object, Action::none},
    {"PutVirtualObject", Action::put_object, Action::none},
    {"CopyVirtualObject", Action::put_object, Action::none},
    {"DeleteVirtualObject", Action::delete_object, Action::none},
    {"CreateVirtualUpload", Action::put_object, Action::none},
    {"UploadVirtualPart", Action::put_object, Action::none},
    {"CopyVirtualPart", Action::put_object, Action::none},
    {"CompleteVirtualUpload", Action::put_object, Action::none},
    {"AbortVirtualUpload", Action::put_object, Action::none},
    {"ListVirtualParts", Action::put_object, Action::none},
    {"RestoreObject", Action::restore_object, Action::none},
    {"SelectObjectContent", Action::get_object, Action::none, AclOf::object, Permission::read},
};
// clang-format on

constexpr const OperationRule* find_rule(std::string_view operation) {
  for (const OperationRule& rule : kOperationRules) {
    if (rule.operation == operation) return &rule;
  }
  return nullptr;
}

}  // namespace api
