// ByteQuota: a bound on bytes that are somewhere at once, first come, first served.
//
// Threads   any; acquire() resumes on its caller's executor.
// Errors    Errc::overloaded after `timeout_ms` without room, or at once when kWaitersMax tasks wait already;
//           Errc::shutting_down when the waiting task is cancelled.
// Lifetime  outlives its calls.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "storage/base/result.h"
#include "storage/base/task.h"

namespace storage::segment {

class ByteQuota {
 public:
  explicit ByteQuota(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  static constexpr std::size_t kWaitersMax = 4096;

  // Takes `bytes`; more than the whole quota counts as the whole quota.
  Task<Result<>> acquire(std::uint64_t bytes, std::uint32_t timeout_ms);
  void release(std::uint64_t bytes);

  std::uint64_t used_bytes() const;
  std::uint64_t bytes_max() const { return bytes_max_; }

 private:
  struct Waiter;
  void grant_in_order();

  const std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::uint64_t used_ = 0;
  std::list<std::shared_ptr<Waiter>> waiters_;
};

}  // namespace storage::segment
