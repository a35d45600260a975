// Signal: many tasks wait, each at most for a while, until somebody says that things have changed.
//
// Use       read generation(), look at the state, then wait() for a generation other than the one read: no change between
//           the look and the wait is lost.
// Threads   any. A waiter resumes on its own executor.
// Errors    Errc::shutting_down when the waiting task is cancelled; Errc::overloaded when kWaitersMax tasks wait already.
// Lifetime  outlives its calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "storage/base/result.h"
#include "storage/base/task.h"

namespace storage {

class Signal {
 public:
  static constexpr std::size_t kWaitersMax = 65'536;

  std::uint64_t generation() const;
  // Completes when the generation is another than `seen` (true), or after `timeout` (false).
  Task<Result<bool>> wait(std::uint64_t seen, std::chrono::milliseconds timeout);
  // Begins the next generation.
  void wake();

 private:
  struct Waiter;
  mutable std::mutex mutex_;
  std::uint64_t generation_ = 1;
  std::list<std::shared_ptr<Waiter>> waiters_;
};

}  // namespace storage
