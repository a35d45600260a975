// The messages of events, as S3 sends them: one record each, in JSON without line breaks.
//
// Versions  2.1 of S3's event structure, and 2.3 for what came later (tags, ACLs, retention, annotations, lifecycle). The key
//           is encoded as in a form: a blank is a plus.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/events/event_kind.h"
#include "storage/object_store.h"

namespace api {

// Who did what, where and when.
struct EventFacts {
  std::string_view region;
  std::string_view principal_id;
  std::string_view source_address;
  std::string_view request_id;
  std::string_view bucket;
  std::string_view bucket_owner;
  std::int64_t time_ms = 0;
};

// A change of `key`, which is not always that of `version` (a rename). `sequence`: grows with each change of a key.
struct EventSubject {
  EventKind kind;
  std::string_view key;
  const storage::ObjectInfo& version;
  std::uint64_t sequence = 0;
};

// {"Records": [...]}. `rule_id`: of the rule that asked.
std::string event_message(const EventFacts& facts, const EventSubject& subject, std::string_view rule_id);
// The form of EventBridge; empty for what it knows no event for.
std::string event_bridge_message(const EventFacts& facts, const EventSubject& subject);
// s3:TestEvent, which a target gets when a configuration names it.
std::string event_test_message(const EventFacts& facts);

// 16 digits that sort as the numbers do.
std::string sequence_text(std::uint64_t sequence);

}  // namespace api
