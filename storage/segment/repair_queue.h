// RepairQueue: shards that a read found damaged, rewritten in place in the background.
//
// A repair rebuilds the whole shard from k verified others, checks it against the payload CRC that their
// headers hold for it, and writes the very bytes that once stood there (invariant 4). Shards of drives that
// are not alive are not queued: they are a rebuild's business. A failed repair write makes the drive suspect.
// Bounds    repairs_max shards are remembered, each once; beyond that a damage is forgotten until it is met
// again. Threads   any. Lifetime: stop() and the join of StoreContext::tasks come before destruction.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "storage/segment/shard_rebuilder.h"

namespace storage::segment {

class RepairQueue {
 public:
  RepairQueue(StoreContext& context, ShardReader& reader, ShardRebuilder& rebuilder)
      : context_(context), reader_(reader), rebuilder_(rebuilder) {}

  void add(const StripeRef& stripe, unsigned shard);

  // Writes `image`, the whole shard as it once stood, in place of what was found there; the caller has verified it. For
  // those who have the stripe at hand already. Errc::drive_lost: the drive is not alive.
  Task<Result<>> write(StripeRef stripe, unsigned shard, std::span<std::byte> image, ReadMemory memory);

  // Repairs run on `executor` from now on; what waits already is begun.
  void start(Executor executor);
  // No repair begins any more.
  void stop();

  std::size_t size() const;

 private:
  struct Damage {
    StripeRef stripe;
    unsigned shard;
  };
  using Key = std::tuple<SegmentId, std::uint32_t, unsigned>;
  static Key key_of(const Damage& damage);
  void run_if_needed();
  Task<> run();
  Task<Result<>> repair(Damage damage);

  StoreContext& context_;
  ShardReader& reader_;
  ShardRebuilder& rebuilder_;
  mutable std::mutex mutex_;
  std::deque<Damage> waiting_;
  std::set<Key> known_;  // waiting or being repaired
  std::optional<Executor> executor_;
  bool running_ = false;
};

}  // namespace storage::segment
