// Gate and AsyncLock: how coroutines of this folder wait for one another, across threads.
//
// Gate       one waits, one opens, once. The memory may die as soon as wait() has returned, even while open()
// is
//            still on its way out of another thread.
// AsyncLock  a mutex that may be held across co_await; first come, first served. Its users bound the queue.
// Threads    any. A waiter resumes on its own executor, by post. Neither wait can be cancelled: whoever holds
// the
//            other end is bounded by drives and commits, which always complete.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "storage/base/task.h"

namespace storage::segment {

class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // At most once.
  Task<> wait();
  // At most once. What happened before it is visible after wait().
  void open();

 private:
  enum : std::uint8_t { kClosed, kWaiting, kOpen };
  std::atomic<std::uint8_t> state_{kClosed};
  std::function<void()> resume_;
};

class AsyncLock {
 public:
  class Hold {
   public:
    Hold() = default;
    explicit Hold(AsyncLock* lock) : lock_(lock) {}
    Hold(Hold&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    Hold& operator=(Hold&& other) noexcept {
      std::swap(lock_, other.lock_);
      return *this;
    }
    ~Hold() {
      if (lock_ != nullptr) lock_->unlock();
    }

   private:
    AsyncLock* lock_ = nullptr;
  };

  // Completes when the caller holds the lock; the Hold gives it back.
  Task<Hold> lock();

 private:
  void unlock();

  std::mutex mutex_;
  bool held_ = false;
  std::deque<Gate*> waiters_;
};

}  // namespace storage::segment
