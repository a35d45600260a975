// EventDelivery: brings events from their queue to their targets, again and again until they are taken.
//
// Retry     after a failure 0.25 s, then twice as long each time, at most 30 s; the other targets go on meanwhile.
// Threads   one of its own, in which files are synced and connections wait.
// Lifetime  the queue and the registry outlive it. stop() before the store stops.
#pragma once

#include <memory>
#include <string>

#include "api/events/event_queue.h"
#include "storage/base/metrics.h"

namespace server {

class EventDelivery {
 public:
  EventDelivery(api::EventQueue& queue, storage::MetricsRegistry& metrics);
  ~EventDelivery();

  // Without targets nothing is started. False and a sentence in `why` when a target cannot work.
  bool start(std::string& why);
  // Ends what is under way: what was not taken yet stays queued. Blocks.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace server
