// Access control lists: grants of a bucket or an object, as text in the store, as XML and as headers on the wire.
//
// Format  the stored text is a list of LETTER:GRANTEE, separated by commas. The letter is F (FULL_CONTROL), R, W, C
//         (READ_ACP) or D (WRITE_ACP); the grantee 'a' (everybody), 's' (everybody with a signature), 'l' (log delivery) or
//         'u' and the percent-encoded id of a user. "-" is a list without grants. Empty text: the owner has full control,
//         nobody else has anything.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/access/action.h"
#include "api/error_table.h"

namespace api {

struct XmlElement;

enum class Grantee : char { everybody = 'a', signed_in = 's', log_delivery = 'l', user = 'u' };

struct Grant {
  Grantee grantee = Grantee::user;
  std::string id;  // of a user
  Permission permission = Permission::full_control;
  friend bool operator==(const Grant&, const Grant&) = default;
};

inline constexpr std::size_t kGrantsMax = 100;

struct Acl {
  std::vector<Grant> grants;

  // Whether it gives anything to everybody, or to everybody with a signature.
  bool is_public() const;
};

// The list that a stored text says, for things of `owner_id`.
Acl read_acl_text(std::string_view text, std::string_view owner_id);
// The text to store; empty for the list that is the default of `owner_id`.
std::string write_acl_text(const Acl& acl, std::string_view owner_id);

// Who asks an access control list.
struct AclCaller {
  std::string_view id;  // kAnonymousId: nobody signed
  bool anonymous = true;
  bool ignore_public = false;  // grants to everybody do not count (public access block)
};

// Whether `text` grants `permission`. An owner may always read and write the list itself.
bool acl_allows(std::string_view text, std::string_view owner_id, Permission permission, const AclCaller& caller);
bool acl_is_public(std::string_view text);

// The list of a canned name; nullopt when there is no such name. `for_bucket`: log-delivery-write exists, and
// bucket-owner-... mean private.
std::optional<Acl> canned_acl(std::string_view name, std::string_view owner_id, std::string_view bucket_owner_id,
                              bool for_bucket);

// Finds users: the id of whoever has this id, or this e-mail address.
struct UserFinder {
  std::function<bool(std::string_view id)> known_id;
  std::function<std::optional<std::string>(std::string_view email)> id_of_email;
};

// The grants of one x-amz-grant- header: id="...", emailAddress="...", uri="...". Errors: InvalidArgument,
// UnresolvableGrantByEmailAddress.
Outcome<std::vector<Grant>> parse_grant_header(std::string_view name, std::string_view value, Permission permission,
                                               const UserFinder& users);

// <Grant> elements, at most kGrantsMax. Errors: those of parse_acl_document() but AccessDenied.
Outcome<std::vector<Grant>> parse_grants(const XmlElement& list, const UserFinder& users);

// <AccessControlPolicy>. Errors: MalformedACLError, InvalidArgument, UnresolvableGrantByEmailAddress, AccessDenied (another
// owner than `owner_id`).
Outcome<Acl> parse_acl_document(const XmlElement& document, std::string_view owner_id, const UserFinder& users);

std::string_view permission_name(Permission permission);
std::string_view group_uri(Grantee grantee);  // of the groups

}  // namespace api
