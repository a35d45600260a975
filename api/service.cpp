#include "api/service.h"

#include <utility>

#include "api/ascii.h"
#include "api/bucket_settings.h"
#include "api/call.h"
#include "api/events/event_queue.h"
#include "api/keyring.h"
#include "api/lifecycle_runner.h"
#include "api/operations/operations.h"
#include "api/operations/settings.h"
#include "api/secret_box.h"
#include "api/session_tokens.h"
#include "api/sigv4.h"
#include "api/sts.h"
#include "api/user_directory.h"
#include "api/user_registry.h"
#include "api/virtual/hidden_bucket.h"
#include "api/virtual/kept_answers.h"
#include "api/virtual/label_streams.h"
#include "api/virtual/rules.h"
#include "api/annotation.h"
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
  UserDirectory users;
  SecretBox box;
  UserRegistry registry;
  SessionTokens sessions;
  Authenticator authenticator;
  Authorizer authorizer;
  Keyring keyring;
  BucketSettings settings;
  EventQueue events;
  LifecycleRunner lifecycle;
  AccessLog access_log;
  KeptAnswers answers;
  LabelStreams label_streams;
  RuleRuns rule_runs;

  State(storage::ObjectStore& object_store, storage::Clock& service_clock, ServiceOptions given)
      : store(object_store),
        clock(service_clock),
        options(std::move(given)),
        users(std::exchange(options.users, {})),
        box(options.secrets_key),
        registry(store, clock, box, users),
        sessions(clock, box, users),
        authenticator(clock, users, {options.region, options.locations, options.signature_v2, &sessions}),
        authorizer(users),
        keyring(store, options.encryption),
        events(store, clock, options.notifications),
        lifecycle(store, clock, options.lifecycle, {events, settings, clock, options.region}),
        access_log(store, clock, keyring),
        answers(store, clock, options.answers),
        label_streams(store, clock),
        rule_runs(store, clock) {
    store.set_annotation_refusal(is_customer_envelope);
    options.directory = &users;
    options.website_domains.emplace_back(kLocalWebsiteDomain);
    wipe(options.secrets_key.data(), options.secrets_key.size());
    options.secrets_key.clear();
  }

  bool is_sts(Call& call) const;
  Outcome<> admit(Call& call);
  Task<Outcome<>> enter_bucket(Call& call);
  std::optional<Outcome<Response>> answer_from_memory(Call& call);
  Task<Outcome<Response>> answer_preflight(Call& call);
  Task<> add_cors(const Call& call, Response& response);
  Task<Outcome<Response>> run(Call& call);
  bool reads_for_benchmark(const Call& call) const;
  void log_access(const Call& call, const Response& response, std::string_view error, std::int64_t began_ns);
  // Of a website host.
  Task<Outcome<Response>> read_for_site(const Request& request, HttpBody& body, storage::BucketInfoPtr bucket,
                                        std::string key);
  Task<bool> exists_for_site(const Request& request, HttpBody& body, storage::BucketInfoPtr bucket, std::string key);
  Task<Response> answer_site(const Request& request, HttpBody& body);
};

namespace {

// What a preflight request must say to be one.
Outcome<> check_preflight(const Request& request) {
  if (!request.header("origin")) return S3Error::bad_request;
  return done();
}

}  // namespace

// Calls of the security token service sign their body in another way: they are told apart first.
bool Service::State::is_sts(Call& call) const {
  if (call.request.method != "POST" || !box.has_key()) return false;
  auto target = parse_target(call.request.target, call.request.header("host").value_or(""), options.domains);
  if (!target || !may_be_sts(call.request, *target)) return false;
  call.target = std::move(*target);
  return true;
}

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
  // Without a signature a request is nobody's; what nobody may do is the authorizer's to say. A form carries who sent it
  // among its fields.
  const bool form = route && (*route)->handler == &post_object;
  auto identity = Authenticator::has_credentials(request, call.target) && !form
                      ? authenticator.authenticate(request, call.target)
                      : Authenticator::anonymous(request);
  if (!identity) return identity.error();
  call.identity = std::move(*identity);
  if (!route) return route.error();
  return check_directives(call);
}

namespace {

// x-amz-expected-bucket-owner, whatever the call.
bool has_expected_owner(const Call& call, std::string_view owner_id) {
  const auto expected = call.header("x-amz-expected-bucket-owner");
  return !expected || *expected == owner_id;
}

// Whether the caller may ask at all in a bucket where who asks has to pay.
bool pays(const Call& call) {
  const auto& settings = call.bucket->settings;
  if (settings.empty() || !settings.contains(kRequesterPaysSetting)) return true;
  if (call.anonymous()) return false;
  if (call.user().id == call.bucket->owner_id) return true;
  return equals_caseless(call.header("x-amz-request-payer").value_or(""), "requester");
}

}  // namespace

// The bucket exists and the caller may do with it what the route means.
Task<Outcome<>> Service::State::enter_bucket(Call& call) {
  if (!call.route->needs_bucket) {
    if (call.route->handler == &post_object) co_return done();  // it asks itself, when it knows who and what
    if (!call.target.bucket.empty() && !has_expected_owner(call, call.user().id)) co_return S3Error::access_denied;
    co_return co_await authorizer.authorize(call);
  }
  auto bucket = co_await store.bucket(call.target.bucket);
  if (!bucket) co_return bucket.error();
  if (!has_expected_owner(call, (*bucket)->owner_id)) {
    co_return Failure(S3Error::access_denied).with_header("x-amz-bucket-region", options.region);
  }
  call.bucket = std::move(*bucket);
  if (!pays(call)) co_return Failure(S3Error::access_denied).with_header("x-amz-bucket-region", options.region);
  if (reads_for_benchmark(call)) co_return done();
  co_return co_await authorizer.authorize(call);
}

bool Service::State::reads_for_benchmark(const Call& call) const {
  return options.unsafe_anonymous_reads && call.anonymous() && call.route->handler == &get_object;
}

// A GET that needs nothing but memory is answered without a single suspension: for small objects the coroutines of the
// long way cost as much as the system calls.
std::optional<Outcome<Response>> Service::State::answer_from_memory(Call& call) {
  // Another version than the current one goes the long way.
  if (call.route->handler != &get_object || call.head() || call.target.has("versionId")) return std::nullopt;
  auto object = store.open_cached(call.target.bucket, call.target.key);
  // What lies in memory of an encrypted object is cipher text.
  if (!object || !object->info->controls.encryption.empty()) return std::nullopt;
  if (!has_expected_owner(call, object->bucket->owner_id)) return S3Error::access_denied;
  call.bucket = object->bucket;
  if (!pays(call)) return S3Error::access_denied;
  if (!reads_for_benchmark(call)) {
    if (auto allowed = authorizer.authorize_cached(call, *object->bucket, *object->info); !allowed) return allowed.error();
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
  auto response = co_await call.route->handler(call);
  if (!response) {
    const bool reads = call.bucket != nullptr && call.route->scope == Scope::object && !call.route->copy &&
                       (call.route->method == "GET" || call.route->method == "HEAD");
    if (!reads || reads_for_benchmark(call)) co_return response;
    co_return authorizer.hide_missing(call, *call.bucket, response.error());
  }
  if (call.version_check_pending || call.tags_check_pending) {
    // A handler that answers before it asked would answer anybody.
    storage::log_error("authorization_left_open",
                       {{"request_id", call.request.request_id}, {"operation", call.route->operation}});
    co_return Failure(S3Error::internal_error);
  }
  co_return response;
}

// Of a bucket with logging; what failed before its bucket was known is not logged.
void Service::State::log_access(const Call& call, const Response& response, std::string_view error,
                                std::int64_t began_ns) {
  if (!call.bucket || call.route == nullptr || call.bucket->settings.empty()) return;
  const auto target = settings.logging.get(*call.bucket);
  if (!target) return;
  const std::int64_t took_ms = (clock.monotonic_ns() - began_ns) / 1'000'000;
  access_log.add(*call.bucket, *target, options.region,
                 access_log_line(call, response, error, clock.wall_ms(), took_ms));
}

Task<Outcome<Response>> Service::State::read_for_site(const Request& request, HttpBody& body,
                                                      storage::BucketInfoPtr bucket, std::string key) {
  Call call{request, body, store, clock, options, authorizer, {}, {}, nullptr, {}};
  call.keyring = &keyring;
  call.settings = &settings;
  call.authenticator = &authenticator;
  call.answers = &answers;
  call.label_streams = &label_streams;
  call.rule_runs = &rule_runs;
  call.events = &events;
  call.target.bucket = bucket->name;
  call.target.key = std::move(key);
  const auto route = find_route(request.method, call.target, false);
  if (!route) co_return route.error();
  call.route = *route;
  auto response = co_await run(call);
  if (response) co_return response;
  co_return with_context(response.error(), call.target);
}

Task<bool> Service::State::exists_for_site(const Request& request, HttpBody& body, storage::BucketInfoPtr bucket,
                                           std::string key) {
  const auto found = co_await read_for_site(request, body, std::move(bucket), std::move(key));
  co_return found.has_value();
}

// Websites know no signatures and speak HTML.
Task<Response> Service::State::answer_site(const Request& request, HttpBody& body) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (!reads) co_return website_error(request, S3Error::method_not_allowed, {});
  const auto target = parse_target(request.target, request.header("host").value_or(""), options.website_domains);
  if (!target) co_return website_error(request, target.error(), {});
  storage::Result<storage::BucketInfoPtr> bucket = storage::Errc::bucket_not_found;
  if (is_bucket_name(target->bucket)) bucket = co_await store.bucket(target->bucket);
  if (!bucket) co_return website_error(request, bucket.error(), {});
  const auto website = settings.website.get(**bucket);
  if (!website) co_return website_error(request, S3Error::no_such_website_configuration, {});
  WebsiteReads calls;
  calls.get = [this, &request, &body, &bucket](std::string key) {
    return read_for_site(request, body, *bucket, std::move(key));
  };
  calls.exists = [this, &request, &body, &bucket](std::string key) {
    return exists_for_site(request, body, *bucket, std::move(key));
  };
  Response response = co_await answer_website(*website, request, target->key, std::move(calls));
  if (request.header("origin")) add_cors_headers(request, settings.cors.get(**bucket).get(), response.headers);
  response.operation = "Website";
  co_return response;
}

Service::Service(storage::ObjectStore& store, storage::Clock& clock, ServiceOptions options)
    : state_(std::make_unique<State>(store, clock, std::move(options))) {}
Service::~Service() = default;

Task<> Service::flush_access_logs() {
  co_await state_->access_log.flush();
  co_await state_->answers.expire();
}

Task<> Service::run_label_streams() {
  co_await state_->label_streams.keep();
  co_await state_->rule_runs.keep();
}

Task<> Service::run_lifecycle() { co_await state_->lifecycle.run_once(); }

Task<storage::Result<>> Service::start() {
  const auto users = co_await state_->registry.load();
  if (!users) co_return users.error();
  constexpr std::int64_t kAbandonedMs = 7LL * 24 * 3600 * 1000;
  const auto swept = co_await sweep_hidden_bucket(state_->store, state_->clock.wall_ms() - kAbandonedMs);
  // A store that takes no writes now must serve reads all the same; what is left goes with the next start.
  if (!swept) storage::log_warn("hidden_bucket_not_swept", {{"why", swept.error().message()}});
  const auto streams = co_await state_->label_streams.sweep();
  if (!streams) storage::log_warn("label_streams_not_swept", {{"why", streams.error().message()}});
  co_return co_await state_->events.start();
}

UserRegistry& Service::users() { return state_->registry; }
EventQueue& Service::events() { return state_->events; }

Task<Response> Service::handle(const Request& request, HttpBody& body) {
  if (bucket_below(request.header("host").value_or(""), state_->options.website_domains)) {
    co_return co_await state_->answer_site(request, body);
  }
  Call call{request, body, state_->store, state_->clock, state_->options, state_->authorizer, {}, {}, nullptr, {}};
  call.keyring = &state_->keyring;
  call.settings = &state_->settings;
  call.authenticator = &state_->authenticator;
  call.answers = &state_->answers;
  call.label_streams = &state_->label_streams;
  call.rule_runs = &state_->rule_runs;
  call.events = &state_->events;
  if (state_->is_sts(call)) {
    auto answer = co_await answer_sts(call, state_->authenticator, state_->sessions);
    if (answer) {
      if (!call.anonymous()) answer->user = call.user().id;
      if (answer->operation.empty()) answer->operation = "Unknown";
      co_return std::move(*answer);
    }
  }
  const std::int64_t began_ns = state_->clock.monotonic_ns();
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
  state_->log_access(call, response, outcome ? std::string_view() : error_row(outcome.error().error()).code, began_ns);
  if (request.method != "OPTIONS" && request.header("origin")) co_await state_->add_cors(call, response);
  response.operation = call.route != nullptr ? call.route->operation : "Unknown";
  if (request.method == "OPTIONS") response.operation = "Preflight";
  if (!call.anonymous()) response.user = call.user().id;
  co_return response;
}

}  // namespace api
