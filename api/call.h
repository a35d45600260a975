// Call: one request on its way through the operations: what arrived, who sent it, and what it is about.
//
// Lifetime  lives in the frame of Service::handle() for the whole call; operations take it by reference.
#pragma once

#include <optional>
#include <string_view>

#include "api/authorization.h"
#include "api/error_table.h"
#include "api/request_target.h"
#include "api/routes.h"
#include "api/service.h"
#include "api/sigv4.h"

namespace api {

class KeptAnswers;
class LabelStreams;
class RuleRuns;
class EventQueue;
class Keyring;
struct BucketSettings;
class XmlWriter;

struct Call {
  const Request& request;
  HttpBody& body;
  storage::ObjectStore& store;
  storage::Clock& clock;
  const ServiceOptions& options;
  const Authorizer& authorizer;
  RequestTarget target;
  Identity identity;
  const Route* route = nullptr;
  storage::BucketInfoPtr bucket;  // of routes with needs_bucket
  // What Authorizer leaves to the handler, which must settle it before it answers.
  bool version_check_pending = false;  // Authorizer::check_version()
  bool tags_check_pending = false;     // Authorizer::check_tags()
  storage::ObjectInfoPtr authorized_version;  // the version that was looked up to decide; may be null
  Keyring* keyring = nullptr;     // of the service; never null in an operation
  BucketSettings* settings = nullptr;  // likewise
  const Authenticator* authenticator = nullptr;  // likewise
  KeptAnswers* answers = nullptr;                // likewise
  LabelStreams* label_streams = nullptr;         // likewise
  RuleRuns* rule_runs = nullptr;                 // likewise
  // Where the object of this call really lies: of uploads to virtual objects.
  std::optional<storage::ObjectKey> staged;
  EventQueue* events = nullptr;   // likewise
  bool form = false;              // a PUT that came as a browser's form

  // A header; x-amz- names may stand in the query instead, where presigning clients put them.
  std::optional<std::string_view> header(std::string_view name) const {
    if (const auto value = request.header(name)) return value;
    if (target.query.empty() || !name.starts_with("x-amz-")) return std::nullopt;
    return target.parameter(name);
  }

  // The region that answers name; never empty.
  const std::string& region() const { return options.region; }

  storage::ObjectKey object_key() const {
    return staged ? *staged : storage::ObjectKey{target.bucket, target.key};
  }
  bool anonymous() const { return identity.credential == nullptr; }
  const Principal* principal() const { return anonymous() ? nullptr : identity.credential->principal.get(); }
  // Who asks; without a signature AWS's anonymous user, who has an id and nothing else.
  const Principal& user() const;
  bool head() const { return request.method == "HEAD"; }
};

// 200 with the document as its body.
Response xml_response(XmlWriter& xml);
Response empty_response(unsigned status);

// The owner of things as <Owner> and the like show it: the id, and the name if it is a known
// user.
void write_owner(XmlWriter& xml, std::string_view element, const ServiceOptions& options,
                 std::string_view id);

// A query parameter that is a number of 0..max (more is cut to max); `fallback` when absent or empty.
// Errors: InvalidArgument.
Outcome<std::uint32_t> number_parameter(const Call& call, std::string_view name, std::uint32_t max,
                                        std::uint32_t fallback);

// ?partNumber: 1..10,000, nullopt when absent. Errors: InvalidArgument.
Outcome<std::optional<std::uint32_t>> part_number_parameter(const Call& call);

Failure invalid_argument(std::string_view name, std::string_view value, std::string message = {});

}  // namespace api
