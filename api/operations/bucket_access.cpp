// Bucket policies, ownership controls and the public access block.
#include <algorithm>

#include "api/access/bucket_access.h"
#include "api/access/policy.h"
#include "api/ascii.h"
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/user_directory.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

// Sets a setting of the bucket, or takes it away when `text` is empty.
Task<Outcome<Response>> set_setting(Call& call, std::string_view name, std::string text, unsigned status) {
  const std::function<storage::Result<>(storage::BucketInfo&)> change = [&](storage::BucketInfo& bucket) {
    if (text.empty()) bucket.settings.erase(std::string(name));
    else bucket.settings[std::string(name)] = text;
    return storage::success();
  };
  const auto changed = co_await call.store.change_bucket(call.target.bucket, change);
  if (!changed) co_return changed.error();
  co_return empty_response(status);
}

// "true" and "false" as S3's own schema has them; nullopt when absent counts as false. Errors: MalformedXML.
Outcome<bool> flag_of(const XmlElement& parent, std::string_view name) {
  const auto text = child_text(parent, name);
  if (!text) return text.error();
  if (!*text) return false;
  const std::string_view value = trim(**text);
  if (equals_caseless(value, "true")) return true;
  if (equals_caseless(value, "false")) return false;
  return S3Error::malformed_xml;
}

}  // namespace

Task<Outcome<Response>> get_bucket_policy(Call& call) {
  const std::string_view text = bucket_setting(*call.bucket, kPolicySetting);
  if (text.empty()) co_return Failure(S3Error::no_such_bucket_policy).with("BucketName", call.target.bucket);
  Response response;
  response.text = text;
  response.content_length = response.text.size();
  response.add_header("Content-Type", "application/json");
  co_return response;
}

Task<Outcome<Response>> put_bucket_policy(Call& call) {
  XmlBodyNeeds needs;
  needs.length_max = kXmlBodyBytesMax;
  needs.may_be_empty = true;
  auto text = co_await read_text_body(call, needs);
  if (!text) co_return text.error();
  const UserDirectory& users = call.authorizer.users();
  Policy::Kind kind;
  kind.bucket = call.target.bucket;
  kind.known_user = [&users](std::string_view name) { return users.knows_any(name); };
  const auto policy = Policy::parse(*text, kind);
  if (!policy) co_return policy.error();
  if (public_block_of(*call.bucket).block_public_policy && (*policy)->is_public()) co_return S3Error::access_denied;
  co_return co_await set_setting(call, kPolicySetting, std::move(*text), 204);
}

Task<Outcome<Response>> delete_bucket_policy(Call& call) {
  co_return co_await set_setting(call, kPolicySetting, std::string(), 204);
}

// A public access control list counts too, as the conformance suites have it.
Task<Outcome<Response>> get_bucket_policy_status(Call& call) {
  const auto policy = call.authorizer.policy_of(*call.bucket);
  if (!policy) co_return policy.error();
  const PublicBlock block = public_block_of(*call.bucket);
  const bool by_policy = *policy != nullptr && (*policy)->is_public() && !block.restrict_public_buckets;
  const bool by_acl = acl_is_public(acl_text_of(*call.bucket)) && !block.ignore_public_acls;
  XmlWriter xml;
  xml.open_root("PolicyStatus");
  xml.flag("IsPublic", by_policy || by_acl);
  xml.close("PolicyStatus");
  co_return xml_response(xml);
}

Task<Outcome<Response>> get_ownership_controls(Call& call) {
  const std::string_view name = bucket_setting(*call.bucket, kOwnershipSetting);
  if (name.empty()) co_return Failure(S3Error::ownership_controls_not_found).with("BucketName", call.target.bucket);
  XmlWriter xml;
  xml.open_root("OwnershipControls");
  xml.open("Rule");
  xml.element("ObjectOwnership", name);
  xml.close("Rule");
  xml.close("OwnershipControls");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_ownership_controls(Call& call) {
  XmlBodyNeeds needs;
  needs.root = "OwnershipControls";
  needs.length_max = kXmlBodyBytesMax;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  if (document->children.size() != 1 || document->children.front().name != "Rule") co_return S3Error::malformed_xml;
  const auto name = child_text(document->children.front(), "ObjectOwnership");
  if (!name || !*name) co_return S3Error::malformed_xml;
  const std::string wanted(trim(**name));
  Ownership ownership = Ownership::object_writer;
  if (!parse_ownership(wanted, ownership)) co_return S3Error::malformed_xml;
  bool has_acl = false;
  const std::function<storage::Result<>(storage::BucketInfo&)> change =
      [&](storage::BucketInfo& bucket) -> storage::Result<> {
    has_acl = ownership == Ownership::bucket_owner_enforced && !bucket_setting(bucket, kAclSetting).empty();
    if (has_acl) return storage::Errc::invalid_argument;
    bucket.settings[std::string(kOwnershipSetting)] = wanted;
    return storage::success();
  };
  const auto changed = co_await call.store.change_bucket(call.target.bucket, change);
  if (has_acl) co_return S3Error::invalid_bucket_acl_with_object_ownership;
  if (!changed) co_return changed.error();
  co_return empty_response(200);
}

Task<Outcome<Response>> delete_ownership_controls(Call& call) {
  co_return co_await set_setting(call, kOwnershipSetting, std::string(), 204);
}

Task<Outcome<Response>> get_public_access_block(Call& call) {
  if (bucket_setting(*call.bucket, kPublicBlockSetting).empty()) {
    co_return Failure(S3Error::no_such_public_access_block_configuration).with("BucketName", call.target.bucket);
  }
  const PublicBlock block = public_block_of(*call.bucket);
  XmlWriter xml;
  xml.open_root("PublicAccessBlockConfiguration");
  xml.flag("BlockPublicAcls", block.block_public_acls);
  xml.flag("IgnorePublicAcls", block.ignore_public_acls);
  xml.flag("BlockPublicPolicy", block.block_public_policy);
  xml.flag("RestrictPublicBuckets", block.restrict_public_buckets);
  xml.close("PublicAccessBlockConfiguration");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_public_access_block(Call& call) {
  XmlBodyNeeds needs;
  needs.root = "PublicAccessBlockConfiguration";
  needs.length_max = kXmlBodyBytesMax;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  struct Field {
    std::string_view name;
    bool PublicBlock::* flag;
  };
  constexpr Field kFields[] = {{"BlockPublicAcls", &PublicBlock::block_public_acls},
                               {"IgnorePublicAcls", &PublicBlock::ignore_public_acls},
                               {"BlockPublicPolicy", &PublicBlock::block_public_policy},
                               {"RestrictPublicBuckets", &PublicBlock::restrict_public_buckets}};
  for (const XmlElement& child : document->children) {
    const bool known = std::any_of(std::begin(kFields), std::end(kFields),
                                   [&](const Field& field) { return field.name == child.name; });
    if (!known) co_return S3Error::malformed_xml;
  }
  PublicBlock block;
  for (const Field& field : kFields) {
    const auto flag = flag_of(*document, field.name);
    if (!flag) co_return flag.error();
    block.*field.flag = *flag;
  }
  co_return co_await set_setting(call, kPublicBlockSetting, public_block_text(block), 200);
}

Task<Outcome<Response>> delete_public_access_block(Call& call) {
  co_return co_await set_setting(call, kPublicBlockSetting, std::string(), 204);
}

}  // namespace api
