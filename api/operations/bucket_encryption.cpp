// GetBucketEncryption, PutBucketEncryption, DeleteBucketEncryption.
#include "api/ascii.h"
#include "api/encryption.h"
#include "api/operations/operations.h"
#include "api/operations/settings.h"
#include "api/xml_writer.h"

namespace api {
namespace {

constexpr std::size_t kKeyIdBytesMax = 2048;

// <ApplyServerSideEncryptionByDefault>. Errors: InvalidArgument, MalformedXML.
Outcome<> parse_default(const XmlElement& element, BucketEncryption& encryption) {
  const auto algorithm = child_text(element, "SSEAlgorithm");
  const auto key_id = child_text(element, "KMSMasterKeyID");
  if (!algorithm || !key_id || !*algorithm) return S3Error::malformed_xml;
  if (**algorithm == "AES256") {
    encryption.kind = EncryptionKind::store;
  } else if (**algorithm == "aws:kms") {
    encryption.kind = EncryptionKind::kms;
  } else if (**algorithm == "aws:kms:dsse") {
    encryption.kind = EncryptionKind::kms_double;
  } else {
    return S3Error::malformed_xml;
  }
  if (!*key_id) return done();
  if (!is_kms(encryption.kind)) {
    return Failure(S3Error::invalid_argument,
                   "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse");
  }
  if ((*key_id)->size() > kKeyIdBytesMax || !is_header_safe(**key_id)) return S3Error::malformed_xml;
  encryption.key_id = **key_id;
  return done();
}

// <BlockedEncryptionTypes>: SSE-C or NONE.
Outcome<> parse_blocked(const XmlElement& element, BucketEncryption& encryption) {
  for (const XmlElement& type : element.children) {
    if (type.name != "EncryptionType") return S3Error::malformed_xml;
    if (type.text == "SSE-C") {
      encryption.blocks_customer_keys = true;
    } else if (type.text != "NONE") {
      return S3Error::malformed_xml;
    }
  }
  return done();
}

Outcome<BucketEncryption> parse_configuration(const XmlElement& document) {
  if (document.children.size() != 1 || document.children.front().name != "Rule") return S3Error::malformed_xml;
  const XmlElement& rule = document.children.front();
  BucketEncryption encryption;
  for (const XmlElement& child : rule.children) {
    Outcome<> parsed = done();
    if (child.name == "ApplyServerSideEncryptionByDefault") {
      parsed = parse_default(child, encryption);
    } else if (child.name == "BlockedEncryptionTypes") {
      parsed = parse_blocked(child, encryption);
    } else if (child.name == "BucketKeyEnabled") {
      if (!equals_caseless(child.text, "true") && !equals_caseless(child.text, "false")) return S3Error::malformed_xml;
      encryption.bucket_key = equals_caseless(child.text, "true");
    } else {
      return S3Error::malformed_xml;
    }
    if (!parsed) return parsed.error();
  }
  if (rule.children.empty()) return S3Error::malformed_xml;
  return encryption;
}

}  // namespace

Task<Outcome<Response>> get_bucket_encryption(Call& call) {
  const auto setting = call.bucket->settings.find(kEncryptionSetting);
  if (setting == call.bucket->settings.end()) co_return S3Error::server_side_encryption_configuration_not_found;
  const BucketEncryption encryption = BucketEncryption::parse(setting->second);
  XmlWriter xml;
  xml.open_root("ServerSideEncryptionConfiguration");
  xml.open("Rule");
  if (encryption.kind != EncryptionKind::none) {
    xml.open("ApplyServerSideEncryptionByDefault");
    xml.element("SSEAlgorithm", encryption_method(encryption.kind));
    if (!encryption.key_id.empty()) xml.element("KMSMasterKeyID", encryption.key_id);
    xml.close("ApplyServerSideEncryptionByDefault");
  }
  xml.flag("BucketKeyEnabled", encryption.bucket_key);
  if (encryption.blocks_customer_keys) {
    xml.open("BlockedEncryptionTypes");
    xml.element("EncryptionType", "SSE-C");
    xml.close("BlockedEncryptionTypes");
  }
  xml.close("Rule");
  xml.close("ServerSideEncryptionConfiguration");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_bucket_encryption(Call& call) {
  const auto document = co_await read_setting_body(call, "ServerSideEncryptionConfiguration");
  if (!document) co_return document.error();
  const auto encryption = parse_configuration(*document);
  if (!encryption) co_return encryption.error();
  co_return co_await store_setting(call, std::string(kEncryptionSetting), encryption->text(), 200);
}

Task<Outcome<Response>> delete_bucket_encryption(Call& call) {
  co_return co_await store_setting(call, std::string(kEncryptionSetting), std::nullopt, 204);
}

}  // namespace api
