#include "storage/base/signal.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

namespace storage {
namespace asio = boost::asio;

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

struct Signal::Waiter {
  explicit Waiter(Executor on) : executor(on), timer(on) {}
  Executor executor;
  Timer timer;  // touched on `executor` only
};

std::uint64_t Signal::generation() const {
  std::lock_guard lock(mutex_);
  return generation_;
}

Task<Signal::Outcome> Signal::wait(std::uint64_t seen, std::chrono::milliseconds timeout) {
  auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
  {
    std::lock_guard lock(mutex_);
    if (generation_ != seen) co_return Outcome::changed;
    if (waiters_.size() >= kWaitersMax) co_return Outcome::timed_out;
    waiter->timer.expires_after(timeout);
    waiters_.push_back(waiter);
  }
  auto [ended] = co_await waiter->timer.async_wait(asio::as_tuple(use_task));
  std::lock_guard lock(mutex_);
  waiters_.remove(waiter);
  if (generation_ != seen) co_return Outcome::changed;
  co_return ended ? Outcome::cancelled : Outcome::timed_out;
}

void Signal::wake() {
  std::list<std::shared_ptr<Waiter>> woken;
  {
    std::lock_guard lock(mutex_);
    ++generation_;
    woken.swap(waiters_);
  }
  for (const std::shared_ptr<Waiter>& waiter : woken) {
    // An expiry in the past ends the wait even if it has not started yet.
    asio::post(waiter->executor, [waiter] { waiter->timer.expires_at(Timer::time_point::min()); });
  }
}

}  // namespace storage
