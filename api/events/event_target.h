// EventTarget: where events can be sent, as the configuration declares it, and the ARNs by which buckets name it.
//
// An ARN is arn:PARTITION:SERVICE:REGION:NAME:webhook or ...:directory. The partition is granary or minio (whose clients write
// it so); service sqs, sns and lambda mean the same; the region is this store's, or empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace api {

enum class EventTargetKind : std::uint8_t { webhook, directory };
std::string_view kind_name(EventTargetKind kind);

struct EventTarget {
  EventTargetKind kind = EventTargetKind::webhook;
  std::string name;  // 1 to 64 letters, digits, '-', '_' and '.'
  std::string url;                    // of a webhook
  std::string token;                  // of a webhook: goes with each call; may be empty
  std::string certificate_authority;  // of a webhook: a PEM file; empty: the system's authorities
  std::string path;                   // of a directory
};

struct NotificationOptions {
  std::vector<EventTarget> targets;
  std::string event_bridge;              // the name of a target, for buckets with EventBridge; empty: nobody listens there
  std::uint64_t queue_events_max = 100'000;      // of each target; what comes on top is dropped and counted
  std::uint64_t queue_bytes_max = 64ULL << 20;  // likewise
};

bool is_target_name(std::string_view name);

struct TargetArn {
  std::string_view partition;
  std::string_view service;
  std::string_view region;
  std::string_view name;
  std::string_view kind;
};
// nullopt for what is no ARN at all. The views are into `text`.
std::optional<TargetArn> parse_target_arn(std::string_view text);

// Which of `targets` the ARN names; nullopt when none.
std::optional<std::size_t> find_target(const std::vector<EventTarget>& targets, std::string_view arn);

}  // namespace api
