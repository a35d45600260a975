// PutObject, DeleteObject.
#include "api/access/request_acl.h"
#include "api/ascii.h"
#include "api/conditions.h"
#include "api/encryption.h"
#include "api/events/change_events.h"
#include "api/http_date.h"
#include "api/ingest_gate.h"
#include "api/object_headers.h"
#include "api/object_lock.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/verified_body.h"
#include "api/versions.h"

namespace api {

// The commit inside ObjectStore::put makes the object durable and visible; the answer is printed after it.
Task<Outcome<Response>> put_object(Call& call) {
  auto attributes = read_attributes(call);
  if (!attributes) co_return attributes.error();
  auto condition = write_condition(call);
  if (!condition) co_return condition.error();
  if (call.header("x-amz-write-offset-bytes")) {
    auto appended = co_await append_object(call, *condition);
    if (!appended) co_return appended.error();
    if (*appended) co_return std::move(**appended);
    condition->if_none_match_any = true;
  }
  auto wish = read_encryption(call);
  if (!wish) co_return wish.error();
  auto controls = new_object_controls(call);
  if (!controls) co_return controls.error();
  BodyNeeds needs;
  needs.length_required = true;
  // The ETag of what only its client, or KMS, can decrypt is no MD5.
  needs.md5 = wish->envelope.kind == EncryptionKind::none || wish->envelope.kind == EncryptionKind::store;
  // S3's own default where a client sends no checksum.
  needs.algorithm = ChecksumAlgorithm::crc64nvme;
  auto plan = plan_body(call.request, call.body, call.identity, needs);
  if (!plan) co_return plan.error();
  bool locks = false;
  const auto lock = read_lock(call, &locks);
  if (!lock) co_return lock.error();
  if (locks && plan->content_md5.empty() && plan->checksum.empty() && plan->trailer_name.empty()) {
    co_return Failure(S3Error::invalid_request,
                      "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object "
                      "Lock parameters");
  }

  auto sealing = co_await make_sealing(call, std::move(*wish));
  if (!sealing) co_return sealing.error();
  storage::PutOptions options;
  options.attributes = std::move(*attributes);
  options.controls = std::move(*controls);
  options.controls.lock = *lock;
  options.controls.encryption = sealing->envelope;
  IngestGate gate(call);
  options.rules = gate.judge();
  options.condition = std::move(*condition);
  ChangeEvents events(call, call.form ? EventKind::created_post : EventKind::created_put);
  options.companion = events.companion();
  VerifiedBody body(call.body, std::move(*plan));
  SealedBody sealed(body, call.store.request_pool(), *sealing, 0);
  const auto info = co_await call.store.put(call.object_key(), std::move(options), sealed.source());
  if (auto refusal = gate.refusal()) co_return std::move(*refusal);
  if (!info) co_return body_failure(info.error(), body);

  Response response;
  add_etag((*info)->etag, response);
  add_version_header(call, **info, response);
  add_checksum_headers(**info, response);
  add_encryption_headers(sealing->envelope, response, true);
  add_expiration(call, **info, response);
  co_return response;
}

namespace {

Outcome<storage::RemoveCondition> remove_condition(const Call& call) {
  storage::RemoveCondition condition;
  if (const auto if_match = call.request.header("if-match"))
    condition.if_match = std::string(bare_etag(*if_match));
  if (const auto size = call.header("x-amz-if-match-size")) {
    condition.size = parse_decimal(*size);
    if (!condition.size) return invalid_argument("x-amz-if-match-size", *size);
  }
  if (const auto time = call.header("x-amz-if-match-last-modified-time")) {
    condition.modified_s = parse_http_date(*time);
    if (!condition.modified_s) condition.modified_s = parse_iso_date(*time);
    if (!condition.modified_s) return invalid_argument("x-amz-if-match-last-modified-time", *time);
  }
  return condition;
}

}  // namespace

Task<Outcome<Response>> delete_object(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  auto condition = remove_condition(call);
  if (!condition) co_return condition.error();
  storage::RemoveRequest request;
  request.key = call.target.key;
  request.version_id = std::move(*version);
  request.condition = std::move(*condition);
  request.bypass_governance = bypasses_governance(call);
  ChangeEvents events(call, EventKind::removed_delete);
  if (request.version_id.empty()) events.or_marker(EventKind::removed_marker);
  request.companion = events.companion();
  const auto removed = co_await call.store.remove(call.target.bucket, std::move(request));
  if (!removed && removed.error() == storage::Errc::object_locked) co_return locked_failure();
  if (!removed) co_return removed.error();
  Response response = empty_response(204);
  add_version_header(call, removed->version_id, response);
  if (removed->delete_marker) response.add_header("x-amz-delete-marker", "true");
  co_return response;
}

}  // namespace api
