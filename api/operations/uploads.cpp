// CreateMultipartUpload, UploadPart, UploadPartCopy, AbortMultipartUpload.
#include "api/access/request_acl.h"
#include "api/ascii.h"
#include "api/bucket_settings.h"
#include "api/checksum.h"
#include "api/copy_body.h"
#include "api/copy_source.h"
#include "api/decrypted_object.h"
#include "api/encryption.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/object_headers.h"
#include "api/object_lock.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"

namespace api {

Outcome<std::string> upload_id_parameter(const Call& call) {
  const auto id = call.target.parameter("uploadId");
  if (!id || id->empty() || id->size() > kUploadIdBytesMax) {
    return Failure(S3Error::no_such_upload).with("UploadId", id.value_or(""));
  }
  return std::string(*id);
}

Outcome<> read_checksum_wish(const Call& call, storage::UploadOptions& options) {
  const auto name = call.header("x-amz-checksum-algorithm");
  const auto type_name = call.header("x-amz-checksum-type");
  if (!name) {
    if (!type_name) return done();
    return Failure(
        S3Error::invalid_request,
        "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
  }
  const auto algorithm = checksum_by_name(*name);
  if (!algorithm) {
    return Failure(S3Error::invalid_request,
                   "Checksum algorithm provided is unsupported. Please try again with any "
                   "of the valid types: " +
                       std::string(kChecksumNames));
  }
  options.algorithm = *algorithm;
  options.type = default_checksum_type(*algorithm);
  if (type_name) {
    const auto type = checksum_type_by_name(*type_name);
    if (!type) return Failure(S3Error::invalid_request, "Value for x-amz-checksum-type header is invalid.");
    options.type = *type;
  }
  if (!checksum_pair_exists(options.algorithm, options.type)) {
    std::string message = "The ";
    message.append(checksum_type_name(options.type)).append(" checksum type cannot be used with the ");
    message.append(checksum_name(options.algorithm)).append(" checksum algorithm.");
    return Failure(S3Error::invalid_request, std::move(message));
  }
  return done();
}

Response created_upload(const Call& call, const storage::UploadInfo& upload) {
  XmlWriter xml;
  xml.open_root("InitiateMultipartUploadResult");
  xml.element("Bucket", call.target.bucket);
  xml.element("Key", call.target.key);
  xml.element("UploadId", upload.upload_id);
  xml.close("InitiateMultipartUploadResult");
  Response response = xml_response(xml);
  if (upload.options.algorithm != ChecksumAlgorithm::none) {
    response.add_header("x-amz-checksum-algorithm", checksum_name(upload.options.algorithm));
    response.add_header("x-amz-checksum-type", checksum_type_name(upload.options.type));
  }
  return response;
}

namespace {

// The upload and part that a request names, and what its parts are hashed with.
struct PartTarget {
  std::string upload_id;
  std::uint32_t number = 0;
  ChecksumAlgorithm declared = ChecksumAlgorithm::none;
  Sealing sealing;
};

Task<Outcome<PartTarget>> find_part_target(Call& call) {
  PartTarget target;
  const auto number = part_number_parameter(call);
  if (!number) co_return number.error();
  if (!*number) co_return invalid_argument("partNumber", "");
  target.number = **number;
  auto id = upload_id_parameter(call);
  if (!id) co_return id.error();
  target.upload_id = std::move(*id);
  const auto upload = co_await call.store.upload(call.object_key(), target.upload_id);
  if (!upload) co_return upload.error();
  target.declared = upload->options.algorithm;
  auto sealing = co_await part_sealing(call, upload->options.controls.encryption);
  if (!sealing) co_return sealing.error();
  target.sealing = std::move(*sealing);
  co_return target;
}

// What a part is hashed with when its sender names nothing: what the upload declared, or S3's own default.
ChecksumAlgorithm part_algorithm(const PartTarget& target) {
  return target.declared == ChecksumAlgorithm::none ? ChecksumAlgorithm::crc64nvme : target.declared;
}

}  // namespace

Task<Outcome<Response>> create_multipart_upload(Call& call) {
  auto attributes = read_attributes(call);
  if (!attributes) co_return attributes.error();
  storage::UploadOptions options;
  options.attributes = std::move(*attributes);
  auto controls = new_object_controls(call);
  if (!controls) co_return controls.error();
  options.controls = std::move(*controls);
  options.initiator_id = call.user().id;
  const auto lock = read_lock(call);
  if (!lock) co_return lock.error();
  options.controls.lock = *lock;
  if (auto wish = read_checksum_wish(call, options); !wish) co_return wish.error();
  auto wish = read_encryption(call);
  if (!wish) co_return wish.error();
  auto sealing = co_await make_sealing(call, std::move(*wish));
  if (!sealing) co_return sealing.error();
  options.controls.encryption = sealing->envelope;
  const auto upload = co_await call.store.create_upload(call.object_key(), options);
  if (!upload) co_return upload.error();

  Response response = created_upload(call, *upload);
  add_encryption_headers(sealing->envelope, response, true);
  const auto rules = call.settings->lifecycle.get(*call.bucket);
  add_abort_headers(rules.get(), call.target.key, upload->initiated_ms, response);
  co_return response;
}

Task<Outcome<Response>> upload_part(Call& call) {
  const auto target = co_await find_part_target(call);
  if (!target) co_return target.error();
  BodyNeeds needs;
  needs.length_required = true;
  needs.md5 = target->sealing.etag == SealedEtag::md5_of_plain;
  needs.algorithm = part_algorithm(*target);
  auto plan = plan_body(call.request, call.body, call.identity, needs);
  if (!plan) co_return plan.error();
  if (target->declared != ChecksumAlgorithm::none && plan->algorithm != target->declared) {
    std::string message = "Checksum Type mismatch occurred, expected checksum Type: ";
    message.append(to_lower(checksum_name(target->declared))).append(", actual checksum Type: ");
    message.append(to_lower(checksum_name(plan->algorithm)));
    co_return Failure(S3Error::invalid_request, std::move(message));
  }
  VerifiedBody body(call.body, std::move(*plan));
  SealedBody sealed(body, call.store.request_pool(), target->sealing, target->number);
  const auto part =
      co_await call.store.put_part(call.object_key(), target->upload_id, target->number, sealed.source());
  if (!part) co_return body_failure(part.error(), body);
  Response response;
  add_etag(part->etag, response);
  add_checksum_header(part->checksum, response);
  add_encryption_headers(target->sealing.envelope, response);
  co_return response;
}

Task<Outcome<Response>> upload_part_copy(Call& call) {
  const auto target = co_await find_part_target(call);
  if (!target) co_return target.error();
  auto source = co_await open_copy_source(call);
  if (!source) co_return source.error();
  const std::uint64_t size = (*source)->info()->size;
  ByteRange range{0, size};
  if (const auto wanted = call.header("x-amz-copy-source-range")) {
    const auto closed = parse_closed_range(*wanted);
    if (!closed) {
      co_return invalid_argument(
          "x-amz-copy-source-range", *wanted,
          "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
          "and last are the zero-based offsets of the first and last bytes to copy");
    }
    if (closed->offset >= size || closed->length > size - closed->offset) {
      co_return Failure(
          S3Error::invalid_range,
          "The range specified is not valid for the source object of size: " + to_decimal(size));
    }
    range = *closed;
  }
  if (range.length > storage::kBodyBytesMax) {
    co_return Failure(
        S3Error::invalid_request,
        "The specified copy source is larger than the maximum allowable size for a copy source");
  }
  auto keys = co_await open_keys(call, (*source)->info()->controls.encryption, "x-amz-copy-source-");
  if (!keys) co_return keys.error();
  std::optional<DecryptedObject> decrypted;
  if (*keys) decrypted.emplace(**source, *keys, call.store.request_pool());
  storage::OpenObject& readable = decrypted ? static_cast<storage::OpenObject&>(*decrypted) : **source;
  CopyBody body(readable, range, part_algorithm(*target));
  SealedBody sealed(body, call.store.request_pool(), target->sealing, target->number);
  const auto part =
      co_await call.store.put_part(call.object_key(), target->upload_id, target->number, sealed.source());
  if (!part) co_return part.error();

  XmlWriter xml;
  xml.open_root("CopyPartResult");
  xml.element("LastModified", iso_date(part->modified_ms));
  xml.etag(part->etag);
  write_part_checksum(xml, part->checksum);
  xml.close("CopyPartResult");
  Response response = xml_response(xml);
  add_encryption_headers(target->sealing.envelope, response);
  co_await add_source_version(call, *(*source)->info(), response);
  co_return response;
}

Task<Outcome<Response>> abort_multipart_upload(Call& call) {
  auto id = upload_id_parameter(call);
  if (!id) co_return id.error();
  const auto aborted = co_await call.store.abort_upload(call.object_key(), std::move(*id));
  if (!aborted) co_return aborted.error();
  co_return empty_response(204);
}

}  // namespace api
