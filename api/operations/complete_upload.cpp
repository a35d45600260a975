// CompleteMultipartUpload.
#include "api/ascii.h"
#include "api/checksum.h"
#include "api/conditions.h"
#include "api/encoding.h"
#include "api/encryption.h"
#include "api/events/change_events.h"
#include "api/ingest_gate.h"
#include "api/limits.h"
#include "api/object_headers.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/versions.h"
#include "api/xml_body.h"

namespace api {
namespace {

// The value of a checksum, of a composite with "-N" behind it.
std::optional<std::string> checksum_value(ChecksumAlgorithm algorithm, std::string_view text) {
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) text = text.substr(0, dash);
  auto value = from_base64(text);
  if (!value || value->size() != checksum_bytes(algorithm)) return std::nullopt;
  return value;
}

Outcome<storage::CompletedPart> parse_part(const XmlElement& element) {
  storage::CompletedPart part;
  const auto number = child_text(element, "PartNumber");
  const auto etag = child_text(element, "ETag");
  if (!number || !etag || !*number || !*etag || (*etag)->empty()) return S3Error::malformed_xml;
  const auto parsed = parse_decimal(trim(**number));
  if (!parsed) return S3Error::malformed_xml;
  if (*parsed < 1 || *parsed > storage::kPartNumberMax) {
    return invalid_argument("partNumber", **number, "PartNumber must be >= 1 and <= 10000");
  }
  part.number = static_cast<std::uint32_t>(*parsed);
  part.etag = bare_etag(**etag);
  for (const XmlElement& child : element.children) {
    if (child.name == "PartNumber" || child.name == "ETag") continue;
    const auto algorithm = checksum_by_element(child.name);
    if (!algorithm || !child.children.empty()) return S3Error::malformed_xml;
    if (part.checksum.algorithm != ChecksumAlgorithm::none) {
      return invalid_argument(child.name, child.text, "Multiple checksum types are not allowed in one part");
    }
    auto value = checksum_value(*algorithm, trim(child.text));
    if (!value) return Failure(S3Error::invalid_part).with("PartNumber", **number);
    part.checksum.algorithm = *algorithm;
    part.checksum.value = std::move(*value);
  }
  return part;
}

Outcome<std::vector<storage::CompletedPart>> parse_parts(const XmlElement& document) {
  std::vector<storage::CompletedPart> parts;
  for (const XmlElement& child : document.children) {
    if (child.name != "Part" || parts.size() == storage::kPartNumberMax) return S3Error::malformed_xml;
    auto part = parse_part(child);
    if (!part) return part.error();
    parts.push_back(std::move(*part));
  }
  if (parts.empty()) return S3Error::malformed_xml;
  return parts;
}

// Headers of Complete: conditions, the object's size and its checksum. Errors: BadDigest, InvalidArgument,
// InvalidRequest, NotImplemented.
Outcome<storage::CompleteOptions> read_options(const Call& call) {
  storage::CompleteOptions options;
  auto condition = write_condition(call);
  if (!condition) return condition.error();
  options.condition = std::move(*condition);
  if (const auto size = call.header("x-amz-mp-object-size")) {
    options.object_size = parse_decimal(*size);
    if (!options.object_size) return invalid_argument("x-amz-mp-object-size", *size);
  }
  for (const HeaderField& field : call.request.headers) {
    const auto algorithm = checksum_by_header(field.name);
    if (!algorithm) continue;
    if (options.checksum.algorithm != ChecksumAlgorithm::none) {
      return Failure(S3Error::invalid_request, "Expecting a single x-amz-checksum- header");
    }
    auto value = checksum_value(*algorithm, field.value);
    if (!value) {
      return Failure(S3Error::bad_digest, "Value for " + to_lower(field.name) + " header is invalid.");
    }
    options.checksum.algorithm = *algorithm;
    options.checksum.value = std::move(*value);
    options.checksum.type =
        field.value.find('-') == std::string_view::npos ? ChecksumType::full_object : ChecksumType::composite;
  }
  if (const auto name = call.header("x-amz-checksum-type")) {
    const auto type = checksum_type_by_name(*name);
    if (!type) return Failure(S3Error::invalid_request, "Value for x-amz-checksum-type header is invalid.");
    options.checksum.type = *type;
  }
  return options;
}

// A type said at Complete must be the one said at Create. A finished upload cannot be asked any more; its
// answer is remembered whole.
Task<Outcome<>> check_type(Call& call, std::string upload_id) {
  const auto name = call.header("x-amz-checksum-type");
  if (!name) co_return done();
  const auto upload = co_await call.store.upload(call.object_key(), std::move(upload_id));
  if (!upload) {
    if (upload.error() == storage::Errc::upload_not_found) co_return done();
    co_return upload.error();
  }
  const auto& options = upload->options;
  if (options.algorithm != ChecksumAlgorithm::none &&
      !equals_caseless(*name, checksum_type_name(options.type))) {
    co_return Failure(S3Error::invalid_request,
                      "The upload was created using another checksum type than the complete request names");
  }
  co_return done();
}

Failure complete_failure(const storage::Error& error, const storage::CompleteFailure& fault,
                         std::string_view id) {
  Failure failure(error);
  if (error == storage::Errc::part_too_small) {
    return std::move(failure)
        .with("ProposedSize", to_decimal(fault.proposed_size))
        .with("MinSizeAllowed", to_decimal(storage::kPartBytesMin))
        .with("PartNumber", to_decimal(fault.part_number))
        .with("ETag", fault.etag);
  }
  if (error == storage::Errc::part_not_found || error == storage::Errc::part_order) {
    return std::move(failure)
        .with("UploadId", id)
        .with("PartNumber", to_decimal(fault.part_number))
        .with("ETag", fault.etag);
  }
  if (error == storage::Errc::size_mismatch) {
    return {S3Error::invalid_request,
            "The provided 'x-amz-mp-object-size' header does not match the sum of the parts' sizes."};
  }
  return failure;
}

}  // namespace

Task<Outcome<Response>> complete_multipart_upload(Call& call) {
  auto id = upload_id_parameter(call);
  if (!id) co_return id.error();
  auto options = read_options(call);
  if (!options) co_return options.error();
  XmlBodyNeeds needs;
  needs.root = "CompleteMultipartUpload";
  needs.length_max = kCompleteBodyBytesMax;
  needs.checksum_headers = false;
  auto document = co_await read_xml_body(call, needs);
  if (!document) {
    if (document.error().error() == S3Error::missing_request_body) co_return S3Error::malformed_xml;
    co_return document.error();
  }
  auto parts = parse_parts(*document);
  if (!parts) co_return parts.error();
  if (auto checked = co_await check_type(call, *id); !checked) co_return checked.error();

  ChangeEvents events(call, EventKind::created_complete);
  options->companion = events.companion();
  IngestGate gate(call);
  options->rules = gate.judge();
  storage::CompleteFailure fault;
  const auto info = co_await call.store.complete_upload(call.object_key(), *id, std::move(*parts),
                                                        std::move(*options), &fault);
  if (auto refusal = gate.refusal()) co_return std::move(*refusal);
  if (!info) co_return complete_failure(info.error(), fault, *id);

  XmlWriter xml;
  xml.open_root("CompleteMultipartUploadResult");
  xml.element("Location", object_url(call));
  xml.element("Bucket", call.target.bucket);
  xml.element("Key", call.target.key);
  xml.etag((*info)->etag);
  write_checksum(xml, **info);
  xml.close("CompleteMultipartUploadResult");
  Response response = xml_response(xml);
  add_version_header(call, **info, response);
  add_encryption_headers((*info)->controls.encryption, response);
  add_expiration(call, **info, response);
  co_return response;
}

}  // namespace api
