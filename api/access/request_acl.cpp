#include "api/access/request_acl.h"

#include "api/access/bucket_access.h"
#include "api/call.h"
#include "api/user_directory.h"

namespace api {
namespace {

struct GrantHeader {
  std::string_view name;
  Permission permission;
};

constexpr GrantHeader kGrantHeaders[] = {
    {"x-amz-grant-read", Permission::read},           {"x-amz-grant-write", Permission::write},
    {"x-amz-grant-read-acp", Permission::read_acp},   {"x-amz-grant-write-acp", Permission::write_acp},
    {"x-amz-grant-full-control", Permission::full_control},
};

}  // namespace

UserFinder user_finder(const UserDirectory& users) {
  UserFinder finder;
  finder.known_id = [&users](std::string_view id) { return id == kAnonymousId || users.knows_id(id); };
  finder.id_of_email = [&users](std::string_view email) { return users.id_of_email(email); };
  return finder;
}

Outcome<std::optional<Acl>> acl_of_headers(const AclHeaders& headers, const AclParties& parties,
                                           const UserDirectory& users) {
  const UserFinder finder = user_finder(users);
  std::optional<Acl> granted;
  for (const GrantHeader& header : kGrantHeaders) {
    const auto value = headers(header.name);
    if (!value) continue;
    auto grants = parse_grant_header(header.name, *value, header.permission, finder);
    if (!grants) return grants.error();
    if (!granted) granted.emplace();
    for (Grant& grant : *grants) granted->grants.push_back(std::move(grant));
    if (granted->grants.size() > kGrantsMax) return invalid_argument(header.name, *value, "Too many grants");
  }
  const auto canned = headers("x-amz-acl");
  if (!canned) return granted;
  if (granted) {
    return Failure(S3Error::invalid_request, "Specifying both Canned ACLs and Header Grants is not allowed");
  }
  auto acl = canned_acl(*canned, parties.owner_id, parties.bucket_owner_id, parties.for_bucket);
  if (!acl) return invalid_argument("x-amz-acl", *canned);
  return acl;
}

Outcome<storage::Controls> new_object_controls(const Call& call, const AclHeaders& headers) {
  const storage::BucketInfo& bucket = *call.bucket;
  const Ownership ownership = ownership_of(bucket);
  const bool owner_gets_all = headers("x-amz-acl").value_or("") == "bucket-owner-full-control";
  const bool to_bucket_owner = call.anonymous() || ownership == Ownership::bucket_owner_enforced ||
                               (ownership == Ownership::bucket_owner_preferred && owner_gets_all);
  const std::string_view owner = to_bucket_owner ? std::string_view(bucket.owner_id) : std::string_view(call.user().id);
  AclParties parties;
  parties.owner_id = owner;
  parties.bucket_owner_id = bucket.owner_id;
  const auto acl = acl_of_headers(headers, parties, call.authorizer.users());
  if (!acl) return acl.error();
  storage::Controls controls;
  if (owner != bucket.owner_id) controls.owner_id = owner;
  if (!*acl) return controls;
  if (ownership == Ownership::bucket_owner_enforced) {
    // Full control of the bucket's owner is what there is anyway.
    Acl full;
    full.grants.push_back({Grantee::user, bucket.owner_id, Permission::full_control});
    if (!owner_gets_all && (headers("x-amz-acl") || (*acl)->grants != full.grants)) {
      return S3Error::access_control_list_not_supported;
    }
    return controls;
  }
  if (public_block_of(bucket).block_public_acls && (*acl)->is_public()) return S3Error::access_denied;
  controls.acl = write_acl_text(**acl, owner);
  return controls;
}

Outcome<storage::Controls> new_object_controls(const Call& call) {
  const AclHeaders headers = [&call](std::string_view name) { return call.header(name); };
  return new_object_controls(call, headers);
}

}  // namespace api
