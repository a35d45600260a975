// StoreContext: what the parts of one SegmentStore share. Private to this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/signal.h"
#include "storage/base/task_group.h"
#include "storage/io/buffer.h"
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
  ZoneAllocator zones;
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
  void update_zone_gauge();
  // Segments of today's geometry that there are zones for, at most `limit`.
  unsigned segments_left(unsigned limit) const;
  // Gives the allocator the zones of drives that joined since the last call.
  void take_new_members();

 private:
  std::mutex joining_;
};

}  // namespace storage::segment
