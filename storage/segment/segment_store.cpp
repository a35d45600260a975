#include "storage/segment/segment_store.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <set>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/segment/batch_writer.h"
#include "storage/segment/extent_reader.h"
#include "storage/segment/gate.h"
#include "storage/segment/geometry.h"
#include "storage/segment/open_segments.h"
#include "storage/segment/repair_queue.h"
#include "storage/segment/segment_upkeep.h"
#include "storage/segment/shard_mover.h"
#include "storage/segment/store_context.h"
#include "storage/segment/stream_writer.h"
#include "storage/segment/stripe_scrubber.h"
#include "storage/segment/stripe_walker.h"
#include "storage/segment/zone_preparer.h"

namespace storage::segment {

namespace {

// The calls that may still begin tasks; stop() waits for them before it joins.
class CallGuard {
 public:
  struct State {
    std::mutex mutex;
    std::uint64_t calls = 0;
    bool stopping = false;
    Gate* drained = nullptr;
  };

  explicit CallGuard(State& state) : state_(state) {
    std::lock_guard lock(state_.mutex);
    admitted_ = !state_.stopping;
    if (admitted_) ++state_.calls;
  }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;
  ~CallGuard() {
    Gate* drained = nullptr;
    {
      std::lock_guard lock(state_.mutex);
      if (admitted_ && --state_.calls == 0) drained = std::exchange(state_.drained, nullptr);
    }
    if (drained != nullptr) drained->open();
  }
  bool admitted() const { return admitted_; }

 private:
  State& state_;
  bool admitted_ = false;
};

// storage_drive_state{drive,state}: 1 for the state that a drive is in.
class DriveStateGauges {
 public:
  DriveStateGauges(const DriveSet& drives, MetricsRegistry& registry) : registry_(registry) {
    for (const MemberInfo& member : drives.members()) set(member.number, member.status);
  }
  void set(std::uint32_t member, DriveStatus status) {
    std::lock_guard lock(mutex_);
    Row& row = gauges_[member];  // made for a drive that is new
    for (std::size_t state = 0; state < row.size(); ++state) {
      if (row[state] == nullptr) {
        MetricLabels labels;
        labels.emplace_back("drive", std::to_string(member));
        labels.emplace_back("state", status_name(static_cast<DriveStatus>(state)));
        row[state] = &registry_.gauge("storage_drive_state", "1 for the state that the drive is in.", labels);
      }
      row[state]->set(state == static_cast<std::size_t>(status) ? 1 : 0);
    }
  }

 private:
  using Row = std::array<Gauge*, static_cast<std::size_t>(DriveStatus::retired) + 1>;
  MetricsRegistry& registry_;
  std::mutex mutex_;
  std::map<std::uint32_t, Row> gauges_;
};

bool valid_record(const SegmentRecord& record) {
  if (record.id == 0 || record.data < 1 || record.data > erasure::kDataShardsMax) return false;
  if (record.parity > erasure::kParityShardsMax || record.members.size() != record.data + record.parity)
    return false;
  std::set<std::uint32_t> drives;
  for (const SegmentRecord::Member& member : record.members) drives.insert(member.drive);
  return drives.size() == record.members.size();
}

}  // namespace

struct SegmentStore::State {
  State(DriveSet& drives, SegmentCatalog& catalog, StripePools pools, Clock& clock,
        MetricsRegistry& metrics, std::uint64_t epoch, SegmentStoreOptions options)
      : context(drives, catalog, pools, clock, metrics, epoch, options),
        open(context),
        batches(context, open, Lane::batch),
        survivors(context, open, Lane::survivors),
        streams(context, open),
        shards(context),
        rebuilder(context, shards),
        repairs(context, shards, rebuilder),
        extents(context, shards, rebuilder, repairs),
        walker(context),
        preparer(context),
        mover(context),
        scrubber(context, repairs),
        drive_states(std::make_shared<DriveStateGauges>(drives, metrics)) {
    // The drives outlive the store and keep their listeners: this one must not keep anything of the store.
    drives.on_status_change([states = std::weak_ptr(drive_states)](std::uint32_t member, DriveStatus status) {
      if (const auto alive = states.lock()) alive->set(member, status);
    });
  }

  Result<> adopt(SegmentRecord record);

  StoreContext context;
  OpenSegments open;
  BatchWriter batches;
  BatchWriter survivors;
  StreamWriter streams;
  ShardReader shards;
  ShardRebuilder rebuilder;
  RepairQueue repairs;
  ExtentReader extents;
  StripeWalker walker;
  ZonePreparer preparer;
  ShardMover mover;
  StripeScrubber scrubber;
  std::shared_ptr<DriveStateGauges> drive_states;
  TaskGroup background;
  CallGuard::State calls;
};

SegmentStore::SegmentStore(DriveSet& drives, SegmentCatalog& catalog, StripePools pools, Clock& clock,
                           MetricsRegistry& metrics, std::uint64_t epoch, SegmentStoreOptions options)
    : state_(std::make_unique<State>(drives, catalog, pools, clock, metrics, epoch, options)) {}

SegmentStore::~SegmentStore() = default;

// Takes a sealed record into the table and its zones out of the free ones.
Result<> SegmentStore::State::adopt(SegmentRecord record) {
  for (const SegmentRecord::Member& member : record.members) {
    if (context.zones.claim(member)) continue;
    log_error("segment_zone_conflict",
              {{"segment", record.id}, {"drive", member.drive}, {"zone", member.zone}});
    return Errc::corrupt_record;
  }
  context.table.insert(std::make_shared<Segment>(std::move(record), context.zone_blocks()));
  return success();
}

Task<Result<>> SegmentStore::recover() {
  StoreContext& context = state_->context;
  Result<SegmentCatalog::Loaded> loaded = co_await context.catalog.load();
  if (!loaded) co_return loaded.error();
  SegmentId highest = loaded->highest_id;
  std::size_t sealed = 0;
  for (SegmentRecord& record : loaded->records) {
    if (!valid_record(record) || context.table.find(record.id)) {
      log_error("segment_record_invalid", {{"segment", record.id}});
      co_return Errc::corrupt_record;
    }
    highest = std::max(highest, record.id);
    if (record.state == SegmentRecord::State::open) {
      // Opened by an earlier process: what its last stripes left behind is unknown, so nothing is appended.
      SegmentRecord found = record;
      record.state = SegmentRecord::State::sealed;
      SegmentRecord replacement = record;
      Result<> replaced = co_await context.catalog.replace(std::move(found), std::move(replacement));
      if (!replaced) co_return replaced;
      ++sealed;
    }
    Result<> adopted = state_->adopt(std::move(record));
    if (!adopted) co_return adopted;
  }
  state_->open.set_next_id(highest + 1);
  context.update_zone_gauge();
  log_info("segments_recovered", {{"segments", context.table.size()},
                                  {"sealed_now", sealed},
                                  {"zones_free", context.zones.free_zones()}});
  co_return success();
}

void SegmentStore::start(Executor executor) {
  state_->repairs.start(executor);
  state_->background.spawn(executor, state_->preparer.run());
}

Task<> SegmentStore::stop() {
  Gate drained;
  bool wait = false;
  {
    std::lock_guard lock(state_->calls.mutex);
    state_->calls.stopping = true;
    if (state_->calls.calls > 0) {
      state_->calls.drained = &drained;
      wait = true;
    }
  }
  if (wait) co_await drained.wait();
  state_->repairs.stop();
  state_->background.cancel();
  co_await state_->background.join();
  co_await state_->context.tasks.join();
}

Task<Result<Appended>> SegmentStore::append(PieceName name, std::span<const std::byte> bytes) {
  CallGuard guard(state_->calls);
  if (!guard.admitted()) co_return Errc::shutting_down;
  if (bytes.empty() || name.bucket.size() > kBucketBytesMax || name.key.size() > kKeyBytesMax) {
    co_return Errc::invalid_argument;
  }
  if (state_->context.drives.scheme_for(state_->context.drives.alive_count()).data == 0)
    co_return Errc::read_only;
  if (bytes.size() > append_bytes_max()) co_return Errc::too_large;
  co_return co_await state_->batches.append(std::move(name), bytes);
}

Task<Result<std::vector<Appended>>> SegmentStore::append_stream(PieceName name,
                                                                std::span<const std::byte> head,
                                                                ByteSource& source) {
  CallGuard guard(state_->calls);
  if (!guard.admitted()) co_return Errc::shutting_down;
  if (name.bucket.size() > kBucketBytesMax || name.key.size() > kKeyBytesMax)
    co_return Errc::invalid_argument;
  co_return co_await state_->streams.append(std::move(name), head, source);
}

bool SegmentStore::stream_has_room() const { return state_->streams.has_room(); }

Task<Result<Slice>> SegmentStore::read(Extent extent, std::uint32_t begin, std::uint32_t length,
                                       io::BufferPool& into_pool) {
  CallGuard guard(state_->calls);
  if (!guard.admitted()) co_return Errc::shutting_down;
  co_return co_await state_->extents.read(extent, begin, length, into_pool);
}

std::uint32_t SegmentStore::piece_bytes(const Extent& extent, std::uint32_t begin) const {
  const std::uint32_t shard_bytes =
      std::uint32_t{extent.shard_blocks} * static_cast<std::uint32_t>(io::kBlockBytes);
  if (shard_bytes == 0 || begin >= extent.length) return 0;
  const std::uint64_t within = (std::uint64_t{extent.begin} + begin) % shard_bytes;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(shard_bytes - within, extent.length - begin));
}

Result<SegmentPin> SegmentStore::pin(SegmentId segment) {
  SegmentPtr found = state_->context.table.find(segment);
  if (!found) return Errc::not_found;
  return SegmentPin(std::move(found));
}

std::vector<SegmentRecord> SegmentStore::segments() const {
  std::vector<SegmentRecord> records;
  for (const SegmentPtr& segment : state_->context.table.all()) records.push_back(segment->record());
  return records;
}

Task<Result<std::optional<StripeInfo>>> SegmentStore::next_stripe(SegmentId segment_id, std::uint32_t from_block) {
  CallGuard guard(state_->calls);
  if (!guard.admitted()) co_return Errc::shutting_down;
  SegmentPtr segment = state_->context.table.find(segment_id);
  if (!segment) co_return Errc::not_found;
  if (segment->accepts_appends()) co_return Errc::conflict;
  co_return co_await state_->walker.next(std::move(segment), from_block);
}

Task<Result<>> SegmentStore::move_shard(MoveRequest request) {
  CallGuard guard(state_->calls);
  if (!guard.admitted()) co_return Errc::shutting_down;
  co_return co_await state_->mover.move(std::move(request));
}

Task<Result<ScrubStep>> SegmentStore::scrub(ScrubRequest request) {
  CallGuard guard(state_->calls);
  if (!guard.admitted()) co_return Errc::shutting_down;
  co_return co_await state_->scrubber.step(std::move(request));
}

Task<Result<>> SegmentStore::free_segments(std::vector<SegmentId> ids) {
  CallGuard guard(state_->calls);
  if (!guard.admitted()) co_return Errc::shutting_down;
  StoreContext& context = state_->context;
  std::vector<SegmentPtr> taken;
  for (const SegmentId id : ids) {
    SegmentPtr segment = context.table.take_unreferenced(id);
    if (!segment) break;
    taken.push_back(std::move(segment));
  }
  Result<> removed = Errc::conflict;
  if (taken.size() == ids.size()) removed = co_await context.catalog.remove(std::move(ids));
  for (SegmentPtr& segment : taken) {
    if (removed) {
      const PlacementPtr placement = segment->placement();
      for (const SegmentRecord::Member& member : placement->members()) context.zones.release(member);
    } else {
      context.table.insert(std::move(segment));
    }
  }
  context.update_zone_gauge();
  if (removed) context.space.freed.wake();
  co_return removed;
}

Task<std::vector<Result<std::vector<Appended>>>> SegmentStore::append_survivors(std::vector<Survivor> bodies) {
  std::vector<Result<std::vector<Appended>>> results(bodies.size(), std::vector<Appended>());
  CallGuard guard(state_->calls);
  if (!guard.admitted()) {
    results.assign(bodies.size(), Errc::shutting_down);
    co_return results;
  }
  const StoreContext& context = state_->context;
  std::vector<std::size_t> written(bodies.size(), 0);  // bytes of each body
  // A round fails for a body only when drives are lost during it, each of which makes the geometry narrower.
  for (unsigned round = 0; round <= erasure::kDataShardsMax; ++round) {
    const erasure::Scheme scheme = context.drives.scheme_for(context.drives.alive_count());
    if (scheme.data == 0) {
      results.assign(bodies.size(), Errc::read_only);
      co_return results;
    }
    const std::size_t part_max = std::size_t{scheme.data} * context.shard_blocks_max(scheme) * io::kBlockBytes;
    std::vector<BatchWriter::Body> parts;
    std::vector<std::size_t> body_of;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      if (!results[i]) continue;
      for (std::size_t at = written[i]; at < bodies[i].bytes.size(); at += part_max) {
        BatchWriter::Body part;
        part.name = bodies[i].name;
        part.bytes = bodies[i].bytes.subspan(at, std::min(part_max, bodies[i].bytes.size() - at));
        parts.push_back(std::move(part));
        body_of.push_back(i);
      }
    }
    if (parts.empty()) break;
    std::vector<Result<Appended>> appended = co_await state_->survivors.append_all(std::move(parts));
    std::vector<bool> interrupted(bodies.size(), false);
    for (std::size_t i = 0; i < appended.size(); ++i) {
      const std::size_t body = body_of[i];
      if (!results[body] || interrupted[body]) continue;
      if (appended[i]) {
        written[body] += appended[i]->extent.length;
        results[body]->push_back(std::move(*appended[i]));
      } else if (appended[i].error() == Errc::too_large) {
        interrupted[body] = true;
      } else {
        results[body] = appended[i].error();
      }
    }
  }
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    if (results[i] && written[i] < bodies[i].bytes.size()) results[i] = Errc::too_large;
  }
  co_return results;
}

Task<Result<>> SegmentStore::seal(SegmentId segment_id) {
  CallGuard guard(state_->calls);
  if (!guard.admitted()) co_return Errc::shutting_down;
  SegmentPtr segment = state_->context.table.find(segment_id);
  if (!segment) co_return Errc::not_found;
  state_->open.seal(segment, co_await boost::asio::this_coro::executor);
  co_return success();
}

bool SegmentStore::settled(SegmentId segment_id) const {
  const SegmentPtr segment = state_->context.table.find(segment_id);
  return segment && segment->settled();
}

void SegmentStore::space_outlook_changed() { state_->context.space.freed.wake(); }

void SegmentStore::on_space_short(std::function<bool()> reclaimer) {
  state_->context.space.set_reclaimer(std::move(reclaimer));
}

std::uint32_t SegmentStore::append_bytes_max() const {
  const StoreContext& context = state_->context;
  const erasure::Scheme scheme = context.drives.scheme_for(context.drives.alive_count());
  if (scheme.data == 0) return 0;
  const std::uint64_t space = std::uint64_t{scheme.data} * context.shard_blocks_max(scheme) * io::kBlockBytes;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(space, context.options.small_body_bytes_max));
}

std::uint32_t SegmentStore::zones_free(std::uint32_t member) const {
  state_->context.take_new_members();
  return static_cast<std::uint32_t>(state_->context.zones.free_zones(member));
}

SegmentStore::Usage SegmentStore::usage() const {
  const StoreContext& context = state_->context;
  Usage usage;
  for (const MemberInfo& member : context.drives.members()) {
    if (member.status != DriveStatus::alive) continue;
    usage.zones_total += member.zones;
    usage.zones_free += context.zones.free_zones(member.number);
  }
  usage.zone_bytes = context.drives.zone_bytes();
  usage.segments = context.table.size();
  usage.segments_left = context.segments_left(kSegmentsLeftMax);
  usage.queue_bytes = state_->batches.queue_bytes();
  usage.repairs_queued = state_->repairs.size();
  return usage;
}

}  // namespace storage::segment
