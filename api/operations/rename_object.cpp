// RenameObject, and PutObject with an offset, which appends.
#include "api/ascii.h"
#include "api/checksum.h"
#include "api/conditions.h"
#include "api/encoding.h"
#include "api/encryption.h"
#include "api/events/change_events.h"
#include "api/object_headers.h"
#include "api/object_lock.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/verified_body.h"

namespace api {
namespace {

constexpr std::size_t kClientTokenCharactersMax = 64;

// Objects move and grow in place only where nothing has to be kept of them. Errors: InvalidRequest.
Outcome<> check_plain_bucket(const Call& call, std::string_view operation) {
  if (call.bucket->versioning == storage::Versioning::off && !call.bucket->object_lock) return done();
  std::string message(operation);
  message += " is not supported in buckets with versioning or object lock.";
  return Failure(S3Error::invalid_request, std::move(message));
}

// The key in x-amz-rename-source, with or without "/bucket/" before it. Errors: InvalidArgument, InvalidRequest.
Outcome<std::string> rename_source(const Call& call) {
  const std::string_view header = trim(call.header("x-amz-rename-source").value_or(""));
  if (header.empty()) {
    return invalid_argument("x-amz-rename-source", header, "The x-amz-rename-source header is required.");
  }
  auto key = percent_decode(header, Plus::literal);
  if (!key) return invalid_argument("x-amz-rename-source", header);
  const std::string prefix = "/" + call.target.bucket + "/";
  if (key->starts_with(prefix)) key->erase(0, prefix.size());
  if (key->empty() || !check_key(*key)) return invalid_argument("x-amz-rename-source", header);
  if (*key == call.target.key || key->ends_with('/') || call.target.key.ends_with('/')) {
    return Failure(S3Error::invalid_request,
                   "An object cannot be renamed to its own key, nor a key renamed that ends with the delimiter.");
  }
  return std::move(*key);
}

// The client's token bound to the request that it came with; empty without one. Errors: InvalidArgument.
Outcome<std::string> rename_token(const Call& call, const std::string& source) {
  const std::string_view token = call.header("x-amz-client-token").value_or("");
  if (token.empty()) return std::string();
  bool printable = token.size() <= kClientTokenCharactersMax;
  for (const char c : token) printable = printable && c >= 33 && c <= 126;
  if (!printable) return invalid_argument("x-amz-client-token", token);
  return std::string(token) + '\n' + source;
}

// The right to the source, whatever it is by now, and the conditions on both objects. Errors: AccessDenied,
// PreconditionFailed.
storage::Result<> judge_rename(const Call& call, const storage::ObjectInfo& source, const storage::ObjectInfo* target) {
  // Under its new name the object may be open to others: who moves it must be allowed to read it.
  if (!call.authorizer.check_source(call, *call.bucket, source.key, false, source)) return S3Error::access_denied;
  std::string_view condition;
  if (judge_read(call, "x-amz-rename-source-", source, &condition) != ReadVerdict::proceed) {
    return S3Error::precondition_failed;
  }
  if (target == nullptr) {
    return call.header("if-match") ? storage::Result<>(S3Error::precondition_failed) : storage::success();
  }
  if (judge_read(call, {}, *target, &condition) != ReadVerdict::proceed) return S3Error::precondition_failed;
  return storage::success();
}

// What a part is hashed with where its sender names nothing, so that the whole keeps a checksum if it has one.
ChecksumAlgorithm append_algorithm(const storage::ObjectInfo& info) {
  const bool whole = info.checksum.algorithm != ChecksumAlgorithm::none &&
                     info.checksum.type == ChecksumType::full_object;
  return whole ? info.checksum.algorithm : ChecksumAlgorithm::crc64nvme;
}

// Where the next part of an object goes: what was put whole becomes its first.
std::uint32_t next_part_number(const storage::ObjectInfo& info) {
  if (!info.parts.empty()) return info.parts.back().number + 1;
  return info.size > 0 ? 2 : 1;
}

// Encryption is chosen when an object is made: what is appended gets the object's keys. Errors: InvalidRequest where the
// request wants another kind, or the key is the client's.
Task<Outcome<Sealing>> append_sealing(Call& call, const storage::ObjectInfo& info) {
  const std::string& text = info.controls.encryption;
  auto envelope = text.empty() ? std::optional<Envelope>() : Envelope::parse(text);
  if (envelope && envelope->kind == EncryptionKind::customer) {
    co_return Failure(S3Error::invalid_request, "Appending is not supported with keys of the customer.");
  }
  const auto wanted = call.header("x-amz-server-side-encryption");
  if (wanted && *wanted != (envelope ? encryption_method(envelope->kind) : std::string_view())) {
    co_return Failure(S3Error::invalid_request, "What is appended is encrypted as the object is.");
  }
  Sealing sealing;
  if (text.empty()) co_return sealing;
  auto keys = co_await open_keys(call, text, "x-amz-");
  if (!keys) co_return keys.error();
  sealing.keys = std::move(*keys);
  if (envelope->kind != EncryptionKind::store) sealing.etag = SealedEtag::random;
  if (info.parts.empty() && info.size > 0) envelope->whole_first = true;
  sealing.envelope = envelope->text();
  co_return sealing;
}

Failure append_failure(const storage::Error& error, const VerifiedBody& body) {
  if (error == storage::Errc::size_mismatch) return S3Error::invalid_write_offset;
  if (error == storage::Errc::too_large) return S3Error::too_many_parts;
  if (error == storage::Errc::invalid_argument) return S3Error::invalid_request;
  return body_failure(error, body);
}

}  // namespace

Task<Outcome<Response>> rename_object(Call& call) {
  if (auto plain = check_plain_bucket(call, "RenameObject"); !plain) co_return plain.error();
  auto source = rename_source(call);
  if (!source) co_return source.error();
  // A rename writes the target, which the route asks for, and reads and removes the source.
  if (auto allowed = call.authorizer.check_removal(call, *source, {}); !allowed) co_return allowed.error();
  auto token = rename_token(call, *source);
  if (!token) co_return token.error();
  storage::RenameRequest request;
  request.from = *source;
  request.to = call.target.key;
  request.token = std::move(*token);
  ChangeEvents events(call, EventKind::created_copy);
  events.also(EventKind::removed_delete, *source);
  request.companion = events.companion();
  request.check = [&call](const storage::ObjectInfo& from, const storage::ObjectInfo* target) {
    return judge_rename(call, from, target);
  };
  const auto renamed = co_await call.store.rename(call.target.bucket, std::move(request));
  if (!renamed && renamed.error() == storage::Errc::not_found) {
    co_return Failure(S3Error::no_such_key).with("Key", *source);
  }
  if (!renamed) co_return renamed.error();
  co_return empty_response(200);
}

Task<Outcome<std::optional<Response>>> append_object(Call& call, storage::WriteCondition condition) {
  const std::string_view header = call.header("x-amz-write-offset-bytes").value_or("");
  const auto offset = parse_decimal(header);
  if (!offset) co_return invalid_argument("x-amz-write-offset-bytes", header);
  if (auto plain = check_plain_bucket(call, "Appending"); !plain) co_return plain.error();
  if (call.header("x-amz-server-side-encryption-customer-algorithm")) {
    co_return Failure(S3Error::invalid_request, "Appending is not supported with keys of the customer.");
  }
  if (const auto lock = read_lock(call); !lock) co_return lock.error();
  const auto info = co_await call.store.head(call.object_key());
  if (!info && info.error() == storage::Errc::not_found && *offset == 0) co_return std::optional<Response>();
  if (!info) co_return info.error();
  if ((*info)->size != *offset) co_return S3Error::invalid_write_offset;
  auto sealing = co_await append_sealing(call, **info);
  if (!sealing) co_return sealing.error();
  BodyNeeds needs;
  needs.length_required = true;
  needs.md5 = sealing->etag == SealedEtag::md5_of_plain;
  needs.algorithm = append_algorithm(**info);
  auto plan = plan_body(call.request, call.body, call.identity, needs);
  if (!plan) co_return plan.error();

  storage::AppendOptions options;
  options.offset = *offset;
  options.condition = std::move(condition);
  ChangeEvents events(call, EventKind::created_put);
  options.companion = events.companion();
  std::uint32_t part_number = 0;
  if (sealing->keys) {
    part_number = next_part_number(**info);
    options.encrypted = {(*info)->controls.encryption, sealing->envelope, part_number};
  }
  VerifiedBody body(call.body, std::move(*plan));
  SealedBody sealed(body, call.store.request_pool(), *sealing, part_number);
  const auto appended = co_await call.store.append(call.object_key(), std::move(options), sealed.source());
  if (!appended) co_return append_failure(appended.error(), body);
  Response response;
  add_etag((*appended)->etag, response);
  add_checksum_headers(**appended, response);
  add_encryption_headers((*appended)->controls.encryption, response);
  response.add_header("x-amz-object-size", to_decimal((*appended)->size));
  co_return std::optional<Response>(std::move(response));
}

}  // namespace api
