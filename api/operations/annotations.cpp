// PutObjectAnnotation, GetObjectAnnotation, ListObjectAnnotations, DeleteObjectAnnotation.
#include <re2/re2.h>

#include "api/annotation.h"
#include "api/ascii.h"
#include "api/conditions.h"
#include "api/encoding.h"
#include "api/envelope.h"
#include "api/events/change_events.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/object_headers.h"
#include "api/object_lock.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/versions.h"
#include "api/xml_writer.h"

namespace api {

// Letters and digits of any script, as S3 has it.
bool has_annotation_characters(std::string_view text) {
  static const RE2 kCharacters("[\\pL\\p{Nd}_.\\-]*", RE2::Quiet);
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kCharacters);
}

Outcome<> check_annotation_name(std::string_view name) {
  if (name.empty()) return S3Error::invalid_annotation_name;
  if (name.size() > storage::kAnnotationNameBytesMax) return S3Error::annotation_name_too_long;
  if (!has_annotation_characters(name) || starts_with_caseless(name, "aws") || starts_with_caseless(name, "s3")) {
    return S3Error::invalid_annotation_name;
  }
  return done();
}

bool is_customer_envelope(const std::string& encryption) {
  if (encryption.empty()) return false;
  const auto envelope = Envelope::parse(encryption);
  return !envelope || envelope->kind == EncryptionKind::customer;
}

bool has_customer_key(const storage::ObjectInfo& version) { return is_customer_envelope(version.controls.encryption); }

namespace {

Failure customer_key_failure() {
  return {S3Error::invalid_request, "Annotations are not supported for objects encrypted with customer-provided keys."};
}

void add_object_version(const Call& call, const storage::ObjectInfo& version, Response& response) {
  const bool keeps_versions = call.bucket != nullptr && call.bucket->versioning != storage::Versioning::off;
  if (version.version_id == "null" && !keeps_versions) return;
  response.add_header("x-amz-object-version-id", version.version_id);
}

void add_checksum(const storage::Checksum& checksum, Response& response) {
  add_checksum_header(checksum, response);
  response.add_header("x-amz-checksum-type", checksum_type_name(ChecksumType::full_object));
}

// Errors: InvalidAnnotationName, AnnotationNameTooLong.
Outcome<std::string> name_parameter(const Call& call) {
  const auto name = call.target.parameter("annotationName");
  if (auto checked = check_annotation_name(name.value_or("")); !checked) {
    return Failure(checked.error()).with("AnnotationName", name.value_or(""));
  }
  return std::string(*name);
}

// What x-amz-object-if-match and the kind of encryption say of the version.
storage::VersionCheck version_check(const Call& call) {
  std::optional<std::string> wanted;
  if (const auto if_match = call.header("x-amz-object-if-match")) wanted = std::string(bare_etag(*if_match));
  return [wanted](const storage::ObjectInfo& version) -> storage::Result<> {
    if (wanted && *wanted != "*" && *wanted != version.etag) return storage::Errc::precondition_failed;
    if (has_customer_key(version)) return make_error_code(S3Error::invalid_request);
    return storage::success();
  };
}

Failure annotation_failure(const Call& call, const storage::Error& error, std::string_view version_id,
                           std::string_view name) {
  if (error == S3Error::invalid_request) return customer_key_failure();
  if (error == storage::Errc::annotation_not_found) {
    return Failure(S3Error::no_such_annotation).with("Key", call.target.key).with("AnnotationName", name);
  }
  return version_failure(call, error, version_id);
}

struct Payload {
  std::string text;
  storage::BodyDigests digests;
};

// The whole body, verified.
Task<Outcome<Payload>> read_payload(Call& call) {
  BodyNeeds needs;
  needs.length_max = storage::kAnnotationBytesMax;
  needs.md5 = true;
  needs.algorithm = ChecksumAlgorithm::crc64nvme;
  auto plan = plan_body(call.request, call.body, call.identity, needs);
  if (!plan) co_return plan.error();
  // The last byte finds the end of a body that is longer than any payload.
  const std::size_t wanted = static_cast<std::size_t>(plan->length.value_or(storage::kAnnotationBytesMax)) + 1;
  auto buffer = co_await call.store.request_pool().take(std::max<std::size_t>(wanted, 4096), kBufferWaitMs);
  if (!buffer) co_return buffer.error();
  VerifiedBody body(call.body, std::move(*plan));
  const std::span<std::byte> room = buffer->span().first(std::min(buffer->size(), storage::kAnnotationBytesMax + 1));
  const auto length = co_await storage::read_full(body, room);
  if (!length) co_return body_failure(length.error(), body);
  if (*length > storage::kAnnotationBytesMax) co_return S3Error::entity_too_large;
  if (*length == 0) co_return Failure(S3Error::invalid_request, "The annotation payload must not be empty.");
  Payload payload;
  payload.text.assign(reinterpret_cast<const char*>(room.data()), *length);
  payload.digests = body.digests();
  if (!is_utf8(payload.text)) co_return S3Error::unsupported_media_type;
  co_return payload;
}

}  // namespace

Task<Outcome<Response>> put_object_annotation(Call& call) {
  auto name = name_parameter(call);
  if (!name) co_return name.error();
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  auto condition = write_condition(call);
  if (!condition) co_return condition.error();
  auto payload = co_await read_payload(call);
  if (!payload) co_return payload.error();
  storage::AnnotationPut put;
  put.name = *name;
  put.payload = std::move(payload->text);
  put.md5 = payload->digests.md5;
  put.checksum = payload->digests.checksum;
  put.condition = std::move(*condition);
  put.check = version_check(call);
  ChangeEvents events(call, EventKind::annotation_put);
  put.companion = events.companion();
  const auto done = co_await call.store.put_annotation(call.object_key(), *version, std::move(put));
  if (!done) co_return annotation_failure(call, done.error(), *version, *name);

  XmlWriter xml;
  xml.open_root("PutObjectAnnotationOutput");
  xml.element("Key", call.target.key);
  xml.element("AnnotationName", *name);
  xml.close("PutObjectAnnotationOutput");
  Response response = xml_response(xml);
  add_etag(done->annotation.etag, response);
  add_checksum(done->annotation.checksum, response);
  add_object_version(call, *done->version, response);
  co_return response;
}

Task<Outcome<Response>> get_object_annotation(Call& call) {
  auto name = name_parameter(call);
  if (!name) co_return name.error();
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  auto found = co_await call.store.annotation(call.object_key(), *version, *name);
  if (!found) co_return annotation_failure(call, found.error(), *version, *name);
  if (has_customer_key(*found->version)) co_return customer_key_failure();
  storage::ObjectInfo judged;
  judged.etag = found->annotation.etag;
  judged.modified_ms = found->annotation.modified_ms;
  std::string_view failed;
  Response response;
  switch (judge_read(call, {}, judged, &failed)) {
    case ReadVerdict::proceed:
      break;
    case ReadVerdict::precondition_failed:
      co_return Failure(S3Error::precondition_failed).with("Condition", failed);
    case ReadVerdict::not_modified:
      response = empty_response(304);
      break;
  }
  add_etag(found->annotation.etag, response);
  response.add_header("Last-Modified", http_date(found->annotation.modified_ms));
  add_object_version(call, *found->version, response);
  if (response.status == 304) co_return response;
  response.add_header("Content-Type", "application/octet-stream");
  if (equals_caseless(call.header("x-amz-checksum-mode").value_or(""), "enabled")) {
    add_checksum(found->annotation.checksum, response);
  }
  response.text = std::move(found->payload);
  response.content_length = response.text.size();
  co_return response;
}

namespace {

// A continuation token is the last name of the page before.
Outcome<std::string> read_token(const Call& call) {
  const auto token = call.target.parameter("continuation-token");
  if (!token) return std::string();
  auto after = from_base64url(*token);
  if (!after || !check_annotation_name(*after)) {
    return invalid_argument("continuation-token", *token, "The continuation token provided is incorrect");
  }
  return std::move(*after);
}

Outcome<std::uint32_t> read_limit(const Call& call) {
  const auto text = call.target.parameter("max-annotation-results");
  if (!text) return storage::kAnnotationsMax;
  const auto limit = parse_decimal(*text);
  if (!limit || *limit < 1 || *limit > storage::kAnnotationsMax) {
    return invalid_argument("max-annotation-results", *text, "max-annotation-results must be between 1 and 1000");
  }
  return static_cast<std::uint32_t>(*limit);
}

void write_entry(XmlWriter& xml, const storage::AnnotationInfo& annotation) {
  xml.open("AnnotationEntry");
  xml.element("AnnotationName", annotation.name);
  xml.element("LastModified", iso_date(annotation.modified_ms));
  xml.etag(annotation.etag);
  if (annotation.checksum.algorithm != ChecksumAlgorithm::none) {
    xml.element("ChecksumAlgorithm", checksum_name(annotation.checksum.algorithm));
  }
  xml.element("Size", annotation.size);
  xml.close("AnnotationEntry");
}

}  // namespace

Task<Outcome<Response>> list_object_annotations(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  const std::string prefix(call.target.parameter("annotation-prefix").value_or(""));
  if (prefix.size() > storage::kAnnotationNameBytesMax || !has_annotation_characters(prefix)) {
    co_return S3Error::invalid_prefix;
  }
  const auto limit = read_limit(call);
  if (!limit) co_return limit.error();
  auto after = read_token(call);
  if (!after) co_return after.error();
  const auto page =
      co_await call.store.list_annotations(call.object_key(), *version, prefix, std::move(*after), *limit);
  if (!page) co_return annotation_failure(call, page.error(), *version, {});
  if (has_customer_key(*page->version)) co_return customer_key_failure();

  XmlWriter xml;
  xml.open_root("ListObjectAnnotationsOutput");
  xml.element("Bucket", call.target.bucket);
  xml.element("Key", call.target.key);
  xml.element("AnnotationPrefix", prefix);
  xml.element("MaxAnnotationResults", std::uint64_t{*limit});
  xml.element("AnnotationCount", static_cast<std::uint64_t>(page->annotations.size()));
  if (const auto token = call.target.parameter("continuation-token")) xml.element("ContinuationToken", *token);
  if (page->truncated) xml.element("NextContinuationToken", to_base64url(page->annotations.back().name));
  xml.open("Annotations");
  for (const storage::AnnotationInfo& annotation : page->annotations) write_entry(xml, annotation);
  xml.close("Annotations");
  xml.close("ListObjectAnnotationsOutput");
  Response response = xml_response(xml);
  add_object_version(call, *page->version, response);
  co_return response;
}

Task<Outcome<Response>> delete_object_annotation(Call& call) {
  auto name = name_parameter(call);
  if (!name) co_return name.error();
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  auto condition = write_condition(call);
  if (!condition) co_return condition.error();
  storage::AnnotationRemoval removal;
  removal.name = *name;
  removal.condition = std::move(*condition);
  removal.check = version_check(call);
  removal.bypass_governance = bypasses_governance(call);
  ChangeEvents events(call, EventKind::annotation_delete);
  removal.companion = events.companion();
  const auto removed = co_await call.store.remove_annotation(call.object_key(), *version, std::move(removal));
  if (!removed && removed.error() == storage::Errc::object_locked) co_return locked_failure();
  if (!removed) co_return annotation_failure(call, removed.error(), *version, *name);
  Response response = empty_response(204);
  add_object_version(call, *removed->version, response);
  co_return response;
}

}  // namespace api
