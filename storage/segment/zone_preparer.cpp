#include "storage/segment/zone_preparer.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <cstring>

#include "storage/base/log.h"

namespace storage::segment {
namespace asio = boost::asio;

namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::size_t kPieceBytes = 1024 * 1024;
constexpr std::chrono::milliseconds kPause(500);

}  // namespace

Task<> ZonePreparer::run() {
  Executor executor = co_await asio::this_coro::executor;
  Timer timer(executor);
  while (true) {
    bool worked = false;
    context_.take_new_members();
    for (const MemberInfo& member : context_.drives.members()) {
      asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) co_return;
      const bool prepared = co_await prepare_one(member.number);
      worked = worked || prepared;
    }
    if (worked) continue;
    timer.expires_after(kPause);
    auto [ended] = co_await timer.async_wait(asio::as_tuple(use_task));
    if (ended) co_return;
  }
}

// A zone that is being prepared: another's again when no write there is unfinished.
struct ZonePreparer::Work {
  Work(std::shared_ptr<ZoneAllocator> allocator, std::uint32_t on, std::uint32_t which)
      : zones(std::move(allocator)), member(on), zone(which) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  ~Work() { zones->end_preparing(member, zone, prepared); }

  const std::shared_ptr<ZoneAllocator> zones;
  const std::uint32_t member;
  const std::uint32_t zone;
  bool prepared = false;
  io::Buffer zeros;
};

// Returns whether a zone was prepared, so that another may be due.
Task<bool> ZonePreparer::prepare_one(std::uint32_t member) {
  io::Drive* drive = context_.drives.takes_zones(member) ? context_.drive_for_write(member) : nullptr;
  if (drive == nullptr) co_return false;
  const std::uint64_t first_zone = context_.drives.zone_offset(0);
  const std::uint64_t prepared = drive->prepared_bytes();
  const std::uint64_t below =
      prepared <= first_zone ? 0 : (prepared - first_zone) / context_.drives.zone_bytes();
  context_.zones.set_prepared_below(member,
                                    static_cast<std::uint32_t>(std::min<std::uint64_t>(below, UINT32_MAX)));
  const std::optional<std::uint32_t> zone =
      context_.zones.begin_preparing(member, context_.options.prepared_zones);
  if (!zone) co_return false;
  auto work = std::make_shared<Work>(context_.shared_zones, member, *zone);
  Result<> written = co_await write_zeros(work);
  work->prepared = written.has_value();
  co_return written.has_value();
}

Task<Result<>> ZonePreparer::write_zeros(std::shared_ptr<Work> work) {
  Result<io::Buffer> zeros = co_await context_.pool.take(kPieceBytes, context_.options.wait_ms_max);
  if (!zeros) co_return zeros.error();
  work->zeros = std::move(*zeros);
  const std::span<std::byte> piece = work->zeros.span().first(kPieceBytes);
  std::memset(piece.data(), 0, piece.size());
  const SegmentRecord::Member zone{work->member, work->zone};
  for (std::uint64_t at = 0; at < context_.drives.zone_bytes(); at += kPieceBytes) {
    asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return Errc::shutting_down;
    io::PatientOperation write = context_.shard_write(zone, static_cast<std::uint32_t>(at / io::kBlockBytes), piece);
    if (write.drive == nullptr) co_return Errc::drive_lost;
    write.compared = false;
    co_await io::run_patiently(std::span<io::PatientOperation>(&write, 1), context_.last_patience(), work);
    context_.metrics.syncs.add();
    context_.report(zone.drive, write);
    if (write.error) co_return write.error;
  }
  co_return success();
}

}  // namespace storage::segment
