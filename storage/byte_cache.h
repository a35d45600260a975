// ByteCache: verified bytes of hot small bodies, in memory.
//
// Key        the extent: where bytes lie never changes what they are, so nothing is ever stale.
// Admission  while there is room, everything offered. When full, a newcomer must have been asked for more often
//            than the entry it would push out (a small frequency sketch, halved as it fills): a full-epoch shuffle,
//            which asks for each body once, leaves a full cache as it is instead of churning it.
// Memory     buffers of `pool`, whose budget is the cache's bound.
// Threads    any; 16 shards behind mutexes.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "storage/base/metrics.h"
#include "storage/io/buffer.h"
#include "storage/segment/segment_store.h"

namespace storage {

class ByteCache {
 public:
  struct Bytes {
    io::Buffer buffer;
    std::size_t length = 0;
    std::span<const std::byte> span() const { return {buffer.data(), length}; }
  };
  using Pointer = std::shared_ptr<const Bytes>;

  ByteCache(io::BufferPool& pool, MetricsRegistry& metrics);

  // The whole extent's bytes, or null. Counts the request for admission.
  Pointer get(const segment::Extent& extent);

  // The same for a caller that comes back with get() when there are none: only a hit is counted.
  Pointer get_if_cached(const segment::Extent& extent);

  // Offers the whole extent's verified bytes after a miss; they are copied if admitted.
  void offer(const segment::Extent& extent, std::span<const std::byte> bytes);

 private:
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kCounters = 16'384;  // of the sketch, a shard
  static constexpr int kVictimsMax = 16;            // entries one newcomer may push out

  struct Place {
    std::uint64_t segment;
    std::uint64_t position;  // stripe block, then begin
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct PlaceHash {
    std::size_t operator()(const Place& place) const;
  };
  struct Entry {
    Place place;
    Pointer bytes;
    bool used = false;  // since the clock hand passed
  };
  struct Shard {
    std::mutex mutex;
    std::list<Entry> clock;
    std::unordered_map<Place, std::list<Entry>::iterator, PlaceHash> entries;
    std::size_t bytes = 0;
    std::array<std::uint8_t, kCounters> counters{};
    std::size_t counted = 0;

    void count(std::size_t hash);
    unsigned frequency(std::size_t hash) const;
  };

  static Place place_of(const segment::Extent& extent);
  Pointer find(const segment::Extent& extent, bool count_miss);
  bool make_room(Shard& shard, std::size_t bytes, unsigned newcomer_frequency);

  io::BufferPool& pool_;
  std::size_t shard_bytes_max_;
  std::vector<std::unique_ptr<Shard>> shards_;
  Counter& hits_;
  Counter& misses_;
};

}  // namespace storage
