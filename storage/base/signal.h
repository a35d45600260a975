// Signal: many tasks wait, each at most for a while, until somebody says that things have changed.
//
// Use       read generation(), look at the state, then wait() for a generation other than the one read: no change between
//           the look and the wait is lost.
// Threads   any. A waiter resumes on its own executor.
// Bound     kWaitersMax tasks; beyond it wait() ends at once, as if its time were over.
// Lifetime  outlives its calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "storage/base/task.h"

namespace storage {

class Signal {
 public:
  static constexpr std::size_t kWaitersMax = 65'536;

  std::uint64_t generation() const;
  enum class Outcome : std::uint8_t { changed, timed_out, cancelled };
  // Completes when the generation is another than `seen`, after `timeout`, or when the waiting task is cancelled.
  Task<Outcome> wait(std::uint64_t seen, std::chrono::milliseconds timeout);
  // Begins the next generation.
  void wake();

 private:
  struct Waiter;
  mutable std::mutex mutex_;
  std::uint64_t generation_ = 1;
  std::list<std::shared_ptr<Waiter>> waiters_;
};

}  // namespace storage
