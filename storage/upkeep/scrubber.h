// Scrubber: reads every sealed segment within a configured time, verifies it and repairs it in place.
//
// Always    one pass after another over all segments, spread evenly over period_s; beside clients never
// faster than the
//           pacer allows. The position is kept in memory only: a pass begins anew after a restart.
// On demand start(): all of the store, or what lies on one drive, as fast as the pacer lets it. The pass in
// the background
//           waits meanwhile.
// Verified  header, identity and payload of every shard, and that each stripe is a codeword; repaired from k
// others with the
//           identical bytes; each repair is a line in the log with drive, zone and offset. A stripe beyond
//           repair counts as lost only if a record refers to it.
// Memory    from the pool given: parallel_max times two buffers of kMaxBufferBytes. Threads  any; the work
// runs on the
//           executor of run_on(). Lifetime  all references outlive it; stop() comes before destruction.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/task_group.h"
#include "storage/segment/segment_upkeep.h"
#include "storage/upkeep/pacer.h"

namespace storage::upkeep {

class Scrubber {
 public:
  struct Options {
    std::uint64_t period_s = 14ULL * 24 * 3600;  // of a pass in the background; 0: none
    std::uint32_t parallel_max = 4;              // segments read at once by a pass on demand
  };

  Scrubber(segment::DriveSet& drives, segment::SegmentStore& segments, Clock& clock, MetricsRegistry& metrics,
           Pacer& pacer, io::BufferPool& pool, segment::Referenced referenced, Options options);
  ~Scrubber();

  // Begins the passes in the background.
  void run_on(Executor executor);
  Task<> stop();

  struct Progress {
    bool running = false;
    std::optional<std::uint32_t> member;  // of a pass over one drive
    std::int64_t started_ms = 0;          // wall time; 0: never
    std::int64_t ended_ms = 0;            // 0: not yet
    std::uint64_t segments_total = 0;
    std::uint64_t segments_done = 0;
    std::uint64_t segments_skipped = 0;  // open, or could not be read now
    std::uint64_t bytes = 0;             // read
    std::uint64_t stripes = 0;
    std::uint64_t headers_repaired = 0;  // of zones, and superblocks
    std::uint64_t shards_damaged = 0;
    std::uint64_t shards_repaired = 0;
    std::uint64_t shards_absent = 0;
    std::uint64_t stripes_unreadable = 0;
    std::uint64_t stripes_lost = 0;
    std::uint64_t stripes_torn = 0;
  };

  // A pass on demand, in the background. Errc::conflict: one is running; Errc::invalid_argument: no such
  // drive, or run_on() was not called.
  Result<> start(std::optional<std::uint32_t> member);
  // The same, but returns when it has ended.
  Task<Result<Progress>> pass(std::optional<std::uint32_t> member);

  Progress background() const;
  Progress demanded() const;  // the last pass on demand

 private:
  Task<> run();
  Task<> run_demanded(std::optional<std::uint32_t> member);
  Result<> begin_demanded(std::optional<std::uint32_t> member);
  Task<> work(std::vector<segment::SegmentId>& ids, std::atomic<std::size_t>& next,
              std::optional<std::uint32_t> member);
  Task<Result<>> scrub_segment(segment::SegmentId id, std::optional<std::uint32_t> member, Progress& progress,
                               bool spread);
  Task<Result<>> wait_ns(std::int64_t duration_ns);
  Task<Result<>> spread_out(std::uint64_t bytes);
  std::vector<segment::SegmentId> sealed(std::optional<std::uint32_t> member) const;
  Task<> scrub_superblocks(Progress& progress);
  void note(const segment::ScrubStep& step, Progress& progress);

  segment::DriveSet& drives_;
  segment::SegmentStore& segments_;
  Clock& clock_;
  Pacer& pacer_;
  io::BufferPool& pool_;
  const segment::Referenced referenced_;
  const Options options_;
  Counter& bytes_counter_;
  Counter& stripes_counter_;
  Counter& damaged_counter_;
  Counter& repaired_counter_;
  Gauge& lost_gauge_;

  mutable std::mutex mutex_;
  Progress background_;
  Progress demanded_;
  std::uint64_t pass_bytes_ = 0;  // of all zones of the background pass
  std::int64_t due_ns_ = 0;       // when the background pass may read on
  std::optional<Executor> executor_;
  TaskGroup* workers_ = nullptr;  // of the pass on demand
  std::atomic<bool> stopping_{false};
  TaskGroup tasks_;
};

}  // namespace storage::upkeep
