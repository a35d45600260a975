#include "api/access/action.h"

#include <array>

#include "api/access/wildcard.h"

namespace api {
namespace {

// In the order of the enum.
constexpr std::array<std::string_view, kActions> kNames = {
    "",
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:DeleteBucketWebsite",
    "s3:GetAccelerateConfiguration",
    "s3:GetAnalyticsConfiguration",
    "s3:GetBucketAcl",
    "s3:GetBucketCORS",
    "s3:GetBucketLocation",
    "s3:GetBucketLogging",
    "s3:GetBucketNotification",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketRequestPayment",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetBucketWebsite",
    "s3:GetEncryptionConfiguration",
    "s3:GetIntelligentTieringConfiguration",
    "s3:GetInventoryConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetMetricsConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListAllMyBuckets",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:PutAccelerateConfiguration",
    "s3:PutAnalyticsConfiguration",
    "s3:PutBucketAcl",
    "s3:PutBucketCORS",
    "s3:PutBucketLogging",
    "s3:PutBucketNotification",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketRequestPayment",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutBucketWebsite",
    "s3:PutEncryptionConfiguration",
    "s3:PutIntelligentTieringConfiguration",
    "s3:PutInventoryConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutMetricsConfiguration",
    "s3:PutReplicationConfiguration",
    "s3:AbortMultipartUpload",
    "s3:BypassGovernanceRetention",
    "s3:DeleteObject",
    "s3:DeleteObjectAnnotation",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersion",
    "s3:DeleteObjectVersionTagging",
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectAnnotation",
    "s3:GetObjectAttributes",
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectTagging",
    "s3:GetObjectTorrent",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionTagging",
    "s3:GetObjectVersionTorrent",
    "s3:ListMultipartUploadParts",
    "s3:ListObjectAnnotations",
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:PutObjectAnnotation",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectVersionTagging",
    "s3:RestoreObject",
};
static_assert(kNames.back() == "s3:RestoreObject");
static_assert(kNames[static_cast<std::size_t>(Action::abort_multipart_upload)] == "s3:AbortMultipartUpload");
static_assert(kNames[static_cast<std::size_t>(Action::get_object)] == "s3:GetObject");

// Actions of S3 that no call here asks for; a policy may name them.
constexpr std::string_view kOthers[] = {
    "s3:AssociateAccessGrantsIdentityCenter", "s3:CreateAccessPoint", "s3:CreateJob", "s3:DeleteAccessPoint",
    "s3:DeleteBucketOwnershipControls", "s3:DeleteBucketPublicAccessBlock", "s3:DescribeJob", "s3:GetAccessPoint",
    "s3:GetAccountPublicAccessBlock", "s3:GetBucketMetadataTableConfiguration", "s3:GetDataAccess",
    "s3:GetObjectVersionForReplication", "s3:InitiateReplication", "s3:ListAccessPoints", "s3:ListJobs",
    "s3:ListTagsForResource", "s3:ObjectOwnerOverrideToBucketOwner", "s3:PutAccountPublicAccessBlock",
    "s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags", "s3:TagResource", "s3:UntagResource",
    "s3:UpdateJobPriority", "s3:UpdateJobStatus"};

}  // namespace

std::string_view action_name(Action action) { return kNames.at(static_cast<std::size_t>(action)); }

ActionSet actions_like(std::string_view pattern, bool& known) {
  ActionSet set;
  for (std::size_t i = 1; i < kActions; ++i) {
    if (matches_wildcard(pattern, kNames[i], Letters::any_case)) set.set(i);
  }
  known = set.any();
  for (const std::string_view other : kOthers) known = known || matches_wildcard(pattern, other, Letters::any_case);
  return set;
}

}  // namespace api
