// StoreContext: what the parts of one SegmentStore share. Private to this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/signal.h"
#include "storage/base/task_group.h"
#include "storage/io/buffer.h"
#include "storage/io/patience.h"
#include "storage/segment/drive_set.h"
#include "storage/segment/gate.h"
#include "storage/segment/segment_store.h"
#include "storage/segment/segment_table.h"
#include "storage/segment/zone_allocator.h"

namespace storage::segment {

struct StoreMetrics {
  explicit StoreMetrics(MetricsRegistry& registry);
  Counter& stripes;
  Counter& syncs;
  Counter& degraded_reads;
  Counter& crc_failures;
  Counter& repairs;
  Gauge& queue_bytes;
  Gauge& queue_bytes_max;
  Gauge& zones_free;
};

// What appends without a free zone wait for.
class SpaceWatch {
 public:
  Signal freed;  // woken when zones became free, or when waiting has become pointless

  // Whether somebody is at work who may free zones; tells it that they are wanted.
  bool worth_waiting();
  void set_reclaimer(std::function<bool()> reclaimer);

 private:
  std::mutex mutex_;
  std::function<bool()> reclaimer_;
};

// Zones that no record names: once give_back() was called they are free when the last who may still do I/O there lets go of
// this. Otherwise they stay taken.
class ZoneHold {
 public:
  ZoneHold(std::shared_ptr<ZoneAllocator> zones, std::vector<SegmentRecord::Member> members)
      : zones_(std::move(zones)), members_(std::move(members)) {}
  ZoneHold(const ZoneHold&) = delete;
  ZoneHold& operator=(const ZoneHold&) = delete;
  ~ZoneHold() {
    if (!given_back_) return;
    for (const SegmentRecord::Member& member : members_) zones_->release(member);
  }
  void give_back() { given_back_ = true; }

 private:
  const std::shared_ptr<ZoneAllocator> zones_;
  const std::vector<SegmentRecord::Member> members_;
  bool given_back_ = false;
};

struct StoreContext {
  StoreContext(DriveSet& drive_set, SegmentCatalog& segment_catalog, StripePools pools,
               Clock& wall_clock, MetricsRegistry& registry, std::uint64_t writer_epoch,
               SegmentStoreOptions store_options);

  DriveSet& drives;
  SegmentCatalog& catalog;
  io::BufferPool& pool;         // of everything but streams
  io::BufferPool& stream_pool;
  Clock& clock;
  StoreMetrics metrics;
  const std::uint64_t epoch;
  const SegmentStoreOptions options;
  SegmentTable table;
  // Shared with operations that nobody waits for any more: their zones are given back when they end.
  const std::shared_ptr<ZoneAllocator> shared_zones;
  ZoneAllocator& zones;
  SpaceWatch space;
  AsyncLock record_changes;  // one change of a stored segment record at a time
  TaskGroup tasks;  // stripes being written and records being sealed: joined by stop(), never cancelled

  std::uint32_t zone_blocks() const;
  // Blocks of the largest shard payload that is written under `scheme`.
  std::uint32_t shard_blocks_max(erasure::Scheme scheme) const;
  // Byte on a drive where block `block` of `zone` lies.
  std::uint64_t drive_offset(std::uint32_t zone, std::uint32_t block) const;
  // The drive to write a shard to: null unless it is alive.
  io::Drive* drive_for_write(std::uint32_t member) const;
  // An operation on a shard of `member`; its drive is null where the member takes none.
  io::PatientOperation shard_write(SegmentRecord::Member member, std::uint32_t block, std::span<std::byte> from) const;
  io::PatientOperation shard_read(SegmentRecord::Member member, std::uint32_t block, std::span<std::byte> into) const;
  // Of writes that go to all shards of a segment at once; of reads that others can answer; of all else.
  io::Patience stripe_patience() const;
  io::Patience read_patience() const;
  io::Patience last_patience() const;
  // Tells the drives what became of an operation.
  void report(std::uint32_t member, const io::PatientOperation& operation);
  void update_zone_gauge();
  // Segments of today's geometry that there are zones for, at most `limit`.
  unsigned segments_left(unsigned limit) const;
  // Gives the allocator the zones of drives that joined since the last call.
  void take_new_members();

 private:
  std::mutex joining_;
};

}  // namespace storage::segment
