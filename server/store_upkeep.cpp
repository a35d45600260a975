#include "server/store_upkeep.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "storage/base/log.h"
#include "storage/base/task_group.h"
#include "storage/upkeep/live_counters.h"
#include "storage/upkeep/live_index.h"
#include "storage/upkeep/pacer.h"

namespace server {
namespace {

namespace asio = boost::asio;
namespace upkeep = storage::upkeep;
using storage::Errc;

constexpr std::size_t kBuffer = storage::io::kMaxBufferBytes;
constexpr int kNiceness = 5;

// Buffers of kMaxBufferBytes for rebuild, scrub in the background and on demand, and check.
std::size_t sweep_bytes(std::uint64_t memory_bytes) {
  const std::size_t parallel = upkeep_parallel(memory_bytes);
  return (2 * parallel + 2 * parallel + 2 + 2) * kBuffer;
}

upkeep::Pacer::Options pace_of(std::uint64_t bytes_per_second) {
  upkeep::Pacer::Options options;
  options.busy_bytes_per_s = bytes_per_second;
  return options;
}

Task<Result<bool>> any_live(upkeep::LiveIndex& index, storage::segment::SegmentId segment,
                            storage::segment::StripeInfo stripe) {
  auto live = co_await index.live(segment, std::move(stripe));
  // An error converts to bool, so it has to say that it is one.
  if (!live) co_return Result<bool>(boost::system::in_place_error, live.error());
  co_return !live->empty();
}

}  // namespace

std::uint32_t upkeep_parallel(std::uint64_t memory_bytes) {
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(memory_bytes >> 29, 1, 4));
}

std::size_t share_for_upkeep(std::uint64_t memory_bytes) {
  return upkeep::Collector::kPoolBytesMin + sweep_bytes(memory_bytes);
}

struct StoreUpkeep::State {
  State(Parts parts, const Config& config, storage::MetricsRegistry& metrics, std::function<std::uint64_t()> client_calls);

  // Runs a task on the upkeep thread; the caller resumes on its own executor.
  template <class T>
  Task<T> hop(Task<T> task) {
    co_return co_await asio::co_spawn(context, std::move(task), storage::use_task);
  }

  Task<> run_check() {
    Result<> done = co_await checker.run();
    if (!done) storage::log_error("check_failed", {{"error", done.error().message()}});
    checking.store(false);
  }

  asio::io_context context{1};
  asio::executor_work_guard<storage::Executor> keep_running{context.get_executor()};
  std::thread thread;
  storage::io::BufferPool collector_pool;
  storage::io::BufferPool sweep_pool;
  upkeep::Pacer collector_pacer;
  upkeep::Pacer rebuild_pacer;
  upkeep::Pacer scrub_pacer;
  upkeep::LiveIndex& index;
  upkeep::Collector collector;
  upkeep::DriveChanges changes;
  upkeep::Rebuilder rebuilder;
  upkeep::Scrubber scrubber;
  upkeep::Checker checker;
  std::atomic<bool> checking{false};
  storage::TaskGroup tasks;

 private:
  upkeep::Rebuilder::Hooks hooks();
  storage::segment::Referenced referenced() {
    return [this](storage::segment::SegmentId segment, storage::segment::StripeInfo stripe) {
      return any_live(index, segment, std::move(stripe));
    };
  }
  static upkeep::Rebuilder::Options rebuild_options(const Config& config);
  static upkeep::Scrubber::Options scrub_options(const Config& config);
};

upkeep::Rebuilder::Hooks StoreUpkeep::State::hooks() {
  upkeep::Rebuilder::Hooks hooks;
  hooks.rewrite = [this](storage::segment::SegmentId segment) { return collector.rewrite(segment); };
  hooks.emptied = [this](std::uint32_t member) { return changes.emptied(member); };
  hooks.referenced = referenced();
  return hooks;
}

upkeep::Rebuilder::Options StoreUpkeep::State::rebuild_options(const Config& config) {
  upkeep::Rebuilder::Options options;
  options.grace_s = config.upkeep.rebuild_grace_s;
  options.parallel_max = upkeep_parallel(config.memory_bytes);
  return options;
}

upkeep::Scrubber::Options StoreUpkeep::State::scrub_options(const Config& config) {
  upkeep::Scrubber::Options options;
  options.period_s = config.upkeep.scrub_period_s;
  options.parallel_max = upkeep_parallel(config.memory_bytes);
  return options;
}

StoreUpkeep::State::State(Parts parts, const Config& config, storage::MetricsRegistry& metrics,
                          std::function<std::uint64_t()> client_calls)
    : collector_pool(upkeep::Collector::kPoolBytesMin),
      sweep_pool(sweep_bytes(config.memory_bytes)),
      collector_pacer(storage::system_clock(), client_calls, pace_of(config.upkeep.collector_bytes_per_s)),
      rebuild_pacer(storage::system_clock(), client_calls, pace_of(config.upkeep.rebuild_bytes_per_s)),
      scrub_pacer(storage::system_clock(), client_calls, pace_of(config.upkeep.scrub_bytes_per_s)),
      index(parts.objects.live_index()),
      collector(parts.segments, index, parts.objects.live_counters(), collector_pool, collector_pacer,
                storage::system_clock(), metrics),
      changes(parts.drives, std::move(parts.mirrors)),
      rebuilder(parts.drives, parts.segments, storage::system_clock(), metrics, rebuild_pacer, sweep_pool, hooks(),
                rebuild_options(config)),
      scrubber(parts.drives, parts.segments, storage::system_clock(), metrics, scrub_pacer, sweep_pool, referenced(),
               scrub_options(config)),
      checker(parts.segments, index, sweep_pool, scrub_pacer) {
  metrics.gauge_function("memory_used_bytes", "Memory in use, by user.", {{"user", "upkeep"}}, [this] {
    return static_cast<double>(collector_pool.used_bytes() + sweep_pool.used_bytes());
  });
  metrics.gauge("memory_max_bytes", "Bound of memory_used_bytes, by user.", {{"user", "upkeep"}})
      .set(static_cast<std::int64_t>(share_for_upkeep(config.memory_bytes)));
  thread = std::thread([this] {
    // What clients wait for comes first. A thread of its own has a priority of its own.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNiceness);
    context.run();
  });
}

StoreUpkeep::StoreUpkeep(Parts parts, const Config& config, storage::MetricsRegistry& metrics,
                         std::function<std::uint64_t()> client_calls)
    : state_(std::make_unique<State>(parts, config, metrics, std::move(client_calls))) {}

StoreUpkeep::~StoreUpkeep() { stop(); }

void StoreUpkeep::start() {
  state_->tasks.spawn(state_->context.get_executor(), state_->collector.run());
  state_->changes.start(state_->context.get_executor());
  state_->rebuilder.start(state_->context.get_executor());
  state_->scrubber.run_on(state_->context.get_executor());
}

void StoreUpkeep::stop() {
  if (!state_->thread.joinable()) return;
  state_->checker.stop();
  const auto end = [](State& state) -> Task<> {
    co_await state.rebuilder.stop();
    co_await state.scrubber.stop();
    co_await state.changes.stop();
    state.tasks.cancel();
    co_await state.tasks.join();
  };
  asio::co_spawn(state_->context, end(*state_), asio::use_future).get();
  state_->keep_running.reset();
  state_->thread.join();
}

Task<Result<std::uint32_t>> StoreUpkeep::add_drive(storage::segment::DriveSpec spec, std::string& why) {
  return state_->hop(state_->changes.add(std::move(spec), why));
}

Task<Result<>> StoreUpkeep::retire_drive(std::uint32_t member, std::string& why) {
  return state_->hop(state_->changes.retire(member, why));
}

Task<Result<std::uint32_t>> StoreUpkeep::replace_drive(std::uint32_t member, storage::segment::DriveSpec spec,
                                                       std::string& why) {
  return state_->hop(state_->changes.replace(member, std::move(spec), state_->rebuilder, why));
}

Result<> StoreUpkeep::start_scrub(std::optional<std::uint32_t> member) { return state_->scrubber.start(member); }

Result<> StoreUpkeep::start_check() {
  if (state_->checking.exchange(true)) return Errc::conflict;
  state_->tasks.spawn(state_->context.get_executor(), state_->run_check());
  return storage::success();
}

Task<Result<>> StoreUpkeep::check() { return state_->hop(state_->checker.run()); }

upkeep::Scrubber::Progress StoreUpkeep::demanded_scrub() const { return state_->scrubber.demanded(); }
upkeep::Scrubber::Progress StoreUpkeep::background_scrub() const { return state_->scrubber.background(); }
upkeep::Rebuilder::Progress StoreUpkeep::rebuild() const { return state_->rebuilder.progress(); }
upkeep::Collector::Totals StoreUpkeep::collected() const { return state_->collector.totals(); }
upkeep::Checker::Report StoreUpkeep::checked() const {
  // Looked at first: whoever sees the end may ask for the next one.
  const bool running = state_->checking.load();
  upkeep::Checker::Report report = state_->checker.report();
  if (running) report.state = upkeep::Checker::Report::State::running;
  return report;
}

}  // namespace server
