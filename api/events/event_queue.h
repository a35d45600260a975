// EventQueue: events that are to be delivered, durable in the store's registry until they are.
//
// Durability  an event is a row that becomes durable in the transaction of the change it tells of (ChangeEvents); it goes once
//             its target has taken it. So each is delivered at least once, across kill -9 and power cuts.
// Order       of one key, as its changes; of one target, nearly by time.
// Bounds      queue_events_max and queue_bytes_max for each target. Beyond them the oldest stay and what is new is dropped,
//             counted and logged once an episode: a target that is away for long must not stop the writes.
// Threads     any. Lifetime: the store, the clock and the options outlive it. start() once, before the first request.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/events/event_target.h"
#include "storage/base/clock.h"
#include "storage/base/signal.h"
#include "storage/object_store.h"

namespace api {

struct QueuedEvent {
  std::string name;     // of the row: sorts by age
  std::string message;  // JSON
};

class EventQueue {
 public:
  EventQueue(storage::ObjectStore& store, storage::Clock& clock, const NotificationOptions& options);

  // Counts what an earlier process left.
  storage::Task<storage::Result<>> start();

  const std::vector<EventTarget>& targets() const { return options_.targets; }
  // The target of EventBridge, if there is one.
  std::optional<std::size_t> event_bridge() const { return event_bridge_; }

  // --- For those who write. Numbers grow, also across restarts unless the clock goes back.
  std::uint64_t next_sequence();
  // The row of an event for `target`. What was reserved with reserve() is released when the row is not written after all.
  storage::CompanionRow row(std::size_t target, std::uint64_t sequence, std::string message) const;
  bool reserve(std::size_t target, std::size_t message_bytes);  // false: there is no room, which is counted as a drop
  void release(std::size_t target, std::size_t message_bytes);
  void wake(std::size_t target);  // a row was written
  // An event of its own, such as a test; false when there is no room.
  storage::Task<storage::Result<bool>> put(std::size_t target, std::string message);

  // --- For who delivers; one task a target.
  // The oldest events after that of name `after`, at most `limit` (1..1,000).
  storage::Task<storage::Result<std::vector<QueuedEvent>>> next(std::size_t target, std::string after, std::uint32_t limit);
  // Forgets events that were delivered.
  storage::Task<storage::Result<>> done(std::size_t target, std::vector<QueuedEvent> events);
  storage::Signal& signal(std::size_t target) { return states_[target]->written; }

  struct Totals {
    std::uint64_t queued_events = 0;
    std::uint64_t queued_bytes = 0;
    std::uint64_t delivered = 0;
    std::uint64_t dropped = 0;
  };
  Totals totals(std::size_t target) const;

 private:
  struct TargetState {
    std::string table;
    storage::Signal written;
    std::atomic<std::uint64_t> events{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> delivered{0};
    std::atomic<std::uint64_t> dropped{0};
    std::atomic<bool> full{false};  // an episode of drops has been logged
  };

  storage::ObjectStore& store_;
  storage::Clock& clock_;
  const NotificationOptions& options_;
  std::optional<std::size_t> event_bridge_;
  std::string boot_;  // makes the names of this process its own
  std::vector<std::unique_ptr<TargetState>> states_;
  std::atomic<std::uint64_t> sequence_{0};
};

}  // namespace api
