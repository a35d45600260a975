// Pacer: how fast one kind of upkeep goes. While clients are being served it keeps to a budget in bytes per second;
// when nobody asks for anything it may go as fast as the drives do.
//
// Threads   any; one pacer may be shared by several tasks, which then share its budget.
// Units     bytes that upkeep reads or writes on drives, whatever the caller counts.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "storage/base/clock.h"
#include "storage/base/result.h"
#include "storage/base/task.h"

namespace storage::upkeep {

class Pacer {
 public:
  struct Options {
    std::uint64_t busy_bytes_per_s = 32ULL << 20;  // beside clients; at least 1
    std::uint64_t idle_bytes_per_s = 0;            // without clients; 0: as fast as it goes
  };

  // `client_calls` counts what clients have asked for so far; it only grows. Empty: there are no clients.
  Pacer(Clock& clock, std::function<std::uint64_t()> client_calls, Options options);

  // Waits until the budget has room for `bytes` more. Errc::shutting_down when the waiting task is cancelled.
  Task<Result<>> spend(std::uint64_t bytes);

  // The same without the waiting: books `bytes` and returns how long the caller has to wait, in nanoseconds.
  std::int64_t book(std::uint64_t bytes);

  // From the next spend() on.
  void set_options(Options options);
  Options options() const;

 private:
  bool busy(std::int64_t now_ns);

  Clock& clock_;
  const std::function<std::uint64_t()> client_calls_;
  mutable std::mutex mutex_;
  Options options_;
  std::int64_t paid_until_ns_ = 0;  // when all that was booked has been paid for
  std::int64_t looked_ns_ = 0;      // when client_calls_ was last looked at
  std::uint64_t calls_seen_ = 0;
  bool busy_ = false;
};

}  // namespace storage::upkeep
