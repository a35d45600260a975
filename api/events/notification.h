// The notification configuration of a bucket: which events of which keys go where.
//
// Source  PutBucketNotificationConfiguration; of two rules that share an event, the keys must not overlap.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/error_table.h"
#include "api/events/event_kind.h"
#include "api/events/event_target.h"

namespace api {

struct XmlElement;

inline constexpr std::string_view kNotificationSetting = "notification";  // <NotificationConfiguration>

struct NotificationRule {
  std::string id;
  std::string arn;
  EventSet events = 0;
  std::string prefix;
  std::string suffix;

  bool meets(EventKind kind, std::string_view key) const {
    return (events & event_bit(kind)) != 0 && key.starts_with(prefix) && key.ends_with(suffix);
  }
};

struct NotificationRules {
  std::vector<NotificationRule> rules;
  bool event_bridge = false;
};

// What a document must agree with.
struct NotificationScope {
  const std::vector<EventTarget>& targets;
  std::string_view region;         // of the store
  std::string_view location;       // of the bucket; may be empty
  bool skip_validation = false;    // targets need not exist
};

// Checks a document, gives rules without an Id one and writes names as S3 gives them back. Errors: InvalidArgument,
// MalformedXML.
Outcome<NotificationRules> read_notifications(XmlElement& document, const NotificationScope& scope);
// The rules of a stored text; null if it is none.
std::shared_ptr<const NotificationRules> stored_notifications(std::string_view text);

}  // namespace api
