#include "api/access/acl.h"

#include <algorithm>

#include "api/ascii.h"
#include "api/encoding.h"

namespace api {
namespace {

struct PermissionLetter {
  Permission permission;
  char letter;
  std::string_view name;
};

constexpr PermissionLetter kPermissions[] = {
    {Permission::full_control, 'F', "FULL_CONTROL"}, {Permission::read, 'R', "READ"},
    {Permission::write, 'W', "WRITE"},               {Permission::read_acp, 'C', "READ_ACP"},
    {Permission::write_acp, 'D', "WRITE_ACP"},
};

bool includes(Permission granted, Permission wanted) {
  return (static_cast<unsigned>(granted) & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}

Permission permission_of(char letter) {
  for (const PermissionLetter& row : kPermissions) {
    if (row.letter == letter) return row.permission;
  }
  return Permission::none;
}

Acl private_acl(std::string_view owner_id) {
  Acl acl;
  acl.grants.push_back({Grantee::user, std::string(owner_id), Permission::full_control});
  return acl;
}

// "F:uID" taken apart; false when the text is not of that form.
struct StoredGrant {
  Permission permission = Permission::none;
  Grantee grantee = Grantee::user;
  std::string_view encoded_id;
};

bool read_stored(std::string_view entry, StoredGrant& grant) {
  if (entry.size() < 3 || entry[1] != ':') return false;
  grant.permission = permission_of(entry[0]);
  grant.grantee = static_cast<Grantee>(entry[2]);
  grant.encoded_id = entry.substr(3);
  return grant.permission != Permission::none;
}

bool is_same_id(std::string_view encoded, std::string_view id) {
  if (encoded.find('%') == std::string_view::npos) return encoded == id;
  const auto decoded = percent_decode(encoded, Plus::literal);
  return decoded && *decoded == id;
}

}  // namespace

bool Acl::is_public() const {
  return std::any_of(grants.begin(), grants.end(), [](const Grant& grant) {
    return grant.grantee == Grantee::everybody || grant.grantee == Grantee::signed_in;
  });
}

Acl read_acl_text(std::string_view text, std::string_view owner_id) {
  if (text.empty()) return private_acl(owner_id);
  Acl acl;
  while (!text.empty()) {
    StoredGrant stored;
    if (!read_stored(cut(text, ','), stored)) continue;
    acl.grants.push_back({stored.grantee, percent_decode(stored.encoded_id, Plus::literal).value_or(""), stored.permission});
  }
  return acl;
}

std::string write_acl_text(const Acl& acl, std::string_view owner_id) {
  if (acl.grants == private_acl(owner_id).grants) return {};
  if (acl.grants.empty()) return "-";
  std::string text;
  for (const Grant& grant : acl.grants) {
    if (!text.empty()) text += ',';
    for (const PermissionLetter& row : kPermissions) {
      if (row.permission == grant.permission) text += row.letter;
    }
    text += ':';
    text += static_cast<char>(grant.grantee);
    append_percent_encoded(text, grant.id, Slash::encode);
  }
  return text;
}

bool acl_allows(std::string_view text, std::string_view owner_id, Permission permission, const AclCaller& caller) {
  if (permission == Permission::none) return false;
  const bool owner = !caller.anonymous && caller.id == owner_id;
  if (owner && (text.empty() || permission == Permission::read_acp || permission == Permission::write_acp)) return true;
  while (!text.empty()) {
    StoredGrant grant;
    if (!read_stored(cut(text, ','), grant) || !includes(grant.permission, permission)) continue;
    switch (grant.grantee) {
      case Grantee::everybody:
        if (!caller.ignore_public) return true;
        break;
      case Grantee::signed_in:
        if (!caller.ignore_public && !caller.anonymous) return true;
        break;
      case Grantee::user:
        if (!caller.anonymous && is_same_id(grant.encoded_id, caller.id)) return true;
        break;
      case Grantee::log_delivery:
        break;
    }
  }
  return false;
}

bool acl_is_public(std::string_view text) { return read_acl_text(text, {}).is_public(); }

std::optional<Acl> canned_acl(std::string_view name, std::string_view owner_id, std::string_view bucket_owner_id,
                              bool for_bucket) {
  Acl acl = private_acl(owner_id);
  const auto grant = [&](Grantee grantee, Permission permission, std::string_view id = {}) {
    acl.grants.push_back({grantee, std::string(id), permission});
  };
  if (name == "private") return acl;
  if (name == "public-read") {
    grant(Grantee::everybody, Permission::read);
  } else if (name == "public-read-write") {
    grant(Grantee::everybody, Permission::read);
    grant(Grantee::everybody, Permission::write);
  } else if (name == "authenticated-read") {
    grant(Grantee::signed_in, Permission::read);
  } else if (name == "aws-exec-read") {
    return acl;  // for an image service that is not here
  } else if (name == "bucket-owner-read" || name == "bucket-owner-full-control") {
    if (for_bucket || owner_id == bucket_owner_id) return acl;
    grant(Grantee::user, name == "bucket-owner-read" ? Permission::read : Permission::full_control, bucket_owner_id);
  } else if (name == "log-delivery-write" && for_bucket) {
    grant(Grantee::log_delivery, Permission::write);
    grant(Grantee::log_delivery, Permission::read_acp);
  } else {
    return std::nullopt;
  }
  return acl;
}

std::string_view permission_name(Permission permission) {
  for (const PermissionLetter& row : kPermissions) {
    if (row.permission == permission) return row.name;
  }
  return {};
}

std::string_view group_uri(Grantee grantee) {
  switch (grantee) {
    case Grantee::everybody:
      return "http://acs.amazonaws.com/groups/global/AllUsers";
    case Grantee::signed_in:
      return "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
    case Grantee::log_delivery:
      return "http://acs.amazonaws.com/groups/s3/LogDelivery";
    case Grantee::user:
      break;
  }
  return {};
}

}  // namespace api
