// The events that buckets can announce, by the names of S3's notification configurations.
//
// A configuration may name any of S3's events; those that cannot happen here (restores, replication) never do.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace api {

enum class EventKind : std::uint8_t {
  created_put,
  created_post,
  created_copy,
  created_complete,
  removed_delete,
  removed_marker,
  restore_post,
  restore_completed,
  restore_delete,
  replication_failed,
  replication_not_tracked,
  replication_missed,
  replication_replicated,
  reduced_redundancy_lost,
  lifecycle_transition,
  intelligent_tiering,
  acl_put,
  expiration_delete,
  expiration_marker,
  tagging_put,
  tagging_delete,
  annotation_put,
  annotation_delete,
  retention_put,
};
inline constexpr std::size_t kEventKinds = 24;

// A set of kinds, one bit each.
using EventSet = std::uint32_t;
static_assert(kEventKinds <= 32);
constexpr EventSet event_bit(EventKind kind) { return EventSet{1} << static_cast<unsigned>(kind); }

// "ObjectCreated:Put": as in records, without "s3:".
std::string_view event_name(EventKind kind);

// What "s3:ObjectCreated:Put" or "s3:ObjectCreated:*" stands for; nullopt for what is no event of S3.
std::optional<EventSet> events_by_name(std::string_view name);

}  // namespace api
