// Checker: walks the records against the drives and back. Every extent that a record names lies in a live segment, in a
// stripe whose directory has exactly this piece; nothing is named twice; every stripe is a codeword.
//
// Changes   none: damage is reported, not repaired (that is the scrubber's).
// Beside clients  a running store changes under the walk. What looks wrong is looked at again at the end, and counts only if
//           the records still say it. Open segments are counted and left out: their stripes are checked once sealed.
// Memory    extents of as many segments at a time as the options allow; the records are walked once for each such group.
// Threads   run() once at a time, on an executor of one thread; report() from any.
// Lifetime  all references outlive run().
// Errors    of run(): the metadata store's, Errc::shutting_down. Problems of the data are no errors: they are in the report.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/io/buffer.h"
#include "storage/segment/segment_store.h"
#include "storage/upkeep/live_index.h"
#include "storage/upkeep/pacer.h"

namespace storage::upkeep {

struct CheckerOptions {
  std::size_t extents_max = 512 * 1024;  // in memory at a time, about 40 bytes each
  std::size_t problems_max = 1'000;      // described; beyond that they are counted
};

class Checker {
 public:
  Checker(segment::SegmentStore& segments, LiveIndex& index, io::BufferPool& pool, Pacer& pacer,
          CheckerOptions options = {})
      : segments_(segments), index_(index), pool_(pool), pacer_(pacer), options_(options) {}

  Task<Result<>> run();
  // run() ends soon with Errc::shutting_down, and so does every later one. Any thread.
  void stop() { stopping_.store(true); }

  struct Report {
    enum class State : std::uint8_t { never, running, done, failed };
    State state = State::never;
    std::uint64_t extents = 0;  // named by records
    std::uint64_t segments = 0;
    std::uint64_t segments_checked = 0;
    std::uint64_t segments_open = 0;
    std::uint64_t stripes = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t shards_damaged = 0;
    std::uint64_t shards_absent = 0;  // on drives that are not there
    std::uint64_t problems_total = 0;
    std::vector<std::string> problems;  // a sentence each
    std::string error;                  // of a run that failed
  };
  Report report() const;

 private:
  struct Group {
    std::set<segment::SegmentId> segments;
    std::size_t extents = 0;
  };
  using Extents = std::vector<segment::Extent>;
  using Place = std::tuple<segment::SegmentId, std::uint32_t, std::uint32_t>;  // segment, stripe block, begin
  enum class Fault : std::uint8_t { no_stripe, twice };

  Task<Result<>> check();
  Task<Result<std::vector<Group>>> count();
  Task<Result<std::map<segment::SegmentId, Extents>>> collect(const Group& group);
  Task<Result<>> check_segment(segment::SegmentId id, Extents extents);
  Task<Result<>> check_directory(segment::SegmentId id, const Extents& extents);
  Task<Result<>> check_codewords(segment::SegmentId id, const Extents& extents);
  Task<Result<>> confirm();
  void suspect(const segment::Extent& extent, Fault fault);
  void report_problem(std::string sentence);

  segment::SegmentStore& segments_;
  LiveIndex& index_;
  io::BufferPool& pool_;
  Pacer& pacer_;
  const CheckerOptions options_;
  std::atomic<bool> stopping_{false};

  std::set<segment::SegmentId> absent_segments_;  // named, but not there when looked for
  std::map<Place, Fault> suspects_;
  std::uint64_t suspects_more_ = 0;

  mutable std::mutex mutex_;
  Report report_;
};

}  // namespace storage::upkeep
