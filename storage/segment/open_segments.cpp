#include "storage/segment/open_segments.h"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/segment/format.h"
#include "storage/segment/record_changes.h"
#include "storage/segment/superblock.h"

namespace storage::segment {
namespace asio = boost::asio;

namespace {

// Each failed attempt takes at least one drive out of service, so more attempts than members of the widest
// geometry bring nothing.
constexpr unsigned kOpenAttemptsMax = 8;

// Waits before the seal of a segment is recorded once more, where the metadata store had no room for it.
constexpr std::array kSealRetries = {std::chrono::milliseconds(50), std::chrono::milliseconds(200),
                                     std::chrono::milliseconds(1000)};

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

Task<> replace_sealed(StoreContext& context, SegmentPtr segment) {
  Result<> replaced = co_await record_seal(context, segment);
  for (const std::chrono::milliseconds wait : kSealRetries) {
    if (replaced || (replaced.error() != Errc::overloaded && replaced.error() != Errc::no_space)) break;
    Timer timer(co_await asio::this_coro::executor);
    timer.expires_after(wait);
    co_await timer.async_wait(asio::as_tuple(use_task));
    replaced = co_await record_seal(context, segment);
  }
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
  const std::uint64_t waits_before = state.waits_in_vain.load(std::memory_order_relaxed);
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
  Result<SegmentPtr> opened = co_await open_or_wait(lane, state.waits_in_vain.load(std::memory_order_relaxed) != waits_before);
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

// Under the lane's opening lock. `waited`: the caller was behind somebody who waited in vain, and has waited itself so far.
Task<Result<SegmentPtr>> OpenSegments::open_or_wait(Lane lane, bool waited) {
  LaneState& state = lanes_[static_cast<std::size_t>(lane)];
  const std::int64_t deadline_ns =
      context_.clock.monotonic_ns() + std::int64_t{context_.options.wait_ms_max} * 1'000'000;
  while (true) {
    const std::uint64_t seen = context_.space.freed.generation();
    Result<SegmentPtr> opened = co_await open(lane);
    if (opened || opened.error() != Errc::no_space || lane == Lane::survivors) co_return opened;
    if (waited || !context_.space.worth_waiting()) co_return opened;
    const std::int64_t left_ns = deadline_ns - context_.clock.monotonic_ns();
    Signal::Outcome freed = Signal::Outcome::timed_out;
    if (left_ns > 0) freed = co_await context_.space.freed.wait(seen, std::chrono::milliseconds(left_ns / 1'000'000 + 1));
    if (freed == Signal::Outcome::changed) continue;
    state.waits_in_vain.fetch_add(1, std::memory_order_relaxed);
    co_return Errc::no_space;
  }
}

Task<Result<SegmentPtr>> OpenSegments::open(Lane lane) {
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
        scheme.data + scheme.parity, record.id, lane == Lane::survivors ? 0 : kReservedSegments,
        [this](std::uint32_t member) { return context_.drives.takes_zones(member); });
    if (!zones) co_return zones.error();
    context_.update_zone_gauge();
    record.members = std::move(*zones);

    auto hold = std::make_shared<ZoneHold>(context_.shared_zones, record.members);
    SegmentRecord stored = record;
    auto segment = std::make_shared<Segment>(std::move(record), context_.zone_blocks());
    Result<> added = co_await context_.catalog.add(std::move(stored));
    if (added) {
      context_.table.insert(segment);
      Result<> written = co_await write_zone_headers(*segment, hold);
      if (written) co_return segment;
      last = written.error();
    } else {
      last = added.error();
    }
    // Nothing lies in it: a record without headers would be an empty sealed segment that holds zones for
    // nothing.
    co_await abandon(segment, std::move(hold));
    if (!added || last == Errc::overloaded) co_return last;
  }
  co_return last;
}

Task<> OpenSegments::abandon(SegmentPtr segment, std::shared_ptr<ZoneHold> zones) {
  segment->seal();
  std::vector<SegmentId> ids(1, segment->id());
  Result<> removed = co_await context_.catalog.remove(std::move(ids));
  if (!removed) {
    // The record may exist: its zones stay taken until the next start has read the catalogue.
    log_warn("segment_not_removed", {{"segment", segment->id()}, {"error", removed.error().message()}});
    co_return;
  }
  context_.table.erase(segment->id());
  zones->give_back();
  zones.reset();  // free now, or when the last write of a header has ended
  context_.update_zone_gauge();
}

Task<Result<>> OpenSegments::write_zone_headers(const Segment& segment, std::shared_ptr<ZoneHold> zones) {
  struct Kept {
    std::shared_ptr<ZoneHold> zones;
    io::Buffer buffer;
  };
  const unsigned width = segment.width();
  Result<io::Buffer> buffer =
      co_await context_.pool.take(width * io::kBlockBytes, context_.options.wait_ms_max);
  if (!buffer) co_return buffer.error();
  auto kept = std::make_shared<Kept>();
  kept->zones = std::move(zones);
  kept->buffer = std::move(*buffer);
  const SegmentRecord record = segment.record();
  std::vector<io::PatientOperation> writes;
  for (unsigned shard = 0; shard < width; ++shard) {
    const SegmentRecord::Member member = record.members[shard];
    ZoneHeader header = zone_header_of(record, shard);
    header.store = context_.drives.store_id();
    header.drive = context_.drives.member_id(member.drive);
    const std::span<std::byte> block = kept->buffer.span().subspan(shard * io::kBlockBytes, io::kBlockBytes);
    encode_zone_header(header, block.first<io::kBlockBytes>());
    writes.push_back(context_.shard_write(member, 0, block));
  }
  co_await io::run_patiently(writes, context_.stripe_patience(), std::move(kept));
  context_.metrics.syncs.add(width);
  Error failed;
  for (unsigned shard = 0; shard < width; ++shard) {
    if (!writes[shard].error) continue;
    failed = writes[shard].error;
    context_.report(record.members[shard].drive, writes[shard]);
  }
  if (failed) co_return failed;
  co_return success();
}

}  // namespace storage::segment
