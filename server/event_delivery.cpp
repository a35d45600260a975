#include "server/event_delivery.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>
#include <future>
#include <thread>
#include <vector>

#include "server/event_directory.h"
#include "server/webhook.h"
#include "storage/base/log.h"
#include "storage/base/task_group.h"

namespace server {
namespace {

namespace asio = boost::asio;
using storage::Task;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                         storage::Executor>;

constexpr std::chrono::seconds kStopTime{3};
constexpr std::chrono::milliseconds kFirstPause{250};
constexpr std::chrono::milliseconds kLongestPause{30'000};
// Events of a process that is gone by another way than this one's signal are found at the latest then.
constexpr std::chrono::milliseconds kLookPeriod{60'000};

}  // namespace

struct EventDelivery::State {
  api::EventQueue& queue;
  storage::MetricsRegistry& metrics;
  asio::io_context context{1};
  asio::executor_work_guard<storage::Executor> keep_running{context.get_executor()};
  storage::TaskGroup tasks;
  std::vector<std::unique_ptr<EventSink>> sinks;
  std::thread thread;

  State(api::EventQueue& the_queue, storage::MetricsRegistry& the_metrics) : queue(the_queue), metrics(the_metrics) {}

  bool make_sink(const api::EventTarget& target, std::string& why);
  void register_metrics(std::size_t target);
  Task<bool> deliver_some(std::size_t target, std::string& after, bool& empty, std::string& why);
  Task<> keep_delivering(std::size_t target);
};

bool EventDelivery::State::make_sink(const api::EventTarget& target, std::string& why) {
  if (target.kind == api::EventTargetKind::directory) {
    auto sink = std::make_unique<DirectorySink>(target.path, storage::system_clock());
    if (!sink->open(why)) return false;
    sinks.push_back(std::move(sink));
    return true;
  }
  try {
    sinks.push_back(make_webhook_sink(context.get_executor(), target));
    return true;
  } catch (const boost::system::system_error& error) {
    why = fmt::format("the webhook \"{}\" cannot be used: {}", target.name, error.code().message());
    return false;
  }
}

void EventDelivery::State::register_metrics(std::size_t target) {
  const api::EventTarget& declared = queue.targets()[target];
  const storage::MetricLabels labels{{"target", declared.name}};
  const auto add = [&](const char* name, const char* help, std::uint64_t api::EventQueue::Totals::*member) {
    metrics.gauge_function(name, help, labels,
                           [this, target, member] { return static_cast<double>(queue.totals(target).*member); });
  };
  using Totals = api::EventQueue::Totals;
  add("api_events_queued", "Events that wait for their target.", &Totals::queued_events);
  add("api_events_queued_bytes", "Bytes of events that wait for their target.", &Totals::queued_bytes);
  add("api_events_delivered_total", "Events that their target has taken.", &Totals::delivered);
  add("api_events_dropped_total", "Events that found the queue of their target full.", &Totals::dropped);
}

// One batch. False: what could not be done now has to wait.
Task<bool> EventDelivery::State::deliver_some(std::size_t target, std::string& after, bool& empty, std::string& why) {
  EventSink& sink = *sinks[target];
  auto events = co_await queue.next(target, after, sink.batch());
  if (!events) {
    why = events.error().message();
    co_return false;
  }
  empty = events->empty();
  if (empty) co_return true;
  const std::size_t taken = co_await sink.deliver(*events, why);
  const bool all = taken == events->size();
  events->resize(taken);
  if (taken > 0) after = events->back().name;
  const auto forgotten = co_await queue.done(target, std::move(*events));
  if (!forgotten) {
    why = forgotten.error().message();
    after.clear();  // they are still there, and come again
  }
  co_return all && forgotten.has_value();
}

Task<> EventDelivery::State::keep_delivering(std::size_t target) {
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  Timer timer(context.get_executor());
  std::string after;
  std::chrono::milliseconds pause = kFirstPause;
  bool failing = false;
  while (cancellation.cancelled() == asio::cancellation_type::none) {
    storage::Signal& written = queue.signal(target);
    const std::uint64_t seen = written.generation();
    bool empty = false;
    std::string why;
    const bool went = co_await deliver_some(target, after, empty, why);
    if (!went) {
      if (!failing) storage::log_warn("events_wait", {{"target", queue.targets()[target].name}, {"why", why}});
      failing = true;
      timer.expires_after(pause);
      co_await timer.async_wait(asio::as_tuple(storage::use_task));
      pause = std::min(pause * 2, kLongestPause);
      continue;
    }
    if (failing && !empty) {
      storage::log_info("events_flow", {{"target", queue.targets()[target].name}});
      failing = false;
      pause = kFirstPause;
    }
    if (!empty) continue;
    // Rows that sort before the last one may have come since: looked for from the beginning before the wait.
    if (!after.empty()) {
      after.clear();
      continue;
    }
    co_await written.wait(seen, kLookPeriod);
  }
}

EventDelivery::EventDelivery(api::EventQueue& queue, storage::MetricsRegistry& metrics)
    : state_(std::make_unique<State>(queue, metrics)) {}

EventDelivery::~EventDelivery() { stop(); }

bool EventDelivery::start(std::string& why) {
  for (const api::EventTarget& target : state_->queue.targets()) {
    if (!state_->make_sink(target, why)) return false;
  }
  if (state_->sinks.empty()) return true;
  for (std::size_t target = 0; target < state_->sinks.size(); ++target) {
    state_->register_metrics(target);
    state_->tasks.spawn(state_->context.get_executor(), state_->keep_delivering(target));
  }
  state_->thread = std::thread([&context = state_->context] { context.run(); });
  return true;
}

void EventDelivery::stop() {
  if (!state_ || !state_->thread.joinable()) return;
  const auto end = [](State& state) -> Task<> {
    state.tasks.cancel();
    for (const auto& sink : state.sinks) sink->close();
    co_await state.tasks.join();
  };
  std::future<void> ended = asio::co_spawn(state_->context, end(*state_), asio::use_future);
  state_->keep_running.reset();
  if (ended.wait_for(kStopTime) == std::future_status::ready) {
    state_->thread.join();
    return;
  }
  // A name server that does not answer holds a look-up that nothing can cancel. The process does not wait for it: no more of
  // this runs, and what it stands on is kept for the rest of the process' life.
  storage::log_warn("events_stop_cut");
  state_->context.stop();
  state_->thread.join();
  static_cast<void>(state_.release());
}

}  // namespace server
