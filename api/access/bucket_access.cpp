#include "api/access/bucket_access.h"

namespace api {

std::string_view bucket_setting(const storage::BucketInfo& bucket, std::string_view name) {
  const auto found = bucket.settings.find(name);
  return found == bucket.settings.end() ? std::string_view() : std::string_view(found->second);
}

bool parse_ownership(std::string_view name, Ownership& ownership) {
  if (name == "ObjectWriter") ownership = Ownership::object_writer;
  else if (name == "BucketOwnerPreferred") ownership = Ownership::bucket_owner_preferred;
  else if (name == "BucketOwnerEnforced") ownership = Ownership::bucket_owner_enforced;
  else return false;
  return true;
}

Ownership ownership_of(const storage::BucketInfo& bucket) {
  Ownership ownership = Ownership::object_writer;
  if (!parse_ownership(bucket_setting(bucket, kOwnershipSetting), ownership)) return Ownership::object_writer;
  return ownership;
}

PublicBlock public_block_of(const storage::BucketInfo& bucket) {
  const std::string_view text = bucket_setting(bucket, kPublicBlockSetting);
  if (text.size() != 4) return {};
  return {text[0] == '1', text[1] == '1', text[2] == '1', text[3] == '1'};
}

std::string public_block_text(const PublicBlock& block) {
  std::string text;
  for (const bool flag : {block.block_public_acls, block.ignore_public_acls, block.block_public_policy,
                          block.restrict_public_buckets}) {
    text += flag ? '1' : '0';
  }
  return text;
}

std::string_view owner_of(const storage::BucketInfo& bucket, const storage::ObjectInfo& info) {
  if (info.controls.owner_id.empty() || ownership_of(bucket) == Ownership::bucket_owner_enforced) return bucket.owner_id;
  return info.controls.owner_id;
}

std::string_view acl_text_of(const storage::BucketInfo& bucket, const storage::ObjectInfo& info) {
  if (ownership_of(bucket) == Ownership::bucket_owner_enforced) return {};
  return info.controls.acl;
}

std::string_view acl_text_of(const storage::BucketInfo& bucket) {
  if (ownership_of(bucket) == Ownership::bucket_owner_enforced) return {};
  return bucket_setting(bucket, kAclSetting);
}

}  // namespace api
