// The actions of S3 as policies name them, and the permissions of access control lists.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace api {

// Bucket actions, then object actions, each in the order of their names.
enum class Action : std::uint8_t {
  none,  // of what has decided for itself
  create_bucket,
  delete_bucket,
  delete_bucket_policy,
  delete_bucket_website,
  get_accelerate_configuration,
  get_analytics_configuration,
  get_bucket_acl,
  get_bucket_cors,
  get_bucket_location,
  get_bucket_logging,
  get_bucket_notification,
  get_bucket_object_lock_configuration,
  get_bucket_ownership_controls,
  get_bucket_policy,
  get_bucket_policy_status,
  get_bucket_public_access_block,
  get_bucket_request_payment,
  get_bucket_tagging,
  get_bucket_versioning,
  get_bucket_website,
  get_encryption_configuration,
  get_intelligent_tiering_configuration,
  get_inventory_configuration,
  get_lifecycle_configuration,
  get_metrics_configuration,
  get_replication_configuration,
  list_all_my_buckets,
  list_bucket,
  list_bucket_multipart_uploads,
  list_bucket_versions,
  put_accelerate_configuration,
  put_analytics_configuration,
  put_bucket_acl,
  put_bucket_cors,
  put_bucket_logging,
  put_bucket_notification,
  put_bucket_object_lock_configuration,
  put_bucket_ownership_controls,
  put_bucket_policy,
  put_bucket_public_access_block,
  put_bucket_request_payment,
  put_bucket_tagging,
  put_bucket_versioning,
  put_bucket_website,
  put_encryption_configuration,
  put_intelligent_tiering_configuration,
  put_inventory_configuration,
  put_lifecycle_configuration,
  put_metrics_configuration,
  put_replication_configuration,
  abort_multipart_upload,
  bypass_governance_retention,
  delete_object,
  delete_object_annotation,
  delete_object_tagging,
  delete_object_version,
  delete_object_version_tagging,
  get_object,
  get_object_acl,
  get_object_annotation,
  get_object_attributes,
  get_object_legal_hold,
  get_object_retention,
  get_object_tagging,
  get_object_torrent,
  get_object_version,
  get_object_version_acl,
  get_object_version_attributes,
  get_object_version_tagging,
  get_object_version_torrent,
  list_multipart_upload_parts,
  list_object_annotations,
  put_object,
  put_object_acl,
  put_object_annotation,
  put_object_legal_hold,
  put_object_retention,
  put_object_tagging,
  put_object_version_acl,
  put_object_version_tagging,
  restore_object,
};

inline constexpr std::size_t kActions = static_cast<std::size_t>(Action::restore_object) + 1;
using ActionSet = std::bitset<kActions>;

// "s3:GetObject".
std::string_view action_name(Action action);

// Whether it is about keys: its resource is BUCKET/KEY, else BUCKET.
constexpr bool is_object_action(Action action) { return action >= Action::abort_multipart_upload; }

// The actions that a pattern of a policy means ("s3:Get*", "*"), without case. `known`: whether S3 has any action of that
// pattern, also one that this store has no call for.
ActionSet actions_like(std::string_view pattern, bool& known);

// What an access control list can grant. Bits, since FULL_CONTROL is all of them.
enum class Permission : std::uint8_t { none = 0, read = 1, write = 2, read_acp = 4, write_acp = 8, full_control = 15 };

}  // namespace api
