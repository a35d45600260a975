// Access control lists as they come: headers and XML.
#include <array>

#include "api/access/acl.h"
#include "api/ascii.h"
#include "api/xml_reader.h"

namespace api {
namespace {

constexpr std::array<Permission, 5> kAllPermissions = {Permission::full_control, Permission::read, Permission::write,
                                                       Permission::read_acp, Permission::write_acp};

std::optional<Permission> permission_by_name(std::string_view name) {
  for (const Permission permission : kAllPermissions) {
    if (permission_name(permission) == name) return permission;
  }
  return std::nullopt;
}

std::optional<Grantee> group_by_uri(std::string_view uri) {
  for (const Grantee group : {Grantee::everybody, Grantee::signed_in, Grantee::log_delivery}) {
    if (group_uri(group) == uri) return group;
  }
  return std::nullopt;
}

Failure invalid(std::string_view name, std::string_view value, std::string message) {
  return Failure(S3Error::invalid_argument, std::move(message)).with("ArgumentName", name).with("ArgumentValue", value);
}

Outcome<Grant> grant_to_user(std::string_view id, const UserFinder& users) {
  if (!users.known_id(id)) return invalid("CanonicalUser/ID", id, "Invalid id");
  return Grant{Grantee::user, std::string(id), Permission::none};
}

Outcome<Grant> grant_to_email(std::string_view email, const UserFinder& users) {
  auto id = users.id_of_email(email);
  if (!id) return Failure(S3Error::unresolvable_grant_by_email_address);
  return Grant{Grantee::user, std::move(*id), Permission::none};
}

Outcome<Grant> grant_to_group(std::string_view uri) {
  const auto group = group_by_uri(uri);
  if (!group) return invalid("Group/URI", uri, "Invalid group uri");
  return Grant{*group, {}, Permission::none};
}

Outcome<std::string_view> required_text(const XmlElement& parent, std::string_view name) {
  const auto text = child_text(parent, name);
  if (!text || !*text) return S3Error::malformed_acl;
  return trim(**text);
}

// By what is inside; the type attribute says the same again.
Outcome<Grant> parse_grantee(const XmlElement& grantee, const UserFinder& users) {
  if (grantee.child("URI") != nullptr) {
    const auto uri = required_text(grantee, "URI");
    return uri ? grant_to_group(*uri) : Outcome<Grant>(uri.error());
  }
  if (grantee.child("ID") != nullptr) {
    const auto id = required_text(grantee, "ID");
    return id ? grant_to_user(*id, users) : Outcome<Grant>(id.error());
  }
  if (grantee.child("EmailAddress") != nullptr) {
    const auto email = required_text(grantee, "EmailAddress");
    return email ? grant_to_email(*email, users) : Outcome<Grant>(email.error());
  }
  return S3Error::malformed_acl;
}

}  // namespace

Outcome<std::vector<Grant>> parse_grant_header(std::string_view name, std::string_view value, Permission permission,
                                               const UserFinder& users) {
  std::vector<Grant> grants;
  while (!value.empty()) {
    std::string_view text = trim(cut(value, ','));
    if (text.empty()) continue;
    if (grants.size() == kGrantsMax) return invalid(name, text, "Too many grants");
    const std::string_view type = trim(cut(text, '='));
    text = trim(text);
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
    Outcome<Grant> grant = invalid(name, type, "Argument format not recognized");
    if (equals_caseless(type, "id")) grant = grant_to_user(text, users);
    else if (equals_caseless(type, "emailAddress")) grant = grant_to_email(text, users);
    else if (equals_caseless(type, "uri")) grant = grant_to_group(text);
    if (!grant) return grant.error();
    grant->permission = permission;
    grants.push_back(std::move(*grant));
  }
  if (grants.empty()) return invalid(name, "", "Argument format not recognized");
  return grants;
}

Outcome<std::vector<Grant>> parse_grants(const XmlElement& list, const UserFinder& users) {
  std::vector<Grant> grants;
  for (const XmlElement& element : list.children) {
    const XmlElement* grantee = element.child("Grantee");
    if (element.name != "Grant" || grantee == nullptr || grants.size() == kGrantsMax) return S3Error::malformed_acl;
    const auto name = required_text(element, "Permission");
    if (!name) return name.error();
    const auto permission = permission_by_name(*name);
    if (!permission) return S3Error::malformed_acl;
    auto grant = parse_grantee(*grantee, users);
    if (!grant) return grant.error();
    grant->permission = *permission;
    grants.push_back(std::move(*grant));
  }
  return grants;
}

Outcome<Acl> parse_acl_document(const XmlElement& document, std::string_view owner_id, const UserFinder& users) {
  const XmlElement* list = document.child("AccessControlList");
  if (list == nullptr || document.count("AccessControlList") != 1) return S3Error::malformed_acl;
  if (const XmlElement* owner = document.child("Owner")) {
    const auto id = child_text(*owner, "ID");
    if (!id) return S3Error::malformed_acl;
    if (*id && trim(**id) != owner_id) return S3Error::access_denied;
  }
  auto grants = parse_grants(*list, users);
  if (!grants) return grants.error();
  Acl acl;
  acl.grants = std::move(*grants);
  return acl;
}

}  // namespace api
