#include "storage/segment/byte_quota.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "storage/base/check.h"

namespace storage::segment {
namespace asio = boost::asio;

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

struct ByteQuota::Waiter {
  Waiter(Executor on, std::uint64_t wanted) : executor(on), bytes(wanted), timer(on) {}
  Executor executor;
  std::uint64_t bytes;
  bool granted = false;  // under the quota's mutex
  Timer timer;           // touched on `executor` only
};

Task<Result<>> ByteQuota::acquire(std::uint64_t bytes, std::uint32_t timeout_ms) {
  bytes = std::min(bytes, bytes_max_);
  Executor executor = co_await asio::this_coro::executor;
  std::shared_ptr<Waiter> waiter;
  {
    std::lock_guard lock(mutex_);
    if (waiters_.empty() && used_ + bytes <= bytes_max_) {
      used_ += bytes;
      co_return success();
    }
    if (waiters_.size() >= kWaitersMax) co_return Errc::overloaded;
    waiter = std::make_shared<Waiter>(executor, bytes);
    waiter->timer.expires_after(std::chrono::milliseconds(timeout_ms));
    waiters_.push_back(waiter);
  }
  auto [ended] = co_await waiter->timer.async_wait(asio::as_tuple(use_task));
  std::lock_guard lock(mutex_);
  if (waiter->granted) co_return success();
  waiters_.remove(waiter);
  grant_in_order();
  co_return ended ? Errc::shutting_down : Errc::overloaded;
}

void ByteQuota::release(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  bytes = std::min(bytes, bytes_max_);
  CHECK(bytes <= used_);
  used_ -= bytes;
  grant_in_order();
}

// Under the mutex.
void ByteQuota::grant_in_order() {
  while (!waiters_.empty() && used_ + waiters_.front()->bytes <= bytes_max_) {
    std::shared_ptr<Waiter> waiter = std::move(waiters_.front());
    waiters_.pop_front();
    waiter->granted = true;
    used_ += waiter->bytes;
    // A far expiry set in the past ends the wait even if it has not started yet.
    asio::post(waiter->executor, [waiter] { waiter->timer.expires_at(Timer::time_point::min()); });
  }
}

std::uint64_t ByteQuota::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace storage::segment
