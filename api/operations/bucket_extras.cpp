// Request payment, transfer acceleration and logging: what can be said of them here.
#include "api/access/bucket_access.h"
#include "api/access/request_acl.h"
#include "api/access_log.h"
#include "api/operations/operations.h"
#include "api/operations/settings.h"
#include "api/xml_writer.h"

namespace api {
namespace {

constexpr std::string_view kAccelerateSetting = "accelerate";

// The text of the one child of a small document. Errors: MalformedXML.
Outcome<std::string> only_child(const XmlElement& document, std::string_view name) {
  const auto text = child_text(document, name);
  if (!text) return text.error();
  if (!*text || document.children.size() != 1) return S3Error::malformed_xml;
  return std::string(**text);
}

Response one_element(std::string_view root, std::string_view name, std::string_view text) {
  XmlWriter xml;
  xml.open_root(root);
  if (!text.empty()) xml.element(name, text);
  xml.close(root);
  return xml_response(xml);
}

}  // namespace

Task<Outcome<Response>> get_request_payment(Call& call) {
  const bool requester = find_setting(call, kRequesterPaysSetting).has_value();
  co_return one_element("RequestPaymentConfiguration", "Payer", requester ? "Requester" : "BucketOwner");
}

Task<Outcome<Response>> put_request_payment(Call& call) {
  const auto document = co_await read_setting_body(call, "RequestPaymentConfiguration");
  if (!document) co_return document.error();
  const auto payer = only_child(*document, "Payer");
  if (!payer) co_return payer.error();
  if (*payer != "Requester" && *payer != "BucketOwner") co_return S3Error::malformed_xml;
  std::optional<std::string> setting;
  if (*payer == "Requester") setting = "1";
  co_return co_await store_setting(call, std::string(kRequesterPaysSetting), std::move(setting), 200);
}

Task<Outcome<Response>> get_accelerate_configuration(Call& call) {
  co_return one_element("AccelerateConfiguration", "Status", find_setting(call, kAccelerateSetting).value_or(""));
}

Task<Outcome<Response>> put_accelerate_configuration(Call& call) {
  const auto document = co_await read_setting_body(call, "AccelerateConfiguration");
  if (!document) co_return document.error();
  auto status = only_child(*document, "Status");
  if (!status) co_return status.error();
  if (*status != "Enabled" && *status != "Suspended") co_return S3Error::malformed_xml;
  if (call.target.bucket.find('.') != std::string::npos) {
    co_return Failure(S3Error::invalid_request,
                      "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names");
  }
  co_return co_await store_setting(call, std::string(kAccelerateSetting), std::move(*status), 200);
}

Task<Outcome<Response>> get_bucket_logging(Call& call) {
  const auto text = find_setting(call, kLoggingSetting);
  if (text) co_return document_response(*text);
  co_return one_element("BucketLoggingStatus", {}, {});
}

Task<Outcome<Response>> put_bucket_logging(Call& call) {
  auto document = co_await read_setting_body(call, "BucketLoggingStatus");
  if (!document) co_return document.error();
  if (document->children.empty()) {
    co_return co_await store_setting(call, std::string(kLoggingSetting), std::nullopt, 200);
  }
  const UserFinder finder = user_finder(call.authorizer.users());
  const auto target = parse_logging(*document, finder);
  if (!target) co_return target.error();
  const auto bucket = co_await call.store.bucket(target->bucket);
  const bool missing = !bucket && bucket.error() == storage::Errc::bucket_not_found;
  if (!bucket && !missing) co_return bucket.error();
  if (missing || !is_bucket_name(target->bucket) || (*bucket)->owner_id != call.bucket->owner_id) {
    co_return Failure(S3Error::invalid_target_bucket_for_logging).with("TargetBucket", target->bucket);
  }
  if (!target->grants.empty() && ownership_of(**bucket) == Ownership::bucket_owner_enforced) {
    co_return S3Error::access_control_list_not_supported;
  }
  co_return co_await store_setting(call, std::string(kLoggingSetting), document_text(*document), 200);
}

}  // namespace api
