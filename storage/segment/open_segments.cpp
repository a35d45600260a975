#include "storage/segment/open_segments.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/segment/format.h"
#include "storage/segment/record_changes.h"
#include "storage/segment/superblock.h"

namespace storage::segment {
namespace asio = boost::asio;

namespace {

constexpr unsigned kReservedSegments = 2;  // room that is left to the collector

// Each failed attempt takes at least one drive out of service, so more attempts than members of the widest
// geometry bring nothing.
constexpr unsigned kOpenAttemptsMax = 8;

Task<> replace_sealed(StoreContext& context, SegmentPtr segment) {
  Result<> replaced = co_await record_seal(context, segment);
  if (!replaced) {
    log_warn("segment_seal_not_recorded",
             {{"segment", segment->id()}, {"error", replaced.error().message()}});
  }
}

}  // namespace

bool OpenSegments::members_alive(const Segment& segment) const {
  const PlacementPtr placement = segment.placement();
  return std::all_of(placement->members().begin(), placement->members().end(),
                     [this](const SegmentRecord::Member& member) { return context_.drives.takes_zones(member.drive); });
}

SegmentPtr OpenSegments::usable(Lane lane) {
  std::lock_guard lock(mutex_);
  const SegmentPtr& segment = lanes_[static_cast<std::size_t>(lane)].segment;
  if (!segment || !segment->accepts_appends() || !members_alive(*segment)) return nullptr;
  // Drives joined or came back: new stripes use the wider geometry at once.
  if (segment->scheme() != context_.drives.scheme_for(context_.drives.alive_count())) return nullptr;
  return segment;
}

Task<Result<SegmentPtr>> OpenSegments::current(Lane lane) {
  if (SegmentPtr segment = usable(lane)) co_return segment;
  LaneState& state = lanes_[static_cast<std::size_t>(lane)];
  AsyncLock::Hold hold = co_await state.opening.lock();
  if (SegmentPtr segment = usable(lane)) co_return segment;
  SegmentPtr old;
  {
    std::lock_guard lock(mutex_);
    old = std::exchange(state.segment, nullptr);
  }
  Executor executor = co_await asio::this_coro::executor;
  if (old) seal(old, executor);
  old.reset();
  Result<SegmentPtr> opened = co_await open();
  if (!opened) co_return opened.error();
  {
    std::lock_guard lock(mutex_);
    state.segment = *opened;
  }
  co_return *opened;
}

void OpenSegments::seal(const SegmentPtr& segment, Executor executor) {
  {
    std::lock_guard lock(mutex_);
    for (LaneState& lane : lanes_) {
      if (lane.segment == segment) lane.segment = nullptr;
    }
  }
  if (segment->seal()) context_.tasks.spawn(executor, replace_sealed(context_, segment));
}

Task<Result<SegmentPtr>> OpenSegments::open() {
  Error last = Errc::read_only;
  for (unsigned attempt = 0; attempt < kOpenAttemptsMax; ++attempt) {
    context_.take_new_members();
    const erasure::Scheme scheme = context_.drives.scheme_for(context_.drives.alive_count());
    if (scheme.data == 0) co_return Errc::read_only;
    SegmentRecord record;
    record.id = next_id_.fetch_add(1, std::memory_order_relaxed);
    record.data = scheme.data;
    record.parity = scheme.parity;
    record.epoch = context_.epoch;
    record.created_ms = context_.clock.wall_ms();
    Result<std::vector<SegmentRecord::Member>> zones = context_.zones.allocate(
        scheme.data + scheme.parity, record.id, kReservedSegments,
        [this](std::uint32_t member) { return context_.drives.takes_zones(member); });
    if (!zones) co_return zones.error();
    context_.update_zone_gauge();
    record.members = std::move(*zones);

    SegmentRecord stored = record;
    auto segment = std::make_shared<Segment>(std::move(record), context_.zone_blocks());
    Result<> added = co_await context_.catalog.add(std::move(stored));
    if (added) {
      context_.table.insert(segment);
      Result<> written = co_await write_zone_headers(*segment);
      if (written) co_return segment;
      last = written.error();
    } else {
      last = added.error();
    }
    // Nothing lies in it: a record without headers would be an empty sealed segment that holds zones for
    // nothing.
    co_await abandon(segment);
    if (!added || last == Errc::overloaded) co_return last;
  }
  co_return last;
}

Task<> OpenSegments::abandon(SegmentPtr segment) {
  segment->seal();
  std::vector<SegmentId> ids(1, segment->id());
  Result<> removed = co_await context_.catalog.remove(std::move(ids));
  if (!removed) {
    // The record may exist: its zones stay taken until the next start has read the catalogue.
    log_warn("segment_not_removed", {{"segment", segment->id()}, {"error", removed.error().message()}});
    co_return;
  }
  context_.table.erase(segment->id());
  const PlacementPtr placement = segment->placement();
  for (const SegmentRecord::Member& member : placement->members()) context_.zones.release(member);
  context_.update_zone_gauge();
}

Task<Result<>> OpenSegments::write_zone_headers(const Segment& segment) {
  const unsigned width = segment.width();
  Result<io::Buffer> buffer =
      co_await context_.pool.take(width * io::kBlockBytes, context_.options.wait_ms_max);
  if (!buffer) co_return buffer.error();
  const SegmentRecord record = segment.record();
  std::vector<io::GroupedOperation> writes;
  for (unsigned shard = 0; shard < width; ++shard) {
    const SegmentRecord::Member member = record.members[shard];
    ZoneHeader header = zone_header_of(record, shard);
    header.store = context_.drives.store_id();
    header.drive = context_.drives.member_id(member.drive);
    const std::span<std::byte> block = buffer->span().subspan(shard * io::kBlockBytes, io::kBlockBytes);
    encode_zone_header(header, block.first<io::kBlockBytes>());
    io::GroupedOperation write{context_.drive_for_write(member.drive),
                               {io::Operation::Kind::write, context_.drive_offset(member.zone, 0), block},
                               {}};
    writes.push_back(write);
  }
  co_await io::run_all(writes);
  context_.metrics.syncs.add(width);
  Error failed;
  for (unsigned shard = 0; shard < width; ++shard) {
    if (!writes[shard].error) continue;
    failed = writes[shard].error;
    if (writes[shard].drive == nullptr) continue;  // skipped: out of service already
    context_.drives.report_error(record.members[shard].drive, io::Operation::Kind::write, failed);
  }
  if (failed) co_return failed;
  co_return success();
}

}  // namespace storage::segment
