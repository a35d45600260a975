#include "storage/segment/gate.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>

#include "storage/base/check.h"

namespace storage::segment {
namespace asio = boost::asio;

Task<> Gate::wait() {
  Executor executor = co_await asio::this_coro::executor;
  auto initiate = [this, executor](auto handler) {
    // std::function wants a copyable callable; the handler of a coroutine is move-only.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto resume = [shared, executor] { asio::post(executor, [shared] { std::move (*shared)(); }); };
    resume_ = resume;
    std::uint8_t expected = kClosed;
    // Once kWaiting is published, open() may resume the coroutine and *this may be gone: nothing after it
    // touches the gate.
    if (state_.compare_exchange_strong(expected, kWaiting, std::memory_order_acq_rel)) return;
    CHECK(expected == kOpen);
    resume_ = nullptr;
    resume();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(std::move(initiate), use_task);
}

void Gate::open() {
  const std::uint8_t before = state_.exchange(kOpen, std::memory_order_acq_rel);
  CHECK(before != kOpen);
  if (before == kClosed) return;
  const std::function<void()> resume = std::move(resume_);
  resume();
}

Task<AsyncLock::Hold> AsyncLock::lock() {
  Gate gate;
  bool wait = false;
  {
    std::lock_guard guard(mutex_);
    if (held_) {
      waiters_.push_back(&gate);
      wait = true;
    } else {
      held_ = true;
    }
  }
  if (wait) co_await gate.wait();  // unlock() hands the lock over: held_ stays true
  co_return Hold(this);
}

void AsyncLock::unlock() {
  Gate* next = nullptr;
  {
    std::lock_guard guard(mutex_);
    CHECK(held_);
    if (waiters_.empty()) {
      held_ = false;
    } else {
      next = waiters_.front();
      waiters_.pop_front();
    }
  }
  if (next != nullptr) next->open();
}

}  // namespace storage::segment
