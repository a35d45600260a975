// CopyObject: shares the source's bytes, or reads them through when a checksum is wanted that the source
// lacks.
#include "api/access/request_acl.h"
#include "api/ascii.h"
#include "api/checksum.h"
#include "api/conditions.h"
#include "api/copy_body.h"
#include "api/copy_source.h"
#include "api/decrypted_object.h"
#include "api/encoding.h"
#include "api/encryption.h"
#include "api/events/change_events.h"
#include "api/http_date.h"
#include "api/ingest_gate.h"
#include "api/object_headers.h"
#include "api/object_lock.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/tags.h"
#include "api/versions.h"
#include "api/xml_writer.h"

namespace api {
namespace {

// COPY or REPLACE. Errors: InvalidArgument.
Outcome<bool> replaces(const Call& call, std::string_view header) {
  const auto directive = call.header(header);
  if (!directive || equals_caseless(*directive, "COPY")) return false;
  if (equals_caseless(*directive, "REPLACE")) return true;
  return invalid_argument(header, *directive, "Unknown directive");
}

// Whether annotations come along. Errors: InvalidArgument.
Outcome<bool> copies_annotations(const Call& call) {
  constexpr std::string_view kHeader = "x-amz-object-annotation-directive";
  const auto directive = call.header(kHeader);
  if (!directive || *directive == "COPY") return true;
  if (*directive == "EXCLUDE") return false;
  return invalid_argument(kHeader, *directive, "Unknown annotation directive");
}

struct CopyPlan {
  storage::CopyOptions options;
  std::optional<ChecksumAlgorithm> algorithm;
  bool changes_something = false;
  bool shares_bytes = false;  // else they are read, decrypted, encrypted and written again
  BodyKeys source_keys;       // none: the source's bytes are plain
  Sealing sealing;            // of a copy that does not share
};

Outcome<CopyPlan> plan_copy(const Call& call, const storage::ObjectInfo& source) {
  CopyPlan plan;
  const auto metadata = replaces(call, "x-amz-metadata-directive");
  if (!metadata) return metadata.error();
  const auto tagging = replaces(call, "x-amz-tagging-directive");
  if (!tagging) return tagging.error();
  const auto annotations = copies_annotations(call);
  if (!annotations) return annotations.error();
  plan.options.annotations = *annotations;
  auto given = read_attributes(call);
  if (!given) return given.error();
  if (*tagging) plan.options.tags = given->tags;
  const std::string redirect = given->website_redirect;
  const std::string storage_class = given->storage_class;
  if (*metadata) {
    plan.options.attributes = std::move(*given);
  } else if (redirect != source.attributes.website_redirect || storage_class != source.attributes.storage_class) {
    // Neither is ever copied, and both may be given without replacing the rest.
    plan.options.attributes = source.attributes;
    plan.options.attributes->website_redirect = redirect;
    plan.options.attributes->storage_class = storage_class;
  }
  auto condition = write_condition(call);
  if (!condition) return condition.error();
  auto controls = new_object_controls(call);
  if (!controls) return controls.error();
  plan.options.controls = std::move(*controls);
  const auto lock = read_lock(call);
  if (!lock) return lock.error();
  plan.options.controls.lock = *lock;
  plan.options.condition = std::move(*condition);
  if (const auto name = call.header("x-amz-checksum-algorithm")) {
    plan.algorithm = checksum_by_name(*name);
    if (!plan.algorithm)
      return Failure(S3Error::invalid_request, "Checksum algorithm provided is unsupported.");
  }
  const bool other_class = call.header("x-amz-storage-class") && storage_class != source.attributes.storage_class;
  plan.changes_something = *metadata || *tagging || plan.algorithm || !redirect.empty() || other_class;
  return plan;
}

bool has_checksum(const storage::ObjectInfo& info, ChecksumAlgorithm algorithm) {
  return info.checksum.algorithm == algorithm && info.checksum.type == ChecksumType::full_object;
}

// Keeps the source's algorithm where the request names none, so that a copy answers the same questions.
ChecksumAlgorithm through_algorithm(const CopyPlan& plan, const storage::ObjectInfo& source) {
  if (plan.algorithm) return *plan.algorithm;
  if (source.checksum.algorithm == ChecksumAlgorithm::none) return ChecksumAlgorithm::crc64nvme;
  return source.checksum.algorithm;
}

// What becomes of the bytes. The source's key must be right even where they are shared.
Task<Outcome<>> plan_bytes(Call& call, const storage::ObjectInfo& source, CopyPlan& plan) {
  auto wish = read_encryption(call);
  if (!wish) co_return wish.error();
  plan.changes_something = plan.changes_something || wish->from_request;
  auto keys = co_await open_keys(call, source.controls.encryption, "x-amz-copy-source-");
  if (!keys) co_return keys.error();
  plan.source_keys = std::move(*keys);
  plan.shares_bytes = shares_bytes(source.controls.encryption, *wish) &&
                      (!plan.algorithm || has_checksum(source, *plan.algorithm));
  if (plan.shares_bytes) {
    plan.options.controls.encryption = source.controls.encryption;
    plan.sealing.envelope = source.controls.encryption;
    co_return done();
  }
  auto sealing = co_await make_sealing(call, std::move(*wish));
  if (!sealing) co_return sealing.error();
  plan.sealing = std::move(*sealing);
  co_return done();
}

Task<storage::Result<storage::ObjectInfoPtr>> copy_through(Call& call, storage::OpenObject& source,
                                                           CopyPlan plan) {
  storage::PutOptions options;
  options.attributes = plan.options.attributes.value_or(source.info()->attributes);
  options.attributes.tags = plan.options.tags.value_or(source.info()->attributes.tags);
  options.controls = std::move(plan.options.controls);
  options.condition = std::move(plan.options.condition);
  options.companion = plan.options.companion;
  options.controls.encryption = plan.sealing.envelope;
  options.rules = std::move(plan.options.rules);
  const auto envelope = Envelope::parse(plan.sealing.envelope);
  const bool customer_key = envelope && envelope->kind == EncryptionKind::customer;
  if (plan.options.annotations && !customer_key) options.annotations_of = &source;
  std::optional<DecryptedObject> decrypted;
  if (plan.source_keys) decrypted.emplace(source, plan.source_keys, call.store.request_pool());
  storage::OpenObject& readable = decrypted ? static_cast<storage::OpenObject&>(*decrypted) : source;
  const ByteRange whole{0, source.info()->size};
  CopyBody body(readable, whole, through_algorithm(plan, *source.info()));
  SealedBody sealed(body, call.store.request_pool(), plan.sealing, 0);
  co_return co_await call.store.put(call.object_key(), std::move(options), sealed.source());
}

}  // namespace

Task<Outcome<Response>> copy_object(Call& call) {
  auto source = co_await open_copy_source(call);
  if (!source) co_return source.error();
  const storage::ObjectInfoPtr from = (*source)->info();
  if (from->size > storage::kBodyBytesMax) {
    co_return Failure(
        S3Error::invalid_request,
        "The specified copy source is larger than the maximum allowable size for a copy source");
  }
  auto plan = plan_copy(call, *from);
  if (!plan) co_return plan.error();
  if (auto planned = co_await plan_bytes(call, *from, *plan); !planned) co_return planned.error();
  // A version copied onto its own key becomes the current one: that changes something too.
  std::string version_id;
  const auto named = parse_copy_source(call.header("x-amz-copy-source").value_or(""), &version_id);
  if (!named) co_return named.error();
  const bool onto_itself = named->bucket == call.target.bucket && named->key == call.target.key;
  if (onto_itself && (version_id.empty() || from->version_id == "null") && !plan->changes_something) {
    co_return Failure(
        S3Error::invalid_request,
        "This copy request is illegal because it is trying to copy an object to itself without changing "
        "the object's metadata, storage class, website redirect location or encryption attributes.");
  }
  ChangeEvents events(call, EventKind::created_copy);
  plan->options.companion = events.companion();
  storage::Result<storage::ObjectInfoPtr> info = storage::Errc::invalid_argument;
  const std::string envelope = plan->sealing.envelope;
  IngestGate gate(call);
  plan->options.rules = gate.judge();
  if (!plan->shares_bytes) {
    info = co_await copy_through(call, **source, std::move(*plan));
  } else {
    info = co_await call.store.copy(**source, call.object_key(), std::move(plan->options));
  }
  if (auto refusal = gate.refusal()) co_return std::move(*refusal);
  if (!info) co_return info.error();

  XmlWriter xml;
  xml.open_root("CopyObjectResult");
  xml.element("LastModified", iso_date((*info)->modified_ms));
  xml.etag((*info)->etag);
  write_checksum(xml, **info);
  xml.close("CopyObjectResult");
  Response response = xml_response(xml);
  add_encryption_headers(envelope, response, true);
  add_expiration(call, **info, response);
  add_version_header(call, **info, response);
  co_await add_source_version(call, *from, response);
  co_return response;
}

}  // namespace api
