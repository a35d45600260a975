#include "server/core.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <vector>

#include "server/session.h"
#include "storage/base/log.h"

namespace server {
namespace {

namespace asio = boost::asio;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                         storage::Executor>;

constexpr std::int64_t kSweepMs = 1000;
constexpr std::int64_t kStopSweepMs = 50;
// A sweep that comes this much late says that the process stood still.
constexpr std::int64_t kStandstillMs = 1000;
constexpr std::int64_t kIdleMsMin = 1000;

bool too_slow(const Connection& connection, const Patience& patience, MemoryShort memory, std::int64_t now_ms) {
  const std::uint64_t least = patience.bytes_per_second_min;
  return (memory.for_senders && connection.receiving().slower_than(least, now_ms)) ||
         (memory.for_readers && connection.sending().slower_than(least, now_ms)) ||
         connection.sending_long().slower_than(patience.reader_bytes_per_second_min, now_ms);
}

}  // namespace

bool Core::busy() const {
  return std::any_of(sessions.begin(), sessions.end(), [](const Session* session) { return session->admitted(); });
}

void Core::end_oldest_idle(std::size_t count) {
  const std::int64_t now_ms = Connection::coarse_now_ms();
  std::vector<Session*> idle;
  for (Session* session : sessions) {
    if (session->idle() && now_ms - session->idle_since_ms() >= kIdleMsMin) idle.push_back(session);
  }
  count = std::min(count, idle.size());
  const auto last = idle.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(idle.begin(), last, idle.end(),
                    [](const Session* a, const Session* b) { return a->idle_since_ms() < b->idle_since_ms(); });
  std::for_each(idle.begin(), last, [](Session* session) { session->connection().expire(); });
}

void Core::sweep(std::int64_t now_ms, std::int64_t late_ms) {
  if (late_ms >= kStandstillMs && !cutting) {
    // What arrived meanwhile waits in the sockets: it is seen before anybody is judged again.
    for (Session* session : sessions) session->connection().forgive(late_ms);
    return;
  }
  const MemoryShort memory = memory_short ? memory_short() : MemoryShort{};
  std::uint64_t slow = 0;
  for (Session* session : sessions) {
    Connection& connection = session->connection();
    connection.look_at_sending(now_ms);
    const bool too_late = connection.past_deadline(now_ms) || cutting || (closing && session->idle());
    const bool cut_slow = !too_late && too_slow(connection, patience, memory, now_ms);
    slow += cut_slow ? 1 : 0;
    if (too_late || cut_slow) connection.expire();
  }
  if (slow == 0) return;
  if (slow_clients_cut != nullptr) slow_clients_cut->add(slow);
  storage::log_info("slow_clients_cut", {{"clients", slow}});
}

storage::Task<> keep_sweeping(Core& core) {
  Timer timer(core.executor);
  std::int64_t swept_ms = Connection::coarse_now_ms();
  // A cancellation that comes while no wait is under way ends none: it is looked for.
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  while (cancellation.cancelled() == asio::cancellation_type::none) {
    const std::int64_t period_ms = core.closing ? kStopSweepMs : kSweepMs;
    timer.expires_after(std::chrono::milliseconds(period_ms));
    auto [error] = co_await timer.async_wait(asio::as_tuple(storage::use_task));
    if (error) co_return;
    const std::int64_t now_ms = Connection::coarse_now_ms();
    core.sweep(now_ms, now_ms - swept_ms - period_ms);
    swept_ms = now_ms;
  }
}

}  // namespace server
