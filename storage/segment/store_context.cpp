#include "storage/segment/store_context.h"

#include "storage/segment/geometry.h"

namespace storage::segment {
namespace {

std::vector<std::uint32_t> zones_of(const DriveSet& drives) {
  std::vector<std::uint32_t> zones;
  for (const MemberInfo& member : drives.members()) zones.push_back(member.zones);
  return zones;
}

}  // namespace

StoreMetrics::StoreMetrics(MetricsRegistry& registry)
    : stripes(registry.counter("storage_stripes_total", "Stripes made durable.")),
      syncs(registry.counter("storage_syncs_total", "Durable writes to drives.")),
      degraded_reads(
          registry.counter("storage_degraded_reads_total", "Reads answered by decoding other shards.")),
      crc_failures(
          registry.counter("storage_crc_failures_total", "Shard reads whose bytes failed their checksum.")),
      repairs(registry.counter("storage_repairs_total", "Shards rewritten in place from the others.")),
      queue_bytes(registry.gauge("storage_append_queue_bytes", "Bytes of bodies inside append().")),
      queue_bytes_max(
          registry.gauge("storage_append_queue_bytes_max", "Bound of storage_append_queue_bytes.")),
      zones_free(registry.gauge("storage_zones_free", "Zones that no segment holds, over all members.")) {}

StoreContext::StoreContext(DriveSet& drive_set, SegmentCatalog& segment_catalog, StripePools pools,
                           Clock& wall_clock, MetricsRegistry& registry, std::uint64_t writer_epoch,
                           SegmentStoreOptions store_options)
    : drives(drive_set),
      catalog(segment_catalog),
      pool(pools.batches),
      stream_pool(pools.streams),
      clock(wall_clock),
      metrics(registry),
      epoch(writer_epoch),
      options(store_options),
      shared_zones(std::make_shared<ZoneAllocator>(zones_of(drive_set))),
      zones(*shared_zones) {
  metrics.queue_bytes_max.set(options.queue_bytes_max);
  update_zone_gauge();
}

std::uint32_t StoreContext::zone_blocks() const {
  return static_cast<std::uint32_t>(drives.zone_bytes() / io::kBlockBytes);
}

std::uint32_t StoreContext::shard_blocks_max(erasure::Scheme scheme) const {
  return segment::shard_blocks_max(scheme, drives.zone_bytes(), options.shard_bytes_max,
                                   options.small_body_bytes_max);
}

std::uint64_t StoreContext::drive_offset(std::uint32_t zone, std::uint32_t block) const {
  return drives.zone_offset(zone) + std::uint64_t{block} * io::kBlockBytes;
}

io::Drive* StoreContext::drive_for_write(std::uint32_t member) const {
  return drives.status(member) == DriveStatus::alive ? drives.drive(member) : nullptr;
}

io::PatientOperation StoreContext::shard_write(SegmentRecord::Member member, std::uint32_t block,
                                               std::span<std::byte> from) const {
  io::PatientOperation write;
  write.drive = drive_for_write(member.drive);
  write.operation = {io::Operation::Kind::write, drive_offset(member.zone, block), from};
  write.load = drives.load(member.drive);
  return write;
}

io::PatientOperation StoreContext::shard_read(SegmentRecord::Member member, std::uint32_t block,
                                              std::span<std::byte> into) const {
  io::PatientOperation read;
  read.drive = drives.drive(member.drive);
  read.operation = {io::Operation::Kind::read, drive_offset(member.zone, block), into};
  if (read.drive != nullptr) read.load = drives.load(member.drive);
  return read;
}

io::Patience StoreContext::stripe_patience() const {
  io::Patience patience;
  // A late drive is better than a store that takes no writes.
  const bool spare = drives.alive_count() > drives.parity() + 1;
  patience.after_first_ms = spare ? options.write_limit_ms : options.answer_ms_max;
  patience.in_all_ms = options.answer_ms_max;
  patience.late_max = std::max(drives.parity(), 1U);
  return patience;
}

io::Patience StoreContext::read_patience() const {
  io::Patience patience;
  // Reading from others what is only late for the load would add to the load.
  patience.in_all_ms = drives.all_late() ? options.answer_ms_max : options.read_limit_ms;
  return patience;
}

io::Patience StoreContext::last_patience() const {
  io::Patience patience;
  patience.in_all_ms = options.answer_ms_max;
  return patience;
}

void StoreContext::report(std::uint32_t member, const io::PatientOperation& operation) {
  // No drive: it is out of service already, perhaps only suspect, and must not look lost for being skipped.
  if (operation.drive == nullptr || !operation.error) return;
  if (operation.late) {
    drives.report_late(member, operation.operation.kind);
  } else {
    drives.report_error(member, operation.operation.kind, operation.error);
  }
}

void StoreContext::take_new_members() {
  std::lock_guard lock(joining_);
  while (zones.member_count() < drives.member_count()) {
    zones.add_member(drives.zones(static_cast<std::uint32_t>(zones.member_count())));
  }
}

void StoreContext::update_zone_gauge() {
  metrics.zones_free.set(static_cast<std::int64_t>(zones.free_zones()));
}

unsigned StoreContext::segments_left(unsigned limit) const {
  const erasure::Scheme scheme = drives.scheme_for(drives.alive_count());
  if (scheme.data == 0) return 0;
  return zones.segments_left(scheme.data + scheme.parity, limit, [this](std::uint32_t member) {
    return drives.takes_zones(member);
  });
}

bool SpaceWatch::worth_waiting() {
  // Under the mutex, so that set_reclaimer() returns only when the old one is not running any more.
  std::lock_guard lock(mutex_);
  return reclaimer_ && reclaimer_();
}

void SpaceWatch::set_reclaimer(std::function<bool()> reclaimer) {
  {
    std::lock_guard lock(mutex_);
    reclaimer_ = std::move(reclaimer);
  }
  freed.wake();  // who waits asks again
}

}  // namespace storage::segment
