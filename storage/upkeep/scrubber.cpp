#include "storage/upkeep/scrubber.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "storage/base/log.h"

namespace storage::upkeep {
namespace asio = boost::asio;

using segment::ScrubStep;
using segment::SegmentId;
using segment::SegmentRecord;

namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kIdleNs = 10 * kNsPerSecond;  // between passes, and while there is nothing to read
constexpr std::int64_t kCatchUpNs =
    60 * kNsPerSecond;  // a pass that fell behind makes up for so much at once
constexpr unsigned kOverloadedTriesMax = 5;

}  // namespace

Scrubber::Scrubber(segment::DriveSet& drives, segment::SegmentStore& segments, Clock& clock,
                   MetricsRegistry& metrics, Pacer& pacer, io::BufferPool& pool,
                   segment::Referenced referenced, Options options)
    : drives_(drives),
      segments_(segments),
      clock_(clock),
      pacer_(pacer),
      pool_(pool),
      referenced_(std::move(referenced)),
      options_(options),
      bytes_counter_(metrics.counter("upkeep_scrub_bytes_total", "Bytes read by scrubs.")),
      stripes_counter_(metrics.counter("upkeep_scrub_stripes_total", "Stripes verified by scrubs.")),
      damaged_counter_(
          metrics.counter("upkeep_scrub_damaged_shards_total", "Damaged shards found by scrubs.")),
      repaired_counter_(metrics.counter("upkeep_scrub_repaired_shards_total", "Shards repaired by scrubs.")),
      lost_gauge_(metrics.gauge("upkeep_scrub_lost_stripes",
                                "Stripes beyond repair that a record refers to, as of the "
                                "last whole pass.")) {}

Scrubber::~Scrubber() = default;

void Scrubber::run_on(Executor executor) {
  {
    std::lock_guard lock(mutex_);
    executor_ = executor;
  }
  if (options_.period_s > 0) tasks_.spawn(executor, run());
}

Task<> Scrubber::stop() {
  stopping_.store(true);
  tasks_.cancel();
  {
    std::lock_guard lock(mutex_);
    executor_.reset();
    if (workers_ != nullptr) workers_->cancel();
  }
  co_await tasks_.join();
}

Scrubber::Progress Scrubber::background() const {
  std::lock_guard lock(mutex_);
  return background_;
}

Scrubber::Progress Scrubber::demanded() const {
  std::lock_guard lock(mutex_);
  return demanded_;
}

Task<Result<>> Scrubber::wait_ns(std::int64_t duration_ns) {
  if (stopping_.load()) co_return Errc::shutting_down;
  if (duration_ns <= 0) co_return success();
  Timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::nanoseconds(duration_ns));
  auto [ended] = co_await timer.async_wait(asio::as_tuple(use_task));
  if (ended || stopping_.load()) co_return Errc::shutting_down;
  co_return success();
}

std::vector<SegmentId> Scrubber::sealed(std::optional<std::uint32_t> member) const {
  std::vector<SegmentId> ids;
  for (const SegmentRecord& record : segments_.segments()) {
    if (record.state != SegmentRecord::State::sealed) continue;
    const bool there = !member || std::any_of(record.members.begin(), record.members.end(),
                                              [&](const auto& each) { return each.drive == *member; });
    if (there) ids.push_back(record.id);
  }
  return ids;
}

void Scrubber::note(const ScrubStep& step, Progress& progress) {
  bytes_counter_.add(step.bytes);
  stripes_counter_.add(step.stripes);
  damaged_counter_.add(step.shards_damaged);
  repaired_counter_.add(step.shards_repaired);
  std::lock_guard lock(mutex_);
  progress.bytes += step.bytes;
  progress.stripes += step.stripes;
  progress.headers_repaired += step.zone_headers_repaired;
  progress.shards_damaged += step.shards_damaged;
  progress.shards_repaired += step.shards_repaired;
  progress.shards_absent += step.shards_absent;
  progress.stripes_unreadable += step.stripes_unreadable;
  progress.stripes_lost += step.stripes_lost;
  progress.stripes_torn += step.stripes_torn;
}

Task<> Scrubber::scrub_superblocks(Progress& progress) {
  Result<std::uint64_t> bad = co_await drives_.scrub_superblocks();
  if (!bad) {
    log_warn("superblocks_not_written", {{"error", bad.error().message()}});
    co_return;
  }
  std::lock_guard lock(mutex_);
  progress.headers_repaired += *bad;
}

// Reads one segment to its end. `spread`: at the pace of the background. Errc::shutting_down, else what ended
// it early.
Task<Result<>> Scrubber::scrub_segment(SegmentId id, std::optional<std::uint32_t> member, Progress& progress,
                                       bool spread) {
  segment::ScrubRequest request;
  request.segment = id;
  request.member = member;
  request.pool = &pool_;
  request.referenced = referenced_;
  unsigned overloaded = 0;
  while (true) {
    if (stopping_.load()) co_return Errc::shutting_down;
    Result<ScrubStep> step = co_await segments_.scrub(request);
    if (!step && step.error() == Errc::overloaded && ++overloaded < kOverloadedTriesMax) continue;
    if (!step) co_return step.error();
    note(*step, progress);
    Result<> may = co_await pacer_.spend(step->bytes);
    if (may && spread) may = co_await spread_out(step->bytes);
    if (!may) co_return may;
    if (step->next_block == 0) co_return success();
    request.first_block = step->next_block;
  }
}

// Waits so long that a whole pass takes the configured time, and while a pass on demand is running.
Task<Result<>> Scrubber::spread_out(std::uint64_t bytes) {
  std::int64_t wait = 0;
  {
    std::lock_guard lock(mutex_);
    const double share =
        static_cast<double>(bytes) / static_cast<double>(std::max<std::uint64_t>(pass_bytes_, 1));
    const std::int64_t now_ns = clock_.monotonic_ns();
    due_ns_ = std::max(due_ns_, now_ns - kCatchUpNs) +
              static_cast<std::int64_t>(share * static_cast<double>(options_.period_s) * kNsPerSecond);
    wait = due_ns_ - now_ns;
  }
  Result<> waited = co_await wait_ns(wait);
  while (waited && demanded().running) waited = co_await wait_ns(kNsPerSecond);
  co_return waited;
}

Task<> Scrubber::run() {
  while (!stopping_.load()) {
    Result<> waited = co_await wait_ns(kIdleNs);
    if (!waited) co_return;
    const std::vector<SegmentId> ids = sealed(std::nullopt);
    if (ids.empty()) continue;
    {
      std::lock_guard lock(mutex_);
      background_ = {};
      background_.running = true;
      background_.started_ms = clock_.wall_ms();
      background_.segments_total = ids.size();
      pass_bytes_ = 0;
      for (const SegmentRecord& record : segments_.segments())
        pass_bytes_ += record.members.size() * drives_.zone_bytes();
      due_ns_ = clock_.monotonic_ns();
    }
    co_await scrub_superblocks(background_);
    for (const SegmentId id : ids) {
      Result<> done = co_await scrub_segment(id, std::nullopt, background_, true);
      if (!done && done.error() == Errc::shutting_down) co_return;
      std::lock_guard lock(mutex_);
      ++(done || done.error() == Errc::not_found ? background_.segments_done : background_.segments_skipped);
    }
    std::lock_guard lock(mutex_);
    background_.running = false;
    background_.ended_ms = clock_.wall_ms();
    lost_gauge_.set(static_cast<std::int64_t>(background_.stripes_lost));
    log_info("scrub_done", {{"bytes", background_.bytes},
                            {"damaged", background_.shards_damaged},
                            {"repaired", background_.shards_repaired},
                            {"stripes_lost", background_.stripes_lost}});
  }
}

Result<> Scrubber::begin_demanded(std::optional<std::uint32_t> member) {
  if (member && (*member >= drives_.member_count() || drives_.drive(*member) == nullptr))
    return Errc::invalid_argument;
  std::lock_guard lock(mutex_);
  if (demanded_.running) return Errc::conflict;
  demanded_ = {};
  demanded_.running = true;
  demanded_.member = member;
  demanded_.started_ms = clock_.wall_ms();
  return success();
}

Result<> Scrubber::start(std::optional<std::uint32_t> member) {
  std::optional<Executor> executor;
  {
    std::lock_guard lock(mutex_);
    executor = executor_;
  }
  if (!executor) return Errc::invalid_argument;
  Result<> begun = begin_demanded(member);
  if (begun) tasks_.spawn(*executor, run_demanded(member));
  return begun;
}

Task<Result<Scrubber::Progress>> Scrubber::pass(std::optional<std::uint32_t> member) {
  Result<> begun = begin_demanded(member);
  if (!begun) co_return begun.error();
  co_await run_demanded(member);
  co_return demanded();
}

Task<> Scrubber::run_demanded(std::optional<std::uint32_t> member) {
  Executor executor = co_await asio::this_coro::executor;
  std::vector<SegmentId> ids = sealed(member);
  std::atomic<std::size_t> next{0};
  TaskGroup workers;
  {
    std::lock_guard lock(mutex_);
    demanded_.segments_total = ids.size();
    workers_ = &workers;
  }
  const std::size_t count = std::min<std::size_t>(std::max(options_.parallel_max, 1U), ids.size());
  for (std::size_t i = 0; i < count; ++i) workers.spawn(executor, work(ids, next, member));
  if (count > 0) co_await workers.join();
  if (!stopping_.load()) co_await scrub_superblocks(demanded_);
  std::lock_guard lock(mutex_);
  workers_ = nullptr;
  demanded_.running = false;
  demanded_.ended_ms = clock_.wall_ms();
  if (!member && !stopping_.load()) lost_gauge_.set(static_cast<std::int64_t>(demanded_.stripes_lost));
  log_info("scrub_done", {{"drive", member ? std::to_string(*member) : std::string("all")},
                          {"bytes", demanded_.bytes},
                          {"damaged", demanded_.shards_damaged},
                          {"repaired", demanded_.shards_repaired},
                          {"stripes_lost", demanded_.stripes_lost}});
}

// `ids` and `next` live in the frame of run_demanded(), which joins.
Task<> Scrubber::work(std::vector<SegmentId>& ids, std::atomic<std::size_t>& next,
                      std::optional<std::uint32_t> member) {
  while (!stopping_.load()) {
    const std::size_t index = next.fetch_add(1);
    if (index >= ids.size()) co_return;
    Result<> done = co_await scrub_segment(ids[index], member, demanded_, false);
    if (!done && done.error() == Errc::shutting_down) co_return;
    std::lock_guard lock(mutex_);
    ++(done || done.error() == Errc::not_found ? demanded_.segments_done : demanded_.segments_skipped);
  }
}

}  // namespace storage::upkeep
