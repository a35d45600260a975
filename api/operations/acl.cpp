// GetBucketAcl, GetObjectAcl and their PUTs.
#include "api/access/bucket_access.h"
#include "api/access/request_acl.h"
#include "api/ascii.h"
#include "api/events/change_events.h"
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/versions.h"
#include "api/user_directory.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

void write_grantee(XmlWriter& xml, const ServiceOptions& options, const Grant& grant) {
  constexpr std::string_view kUser =
      "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"";
  constexpr std::string_view kGroup = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"";
  xml.open_with("Grantee", grant.grantee == Grantee::user ? kUser : kGroup);
  if (grant.grantee == Grantee::user) {
    xml.element("ID", grant.id);
    if (const std::string name = options.directory->display_name(grant.id); !name.empty()) {
      xml.element("DisplayName", name);
    }
  } else {
    xml.element("URI", group_uri(grant.grantee));
  }
  xml.close("Grantee");
}

Response acl_response(const ServiceOptions& options, std::string_view owner_id, std::string_view text) {
  XmlWriter xml;
  xml.open_root("AccessControlPolicy");
  write_owner(xml, "Owner", options, owner_id);
  xml.open("AccessControlList");
  for (const Grant& grant : read_acl_text(text, owner_id).grants) {
    xml.open("Grant");
    write_grantee(xml, options, grant);
    xml.element("Permission", permission_name(grant.permission));
    xml.close("Grant");
  }
  xml.close("AccessControlList");
  xml.close("AccessControlPolicy");
  return xml_response(xml);
}

// The list that a PUT ?acl sets: of its headers, or of its document. Errors: AccessControlListNotSupported, AccessDenied,
// MalformedACLError, MissingSecurityHeader, UnexpectedContent, those of the headers and the document.
Task<Outcome<Acl>> read_wanted_acl(Call& call, AclParties parties) {
  const storage::BucketInfoPtr bucket = call.bucket;
  const UserDirectory& users = call.authorizer.users();
  const AclHeaders headers = [&call](std::string_view name) { return call.header(name); };
  auto named = acl_of_headers(headers, parties, users);
  if (!named) co_return named.error();
  XmlBodyNeeds needs;
  needs.root = "AccessControlPolicy";
  needs.length_max = kXmlBodyBytesMax;
  needs.may_be_empty = true;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) {
    if (document.error().error() == S3Error::malformed_xml) co_return S3Error::malformed_acl;
    co_return document.error();
  }
  Acl acl;
  if (*named) {
    if (!document->name.empty()) co_return S3Error::unexpected_content;
    acl = std::move(**named);
  } else if (document->name.empty()) {
    co_return Failure(S3Error::missing_security_header).with("MissingHeaderName", "x-amz-acl");
  } else {
    const UserFinder finder = user_finder(users);
    auto parsed = parse_acl_document(*document, parties.owner_id, finder);
    if (!parsed) co_return parsed.error();
    acl = std::move(*parsed);
  }
  if (ownership_of(*bucket) == Ownership::bucket_owner_enforced) {
    co_return S3Error::access_control_list_not_supported;
  }
  if (public_block_of(*bucket).block_public_acls && acl.is_public()) co_return S3Error::access_denied;
  co_return acl;
}

// The version that ?acl is about. Errors: NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker.
Task<Outcome<storage::ObjectInfoPtr>> find_named_version(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  co_return co_await find_version(call, std::move(*version));
}

Task<Outcome<Response>> put_bucket_acl(Call& call) {
  AclParties parties;
  parties.owner_id = parties.bucket_owner_id = call.bucket->owner_id;
  parties.for_bucket = true;
  const auto acl = co_await read_wanted_acl(call, parties);
  if (!acl) co_return acl.error();
  const std::string text = write_acl_text(*acl, call.bucket->owner_id);
  const std::function<storage::Result<>(storage::BucketInfo&)> change = [&text](storage::BucketInfo& bucket) {
    if (text.empty()) bucket.settings.erase(std::string(kAclSetting));
    else bucket.settings[std::string(kAclSetting)] = text;
    return storage::success();
  };
  const auto changed = co_await call.store.change_bucket(call.target.bucket, change);
  if (!changed) co_return changed.error();
  co_return empty_response(200);
}

}  // namespace

Task<Outcome<Response>> get_acl(Call& call) {
  if (call.target.key.empty()) {
    co_return acl_response(call.options, call.bucket->owner_id, acl_text_of(*call.bucket));
  }
  const auto info = co_await find_named_version(call);
  if (!info) co_return info.error();
  Response response = acl_response(call.options, owner_of(*call.bucket, **info), acl_text_of(*call.bucket, **info));
  add_version_header(call, **info, response);
  co_return response;
}

Task<Outcome<Response>> put_acl(Call& call) {
  if (call.target.key.empty()) co_return co_await put_bucket_acl(call);
  const auto info = co_await find_named_version(call);
  if (!info) co_return info.error();
  const std::string owner(owner_of(*call.bucket, **info));
  AclParties parties;
  parties.owner_id = owner;
  parties.bucket_owner_id = call.bucket->owner_id;
  const auto acl = co_await read_wanted_acl(call, parties);
  if (!acl) co_return acl.error();
  const std::string text = write_acl_text(*acl, owner);
  // The version that was judged, not another that came to be in the meantime.
  const std::string version = (*info)->version_id;
  const std::string etag = (*info)->etag;
  const std::string writer = (*info)->controls.owner_id;
  const storage::VersionChange change = [&](const storage::ObjectInfo& now,
                                            storage::Changeable& next) -> storage::Result<> {
    if (now.controls.owner_id != writer || now.etag != etag) return storage::Errc::conditional_conflict;
    next.controls.acl = text;
    return storage::success();
  };
  ChangeEvents events(call, EventKind::acl_put);
  const auto changed = co_await call.store.change(call.object_key(), version, change, events.companion());
  if (!changed) co_return changed.error();
  Response response = empty_response(200);
  add_version_header(call, **changed, response);
  co_return response;
}

}  // namespace api
