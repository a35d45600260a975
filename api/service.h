// Service: what S3 means. Takes a parsed request head and a body to read, gives an answer; no sockets here.
//
// Threads   one Service for the process; handle() runs on any core's executor, any number at once.
// Lifetime  the Request (and the memory its views point to) and the body outlive handle() and the answer's body.
// Errors    none leaves handle(): every failure is an answer with an S3 error document.
// Body      is not read unless the request is authorised and known; the first read() lets the session send
//           "100 Continue". What handle() leaves unread, the session drains within a bound or closes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/events/event_target.h"
#include "api/secret_key.h"
#include "storage/object_store.h"

namespace api {

using storage::Task;

struct HeaderField {
  std::string_view name;   // as received, any case
  std::string_view value;  // as received, surrounding blanks trimmed
};

// A request head exactly as it arrived: nothing decoded, nothing normalised (signatures are over the bytes).
struct Request {
  std::string_view method;
  std::string_view target;           // path and query, undecoded
  std::vector<HeaderField> headers;  // in order of arrival
  bool tls = false;
  std::string_view request_id;       // 16 characters, made by the session
  std::string_view peer;             // address, for logs and policies

  // First field of that name (case-insensitive), or nullopt.
  std::optional<std::string_view> header(std::string_view name) const;
};

// The body after HTTP framing (Content-Length or chunked) was taken off.
class HttpBody : public storage::ByteSource {
 public:
  // Content-Length if there was one; nullopt with chunked transfer coding.
  virtual std::optional<std::uint64_t> content_length() const = 0;
  virtual bool chunked() const = 0;
};
// read() reports a body that was cut short (connection closed) as http_body_truncated, one that stalled as
// http_body_timeout, broken chunk framing as http_body_malformed.
enum class BodyErrc { http_body_truncated = 1, http_body_timeout, http_body_malformed };
boost::system::error_code make_error_code(BodyErrc code) noexcept;

struct Response {
  unsigned status = 200;
  // Header lines, each "Name: value\r\n", without Content-Length, Date, Server, Connection, x-amz-request-id and
  // x-amz-id-2, which the session adds.
  std::string headers;
  // A small body, or bytes of the memory cache, or a stream of exactly `content_length` bytes, or none of them.
  std::string text;
  storage::ObjectReader::Chunk cached;
  std::unique_ptr<storage::OpenObject> object;    // owns what `stream` reads
  std::unique_ptr<storage::ObjectReader> stream;
  std::uint64_t content_length = 0;               // of text or stream; for HEAD: what a GET would have
  bool head_only = false;                         // answer to HEAD: announce the length, send no body
  bool close = false;                             // end the connection after this answer
  std::string_view operation;                     // e.g. "PutObject": a static string, for metrics and logs
  std::string user;                               // the id of who asked; empty if not authenticated

  void add_header(std::string_view name, std::string_view value);
};

// The text of x-amz-id-2 and of <HostId> for a request.
std::string host_id(std::string_view request_id);

struct User {
  std::string name;        // display name
  std::string id;          // canonical user id, shown as Owner
  std::string email;
  std::string access_key;
  std::string secret_key;
};

// Server-side encryption.
struct EncryptionOptions {
  std::map<std::string, SecretKeyPtr, std::less<>> keys;  // by the id that SSE-KMS requests name
  std::string default_key;  // for SSE-KMS requests that name none; empty: those are refused
  bool allow_http = false;  // SSE-C and SSE-KMS without TLS, for tests
};

// Lifecycle. Shorter days are for tests.
struct LifecycleOptions {
  std::uint32_t day_seconds = 24 * 3600;
  std::uint32_t scan_seconds = 3600;  // how often somebody looks whether anything is due
};

// Answers of virtual objects that are kept for their readers (virtual/kept_answers.h).
struct AnswerLimits {
  std::size_t answers_max = 4096;
  std::size_t memory_bytes_max = 16 * 1024 * 1024;
  std::uint64_t spooled_bytes_max = 8ULL * 1024 * 1024 * 1024;
  std::uint64_t answer_bytes_max = 256ULL * 1024 * 1024;  // of one; above: InvalidRequest
  std::int64_t idle_ms = 10 * 60 * 1000;
};
class EventQueue;
class UserDirectory;
class UserRegistry;

struct ServiceOptions {
  std::string region = "us-east-1";
  std::vector<std::string> locations;  // further LocationConstraints that CreateBucket takes
  std::vector<std::string> domains;    // virtual-hosted style: BUCKET.domain; localhost always
  std::vector<User> users;
  std::vector<std::string> website_domains;  // websites: BUCKET.domain; BUCKET.s3-website.localhost always
  EncryptionOptions encryption;
  LifecycleOptions lifecycle;
  AnswerLimits answers;
  NotificationOptions notifications;
  std::vector<std::string> storage_classes;  // beside those of AWS; what transitions may name
  // The key that seals users' secrets and temporary credentials: 32 bytes, or none, which does without both.
  std::string secrets_key;
  bool signature_v2 = true;            // the old signature is taken too
  bool unsafe_anonymous_reads = false;  // benchmarks only: GET and HEAD of objects without a signature
  const UserDirectory* directory = nullptr;  // filled in by the Service from `users`
};

class Service {
 public:
  Service(storage::ObjectStore& store, storage::Clock& clock, ServiceOptions options);
  ~Service();

  // Reads the users of the metadata store, counts undelivered events and clears what answers a former process kept. Once, before
  // the first request.
  Task<storage::Result<>> start();

  Task<Response> handle(const Request& request, HttpBody& body);

  // One round of what lifecycle rules say is due, in all buckets. One task at a time, apart from the requests; the caller
  // decides how often (LifecycleOptions::scan_seconds).
  Task<> run_lifecycle();

  // Goes on with streams of labels that a restart or an impatient client left, and with rules being applied to what is there. One task at a time; the caller decides how often.
  Task<> run_label_streams();

  // Writes the access logs that have been gathered, and drops kept answers that nobody wants any more. One task at a time; the caller decides how often.
  Task<> flush_access_logs();
  // The users of the metadata store, for the operator. Lives as the Service.
  UserRegistry& users();
  // Events on their way to their targets, for who delivers them. Lives as the Service.
  EventQueue& events();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace api

template <>
struct boost::system::is_error_code_enum<api::BodyErrc> : std::true_type {};
