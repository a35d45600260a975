#include "api/events/change_events.h"

#include "api/bucket_settings.h"
#include "api/call.h"

namespace api {

ChangeEvents::ChangeEvents(const Call& call, EventKind kind) : kind_(kind) {
  if (call.events == nullptr || !call.bucket || call.bucket->settings.empty()) return;
  rules_ = call.settings->notification.get(*call.bucket);
  if (!rules_) return;
  queue_ = call.events;
  clock_ = &call.clock;
  facts_.region = call.bucket->location.empty() ? std::string_view(call.region()) : call.bucket->location;
  facts_.principal_id = call.user().id;
  facts_.source_address = call.request.peer;
  facts_.request_id = call.request.request_id;
  facts_.bucket = call.bucket->name;
  facts_.bucket_owner = call.bucket->owner_id;
}

ChangeEvents::ChangeEvents(const EventScope& scope, const storage::BucketInfo& bucket, EventKind kind) : kind_(kind) {
  rules_ = scope.settings.notification.get(bucket);
  if (!rules_) return;
  queue_ = &scope.queue;
  clock_ = &scope.clock;
  // As S3 signs what it does by itself.
  constexpr std::string_view kService = "s3.amazonaws.com";
  facts_.region = bucket.location.empty() ? scope.region : std::string_view(bucket.location);
  facts_.principal_id = kService;
  facts_.source_address = kService;
  facts_.bucket = bucket.name;
  facts_.bucket_owner = bucket.owner_id;
}

ChangeEvents::~ChangeEvents() { release(); }

ChangeEvents& ChangeEvents::or_marker(EventKind kind) {
  marker_kind_ = kind;
  return *this;
}

ChangeEvents& ChangeEvents::also(EventKind kind, std::string key) {
  if (rules_) others_.emplace_back(kind, std::move(key));
  return *this;
}

void ChangeEvents::release() {
  for (const Reservation& each : reserved_) queue_->release(each.target, each.bytes);
  reserved_.clear();
}

std::vector<storage::CompanionRow> ChangeEvents::rows(const storage::ObjectInfo& version) {
  release();  // of an attempt that came to nothing
  facts_.time_ms = clock_->wall_ms();
  std::vector<storage::CompanionRow> rows;
  const bool marker = marker_kind_ && version.delete_marker;
  add(marker ? *marker_kind_ : kind_, version.key, version, rows);
  for (const auto& [kind, key] : others_) add(kind, key, version, rows);
  return rows;
}

void ChangeEvents::committed() {
  for (const Reservation& each : reserved_) queue_->wake(each.target);
  reserved_.clear();
}

void ChangeEvents::add(EventKind kind, std::string_view key, const storage::ObjectInfo& version,
                       std::vector<storage::CompanionRow>& rows) {
  for (const NotificationRule& rule : rules_->rules) {
    if (!rule.meets(kind, key)) continue;
    // A target that the configuration has no more gets nothing.
    const auto target = find_target(queue_->targets(), rule.arn);
    if (!target) continue;
    const EventSubject subject{kind, key, version, queue_->next_sequence()};
    add_row(*target, subject.sequence, event_message(facts_, subject, rule.id), rows);
  }
  if (!rules_->event_bridge || !queue_->event_bridge()) return;
  const EventSubject subject{kind, key, version, queue_->next_sequence()};
  std::string message = event_bridge_message(facts_, subject);
  if (!message.empty()) add_row(*queue_->event_bridge(), subject.sequence, std::move(message), rows);
}

void ChangeEvents::add_row(std::size_t target, std::uint64_t sequence, std::string message,
                           std::vector<storage::CompanionRow>& rows) {
  const std::size_t bytes = message.size();
  if (!queue_->reserve(target, bytes)) return;
  reserved_.push_back({target, bytes});
  rows.push_back(queue_->row(target, sequence, std::move(message)));
}

}  // namespace api
