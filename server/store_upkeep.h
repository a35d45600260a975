// StoreUpkeep: what a running store does for itself, wired: collector, scrubber, rebuilder, changes of drives, check.
//
// Threads   one of its own, at lower priority than those that serve clients; commands may come from any executor and resume
//           there.
// Memory    two pools within memory_bytes: see share_for_upkeep(). Lifetime: stop() before the store's parts stop; they and
//           `client_calls` outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/config.h"
#include "storage/base/metrics.h"
#include "storage/object_store.h"
#include "storage/segment/drive_set.h"
#include "storage/segment/segment_store.h"
#include "storage/upkeep/checker.h"
#include "storage/upkeep/collector.h"
#include "storage/upkeep/drive_changes.h"
#include "storage/upkeep/rebuilder.h"
#include "storage/upkeep/scrubber.h"

namespace server {

using storage::Result;
using storage::Task;

// Shards or segments that a rebuild, and a scrub, handle at once.
std::uint32_t upkeep_parallel(std::uint64_t memory_bytes);
// What of memory_bytes upkeep may use.
std::size_t share_for_upkeep(std::uint64_t memory_bytes);

class StoreUpkeep {
 public:
  struct Parts {
    storage::segment::DriveSet& drives;
    storage::segment::SegmentStore& segments;
    storage::ObjectStore& objects;
    storage::upkeep::MirrorControl mirrors;
  };
  // `client_calls` counts the requests of clients so far.
  StoreUpkeep(Parts parts, const Config& config, storage::MetricsRegistry& metrics,
              std::function<std::uint64_t()> client_calls);
  ~StoreUpkeep();

  // Begins the work in the background.
  void start();
  // Ends it, and every command. Blocks.
  void stop();

  // --- The operator's commands; refusals have a sentence in `why`, which the caller keeps.
  Task<Result<std::uint32_t>> add_drive(storage::segment::DriveSpec spec, std::string& why);
  Task<Result<>> retire_drive(std::uint32_t member, std::string& why);
  Task<Result<std::uint32_t>> replace_drive(std::uint32_t member, storage::segment::DriveSpec spec, std::string& why);
  // The result comes by their reports. Errc::conflict: one is running.
  Result<> start_scrub(std::optional<std::uint32_t> member);
  Result<> start_check();
  // The whole check, for a store that serves nobody.
  Task<Result<>> check();

  storage::upkeep::Scrubber::Progress demanded_scrub() const;
  storage::upkeep::Scrubber::Progress background_scrub() const;
  storage::upkeep::Rebuilder::Progress rebuild() const;
  storage::upkeep::Collector::Totals collected() const;
  storage::upkeep::Checker::Report checked() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace server
