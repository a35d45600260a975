// EventSink: one place where events go.
//
// Threads   one executor; one deliver() at a time.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "api/events/event_queue.h"
#include "storage/base/task.h"

namespace server {

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Hands over `events` in order and says how many were taken for good, from the front; for less than all `why` tells. The
  // caller keeps both until it returns. Never longer than some ten seconds an event.
  virtual storage::Task<std::size_t> deliver(const std::vector<api::QueuedEvent>& events, std::string& why) = 0;
  // How many events one call should carry: what was taken is forgotten in one commit.
  virtual std::uint32_t batch() const = 0;
  // Ends what deliver() waits for.
  virtual void close() = 0;
};

}  // namespace server
