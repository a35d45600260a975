#include "storage/upkeep/rebuilder.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "storage/base/log.h"

namespace storage::upkeep {
namespace asio = boost::asio;

using segment::DriveStatus;
using segment::MemberInfo;
using segment::SegmentRecord;

namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint32_t kPauseMaxS = 600;
// After so many the drives are looked at again: what is most endangered may have changed.
constexpr std::size_t kJobsPerRoundMax = 64;

bool away(DriveStatus status) { return status == DriveStatus::lost || status == DriveStatus::missing; }

}  // namespace

Rebuilder::Rebuilder(segment::DriveSet& drives, segment::SegmentStore& segments, Clock& clock,
                     MetricsRegistry& metrics, Pacer& pacer, io::BufferPool& pool, Hooks hooks,
                     Options options)
    : drives_(drives),
      segments_(segments),
      clock_(clock),
      pacer_(pacer),
      pool_(pool),
      hooks_(std::move(hooks)),
      options_(options),
      degraded_gauge_(
          metrics.gauge("upkeep_segments_degraded", "Segments with a shard that cannot be read.")),
      left_gauge_(
          metrics.gauge("upkeep_rebuild_segments_left", "Segments that the rebuilder has still to move.")),
      moved_counter_(metrics.counter("upkeep_rebuild_shards_total", "Shards moved to another drive.")),
      bytes_counter_(metrics.counter("upkeep_rebuild_bytes_total", "Bytes read and written by rebuilds.")) {}

Rebuilder::~Rebuilder() = default;

void Rebuilder::start(Executor executor) { tasks_.spawn(executor, run()); }

Task<> Rebuilder::stop() {
  stopping_.store(true);
  tasks_.cancel();
  {
    std::lock_guard lock(mutex_);
    if (workers_ != nullptr) workers_->cancel();
  }
  co_await tasks_.join();
}

Task<> Rebuilder::run() {
  Executor executor = co_await asio::this_coro::executor;
  Timer timer(executor);
  while (!stopping_.load()) {
    const bool more = co_await round();
    if (more) continue;
    timer.expires_after(std::chrono::milliseconds(options_.look_ms));
    auto [ended] = co_await timer.async_wait(asio::as_tuple(use_task));
    if (ended) co_return;
  }
}

Task<Result<>> Rebuilder::pace(std::uint64_t bytes) {
  if (stopping_.load()) co_return Errc::shutting_down;
  bytes_counter_.add(bytes);
  {
    std::lock_guard lock(mutex_);
    progress_.bytes += bytes;
  }
  co_return co_await pacer_.spend(bytes);
}

void Rebuilder::prefer(std::uint32_t lost, std::uint32_t replacement) {
  std::lock_guard lock(mutex_);
  replacements_[lost] = replacement;
}

Rebuilder::Progress Rebuilder::progress() const {
  std::lock_guard lock(mutex_);
  return progress_;
}

// Retiring members, and those away for longer than the grace time.
std::set<std::uint32_t> Rebuilder::members_to_empty() {
  const std::int64_t now_ns = clock_.monotonic_ns();
  std::set<std::uint32_t> leaving;
  std::lock_guard lock(mutex_);
  for (const MemberInfo& member : drives_.members()) {
    if (!away(member.status)) {
      away_since_ns_.erase(member.number);
    } else {
      const std::int64_t since = away_since_ns_.emplace(member.number, now_ns).first->second;
      if (now_ns - since >= options_.grace_s * kNsPerSecond) leaving.insert(member.number);
    }
    if (member.retiring && member.status != DriveStatus::retired) leaving.insert(member.number);
  }
  return leaving;
}

// What is to be done for `leaving`, most endangered segments first; seals those that are still open.
Task<std::vector<Rebuilder::Job>> Rebuilder::plan(const std::set<std::uint32_t>& leaving) {
  std::vector<Job> jobs;
  std::uint64_t degraded = 0;
  std::uint64_t left = 0;
  for (SegmentRecord& record : segments_.segments()) {
    unsigned readable = 0;
    bool on_away = false;
    Job job;
    for (unsigned shard = 0; shard < record.members.size(); ++shard) {
      const std::uint32_t member = record.members[shard].drive;
      if (drives_.drive(member) != nullptr) ++readable;
      on_away = on_away || away(drives_.status(member));
      if (leaving.contains(member)) job.shards.push_back(shard);
    }
    if (on_away) ++degraded;
    if (on_away || !job.shards.empty()) ++left;
    const bool open = record.state == SegmentRecord::State::open;
    if (open && (on_away || !job.shards.empty())) {
      // Its appends fail anyway, or must; the next round finds it sealed.
      Result<> sealed = co_await segments_.seal(record.id);
      if (!sealed && sealed.error() != Errc::not_found) {
        log_warn("segment_not_sealed", {{"segment", record.id}, {"error", sealed.error().message()}});
      }
      continue;
    }
    if (job.shards.empty()) continue;
    job.spare = readable > record.data ? readable - record.data : 0;
    job.record = std::move(record);
    jobs.push_back(std::move(job));
  }
  std::stable_sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) { return a.spare < b.spare; });
  note_plan(degraded, left);
  co_return jobs;
}

void Rebuilder::note_plan(std::uint64_t degraded, std::uint64_t left) {
  degraded_gauge_.set(static_cast<std::int64_t>(degraded));
  left_gauge_.set(static_cast<std::int64_t>(left));
  std::lock_guard lock(mutex_);
  const bool was_degraded = progress_.segments_degraded > 0;
  if (degraded > 0 && !was_degraded) log_warn("segments_degraded", {{"segments", degraded}});
  if (degraded == 0 && was_degraded) {
    log_info("full_tolerance", {{"segments_moved", progress_.segments_done}, {"bytes", progress_.bytes}});
  }
  if (left > 0 && progress_.segments_left == 0) {
    progress_ = {};
    progress_.started_ms = clock_.wall_ms();
  }
  progress_.segments_degraded = degraded;
  progress_.segments_left = left;
  if (left == 0) {
    progress_.state = State::idle;
    progress_.segments_stuck = 0;
    resting_.clear();
  }
}

Task<bool> Rebuilder::round() {
  Executor executor = co_await asio::this_coro::executor;
  const std::set<std::uint32_t> leaving = members_to_empty();
  std::vector<Job> jobs = co_await plan(leaving);
  const std::int64_t now_ns = clock_.monotonic_ns();
  {
    std::lock_guard lock(mutex_);
    std::erase_if(resting_, [&](const auto& entry) {  // freed or moved otherwise
      return std::none_of(jobs.begin(), jobs.end(),
                          [&](const Job& job) { return job.record.id == entry.first; });
    });
    std::erase_if(jobs, [&](const Job& job) {
      const auto rest = resting_.find(job.record.id);
      return rest != resting_.end() && rest->second.until_ns > now_ns;
    });
    if (!jobs.empty()) {
      progress_.state = State::working;
    } else if (progress_.segments_left > 0) {
      progress_.state = resting_.empty() ? State::waiting : State::stuck;
    }
  }
  const bool more = jobs.size() > kJobsPerRoundMax;
  if (more) jobs.resize(kJobsPerRoundMax);
  if (!jobs.empty()) {
    std::atomic<std::size_t> next{0};
    TaskGroup workers;
    {
      std::lock_guard lock(mutex_);
      workers_ = &workers;
    }
    const std::size_t count = std::min<std::size_t>(std::max(options_.parallel_max, 1U), jobs.size());
    for (std::size_t i = 0; i < count; ++i) workers.spawn(executor, work(jobs, next));
    co_await workers.join();
    std::lock_guard lock(mutex_);
    workers_ = nullptr;
  }
  if (stopping_.load()) co_return false;
  co_await plan(leaving);  // the figures as they are now
  co_await report_emptied(segments_.segments());
  co_return more;
}

// `jobs` and `next` live in the frame of round(), which joins.
Task<> Rebuilder::work(std::vector<Job>& jobs, std::atomic<std::size_t>& next) {
  while (!stopping_.load()) {
    const std::size_t index = next.fetch_add(1);
    if (index >= jobs.size()) co_return;
    Result<> done = co_await do_job(jobs[index]);
    if (stopping_.load()) co_return;
    note_result(jobs[index].record.id, done);
  }
}

// Members outside the segment that take zones, best first.
std::vector<std::uint32_t> Rebuilder::targets(const SegmentRecord& record, std::uint32_t leaving) const {
  std::optional<std::uint32_t> replacement;
  {
    std::lock_guard lock(mutex_);
    const auto found = replacements_.find(leaving);
    if (found != replacements_.end()) replacement = found->second;
  }
  struct Candidate {
    std::uint32_t member;
    std::uint64_t rank;
  };
  std::vector<Candidate> candidates;
  for (const MemberInfo& member : drives_.members()) {
    if (!drives_.takes_zones(member.number)) continue;
    const bool inside =
        std::any_of(record.members.begin(), record.members.end(),
                    [&](const SegmentRecord::Member& each) { return each.drive == member.number; });
    if (inside) continue;
    const bool first = replacement && *replacement == member.number;
    candidates.push_back({member.number, first ? UINT64_MAX : segments_.zones_free(member.number)});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.rank > b.rank; });
  std::vector<std::uint32_t> members;
  for (const Candidate& candidate : candidates) members.push_back(candidate.member);
  return members;
}

Task<Result<>> Rebuilder::do_job(const Job& job) {
  SegmentRecord record = job.record;
  for (const unsigned shard : job.shards) {
    const std::uint32_t leaving = record.members[shard].drive;
    const DriveStatus now = drives_.status(leaving);
    const bool back = now == DriveStatus::alive || now == DriveStatus::suspect;
    const std::vector<MemberInfo> members = drives_.members();
    if (back && !members[leaving].retiring) continue;
    const std::vector<std::uint32_t> outside = targets(record, leaving);
    if (outside.empty()) {
      if (!hooks_.rewrite) co_return Errc::read_only;
      Result<> rewritten =
          co_await hooks_.rewrite(record.id);  // the whole segment: nothing of it is left to be moved
      // Somebody who still reads there keeps it for a while.
      if (rewritten && segments_.pin(record.id)) co_return Errc::conflict;
      co_return rewritten;
    }
    Result<> moved = Errc::no_space;
    for (const std::uint32_t member : outside) {
      moved = co_await move(job, shard, member);
      if (!moved && (moved.error() == Errc::no_space || moved.error() == Errc::drive_lost)) continue;
      if (moved) record.members[shard].drive = member;
      break;
    }
    if (!moved) co_return moved;
    moved_counter_.add();
  }
  co_return success();
}

Task<Result<>> Rebuilder::move(const Job& job, unsigned shard, std::uint32_t to_member) {
  segment::MoveRequest request;
  request.segment = job.record.id;
  request.shard = shard;
  request.to_member = to_member;
  request.pool = &pool_;
  request.pace = [this](std::uint64_t bytes) { return pace(bytes); };
  request.referenced = hooks_.referenced;
  co_return co_await segments_.move_shard(std::move(request));
}

void Rebuilder::note_result(segment::SegmentId segment, const Result<>& result) {
  std::lock_guard lock(mutex_);
  if (result || result.error() == Errc::not_found) {  // moved, or freed meanwhile
    resting_.erase(segment);
    ++progress_.segments_done;
    if (progress_.segments_left > 0) --progress_.segments_left;
    left_gauge_.set(static_cast<std::int64_t>(progress_.segments_left));
  } else {
    Rest& rest = resting_[segment];
    if (rest.pause_s == 0 && result.error() != Errc::conflict) {  // a conflict passes by itself
      log_warn("segment_not_rebuilt", {{"segment", segment}, {"error", result.error().message()}});
    }
    rest.pause_s = rest.pause_s == 0 ? options_.retry_s : std::min(rest.pause_s * 2, kPauseMaxS);
    rest.until_ns = clock_.monotonic_ns() + rest.pause_s * kNsPerSecond;
  }
  progress_.segments_stuck = resting_.size();
}

Task<> Rebuilder::report_emptied(const std::vector<SegmentRecord>& records) {
  if (!hooks_.emptied) co_return;
  for (const MemberInfo& member : drives_.members()) {
    if (!member.retiring || member.status == DriveStatus::retired) continue;
    // A segment that is just being opened has no record yet, but holds its zones.
    if (segments_.zones_free(member.number) != member.zones) continue;
    const bool named = std::any_of(records.begin(), records.end(), [&](const SegmentRecord& record) {
      return std::any_of(record.members.begin(), record.members.end(),
                         [&](const SegmentRecord::Member& each) { return each.drive == member.number; });
    });
    if (named) continue;
    Result<> done = co_await hooks_.emptied(member.number);
    if (!done) log_warn("drive_not_retired", {{"drive", member.number}, {"error", done.error().message()}});
  }
}

}  // namespace storage::upkeep
