// LifecycleRunner: does what lifecycle rules say is due: expires objects and noncurrent versions, removes delete markers that
// nothing is left behind, aborts uploads, moves versions between storage classes (LifecycleMover).
//
// Cost      a bucket is walked when something may be due: at first, and then not before the earliest moment that the last
//           walk, or a new object, could make due. A bucket in which nothing is due for a month costs one walk a month.
//           A walk reads head rows in pages of 1,000, and whole records of objects only where a rule asks for tags.
// Races     what is removed must still be what was seen: entity tag and time are conditions of the removal.
// Bounds    at most kRemovalsPerWalk removals a rule and walk; the next round goes on.
// Threads   one task. Lifetime: the store and the settings outlive it.
// Errors    are logged, and the bucket is tried again in the next round.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/bucket_settings.h"
#include "api/events/change_events.h"
#include "api/lifecycle_mover.h"
#include "api/service.h"

namespace api {

class LifecycleRunner {
 public:
  LifecycleRunner(storage::ObjectStore& store, storage::Clock& clock, const LifecycleOptions& options,
                  EventScope events)
      : store_(store), clock_(clock), options_(options), settings_(events.settings), events_(events),
        mover_(store, clock, options.day_seconds, events) {}

  // One round over all buckets.
  Task<> run_once();

 private:
  static constexpr std::size_t kRemovalsPerWalk = 10'000;

  struct BucketPlan {
    std::uint64_t revision = 0;
    std::int64_t next_ms = 0;  // nothing is due before
  };
  // One rule on its way through one bucket.
  struct Walk {
    const storage::BucketInfo& bucket;
    const LifecycleRule& rule;
    std::int64_t now_ms = 0;
    std::int64_t next_ms = INT64_MAX;
    std::vector<storage::RemoveRequest> removals;

    void not_before(std::int64_t time_ms) { next_ms = std::min(next_ms, std::max(time_ms, now_ms + 1)); }
    bool full() const { return removals.size() >= kRemovalsPerWalk; }
  };
  class VersionWalk;

  Task<std::int64_t> run_bucket(const storage::BucketInfo& bucket, const LifecycleRules& rules);
  Task<storage::Result<>> run_rule(Walk& walk);
  Task<storage::Result<>> expire_current(Walk& walk);
  Task<storage::Result<>> expire_versions(Walk& walk);
  Task<storage::Result<>> abort_uploads(Walk& walk);
  Task<storage::Result<>> remove_all(Walk& walk);
  // Whether the tags that the rule asks for are on the version.
  Task<storage::Result<bool>> has_tags(const Walk& walk, const storage::ObjectInfo& info);
  std::int64_t day_ms() const { return std::int64_t{options_.day_seconds} * 1000; }

  storage::ObjectStore& store_;
  storage::Clock& clock_;
  const LifecycleOptions& options_;
  BucketSettings& settings_;
  EventScope events_;
  LifecycleMover mover_;
  std::unordered_map<std::uint64_t, BucketPlan> plans_;  // by bucket id
};

}  // namespace api
