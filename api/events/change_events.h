// ChangeEvents: the events of one change of an object, as rows that become durable with it.
//
// Lifetime  in the frame of the operation that changes something; the call, the bucket and the queue outlive it. companion() is
//           handed to the store, which asks for the rows when it knows what the change makes of the object.
// Cost      a bucket without notifications: one look into its settings.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/events/event_queue.h"
#include "api/events/event_record.h"
#include "api/events/notification.h"
#include "storage/object_store.h"

namespace api {

struct Call;
struct BucketSettings;

// What events of any change need beside the change.
struct EventScope {
  EventQueue& queue;
  BucketSettings& settings;
  storage::Clock& clock;
  std::string_view region;
};

class ChangeEvents final : public storage::CommitCompanion {
 public:
  // `kind`: what happens to the key of the call.
  ChangeEvents(const Call& call, EventKind kind);
  // What a lifecycle rule does in `bucket`, which outlives this.
  ChangeEvents(const EventScope& scope, const storage::BucketInfo& bucket, EventKind kind);
  ~ChangeEvents() override;
  ChangeEvents(const ChangeEvents&) = delete;
  ChangeEvents& operator=(const ChangeEvents&) = delete;

  // Where the key itself is removed: what is announced when a delete marker is left instead.
  ChangeEvents& or_marker(EventKind kind);
  // Another key changes in the same transaction.
  ChangeEvents& also(EventKind kind, std::string key);

  // Null when nobody listens.
  storage::CommitCompanion* companion() { return rules_ ? this : nullptr; }

  std::vector<storage::CompanionRow> rows(const storage::ObjectInfo& version) override;
  void committed() override;

 private:
  struct Reservation {
    std::size_t target;
    std::size_t bytes;
  };
  void add(EventKind kind, std::string_view key, const storage::ObjectInfo& version,
           std::vector<storage::CompanionRow>& rows);
  void add_row(std::size_t target, std::uint64_t sequence, std::string message, std::vector<storage::CompanionRow>& rows);
  void release();

  EventQueue* queue_ = nullptr;
  storage::Clock* clock_ = nullptr;
  std::shared_ptr<const NotificationRules> rules_;
  EventFacts facts_;
  EventKind kind_;
  std::optional<EventKind> marker_kind_;
  std::vector<std::pair<EventKind, std::string>> others_;
  std::vector<Reservation> reserved_;
};

// One ChangeEvents for each of many changes of one call; they stay where they are.
using ManyChangeEvents = std::vector<std::unique_ptr<ChangeEvents>>;

}  // namespace api
