#include "api/events/event_queue.h"

#include <openssl/rand.h>

#include <stdexcept>

#include "api/encoding.h"
#include "api/events/event_record.h"
#include "storage/base/log.h"

namespace api {
namespace {

constexpr std::uint32_t kRowsPerPage = 1000;

}  // namespace

EventQueue::EventQueue(storage::ObjectStore& store, storage::Clock& clock, const NotificationOptions& options)
    : store_(store), clock_(clock), options_(options) {
  unsigned char random[4];
  if (RAND_bytes(random, sizeof random) != 1) throw std::runtime_error("no random bytes for the names of events");
  boot_ = to_hex({reinterpret_cast<const char*>(random), sizeof random});
  for (const EventTarget& target : options.targets) {
    if (target.name == options.event_bridge) event_bridge_ = states_.size();
    auto state = std::make_unique<TargetState>();
    state->table = "event-queue." + std::string(kind_name(target.kind)) + "." + target.name;
    states_.push_back(std::move(state));
  }
}

storage::Task<storage::Result<>> EventQueue::start() {
  for (const auto& state : states_) {
    std::string after;
    for (;;) {
      const auto rows = co_await store_.registry_rows(state->table, after, kRowsPerPage);
      if (!rows) co_return rows.error();
      for (const storage::RegistryRow& row : *rows) {
        state->events.fetch_add(1, std::memory_order_relaxed);
        state->bytes.fetch_add(row.value.size(), std::memory_order_relaxed);
      }
      if (rows->size() < kRowsPerPage) break;
      after = rows->back().name;
    }
  }
  co_return storage::success();
}

std::uint64_t EventQueue::next_sequence() {
  const std::uint64_t now = static_cast<std::uint64_t>(clock_.wall_ms()) << 20;
  std::uint64_t last = sequence_.load(std::memory_order_relaxed);
  std::uint64_t next = 0;
  do {
    next = std::max(last + 1, now);
  } while (!sequence_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return next;
}

storage::CompanionRow EventQueue::row(std::size_t target, std::uint64_t sequence, std::string message) const {
  return {states_[target]->table, sequence_text(sequence) + "." + boot_, std::move(message)};
}

bool EventQueue::reserve(std::size_t target, std::size_t message_bytes) {
  TargetState& state = *states_[target];
  const std::uint64_t events = state.events.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t bytes = state.bytes.fetch_add(message_bytes, std::memory_order_relaxed);
  if (events < options_.queue_events_max && bytes + message_bytes <= options_.queue_bytes_max) {
    return true;
  }
  release(target, message_bytes);
  state.dropped.fetch_add(1, std::memory_order_relaxed);
  if (!state.full.exchange(true, std::memory_order_relaxed)) {
    storage::log_warn("events_dropped", {{"target", options_.targets[target].name}, {"queued", events}});
  }
  return false;
}

void EventQueue::release(std::size_t target, std::size_t message_bytes) {
  states_[target]->events.fetch_sub(1, std::memory_order_relaxed);
  states_[target]->bytes.fetch_sub(message_bytes, std::memory_order_relaxed);
}

void EventQueue::wake(std::size_t target) { states_[target]->written.wake(); }

storage::Task<storage::Result<bool>> EventQueue::put(std::size_t target, std::string message) {
  const std::size_t bytes = message.size();
  if (!reserve(target, bytes)) co_return false;
  storage::CompanionRow companion = row(target, next_sequence(), std::move(message));
  storage::RegistryRow stored;
  stored.name = std::move(companion.name);
  stored.value = std::move(companion.value);
  const auto put = co_await store_.put_registry_row(std::move(companion.table), std::move(stored), std::nullopt);
  if (!put) {
    release(target, bytes);
    co_return storage::Result<bool>(boost::system::in_place_error, put.error());
  }
  wake(target);
  co_return true;
}

storage::Task<storage::Result<std::vector<QueuedEvent>>> EventQueue::next(std::size_t target, std::string after,
                                                                          std::uint32_t limit) {
  auto rows = co_await store_.registry_rows(states_[target]->table, std::move(after), limit);
  if (!rows) co_return rows.error();
  std::vector<QueuedEvent> events;
  for (storage::RegistryRow& row : *rows) events.push_back({std::move(row.name), std::move(row.value)});
  co_return events;
}

storage::Task<storage::Result<>> EventQueue::done(std::size_t target, std::vector<QueuedEvent> events) {
  TargetState& state = *states_[target];
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
  for (const QueuedEvent& event : events) {
    names.push_back(event.name);
    bytes += event.message.size();
  }
  const std::size_t count = names.size();
  if (count == 0) co_return storage::success();
  const auto removed = co_await store_.remove_registry_rows(state.table, std::move(names));
  if (!removed) co_return removed.error();
  state.events.fetch_sub(count, std::memory_order_relaxed);
  state.bytes.fetch_sub(bytes, std::memory_order_relaxed);
  state.delivered.fetch_add(count, std::memory_order_relaxed);
  state.full.store(false, std::memory_order_relaxed);
  co_return storage::success();
}

EventQueue::Totals EventQueue::totals(std::size_t target) const {
  const TargetState& state = *states_[target];
  Totals totals;
  totals.queued_events = state.events.load(std::memory_order_relaxed);
  totals.queued_bytes = state.bytes.load(std::memory_order_relaxed);
  totals.delivered = state.delivered.load(std::memory_order_relaxed);
  totals.dropped = state.dropped.load(std::memory_order_relaxed);
  return totals;
}

}  // namespace api
