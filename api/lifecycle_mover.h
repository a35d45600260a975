// LifecycleMover: gives versions the storage class that lifecycle transitions want for them. No byte moves: a class is a field.
//
// Choice    of all transitions that are due for a version, whatever rule they stand in, the latest wins; a version goes down the
//           line of S3's own classes and never up. Classes of the configuration have no order.
// Sizes     where the configuration said x-amz-transition-default-minimum-object-size, objects below 128 KiB stay, unless the
//           rule speaks of sizes itself.
// Cost      one listing of the versions below the rules' common prefix; whole records only where a rule asks for tags.
// Bounds    kChangesPerWalk changes; the next round goes on.
// Threads   one task. Lifetime: the store, the clock and what `events` refers to outlive it.
#pragma once

#include <cstdint>
#include <string>

#include "api/events/change_events.h"
#include "api/lifecycle.h"

namespace api {

class LifecycleMover {
 public:
  LifecycleMover(storage::ObjectStore& store, storage::Clock& clock, std::uint32_t day_seconds, EventScope events)
      : store_(store), clock_(clock), day_seconds_(day_seconds), events_(events) {}

  // One walk. When the next transition may be due, not before the next millisecond; INT64_MAX: never.
  Task<storage::Result<std::int64_t>> run(const storage::BucketInfo& bucket, const LifecycleRules& rules);

 private:
  static constexpr std::size_t kChangesPerWalk = 10'000;
  struct Walk;
  struct Place;

  Task<storage::Result<>> move(Walk& walk, const storage::ObjectInfo& info, Place place);
  Task<storage::Result<storage::NameValues>> tags_of(const Walk& walk, const storage::ObjectInfo& info);

  storage::ObjectStore& store_;
  storage::Clock& clock_;
  std::uint32_t day_seconds_;
  EventScope events_;
};

}  // namespace api
