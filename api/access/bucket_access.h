// What a bucket's settings say about access: ownership of objects, and the public access block.
//
// Format  setting "ownership": the name as on the wire; absent: ObjectWriter. Setting "public-access-block": four digits 0 or
//         1, in the order of the members below; absent: none. Settings "policy" (as it was put) and "acl" (acl.h) beside them.
#pragma once

#include <string>
#include <string_view>

#include "storage/object_store.h"

namespace api {

inline constexpr std::string_view kPolicySetting = "policy";
inline constexpr std::string_view kAclSetting = "acl";
inline constexpr std::string_view kOwnershipSetting = "ownership";
inline constexpr std::string_view kPublicBlockSetting = "public-access-block";

enum class Ownership : std::uint8_t { object_writer, bucket_owner_preferred, bucket_owner_enforced };

struct PublicBlock {
  bool block_public_acls = false;
  bool ignore_public_acls = false;
  bool block_public_policy = false;
  bool restrict_public_buckets = false;
};

// Empty when there is none.
std::string_view bucket_setting(const storage::BucketInfo& bucket, std::string_view name);

Ownership ownership_of(const storage::BucketInfo& bucket);
// False when there is no such name.
bool parse_ownership(std::string_view name, Ownership& ownership);

PublicBlock public_block_of(const storage::BucketInfo& bucket);
std::string public_block_text(const PublicBlock& block);

// The owner of a version, which may be the bucket's: without a name of its own, and where the bucket's owner owns everything.
std::string_view owner_of(const storage::BucketInfo& bucket, const storage::ObjectInfo& info);
// The stored access control list that counts for a version, or for the bucket; empty where lists are off.
std::string_view acl_text_of(const storage::BucketInfo& bucket, const storage::ObjectInfo& info);
std::string_view acl_text_of(const storage::BucketInfo& bucket);

}  // namespace api
