#include "storage/upkeep/collector.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/task_group.h"

namespace storage::upkeep {
namespace asio = boost::asio;

using segment::SegmentId;

namespace {

constexpr std::size_t kPiecesMax = 2'048;  // of one batch
constexpr unsigned kReadsAtOnce = 8;
constexpr int kPassesMax = 4;  // over one segment, before writers who are always faster are left alone
constexpr std::uint32_t kRowsPerPage = 1'000;
constexpr std::uint64_t kBytesPerRow = 256;  // what a row of a walk costs the budget
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::uint32_t kPinnedPollMs = 50;  // how often a segment that readers hold is tried again

// What the bytes of an extent take in the pool: whole blocks, one more where they straddle two.
std::size_t memory_of(const segment::Extent& extent) {
  return (std::size_t{extent.length} / io::kBlockBytes + 2) * io::kBlockBytes;
}

}  // namespace

Task<bool> Collector::cancelled() {
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

// Live pieces on their way.
struct Collector::Batch {
  std::vector<LivePiece> pieces;
  std::vector<Result<segment::Slice>> bytes;  // by piece
  std::size_t memory = 0;
  std::size_t next = 0;  // piece to read
};

// What one walk over a segment found.
struct Collector::Pass {
  std::uint64_t payload_bytes = 0;  // of all pieces
  std::uint64_t moved_bytes = 0;
  bool complete = true;  // every live piece was moved or had gone by itself
  bool holes = false;    // stripes are missing between those found
  Error failed;          // of the first live piece that could not be moved
};

// One segment is in one collector's hands.
class Collector::Claim {
 public:
  Claim(Collector& collector, SegmentId segment) : collector_(collector), segment_(segment) {
    std::lock_guard lock(collector_.mutex_);
    held_ = collector_.busy_.insert(segment_).second;
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() {
    if (!held_) return;
    std::lock_guard lock(collector_.mutex_);
    collector_.busy_.erase(segment_);
  }
  explicit operator bool() const { return held_; }

 private:
  Collector& collector_;
  SegmentId segment_;
  bool held_ = false;
};

Collector::Collector(segment::SegmentStore& segments, LiveIndex& index, LiveCounters& counters,
                     io::BufferPool& pool, Pacer& pacer, Clock& clock, MetricsRegistry& metrics,
                     CollectorOptions options)
    : segments_(segments),
      index_(index),
      counters_(counters),
      pool_(pool),
      pacer_(pacer),
      clock_(clock),
      options_(options),
      moved_bytes_(metrics.counter("storage_collector_moved_bytes_total",
                                   "Live payload written again by collection.")),
      freed_bytes_(
          metrics.counter("storage_collector_freed_bytes_total", "Dead payload freed by collection.")),
      freed_segments_(
          metrics.counter("storage_collector_freed_segments_total", "Segments freed by collection.")),
      live_bytes_(metrics.gauge("storage_live_bytes", "Payload that records name.")),
      urgent_gauge_(
          metrics.gauge("storage_collector_urgent", "1 while writers are about to run out of space.")) {
  CHECK(options_.batch_bytes <= io::kMaxBufferBytes);
  CHECK(options_.watermark_divisor > 0);
}

Collector::~Collector() { segments_.on_space_short({}); }

Collector::Totals Collector::totals() const {
  Totals totals;
  totals.moved_bytes = moved_bytes_.value();
  totals.freed_bytes = freed_bytes_.value();
  totals.freed_segments = freed_segments_.value();
  return totals;
}

Task<Result<>> Collector::pace(std::uint64_t bytes, bool paced) {
  const bool stop = co_await cancelled();
  if (stop) co_return Errc::shutting_down;
  if (!paced || share_wanted() >= options_.live_share_short) co_return success();
  co_return co_await pacer_.spend(bytes);
}

Task<Result<>> Collector::fill_counters() {
  counters_.begin_walk();
  std::string cursor;
  while (true) {
    Result<> paid = co_await pace(kRowsPerPage * kBytesPerRow, true);
    if (!paid) {
      counters_.abandon_walk();
      co_return paid;
    }
    Result<LiveIndex::Page> page = co_await index_.walk(std::move(cursor), kRowsPerPage);
    if (!page) {
      counters_.abandon_walk();
      co_return page.error();
    }
    counters_.walked(page->extents, page->next);
    if (!page->next) break;
    cursor = std::move(*page->next);
  }
  counters_.end_walk();
  walked_ns_ = clock_.monotonic_ns();
  walked_changes_ = counters_.changes();
  co_return success();
}

Task<Result<std::uint64_t>> Collector::bytes_named(SegmentId segment_id) {
  std::uint64_t bytes = 0;
  std::string cursor;
  while (true) {
    Result<> paid = co_await pace(kRowsPerPage * kBytesPerRow, true);
    if (!paid) co_return paid.error();
    Result<LiveIndex::Page> page = co_await index_.walk(std::move(cursor), kRowsPerPage);
    if (!page) co_return page.error();
    for (const segment::Extent& extent : page->extents) {
      if (extent.segment == segment_id) bytes += extent.length;
    }
    if (!page->next) co_return bytes;
    cursor = std::move(*page->next);
  }
}

Task<> Collector::read_next(Batch& batch) {
  while (batch.next < batch.pieces.size()) {
    const std::size_t index = batch.next++;
    const segment::Extent extent = batch.pieces[index].extent;
    batch.bytes[index] = co_await segments_.read(extent, 0, extent.length, pool_);
  }
}

// Whole extents: each is checked against the CRC that its record holds.
Task<> Collector::read(Batch& batch) {
  batch.bytes.clear();
  for (std::size_t i = 0; i < batch.pieces.size(); ++i) batch.bytes.emplace_back(Errc::io_error);
  Executor executor = co_await asio::this_coro::executor;
  TaskGroup group;
  const std::size_t readers = std::min<std::size_t>(kReadsAtOnce, batch.pieces.size());
  for (std::size_t i = 0; i < readers; ++i) group.spawn(executor, read_next(batch));
  co_await group.join();
  // Degraded reads take more memory than their bytes: what found none is read alone.
  for (std::size_t i = 0; i < batch.pieces.size(); ++i) {
    if (batch.bytes[i] || batch.bytes[i].error() != Errc::overloaded) continue;
    const segment::Extent extent = batch.pieces[i].extent;
    batch.bytes[i] = co_await segments_.read(extent, 0, extent.length, pool_);
  }
}

// Reads, writes and commits a batch. An error is one that stops the pass; what hits single pieces is noted in
// it.
Task<Result<>> Collector::flush(Batch& batch, bool paced, Pass& pass) {
  if (batch.pieces.empty()) co_return success();
  Result<> paid = co_await pace(2 * batch.memory, paced);
  if (!paid) co_return paid;
  co_await read(batch);
  std::vector<segment::SegmentStore::Survivor> bodies;
  std::vector<std::size_t> piece_of;
  for (std::size_t i = 0; i < batch.pieces.size(); ++i) {
    if (!batch.bytes[i]) {
      pass.complete = false;
      if (!pass.failed) pass.failed = batch.bytes[i].error();
      continue;
    }
    segment::SegmentStore::Survivor body;
    body.name = batch.pieces[i].name;
    body.bytes = batch.bytes[i]->bytes();
    bodies.push_back(std::move(body));
    piece_of.push_back(i);
  }
  std::vector<Result<std::vector<segment::Appended>>> written =
      co_await segments_.append_survivors(std::move(bodies));
  {
    std::lock_guard lock(mutex_);
    for (const auto& body : written) {
      for (std::size_t i = 0; body && i < body->size(); ++i) packed_.insert((*body)[i].extent.segment);
    }
  }
  std::vector<Move> moves;
  std::vector<segment::SegmentPin> pins;  // until the commit returned
  Error stop;
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (!written[i]) {
      pass.complete = false;
      stop = written[i].error();
      continue;
    }
    // What was written must be what the record vouches for.
    if (written[i]->size() == 1 && written[i]->front().extent.crc != batch.pieces[piece_of[i]].extent.crc) {
      log_error("survivor_changed_in_memory", {{"segment", batch.pieces[piece_of[i]].extent.segment}});
      pass.complete = false;
      pass.failed = Errc::corrupt_data;
      continue;
    }
    Move move;
    move.piece = std::move(batch.pieces[piece_of[i]]);
    pass.moved_bytes += move.piece.extent.length;
    moved_bytes_.add(move.piece.extent.length);
    for (segment::Appended& each : *written[i]) {
      move.to.push_back(each.extent);
      pins.push_back(std::move(each.pin));
    }
    moves.push_back(std::move(move));
  }
  batch = Batch();
  if (!moves.empty()) {
    Result<std::vector<MoveOutcome>> outcomes = co_await index_.move(std::move(moves));
    if (!outcomes) co_return outcomes.error();
    for (const MoveOutcome outcome : *outcomes)
      pass.complete = pass.complete && outcome != MoveOutcome::contended;
  }
  if (stop) co_return stop;
  co_return success();
}

Task<Result<>> Collector::pass_over(SegmentId segment_id, bool paced, Pass& pass) {
  Batch batch;
  std::uint32_t block = 0;
  std::uint64_t sequence = 1;
  while (true) {
    Result<std::optional<segment::StripeInfo>> found = co_await segments_.next_stripe(segment_id, block);
    if (!found) co_return found.error();
    if (!*found) break;
    segment::StripeInfo& stripe = **found;
    pass.holes = pass.holes || stripe.sequence != sequence;
    sequence = stripe.sequence + 1;
    block = stripe.next_block;
    for (const segment::Piece& piece : stripe.pieces) pass.payload_bytes += piece.length;
    Result<std::vector<LivePiece>> live = co_await index_.live(segment_id, std::move(stripe));
    if (!live) co_return live.error();
    for (LivePiece& piece : *live) {
      const std::size_t memory = memory_of(piece.extent);
      if (batch.memory + memory > options_.batch_bytes || batch.pieces.size() == kPiecesMax) {
        Result<> flushed = co_await flush(batch, paced, pass);
        if (!flushed) co_return flushed;
      }
      batch.memory += memory;
      batch.pieces.push_back(std::move(piece));
    }
    const bool stop = co_await cancelled();
    if (stop) co_return Errc::shutting_down;
  }
  co_return co_await flush(batch, paced, pass);
}

Task<Result<>> Collector::free(SegmentId segment_id, std::uint64_t dead_bytes) {
  std::vector<SegmentId> ids(1, segment_id);
  Result<> freed = co_await segments_.free_segments(std::move(ids));
  if (!freed && freed.error() != Errc::not_found) co_return freed;
  counters_.forget(segment_id);
  freed_bytes_.add(dead_bytes);
  freed_segments_.add();
  urgent_.store(false, std::memory_order_relaxed);  // whoever still finds no zone says so again
  std::lock_guard lock(mutex_);
  evacuated_.erase(segment_id);
  co_return success();
}

Task<Result<>> Collector::evacuate(SegmentId segment_id, bool paced) {
  if (!segments_.settled(segment_id)) co_return Errc::conflict;
  std::uint64_t payload_bytes = 0;
  std::uint64_t moved_bytes = 0;
  bool holes = false;
  for (int attempt = 0;; ++attempt) {
    Pass pass;
    Result<> passed = co_await pass_over(segment_id, paced, pass);
    if (!passed) co_return passed;
    payload_bytes = std::max(payload_bytes, pass.payload_bytes);
    moved_bytes += pass.moved_bytes;
    holes = pass.holes;
    if (pass.complete) break;
    if (pass.failed) co_return pass.failed;
    if (attempt + 1 == kPassesMax) co_return Errc::conflict;
  }
  // Every directory that could be read has been seen through. Where stripes are missing, or the counters say
  // that more is named, the records have the last word.
  if (holes || (counters_.filled() && counters_.live_bytes(segment_id) > 0)) {
    Result<std::uint64_t> named = co_await bytes_named(segment_id);
    if (!named) co_return named.error();
    if (*named > 0) {
      log_error("segment_names_unfound_bytes", {{"segment", segment_id}, {"bytes", *named}});
      co_return Errc::corrupt_data;
    }
  }
  const std::uint64_t dead_bytes = payload_bytes - std::min(payload_bytes, moved_bytes);
  {
    std::lock_guard lock(mutex_);
    evacuated_[segment_id] = dead_bytes;
  }
  co_return co_await free(segment_id, dead_bytes);
}

Task<Result<>> Collector::rewrite(SegmentId segment_id) {
  Claim claim(*this, segment_id);
  if (!claim) co_return Errc::conflict;
  Result<> sealed = co_await segments_.seal(segment_id);
  if (!sealed) co_return sealed;
  std::optional<std::uint64_t> dead_bytes;
  {
    std::lock_guard lock(mutex_);
    const auto found = evacuated_.find(segment_id);
    if (found != evacuated_.end()) dead_bytes = found->second;
  }
  if (dead_bytes) co_return co_await free(segment_id, *dead_bytes);
  co_return co_await evacuate(segment_id, false);
}

// Segments that readers held when their last live byte had moved.
Task<bool> Collector::free_evacuated() {
  std::map<SegmentId, std::uint64_t> waiting;
  {
    std::lock_guard lock(mutex_);
    waiting = evacuated_;
  }
  bool freed_any = false;
  for (const auto& [segment_id, dead_bytes] : waiting) {
    Claim claim(*this, segment_id);
    if (!claim) continue;
    Result<> freed = co_await free(segment_id, dead_bytes);
    freed_any = freed_any || freed;
  }
  co_return freed_any;
}

// Collects one segment, if one is worth it; returns whether another look is due at once.
Task<bool> Collector::step() {
  const bool freed = co_await free_evacuated();
  live_bytes_.set(static_cast<std::int64_t>(counters_.total_bytes()));
  const bool short_of_space = share_wanted() >= options_.live_share_short;
  urgent_gauge_.set(short_of_space ? 1 : 0);
  const std::optional<Candidate> victim = co_await choose();
  fallen_short_ = short_of_space && !victim;
  if (fallen_short_ && counters_.changes() != told_changes_) {
    // Those who wait need not do so to the end. Once a change: who is told asks, and who asks wakes this
    // task.
    told_changes_ = counters_.changes();
    segments_.space_outlook_changed();
  }
  if (!victim) co_return freed;
  Claim claim(*this, victim->id);
  if (!claim) co_return freed;
  Result<> collected = co_await evacuate(victim->id, true);
  if (collected) co_return true;
  {
    std::lock_guard lock(mutex_);
    if (evacuated_.contains(victim->id)) co_return true;  // pinned: others may be free sooner
  }
  // Without room for survivors no other segment fares better: readers must let go of what is evacuated
  // already.
  if (collected.error() == Errc::shutting_down || collected.error() == Errc::no_space) co_return freed;
  leave_alone(victim->id, collected.error());
  co_return true;
}

Task<> Collector::run() {
  {
    std::lock_guard lock(mutex_);
    CHECK(!running_);
    running_ = true;
  }
  segments_.on_space_short([this] { return space_short(); });
  while (true) {
    const std::uint64_t seen = wanted_.generation();
    bool worked = false;
    const bool stale = fallen_short_ && counters_.changes() != walked_changes_ &&
                       clock_.monotonic_ns() - walked_ns_ >= options_.rewalk_ms_min * kNsPerMs;
    if (!counters_.filled() || stale) {
      Result<> filled = co_await fill_counters();
      if (!filled && filled.error() != Errc::shutting_down) {
        log_warn("live_counters_not_filled", {{"error", filled.error().message()}});
      }
    }
    if (counters_.filled()) worked = co_await step();
    const bool stop = co_await cancelled();
    if (stop) break;
    if (worked) continue;
    urgent_.store(false, std::memory_order_relaxed);
    bool pinned = false;
    {
      std::lock_guard lock(mutex_);
      pinned = !evacuated_.empty();
    }
    const Signal::Outcome outcome =
        co_await wanted_.wait(seen, std::chrono::milliseconds(pinned ? kPinnedPollMs : options_.poll_ms));
    if (outcome == Signal::Outcome::cancelled) break;
  }
  {
    std::lock_guard lock(mutex_);
    running_ = false;
  }
  segments_.on_space_short({});
}

}  // namespace storage::upkeep
