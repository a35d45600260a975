#include "api/service.h"

#include "api/ascii.h"
#include "api/bucket_settings.h"
#include "api/call.h"
#include "api/keyring.h"
#include "api/lifecycle_runner.h"
#include "api/operations/operations.h"
#include "api/sigv4.h"
#include "storage/base/log.h"

namespace api {
namespace {

// Elements that every document of an error has, beside what the operation said.
Failure with_context(Failure failure, const RequestTarget& target) {
  const auto lacks = [&](std::string_view name) {
    for (const auto& [known, value] : failure.extras()) {
      if (known == name) return false;
    }
    return true;
  };
  switch (failure.error()) {
    case S3Error::no_such_bucket:
    case S3Error::invalid_bucket_name:
      if (lacks("BucketName")) return std::move(failure).with("BucketName", target.bucket);
      break;
    case S3Error::no_such_key:
      if (lacks("Key")) return std::move(failure).with("Key", target.key);
      break;
    case S3Error::no_such_upload:
      if (lacks("UploadId"))
        return std::move(failure).with("UploadId", target.parameter("uploadId").value_or(""));
      break;
    case S3Error::precondition_failed:
      if (lacks("Condition")) return std::move(failure).with("Condition", "If-Match");
      break;
    // Clients that are told to wait want to know how long.
    case S3Error::slow_down:
    case S3Error::service_unavailable:
      return std::move(failure).with_header("Retry-After", "1");
    default:
      break;
  }
  return failure;
}

Response error_response(const Request& request, const Failure& failure) {
  Response response;
  response.status = error_row(failure.error()).status;
  response.headers = failure.headers();
  if (failure.error() == S3Error::request_timeout || failure.error() == S3Error::incomplete_body) {
    response.close = true;  // where the next request would begin is unknown
  }
  if (request.method == "HEAD") {
    response.head_only = true;
    return response;
  }
  response.add_header("Content-Type", "application/xml");
  response.text =
      error_document(failure, request.target.substr(0, request.target.find('?')), request.request_id);
  response.content_length = response.text.size();
  return response;
}

}  // namespace

struct Service::State {
  storage::ObjectStore& store;
  storage::Clock& clock;
  ServiceOptions options;
  Authenticator authenticator;
  Keyring keyring;
  BucketSettings settings;
  LifecycleRunner lifecycle;

  State(storage::ObjectStore& object_store, storage::Clock& service_clock, ServiceOptions given)
      : store(object_store),
        clock(service_clock),
        options(std::move(given)),
        authenticator(clock, {options.region, options.locations, options.users}),
        keyring(store, options.encryption),
        lifecycle(store, clock, options.lifecycle, settings) {}

  Outcome<> admit(Call& call);
  Outcome<> check_owner(const Call& call, const storage::BucketInfo& bucket) const;
  Task<Outcome<>> enter_bucket(Call& call);
  std::optional<Outcome<Response>> answer_from_memory(Call& call);
  Task<Outcome<Response>> answer_preflight(Call& call);
  Task<> add_cors(const Call& call, Response& response);
  Task<Outcome<Response>> run(Call& call);
};

namespace {

// What a preflight request must say to be one.
Outcome<> check_preflight(const Request& request) {
  if (!request.header("origin")) return S3Error::bad_request;
  return done();
}

bool reads_an_object(const Request& request, const RequestTarget& target) {
  return !target.key.empty() && (request.method == "GET" || request.method == "HEAD");
}

}  // namespace

// Everything that can be said about a request before the store is asked: who, what, and whether that exists
// here.
Outcome<> Service::State::admit(Call& call) {
  const Request& request = call.request;
  auto target = parse_target(request.target, request.header("host").value_or(""), options.domains);
  if (!target) return target.error();
  call.target = std::move(*target);
  if (request.method == "OPTIONS") return check_preflight(request);
  if (!call.target.bucket.empty() && !is_bucket_name(call.target.bucket)) return S3Error::invalid_bucket_name;

  const bool copy = call.header("x-amz-copy-source").has_value();
  const auto route = find_route(request.method, call.target, copy);
  if (route) call.route = *route;
  // Calls of other AWS services arrive as POST / with a scope of theirs; the answer needs no signature.
  if (!route && call.target.bucket.empty() && route.error().error() == S3Error::method_not_allowed) {
    return route.error();
  }
  const bool anonymous = options.unsafe_anonymous_reads && reads_an_object(request, call.target) &&
                         !Authenticator::has_credentials(request, call.target);
  // A form carries who sent it among its fields.
  const bool form = route && (*route)->handler == &post_object;
  if (!anonymous && !form) {
    auto identity = authenticator.authenticate(request, call.target);
    if (!identity) return identity.error();
    call.identity = std::move(*identity);
  }
  if (!route) return route.error();
  if (anonymous && !call.route->sub_resource.empty()) return S3Error::access_denied;
  return check_directives(call);
}

// Of calls with a user.
Outcome<> Service::State::check_owner(const Call& call, const storage::BucketInfo& bucket) const {
  const auto expected = call.header("x-amz-expected-bucket-owner");
  if (bucket.owner_id == call.user().id && (!expected || *expected == bucket.owner_id)) return done();
  return Failure(S3Error::access_denied).with_header("x-amz-bucket-region", options.region);
}

// The bucket exists and is the caller's.
Task<Outcome<>> Service::State::enter_bucket(Call& call) {
  const auto expected = call.header("x-amz-expected-bucket-owner");
  if (!call.route->needs_bucket) {
    if (expected && !call.anonymous() && !call.target.bucket.empty() && *expected != call.user().id)
      co_return S3Error::access_denied;
    co_return done();
  }
  // The benchmark's anonymous reads have no owner to compare; the read itself finds a missing bucket.
  if (call.anonymous()) co_return done();
  auto bucket = co_await store.bucket(call.target.bucket);
  if (!bucket) co_return bucket.error();
  if (auto owner = check_owner(call, **bucket); !owner) co_return owner.error();
  call.bucket = std::move(*bucket);
  co_return done();
}

// A GET that needs nothing but memory is answered without a single suspension: for small objects the coroutines of the
// long way cost as much as the system calls.
std::optional<Outcome<Response>> Service::State::answer_from_memory(Call& call) {
  if (call.route->handler != &get_object || call.head() || call.target.parameter("versionId")) return std::nullopt;
  auto object = store.open_cached(call.target.bucket, call.target.key);
  // What lies in memory of an encrypted object is cipher text.
  if (!object || !object->info->controls.encryption.empty()) return std::nullopt;
  if (!call.anonymous()) {
    if (auto owner = check_owner(call, *object->bucket); !owner) return owner.error();
  }
  call.bucket = object->bucket;
  return get_cached_object(call, std::move(*object));
}

// Browsers ask before they send; who asks is not known yet, and need not be.
Task<Outcome<Response>> Service::State::answer_preflight(Call& call) {
  const auto bucket = co_await store.bucket(call.target.bucket);
  if (!bucket && bucket.error() != storage::Errc::bucket_not_found) co_return bucket.error();
  if (!bucket) co_return Failure(S3Error::access_forbidden, "CORSResponse: Bucket not found");
  const auto rules = settings.cors.get(**bucket);
  co_return api::answer_preflight(call.request, rules.get());
}

// Answers to browsers carry what the bucket's rules say, errors too.
Task<> Service::State::add_cors(const Call& call, Response& response) {
  storage::BucketInfoPtr bucket = call.bucket;
  if (!bucket && is_bucket_name(call.target.bucket)) {
    const auto found = co_await store.bucket(call.target.bucket);
    if (found) bucket = *found;
  }
  if (!bucket) co_return;
  const auto rules = settings.cors.get(*bucket);
  add_cors_headers(call.request, rules.get(), response.headers);
}

Task<Outcome<Response>> Service::State::run(Call& call) {
  if (auto entered = co_await enter_bucket(call); !entered) co_return entered.error();
  co_return co_await call.route->handler(call);
}

Service::Service(storage::ObjectStore& store, storage::Clock& clock, ServiceOptions options)
    : state_(std::make_unique<State>(store, clock, std::move(options))) {}
Service::~Service() = default;

Task<> Service::run_lifecycle() { co_await state_->lifecycle.run_once(); }

Task<Response> Service::handle(const Request& request, HttpBody& body) {
  Call call{request, body, state_->store, state_->clock, state_->options, {}, {}, nullptr, {}, &state_->keyring, &state_->settings};
  std::optional<Outcome<Response>> ready;
  if (auto admitted = state_->admit(call); !admitted) {
    ready = admitted.error();
  } else if (call.route == nullptr) {
    ready = co_await state_->answer_preflight(call);
  } else {
    ready = state_->answer_from_memory(call);
  }
  if (!ready) ready = co_await state_->run(call);
  Outcome<Response>& outcome = *ready;
  Response response;
  if (outcome) {
    response = std::move(*outcome);
  } else {
    const Failure failure = with_context(outcome.error(), call.target);
    if (error_row(failure.error()).status >= 500 && failure.error() != S3Error::not_implemented) {
      storage::log_warn("request_failed",
                        {{"request_id", request.request_id},
                         {"operation", call.route != nullptr ? call.route->operation : "none"},
                         {"code", error_row(failure.error()).code}});
    }
    response = error_response(request, failure);
  }
  if (request.method != "OPTIONS" && request.header("origin")) co_await state_->add_cors(call, response);
  response.operation = call.route != nullptr ? call.route->operation : "Unknown";
  if (request.method == "OPTIONS") response.operation = "Preflight";
  if (call.identity.user != nullptr) response.user = call.identity.user->id;
  co_return response;
}

}  // namespace api
