// PUT, multipart upload and DELETE of virtual objects.
#include <algorithm>

#include "api/ascii.h"
#include "api/copy_body.h"
#include "api/digest.h"
#include "api/encoding.h"
#include "api/encryption.h"
#include "api/limits.h"
#include "api/object_headers.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/verified_body.h"
#include "api/virtual/hidden_bucket.h"
#include "api/virtual/kept_answers.h"
#include "api/virtual/virtual_object.h"
#include "storage/base/log.h"

namespace api {
namespace {

Failure unknown_key(std::string_view key) {
  return invalid_argument("key", key, "No virtual object has a key of this form");
}

Failure read_only(std::string_view method) {
  return Failure(S3Error::method_not_allowed).with("Method", method).with_header("Allow", "GET, HEAD");
}

Outcome<VirtualPlace> writable(const Call& call) {
  const auto place = find_virtual(call.target.key);
  if (!place) return unknown_key(call.target.key);
  if (place->row->write == nullptr) return read_only(call.request.method);
  if (auto rest = check_rest(*place); !rest) return rest.error();
  return *place;
}

// What would change the meaning of the bytes, and what a virtual object has none of.
Outcome<> check_plain(const Call& call) {
  constexpr std::string_view kRefused[] = {"x-amz-tagging", "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date",
                                           "x-amz-object-lock-legal-hold", "x-amz-website-redirect-location",
                                           "x-amz-write-offset-bytes", "if-match", "if-none-match"};
  for (const std::string_view name : kRefused) {
    if (call.header(name)) {
      return Failure(S3Error::invalid_request, "A virtual object takes no " + std::string(name) + " header")
          .with("ArgumentName", name);
    }
  }
  const auto customer = read_customer_key(call);
  if (!customer) return customer.error();
  if (*customer) return Failure(S3Error::invalid_request, "A virtual object cannot be encrypted with a key of yours");
  return done();
}

// Lets an operation of uploads work on the hidden place of the call's key.
Task<Outcome<>> stage(Call& call) {
  const auto place = writable(call);
  if (!place) co_return place.error();
  auto ready = co_await ensure_hidden_bucket(call.store);
  if (!ready) co_return ready.error();
  call.staged = upload_place(*call.bucket, call.target.key);
  co_return done();
}

// Gives the bytes on, and remembers their hash for the ETag of the answer.
class HashedBody final : public storage::BodySource {
 public:
  explicit HashedBody(VerifiedBody& body) : body_(body) {}

  Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override {
    auto count = co_await body_.read(into);
    if (count && *count > 0) sha256_.update(into.first(*count));
    if (count && *count == 0) ended_ = true;
    co_return count;
  }
  std::optional<std::uint64_t> declared_length() const override { return body_.declared_length(); }
  storage::BodyDigests digests() const override { return body_.digests(); }

  bool ended() const { return ended_; }
  std::string etag() { return to_hex(sha256_.finish().substr(0, 20)) + "-1"; }

 private:
  VerifiedBody& body_;
  Digest sha256_{Digest::Kind::sha256};
  bool ended_ = false;
};

// While it lives no other Complete of the same virtual object takes effect.
class CompleteTurn {
 public:
  CompleteTurn(KeptAnswers& answers, std::string place)
      : answers_(answers), place_(std::move(place)), mine_(answers.begin_complete(place_)) {}
  ~CompleteTurn() {
    if (mine_) answers_.end_complete(place_);
  }
  CompleteTurn(const CompleteTurn&) = delete;
  CompleteTurn& operator=(const CompleteTurn&) = delete;
  bool mine() const { return mine_; }

 private:
  KeptAnswers& answers_;
  std::string place_;
  bool mine_;
};

}  // namespace

Task<Outcome<std::string>> read_document(Call& call, storage::BodySource& body, std::size_t bytes_max) {
  if (body.declared_length().value_or(0) > bytes_max) co_return S3Error::entity_too_large;
  auto buffer = co_await call.store.request_pool().take(kReadBufferBytes, kBufferWaitMs);
  if (!buffer) co_return buffer.error();
  std::string text;
  while (true) {
    const auto count = co_await body.read(buffer->span());
    if (!count) co_return count.error();
    if (*count == 0) co_return text;
    if (text.size() + *count > bytes_max) co_return S3Error::entity_too_large;
    text.append(reinterpret_cast<const char*>(buffer->data()), *count);
  }
}

Task<Outcome<Response>> put_virtual(Call& call) {
  const auto place = writable(call);
  if (!place) co_return place.error();
  if (auto plain = check_plain(call); !plain) co_return plain.error();
  BodyNeeds needs;
  needs.length_required = true;
  needs.algorithm = ChecksumAlgorithm::crc64nvme;
  auto plan = plan_body(call.request, call.body, call.identity, needs);
  if (!plan) co_return plan.error();
  VerifiedBody verified(call.body, std::move(*plan));
  HashedBody body(verified);
  auto written = co_await place->row->write(call, std::string(place->rest), body);
  if (!written) {
    if (verified.failure()) co_return *verified.failure();
    co_return written.error();
  }
  if (!body.ended()) {
    // What took effect may not be what was sent.
    storage::log_error("virtual_body_unread", {{"request_id", call.request.request_id}, {"pattern", place->row->pattern}});
    co_return Failure(S3Error::internal_error);
  }
  Response response;
  add_etag(body.etag(), response);
  add_checksum_header(verified.digests().checksum, response);
  co_return response;
}

// The bytes would have to be read through as another user's request could; nobody needs it yet.
Task<Outcome<Response>> copy_virtual(Call& call) {
  const auto place = writable(call);
  if (!place) co_return place.error();
  co_return Failure(S3Error::not_implemented).with("Header", "x-amz-copy-source");
}

Task<Outcome<>> remove_virtual(Call& call, std::string key) {
  const auto place = find_virtual(key);
  if (!place) co_return unknown_key(key);
  if (place->row->remove == nullptr) co_return read_only("DELETE");
  if (auto rest = check_rest(*place); !rest) co_return rest.error();
  co_return co_await place->row->remove(call, std::string(place->rest));
}

Task<Outcome<Response>> delete_virtual(Call& call) {
  if (auto plain = check_plain(call); !plain) co_return plain.error();
  auto removed = co_await remove_virtual(call, call.target.key);
  if (!removed) co_return removed.error();
  co_return empty_response(204);
}

Task<Outcome<Response>> create_virtual_upload(Call& call) {
  if (auto plain = check_plain(call); !plain) co_return plain.error();
  if (auto staged = co_await stage(call); !staged) co_return staged.error();
  storage::UploadOptions options;
  options.initiator_id = call.user().id;
  if (auto wish = read_checksum_wish(call, options); !wish) co_return wish.error();
  const auto upload = co_await call.store.create_upload(call.object_key(), options);
  if (!upload) co_return upload.error();
  co_return created_upload(call, *upload);
}

Task<Outcome<Response>> upload_virtual_part(Call& call) {
  if (auto staged = co_await stage(call); !staged) co_return staged.error();
  co_return co_await upload_part(call);
}

Task<Outcome<Response>> copy_virtual_part(Call& call) {
  if (auto staged = co_await stage(call); !staged) co_return staged.error();
  co_return co_await upload_part_copy(call);
}

Task<Outcome<Response>> abort_virtual_upload(Call& call) {
  if (auto staged = co_await stage(call); !staged) co_return staged.error();
  co_return co_await abort_multipart_upload(call);
}

Task<Outcome<Response>> list_virtual_parts(Call& call) {
  if (auto staged = co_await stage(call); !staged) co_return staged.error();
  co_return co_await list_parts(call);
}

// The parts become an object in the hidden bucket first, so that a Complete that is cut short can be repeated; then it takes
// effect, and then the object goes. A Complete that is repeated after that finds its answer and no object: all is done.
Task<Outcome<Response>> complete_virtual_upload(Call& call) {
  const auto place = writable(call);
  if (!place) co_return place.error();
  if (auto plain = check_plain(call); !plain) co_return plain.error();
  if (auto staged = co_await stage(call); !staged) co_return staged.error();
  const CompleteTurn turn(*call.answers, call.staged->key);
  if (!turn.mine()) co_return S3Error::slow_down;
  auto response = co_await complete_multipart_upload(call);
  if (!response) co_return response;
  auto object = co_await call.store.open(*call.staged);
  if (!object) {
    if (object.error() == storage::Errc::not_found) co_return response;
    co_return object.error();
  }
  CopyBody body(**object, {0, (*object)->info()->size}, ChecksumAlgorithm::none);
  auto written = co_await place->row->write(call, std::string(place->rest), body);
  if (!written) co_return written.error();
  storage::RemoveRequest removal;
  removal.key = call.staged->key;
  auto removed = co_await call.store.remove(std::string(kHiddenBucket), std::move(removal));
  if (!removed) co_return removed.error();
  co_return response;
}

}  // namespace api
