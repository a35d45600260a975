// Collector: space comes back. It chooses sealed segments with little live data, writes what is live elsewhere, commits
// the new places, and frees the zones. Bytes that never got a name die with their segment.
//
// Proof       a segment is freed only after one walk over all its stripes in which every piece that a record held was moved,
//             begun when no commit that could name bytes of it was under way (invariant 7). Counters choose; they can
//             hold a segment back (then all records are asked whether one still names it), but never free one.
//             Where more than m shards could not be read nothing is freed.
// Durability  survivors are durable on k+m drives before a record names them; the old bytes stay until then. A cut at any
//             moment leaves either place named, and at worst bytes without a name.
// Pace        beside clients as the pacer says; without regard to it while writers are about to run out of space, who wait
//             for it (SegmentStore::on_space_short) as long as there is something to gain.
// Memory      reads of one batch, in `pool`: at least kPoolBytesMin. Stripes come from the store's own pools.
// Threads     run() and rewrite() on one executor each, of one thread; any may be used. One segment is collected by one of
//             them at a time.
// Lifetime    all references outlive the collector. Its tasks end (TaskGroup) before it is destroyed; the store must not
//             stop before they have.
// Errors      of rewrite(): below. run() logs what it meets and goes on with other segments.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/result.h"
#include "storage/base/signal.h"
#include "storage/base/task.h"
#include "storage/io/buffer.h"
#include "storage/segment/segment_store.h"
#include "storage/upkeep/live_counters.h"
#include "storage/upkeep/live_index.h"
#include "storage/upkeep/pacer.h"

namespace storage::upkeep {

struct CollectorOptions {
  std::uint32_t batch_bytes = 8 * 1024 * 1024;  // memory of survivors on their way; at most kMaxBufferBytes
  // How much of a segment its survivors may fill for it to be collected ...
  double live_share_always = 0.25;  // ... at any time,
  double live_share_low = 0.75;     // ... while there is less room than the watermark,
  double live_share_short = 0.94;   // ... when writers are about to run out of space.
  // The watermark, in segments beyond the reserve: one in so many of the store's, at least one.
  std::uint32_t watermark_divisor = 32;
  std::uint32_t poll_ms = 1'000;        // how often it looks without being called
  std::int64_t retry_ms = 60'000;       // a segment that could not be collected is left alone for so long
  std::int64_t rewalk_ms_min = 60'000;  // between two walks over all records
};

class Collector {
 public:
  static constexpr std::size_t kPoolBytesMin = 48 * 1024 * 1024;

  Collector(segment::SegmentStore& segments, LiveIndex& index, LiveCounters& counters, io::BufferPool& pool,
            Pacer& pacer, Clock& clock, MetricsRegistry& metrics, CollectorOptions options = {});
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Collects until cancelled. Once at a time.
  Task<> run();

  // Evacuates one segment now, whatever is live in it and without pacing, and frees it; an open one is sealed first. Works
  // while the segment has lost at most m drives.
  // Errors  Errc::not_found (no such segment), Errc::conflict (it is being collected, bytes of it await their name or
  //         readers hold it: come back later; what was moved stays moved), Errc::no_space (no room for the survivors),
  //         Errc::corrupt_data (a live piece has fewer than k good shards; the others were moved), Errc::io_error (more
  //         than m shards could not be read), else the metadata store's or the drives'.
  Task<Result<>> rewrite(segment::SegmentId segment);

  // Looks for work now.
  void wake() { wanted_.wake(); }

  struct Totals {
    std::uint64_t moved_bytes = 0;  // payload written again
    std::uint64_t freed_bytes = 0;  // payload that was dead and is gone
    std::uint64_t freed_segments = 0;
  };
  Totals totals() const;

 private:
  struct Batch;
  struct Pass;
  class Claim;

  // --- Choice.
  // What a segment's directories say. Fixed once it is settled.
  struct Survey {
    std::uint64_t payload_bytes = 0;  // of all pieces, dead ones too
    double packed_share = 0;          // how much of a segment all of them would fill, packed densely
  };
  struct Candidate {
    segment::SegmentId id = 0;
    std::uint64_t capacity_bytes = 0;
    std::optional<Survey> survey;
    bool packed = false;  // holds survivors, as dense as they can be

    // How much of a segment the survivors will fill; of one that was not surveyed as if every byte could be payload.
    double share(std::uint64_t live_bytes) const;
    // Of all pieces' bytes.
    double live_fraction(std::uint64_t live_bytes) const;
  };
  std::vector<Candidate> candidates();
  bool worthwhile(const Candidate& candidate, double share_wanted) const;
  // The segment whose collection gives most, if any is worth it.
  Task<std::optional<Candidate>> choose();
  Task<Result<>> survey(const Candidate& candidate);
  void leave_alone(segment::SegmentId segment, Error why);
  double share_wanted() const;
  bool space_short();
  bool worth_waiting(const std::vector<Candidate>& all) const;

  // --- Work.
  static Task<bool> cancelled();
  Task<bool> step();
  Task<bool> free_evacuated();
  Task<Result<>> evacuate(segment::SegmentId segment, bool paced);
  Task<Result<>> pass_over(segment::SegmentId segment, bool paced, Pass& pass);
  Task<Result<>> flush(Batch& batch, bool paced, Pass& pass);
  Task<> read(Batch& batch);
  Task<> read_next(Batch& batch);
  Task<Result<>> free(segment::SegmentId segment, std::uint64_t dead_bytes);
  // Whether any record still holds an extent in the segment: a walk over all of them.
  Task<Result<std::uint64_t>> bytes_named(segment::SegmentId segment);
  Task<Result<>> fill_counters();
  Task<Result<>> pace(std::uint64_t bytes, bool paced);

  segment::SegmentStore& segments_;
  LiveIndex& index_;
  LiveCounters& counters_;
  io::BufferPool& pool_;
  Pacer& pacer_;
  Clock& clock_;
  const CollectorOptions options_;
  Signal wanted_;

  mutable std::mutex mutex_;
  std::set<segment::SegmentId> busy_;                        // being collected
  std::map<segment::SegmentId, std::uint64_t> evacuated_;    // proven dead, not yet free; by dead bytes
  std::map<segment::SegmentId, std::int64_t> left_alone_;    // until when, monotonic ns
  std::map<segment::SegmentId, Survey> surveys_;
  std::set<segment::SegmentId> packed_;                      // that survivors were written to
  std::vector<Candidate> sealed_;                            // as last seen by run()
  std::optional<std::uint64_t> judged_changes_;              // of counters_, when worth_waiting_ was worked out
  bool worth_waiting_ = false;
  bool running_ = false;

  std::atomic<bool> urgent_{false};  // a writer found no zone
  bool fallen_short_ = false;        // run() only: too little room and nothing to collect
  std::uint64_t told_changes_ = 0;   // run() only: of counters_, when waiting writers were last told that nothing comes
  std::int64_t walked_ns_ = 0;       // run() only
  std::uint64_t walked_changes_ = 0;  // run() only: of counters_, after the last walk

  Counter& moved_bytes_;
  Counter& freed_bytes_;
  Counter& freed_segments_;
  Gauge& live_bytes_;
  Gauge& urgent_gauge_;
};

}  // namespace storage::upkeep
