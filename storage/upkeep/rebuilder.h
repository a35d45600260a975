// Rebuilder: brings every segment back to its full tolerance after a drive was lost or is being retired.
//
// When      a member that is lost or missing for longer than the grace time, and every retiring member, is
// emptied: each
//           shard that lies there is moved to a member outside its segment, segments with the fewest spare
//           shards first, onto the replacement of the drive if it has one, else where most zones are free. A
//           drive that comes back in the middle ends the work on what is still there.
// Too few   drives for that: `rewrite` is asked to write the segment's live data anew under a narrower
// geometry and to free
//           it. Without it, or where space is lacking, the segment waits, and progress() says so.
// Open      segments that have a shard on such a member are sealed first.
// Retiring  a member on which nothing lies any more is reported to `emptied`.
// Cost      reads k shards and writes one for each lost one (a shard that can still be read costs one read),
// paced. Memory    from the pool given: parallel_max times two buffers of kMaxBufferBytes. Threads  any; the
// work runs on the
//           executor of start(). Lifetime  all references outlive it; stop() comes before destruction.
// Errors    none to the caller: what fails is logged and tried again after a pause that grows to ten minutes.
// Nothing is remembered across a restart: the records say where shards lie, and the grace time begins anew.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/task_group.h"
#include "storage/segment/segment_upkeep.h"
#include "storage/upkeep/pacer.h"

namespace storage::upkeep {

class Rebuilder {
 public:
  struct Options {
    std::uint32_t grace_s = 600;     // a drive may be away for so long before its shards are made anew
    std::uint32_t parallel_max = 4;  // shards being moved at once
    std::uint32_t look_ms = 1000;    // between two looks at drives and segments
    std::uint32_t retry_s = 10;      // before a segment that failed is tried again; doubles up to ten minutes
  };
  struct Hooks {
    // Writes the live data of a segment elsewhere and frees it. Empty: not possible.
    std::function<Task<Result<>>(segment::SegmentId)> rewrite;
    segment::Referenced referenced;
    // Nothing lies on this retiring member any more.
    std::function<Task<Result<>>(std::uint32_t member)> emptied;
  };

  Rebuilder(segment::DriveSet& drives, segment::SegmentStore& segments, Clock& clock,
            MetricsRegistry& metrics, Pacer& pacer, io::BufferPool& pool, Hooks hooks, Options options);
  ~Rebuilder();

  void start(Executor executor);
  Task<> stop();

  // One look, and the most urgent work that it finds; for commands and tests, never beside start(). True when
  // more is left to be done at once.
  Task<bool> round();

  // What `lost` held goes to `replacement` where its segments allow.
  void prefer(std::uint32_t lost, std::uint32_t replacement);

  enum class State : std::uint8_t {
    idle,     // every segment has its full tolerance
    waiting,  // a drive is away, its grace time is not over
    working,
    stuck,  // what is left cannot be done now: too few drives, too little space, too few good shards
  };
  struct Progress {
    State state = State::idle;
    std::uint64_t segments_degraded = 0;  // with a shard that cannot be read
    std::uint64_t segments_left = 0;      // of this rebuild: degraded ones and those on retiring drives
    std::uint64_t segments_done = 0;
    std::uint64_t segments_stuck = 0;  // of those left: failed at the last try
    std::uint64_t bytes = 0;           // read and written
    std::int64_t started_ms = 0;       // wall time; 0: no rebuild yet
  };
  Progress progress() const;

 private:
  struct Job {
    segment::SegmentRecord record;
    std::vector<unsigned> shards;  // to be moved
    unsigned spare = 0;            // readable shards beyond k
  };
  struct Rest {
    std::int64_t until_ns = 0;
    std::uint32_t pause_s = 0;
  };

  Task<> run();
  std::set<std::uint32_t> members_to_empty();
  Task<std::vector<Job>> plan(const std::set<std::uint32_t>& leaving);
  void note_plan(std::uint64_t degraded, std::uint64_t left);
  Task<> work(std::vector<Job>& jobs, std::atomic<std::size_t>& next);
  Task<Result<>> do_job(const Job& job);
  Task<Result<>> move(const Job& job, unsigned shard, std::uint32_t to_member);
  std::vector<std::uint32_t> targets(const segment::SegmentRecord& record, std::uint32_t leaving) const;
  void note_result(segment::SegmentId segment, const Result<>& result);
  Task<> report_emptied(const std::vector<segment::SegmentRecord>& records);
  Task<Result<>> pace(std::uint64_t bytes);

  segment::DriveSet& drives_;
  segment::SegmentStore& segments_;
  Clock& clock_;
  Pacer& pacer_;
  io::BufferPool& pool_;
  const Hooks hooks_;
  const Options options_;
  Gauge& degraded_gauge_;
  Gauge& left_gauge_;
  Counter& moved_counter_;
  Counter& bytes_counter_;

  mutable std::mutex mutex_;
  Progress progress_;
  std::map<std::uint32_t, std::int64_t> away_since_ns_;  // members that are lost or missing
  std::map<std::uint32_t, std::uint32_t> replacements_;
  std::map<segment::SegmentId, Rest> resting_;  // that failed; at most one entry a segment
  TaskGroup* workers_ = nullptr;                // of the round that is running
  std::atomic<bool> stopping_{false};
  TaskGroup tasks_;
};

}  // namespace storage::upkeep
