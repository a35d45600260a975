#include "api/events/event_kind.h"

#include <array>

namespace api {
namespace {

// In the order of the enum.
constexpr std::array<std::string_view, kEventKinds> kNames{
    "ObjectCreated:Put",
    "ObjectCreated:Post",
    "ObjectCreated:Copy",
    "ObjectCreated:CompleteMultipartUpload",
    "ObjectRemoved:Delete",
    "ObjectRemoved:DeleteMarkerCreated",
    "ObjectRestore:Post",
    "ObjectRestore:Completed",
    "ObjectRestore:Delete",
    "Replication:OperationFailedReplication",
    "Replication:OperationNotTracked",
    "Replication:OperationMissedThreshold",
    "Replication:OperationReplicatedAfterThreshold",
    "ReducedRedundancyLostObject",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectAcl:Put",
    "LifecycleExpiration:Delete",
    "LifecycleExpiration:DeleteMarkerCreated",
    "ObjectTagging:Put",
    "ObjectTagging:Delete",
    "ObjectAnnotation:Put",
    "ObjectAnnotation:Delete",
    "ObjectRetention:Put",
};

// Those of S3; ObjectAcl and ObjectRetention have none.
constexpr std::array<std::string_view, 7> kFamilies{
    "ObjectCreated:", "ObjectRemoved:", "ObjectRestore:", "Replication:", "LifecycleExpiration:", "ObjectTagging:",
    "ObjectAnnotation:"};

EventSet family(std::string_view prefix) {
  EventSet events = 0;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i].starts_with(prefix)) events |= event_bit(static_cast<EventKind>(i));
  }
  return events;
}

}  // namespace

std::string_view event_name(EventKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::optional<EventSet> events_by_name(std::string_view name) {
  constexpr std::string_view kPrefix = "s3:";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return event_bit(static_cast<EventKind>(i));
  }
  if (!name.ends_with('*')) return std::nullopt;
  name.remove_suffix(1);
  for (const std::string_view known : kFamilies) {
    if (known == name) return family(known);
  }
  return std::nullopt;
}

}  // namespace api
