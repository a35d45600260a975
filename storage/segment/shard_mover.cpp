#include "storage/segment/shard_mover.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include "storage/base/log.h"
#include "storage/segment/record_changes.h"

namespace storage::segment {
namespace asio = boost::asio;

namespace {

// Zones of a member that are left for the collector, as an append leaves them.
constexpr std::uint32_t kZonesSpared = 2;

// Marks a segment as being moved for as long as it lives.
class MoveMark {
 public:
  MoveMark(std::mutex& mutex, std::set<SegmentId>& moving, SegmentId segment)
      : mutex_(mutex), moving_(moving), segment_(segment) {
    std::lock_guard lock(mutex_);
    taken_ = moving_.insert(segment_).second;
  }
  MoveMark(const MoveMark&) = delete;
  MoveMark& operator=(const MoveMark&) = delete;
  ~MoveMark() {
    std::lock_guard lock(mutex_);
    if (taken_) moving_.erase(segment_);
  }
  bool taken() const { return taken_; }

 private:
  std::mutex& mutex_;
  std::set<SegmentId>& moving_;
  const SegmentId segment_;
  bool taken_ = false;
};

}  // namespace

struct ShardMover::Copy {
  const MoveRequest& request;
  SegmentPtr segment;
  PlacementPtr placement;  // as it was when the move began; nobody else changes it meanwhile
  SegmentRecord::Member to;
  std::shared_ptr<ZoneHold> hold;  // of `to`
};

Task<Result<bool>> is_referenced(const Referenced& referenced, const StripeFound& found) {
  if (!referenced) co_return true;
  StripeInfo info = info_of(found);
  co_return co_await referenced(found.stripe.segment->id(), std::move(info));
}

Task<Result<>> ShardMover::move(MoveRequest request) {
  const MoveMark mark(mutex_, moving_, request.segment);
  if (!mark.taken()) co_return Errc::conflict;
  co_return co_await move_exclusively(request);
}

Task<Result<>> ShardMover::move_exclusively(const MoveRequest& request) {
  SegmentPtr segment = context_.table.find(request.segment);
  if (!segment) co_return Errc::not_found;
  PlacementPtr placement = segment->placement();
  if (request.shard >= placement->size() || request.pool == nullptr) co_return Errc::invalid_argument;
  if (placement->shard_on(request.to_member))
    co_return Errc::invalid_argument;  // one shard a domain (invariant 6)
  if (!context_.drives.takes_zones(request.to_member)) co_return Errc::drive_lost;
  // A stripe still being written could become durable without the shard that is moved.
  if (!segment->quiet() || !segment->stored_known()) co_return Errc::conflict;
  context_.take_new_members();
  Result<SegmentRecord::Member> zone = context_.zones.allocate_on(request.to_member, kZonesSpared);
  if (!zone) co_return zone.error();
  context_.update_zone_gauge();
  const SegmentRecord::Member from = (*placement)[request.shard];
  auto hold = std::make_shared<ZoneHold>(context_.shared_zones, std::vector<SegmentRecord::Member>(1, *zone));
  Copy copy{request, segment, std::move(placement), *zone, hold};
  Result<> copied = co_await write_zone_header(copy);
  if (copied) copied = co_await copy_stripes(copy);
  MoveOutcome outcome = MoveOutcome::refused;
  if (copied) outcome = co_await record_move(context_, segment, request.shard, from, *zone);
  if (outcome == MoveOutcome::refused) {
    // No record names it: it is free as soon as every write there has ended.
    hold->give_back();
    hold.reset();
    copy.hold.reset();
    context_.update_zone_gauge();
    if (copied) co_return Errc::conflict;
    co_return copied;
  }
  if (outcome == MoveOutcome::unknown) co_return Errc::io_error;
  co_return success();
}

Task<Result<>> ShardMover::write_zone_header(const Copy& copy) {
  Result<io::Buffer> block = co_await copy.request.pool->take(io::kBlockBytes, context_.options.wait_ms_max);
  if (!block) co_return block.error();
  SegmentRecord record = copy.segment->record();
  record.members[copy.request.shard] = copy.to;
  ZoneHeader header = zone_header_of(record, copy.request.shard);
  header.store = context_.drives.store_id();
  header.drive = context_.drives.member_id(copy.to.drive);
  encode_zone_header(header, block->span().first<io::kBlockBytes>());
  const auto memory = std::make_shared<io::Buffer>(std::move(*block));
  co_return co_await write(copy, 0, memory->span().first(io::kBlockBytes), memory);
}

// The shard itself where it can be read, else k others, those of healthy drives first.
std::vector<unsigned> ShardMover::first_sources(const Copy& copy) const {
  const auto status = [&](unsigned shard) { return context_.drives.status((*copy.placement)[shard].drive); };
  std::vector<unsigned> sources;
  if (status(copy.request.shard) == DriveStatus::alive) {
    sources.push_back(copy.request.shard);
    return sources;
  }
  for (const DriveStatus wanted : {DriveStatus::alive, DriveStatus::suspect}) {
    for (unsigned shard = 0; shard < copy.segment->width(); ++shard) {
      if (sources.size() == copy.segment->scheme().data) return sources;
      if (shard != copy.request.shard && status(shard) == wanted) sources.push_back(shard);
    }
  }
  return sources;
}

Task<Result<>> ShardMover::copy_stripes(const Copy& copy) {
  const std::uint32_t end_block = copy.segment->end_block();
  for (std::uint32_t block = 1; block < end_block;) {
    Result<std::uint32_t> next = co_await copy_window(copy, block, end_block);
    if (!next) co_return next.error();
    block = *next;
  }
  co_return success();
}

// Copies the stripes that end in the window that begins at `first_block`; returns where the next window
// begins.
Task<Result<std::uint32_t>> ShardMover::copy_window(const Copy& copy, std::uint32_t first_block,
                                                    std::uint32_t end_block) {
  const Executor executor = co_await asio::this_coro::executor;
  const std::uint32_t blocks =
      std::min(StripeWindow::blocks_max(copy.segment->width()), end_block - first_block);
  const std::size_t bytes = std::size_t{blocks} * io::kBlockBytes;
  const std::vector<unsigned> sources = first_sources(copy);
  if (copy.request.pace) {
    Result<> may = co_await copy.request.pace((sources.size() + 1) * bytes);
    if (!may) co_return may.error();
  }
  Result<StripeWindow> window =
      co_await StripeWindow::make(context_, copy.segment, first_block, blocks, *copy.request.pool);
  if (!window) co_return window.error();
  Result<io::Buffer> memory = co_await copy.request.pool->take(bytes, context_.options.wait_ms_max);
  if (!memory) co_return memory.error();
  const auto output = std::make_shared<io::Buffer>(std::move(*memory));
  co_await window->load(sources);

  std::uint32_t at = first_block;
  std::uint32_t run_begin = first_block;  // output from here to run_end is to be written
  std::uint32_t run_end = first_block;
  const auto piece = [&](std::uint32_t begin, std::uint32_t end) {
    return output->span().subspan(std::size_t{begin - first_block} * io::kBlockBytes,
                                  std::size_t{end - begin} * io::kBlockBytes);
  };
  while (true) {
    StripeWindow::Next next = co_await window->next(at);
    at = next.block;
    if (next.crossed_hole && window->failed() > copy.segment->scheme().parity) {
      co_return Errc::io_error;  // a stripe may be there all the same
    }
    if (!next.stripe) break;
    StripeFound& found = *next.stripe;
    bool made = false;
    Result<> filled = co_await fill(copy, *window, found, piece(at, found.end_block()), made);
    if (!filled) co_return filled.error();
    if (!made || run_end != at) {
      if (run_end > run_begin) {
        Result<> written = co_await write(copy, run_begin, piece(run_begin, run_end), output);
        if (!written) co_return written.error();
      }
      run_begin = at;
      run_end = at;
    }
    if (made) run_end = found.end_block();
    at = found.end_block();
    co_await asio::post(executor, use_task);  // clients of this thread come in between
  }
  if (run_end > run_begin) {
    Result<> written = co_await write(copy, run_begin, piece(run_begin, run_end), output);
    if (!written) co_return written.error();
  }
  co_return at;
}

// Makes the shard of one stripe in `into`; `made` stays false for a stripe that is beyond repair and named by
// nothing.
Task<Result<>> ShardMover::fill(const Copy& copy, StripeWindow& window, StripeFound& found,
                                std::span<std::byte> into, bool& made) {
  const unsigned shard = copy.request.shard;
  const unsigned needed = copy.segment->scheme().data;
  const auto enough = [&] { return is_source(found.shards[shard]) || found.sources() >= needed; };
  if (!enough() && !window.all_asked()) {
    co_await window.load_all();
    window.judge(found);
  }
  if (!enough()) co_await window.reread(found);
  if (enough()) {
    made = window.rebuild(found, shard, into);
    if (made) co_return success();
    log_error(
        "stripe_no_codeword",
        {{"segment", copy.segment->id()}, {"stripe_block", found.stripe.stripe_block}, {"shard", shard}});
  }
  Result<bool> referenced = co_await is_referenced(copy.request.referenced, found);
  if (!referenced) co_return referenced.error();
  if (!*referenced) co_return success();
  // The zone that is left may hold, or its drive may bring back, what is missing: it must keep its name.
  log_error("stripe_unreadable", {{"segment", copy.segment->id()},
                                  {"stripe_block", found.stripe.stripe_block},
                                  {"shards_left", found.sources()},
                                  {"shards_needed", needed}});
  co_return Errc::corrupt_data;
}

Task<Result<>> ShardMover::write(const Copy& copy, std::uint32_t block, std::span<std::byte> bytes,
                                 std::shared_ptr<io::Buffer> memory) {
  struct Kept {
    std::shared_ptr<ZoneHold> hold;
    std::shared_ptr<io::Buffer> memory;
  };
  io::PatientOperation written = context_.shard_write(copy.to, block, bytes);
  written.compared = false;
  if (written.drive == nullptr) co_return Errc::drive_lost;
  auto kept = std::make_shared<Kept>();
  kept->hold = copy.hold;
  kept->memory = std::move(memory);
  co_await io::run_patiently(std::span<io::PatientOperation>(&written, 1), context_.last_patience(), std::move(kept));
  context_.metrics.syncs.add();
  context_.report(copy.to.drive, written);
  if (written.error) co_return written.error;
  co_return success();
}

}  // namespace storage::segment
