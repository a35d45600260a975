#include "storage/byte_cache.h"

#include <algorithm>
#include <cstring>

namespace storage {
namespace {

std::size_t mix(std::uint64_t value) {
  // The finaliser of SplitMix64: every input bit reaches every output bit.
  value ^= value >> 30;
  value *= 0xbf58476d1ce4e5b9ULL;
  value ^= value >> 27;
  value *= 0x94d049bb133111ebULL;
  value ^= value >> 31;
  return value;
}

}  // namespace

std::size_t ByteCache::PlaceHash::operator()(const Place& place) const {
  return mix(place.segment * 0x9e3779b97f4a7c15ULL + place.position);
}

void ByteCache::Shard::count(std::size_t hash) {
  for (int row = 0; row < 2; ++row) {
    std::uint8_t& counter = counters[(hash >> (row * 20)) % kCounters];
    if (counter < 255) ++counter;
  }
  // Ageing: yesterday's favourites must not keep their place for ever.
  if (++counted >= kCounters * 4) {
    counted = 0;
    for (std::uint8_t& counter : counters) counter = static_cast<std::uint8_t>(counter >> 1);
  }
}

unsigned ByteCache::Shard::frequency(std::size_t hash) const {
  return std::min(counters[hash % kCounters], counters[(hash >> 20) % kCounters]);
}

ByteCache::ByteCache(io::BufferPool& pool, MetricsRegistry& metrics)
    : pool_(pool),
      shard_bytes_max_(pool.budget_bytes() / kShards),
      hits_(metrics.counter("cache_hits_total", "Bodies answered from memory.")),
      misses_(metrics.counter("cache_misses_total", "Small bodies that had to be read from drives.")) {
  for (std::size_t i = 0; i < kShards; ++i) shards_.push_back(std::make_unique<Shard>());
  metrics.gauge_function("cache_bytes", "Memory in the byte cache.", {},
                         [this] { return static_cast<double>(pool_.used_bytes()); });
}

ByteCache::Place ByteCache::place_of(const segment::Extent& extent) {
  return {extent.segment, (static_cast<std::uint64_t>(extent.stripe_block) << 32) | extent.begin};
}

ByteCache::Pointer ByteCache::get(const segment::Extent& extent) { return find(extent, true); }

ByteCache::Pointer ByteCache::get_if_cached(const segment::Extent& extent) { return find(extent, false); }

ByteCache::Pointer ByteCache::find(const segment::Extent& extent, bool count_miss) {
  const Place place = place_of(extent);
  const std::size_t hash = PlaceHash{}(place);
  Shard& shard = *shards_[hash % kShards];
  std::lock_guard lock(shard.mutex);
  const auto entry = shard.entries.find(place);
  const bool hit = entry != shard.entries.end();
  if (hit || count_miss) shard.count(hash);
  if (!hit) {
    if (count_miss) misses_.add();
    return nullptr;
  }
  hits_.add();
  entry->second->used = true;
  return entry->second->bytes;
}

bool ByteCache::make_room(Shard& shard, std::size_t bytes, unsigned newcomer_frequency) {
  if (bytes > shard_bytes_max_) return false;
  int victims = 0;
  std::size_t looked_at = 0;
  while (shard.bytes + bytes > shard_bytes_max_) {
    // Others that have room already are still copying: what they take is counted, and is no entry yet.
    if (shard.clock.empty()) return false;
    if (victims == kVictimsMax || looked_at > 2 * shard.clock.size()) return false;
    Entry& candidate = shard.clock.front();
    ++looked_at;
    if (candidate.used) {
      candidate.used = false;
      shard.clock.splice(shard.clock.end(), shard.clock, shard.clock.begin());
      continue;
    }
    if (shard.frequency(PlaceHash{}(candidate.place)) >= newcomer_frequency) {
      shard.clock.splice(shard.clock.end(), shard.clock, shard.clock.begin());
      return false;
    }
    shard.bytes -= candidate.bytes->buffer.size();
    shard.entries.erase(candidate.place);
    shard.clock.pop_front();
    ++victims;
  }
  return true;
}

void ByteCache::offer(const segment::Extent& extent, std::span<const std::byte> bytes) {
  if (bytes.empty() || bytes.size() > io::kMaxBufferBytes) return;
  const Place place = place_of(extent);
  const std::size_t hash = PlaceHash{}(place);
  Shard& shard = *shards_[hash % kShards];
  const std::size_t size = io::BufferPool::class_size(bytes.size());
  io::Buffer buffer;
  {
    std::lock_guard lock(shard.mutex);
    if (shard.entries.contains(place)) return;
    if (!make_room(shard, size, shard.frequency(hash))) return;
    buffer = pool_.try_take(bytes.size());
    if (!buffer) return;  // readers still hold what was pushed out, or the pool is fragmented
    shard.bytes += buffer.size();
  }
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  auto held = std::make_shared<Bytes>();
  held->buffer = std::move(buffer);
  held->length = bytes.size();
  std::lock_guard lock(shard.mutex);
  if (shard.entries.contains(place)) {
    shard.bytes -= held->buffer.size();  // another reader was faster
    return;
  }
  shard.clock.push_back({place, std::move(held), false});
  shard.entries.emplace(place, std::prev(shard.clock.end()));
}

}  // namespace storage
