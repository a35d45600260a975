// GetBucketVersioning, PutBucketVersioning.
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

using storage::Versioning;

// Errors: IllegalVersioningConfigurationException, MalformedXML, NotImplemented.
Outcome<Versioning> parse_versioning(const XmlElement& document) {
  for (const XmlElement& child : document.children) {
    if (child.name != "Status" && child.name != "MfaDelete") return S3Error::malformed_xml;
  }
  const auto status = child_text(document, "Status");
  const auto mfa_delete = child_text(document, "MfaDelete");
  if (!status || !mfa_delete) return S3Error::malformed_xml;
  if (*mfa_delete && **mfa_delete != "Disabled") {
    if (**mfa_delete != "Enabled") return S3Error::malformed_xml;
    return Failure(S3Error::not_implemented).with("Header", "MfaDelete");
  }
  if (!*status) return S3Error::illegal_versioning_configuration;
  if (**status == "Enabled") return Versioning::enabled;
  if (**status == "Suspended") return Versioning::suspended;
  return S3Error::malformed_xml;
}

}  // namespace

Task<Outcome<Response>> get_bucket_versioning(Call& call) {
  XmlWriter xml;
  xml.open_root("VersioningConfiguration");
  switch (call.bucket->versioning) {
    case Versioning::off:
      break;
    case Versioning::enabled:
      xml.element("Status", "Enabled");
      break;
    case Versioning::suspended:
      xml.element("Status", "Suspended");
      break;
  }
  xml.close("VersioningConfiguration");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_bucket_versioning(Call& call) {
  XmlBodyNeeds needs;
  needs.root = "VersioningConfiguration";
  needs.length_max = kXmlBodyBytesMax;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  const auto versioning = parse_versioning(*document);
  if (!versioning) co_return versioning.error();
  const auto change = [versioning = *versioning](storage::BucketInfo& bucket) -> storage::Result<> {
    if (bucket.object_lock && versioning != Versioning::enabled) return S3Error::invalid_bucket_state;
    bucket.versioning = versioning;
    return storage::success();
  };
  const auto changed = co_await call.store.change_bucket(call.target.bucket, change);
  if (!changed && changed.error() == make_error_code(S3Error::invalid_bucket_state)) {
    co_return Failure(S3Error::invalid_bucket_state,
                      "An Object Lock configuration is present on this bucket, so the versioning state cannot be "
                      "changed.");
  }
  if (!changed) co_return changed.error();
  co_return empty_response(200);
}

}  // namespace api
