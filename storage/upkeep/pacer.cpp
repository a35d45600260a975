#include "storage/upkeep/pacer.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>

namespace storage::upkeep {
namespace asio = boost::asio;

namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

// Clients are looked at this often, and count as being served from a few calls in such a time on.
constexpr std::int64_t kLookNs = 50'000'000;
constexpr std::uint64_t kCallsOfBusy = 2;
// What was not spent is saved for this long, so that a pause of the scheduler does not cost budget.
constexpr std::int64_t kSavedNs = 20'000'000;
constexpr double kNsPerSecond = 1e9;

}  // namespace

Pacer::Pacer(Clock& clock, std::function<std::uint64_t()> client_calls, Options options)
    : clock_(clock), client_calls_(std::move(client_calls)), options_(options) {}

bool Pacer::busy(std::int64_t now_ns) {
  if (!client_calls_) return false;
  if (looked_ns_ == 0 || now_ns - looked_ns_ >= kLookNs) {
    const std::uint64_t calls = client_calls_();
    const std::int64_t periods = looked_ns_ == 0 ? 1 : std::max<std::int64_t>(1, (now_ns - looked_ns_) / kLookNs);
    busy_ = looked_ns_ != 0 && calls - calls_seen_ >= kCallsOfBusy * static_cast<std::uint64_t>(periods);
    calls_seen_ = calls;
    looked_ns_ = now_ns;
  }
  return busy_;
}

std::int64_t Pacer::book(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  const std::int64_t now_ns = clock_.monotonic_ns();
  const std::uint64_t rate =
      busy(now_ns) ? std::max<std::uint64_t>(options_.busy_bytes_per_s, 1) : options_.idle_bytes_per_s;
  if (rate == 0) {
    paid_until_ns_ = now_ns;
    return 0;
  }
  paid_until_ns_ = std::max(paid_until_ns_, now_ns - kSavedNs);
  paid_until_ns_ += static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(rate) * kNsPerSecond);
  return std::max<std::int64_t>(0, paid_until_ns_ - now_ns);
}

Task<Result<>> Pacer::spend(std::uint64_t bytes) {
  const std::int64_t wait_ns = book(bytes);
  if (wait_ns == 0) co_return success();
  Timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::nanoseconds(wait_ns));
  auto [ended] = co_await timer.async_wait(asio::as_tuple(use_task));
  if (ended) co_return Errc::shutting_down;
  co_return success();
}

void Pacer::set_options(Options options) {
  std::lock_guard lock(mutex_);
  options_ = options;
}

Pacer::Options Pacer::options() const {
  std::lock_guard lock(mutex_);
  return options_;
}

}  // namespace storage::upkeep
