// The access control list that a request wishes for something new, and whose it will be.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "api/access/acl.h"
#include "api/error_table.h"
#include "storage/object_store.h"

namespace api {

struct Call;
class UserDirectory;

UserFinder user_finder(const UserDirectory& users);

// Where x-amz-acl and x-amz-grant-* are found: the headers of a call, or the fields of a form.
using AclHeaders = std::function<std::optional<std::string_view>(std::string_view name)>;

// The list that the headers name, for something of `owner_id` in a bucket of `bucket_owner_id`; nullopt when they name none.
// Errors: InvalidArgument, InvalidRequest, UnresolvableGrantByEmailAddress.
struct AclParties {
  std::string_view owner_id;
  std::string_view bucket_owner_id;
  bool for_bucket = false;
};
Outcome<std::optional<Acl>> acl_of_headers(const AclHeaders& headers, const AclParties& parties, const UserDirectory& users);

// Owner and list of an object that `call` makes in call.bucket: the writer's, or the bucket owner's where ownership controls
// say so and for anonymous writers. The rest of the Controls is left as it is by default. Errors: those above,
// AccessControlListNotSupported, AccessDenied (a public list where they are blocked).
Outcome<storage::Controls> new_object_controls(const Call& call);
Outcome<storage::Controls> new_object_controls(const Call& call, const AclHeaders& headers);

}  // namespace api
