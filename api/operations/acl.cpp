// GetBucketAcl, GetObjectAcl and their PUTs. There is one access control list: the owner has full control. A
// PUT of exactly that succeeds, so that clients which set what is there already can go on; any other is
// refused.
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

Task<Outcome<>> check_object_exists(Call& call) {
  if (call.target.key.empty()) co_return done();
  if (auto version = check_version(call); !version) co_return version.error();
  const auto info = co_await call.store.head(call.object_key());
  if (!info) co_return info.error();
  co_return done();
}

Failure another_acl() {
  return {S3Error::not_implemented,
          "Access control lists other than full control of the owner are not implemented."};
}

// Errors: MalformedACLError, NotImplemented.
Outcome<> check_policy(const XmlElement& policy, std::string_view owner_id) {
  const XmlElement* list = policy.child("AccessControlList");
  if (list == nullptr) return S3Error::malformed_acl;
  for (const XmlElement& grant : list->children) {
    const XmlElement* grantee = grant.child("Grantee");
    if (grant.name != "Grant" || grantee == nullptr) return S3Error::malformed_acl;
    const auto permission = child_text(grant, "Permission");
    const auto id = child_text(*grantee, "ID");
    if (!permission || !*permission || !id) return S3Error::malformed_acl;
    if (!*id || **id != owner_id || **permission != "FULL_CONTROL") return another_acl();
  }
  if (list->children.size() != 1) return another_acl();
  if (const XmlElement* owner = policy.child("Owner")) {
    const auto id = child_text(*owner, "ID");
    if (!id) return S3Error::malformed_acl;
    if (*id && **id != owner_id) return S3Error::access_denied;
  }
  return done();
}

}  // namespace

Task<Outcome<Response>> get_acl(Call& call) {
  if (auto exists = co_await check_object_exists(call); !exists) co_return exists.error();
  XmlWriter xml;
  xml.open_root("AccessControlPolicy");
  write_owner(xml, "Owner", call.options, call.bucket->owner_id);
  xml.open("AccessControlList");
  xml.open("Grant");
  xml.open_with("Grantee",
                "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"");
  xml.element("ID", call.bucket->owner_id);
  xml.element("DisplayName", call.user().name);
  xml.close("Grantee");
  xml.element("Permission", "FULL_CONTROL");
  xml.close("Grant");
  xml.close("AccessControlList");
  xml.close("AccessControlPolicy");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_acl(Call& call) {
  if (auto exists = co_await check_object_exists(call); !exists) co_return exists.error();
  const bool canned =
      call.header("x-amz-acl").has_value();  // private or the like: check_directives() saw to it
  XmlBodyNeeds needs;
  needs.root = "AccessControlPolicy";
  needs.length_max = kXmlBodyBytesMax;
  needs.may_be_empty = canned;
  const auto policy = co_await read_xml_body(call, needs);
  if (!policy) {
    if (policy.error().error() == S3Error::malformed_xml) co_return S3Error::malformed_acl;
    co_return policy.error();
  }
  if (!policy->name.empty()) {
    if (auto checked = check_policy(*policy, call.bucket->owner_id); !checked) co_return checked.error();
  }
  co_return empty_response(200);
}

}  // namespace api
