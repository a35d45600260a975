// Lifecycle rules of a bucket: what they say, whom they meet, when something is due.
//
// Days      a rule of N days is due at the first midnight (UTC) that lies N days of 24 hours after an event; where the
//           configuration makes days shorter, for tests, exactly N of those after it. Headers speak of real days always.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/error_table.h"
#include "api/service.h"
#include "storage/object_store.h"

namespace api {

struct XmlElement;

// In storage::BucketInfo::settings: <LifecycleConfiguration> with an ID in every rule, and the minimum size of transitions
// where a request has said one.
inline constexpr std::string_view kLifecycleSetting = "lifecycle";
inline constexpr std::string_view kTransitionSizeSetting = "lifecycle-transition-size";

// A number of days after an event, or a moment.
struct LifecycleTime {
  std::uint32_t days = 0;
  std::optional<std::int64_t> date_ms;
};

struct LifecycleTransition {
  LifecycleTime time;
  std::string storage_class;
};

struct NoncurrentTransition {
  std::uint32_t days = 0;
  std::uint32_t kept = 0;  // the newest of them stay
  std::string storage_class;
};

struct LifecycleRule {
  std::string id;
  bool enabled = false;
  std::string prefix;
  storage::NameValues tags;
  std::optional<std::uint64_t> size_above;  // bytes
  std::optional<std::uint64_t> size_below;
  std::optional<LifecycleTime> expiration;
  bool expired_markers = false;
  std::optional<std::uint32_t> noncurrent_days;
  std::uint32_t noncurrent_kept = 0;  // the newest of them stay
  std::optional<std::uint32_t> abort_days;
  std::vector<LifecycleTransition> transitions;
  std::vector<NoncurrentTransition> noncurrent_transitions;
};

struct LifecycleRules {
  std::vector<LifecycleRule> rules;
};

// `storage_classes`: those that transitions may name. Errors: InvalidArgument, InvalidRequest, InvalidStorageClass,
// MalformedXML.
Outcome<LifecycleRules> parse_lifecycle(const XmlElement& document, const std::vector<std::string>& storage_classes);
// The same of a stored text, whose classes were checked when it came; null if it is none.
std::shared_ptr<const LifecycleRules> stored_lifecycle(std::string_view text);
// Gives every rule that has none an ID of its own.
void name_rules(XmlElement& document);

// Whether prefix, size and tags of an object fit.
bool rule_meets(const LifecycleRule& rule, std::string_view key, std::uint64_t size, const storage::NameValues& tags);

// When something is due that happened at `since_ms`, under days of `day_seconds`.
std::int64_t due_ms(std::int64_t since_ms, std::uint32_t days, std::uint32_t day_seconds);
std::int64_t due_ms(std::int64_t since_ms, const LifecycleTime& time, std::uint32_t day_seconds);

// x-amz-expiration of a current version under the rules, which may be null; nothing when none of them expires it.
void add_expiration_header(const LifecycleRules* rules, std::string_view key, std::uint64_t size,
                           const storage::NameValues& tags, std::int64_t modified_ms, Response& response);
// x-amz-abort-date and -rule-id of an upload.
void add_abort_headers(const LifecycleRules* rules, std::string_view key, std::int64_t initiated_ms,
                       Response& response);

}  // namespace api
