#include "storage/segment/batch_writer.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/segment/stripe_layout.h"

namespace storage::segment {
namespace asio = boost::asio;

namespace {

// Writes of one body before its error goes to the caller. Each failure takes a drive out of service, so a
// store that can still write at all succeeds within m + 1 of them.
constexpr unsigned kAttemptsMax = 8;

// Bodies that are asked whether they fit the end of a segment before it is given up.
constexpr std::size_t kLookedAtMax = 4096;

StripeShape shape_for(erasure::Scheme scheme, std::uint32_t shard_blocks, std::span<const Piece> pieces) {
  StripeShape shape;
  shape.scheme = scheme;
  shape.shard_blocks = shard_blocks;
  const std::size_t header = shard_header_bytes(scheme, shard_blocks, pieces);
  shape.header_blocks = static_cast<std::uint32_t>((header + io::kBlockBytes - 1) / io::kBlockBytes);
  CHECK(shape.header_blocks <= kHeaderBlocksMax);
  return shape;
}

// What no piece covers holds zeros: pool memory carries other bytes.
void zero_gaps(Stripe& stripe, std::vector<Piece> pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  std::uint32_t covered = 0;
  for (const Piece& piece : pieces) {
    CHECK(piece.begin >= covered);
    stripe.zero(covered, piece.begin);
    covered = piece.begin + piece.length;
  }
  stripe.zero(covered, static_cast<std::uint32_t>(stripe.shape().space_bytes()));
}

}  // namespace

Task<Result<Appended>> BatchWriter::append(PieceName name, std::span<const std::byte> bytes) {
  Pending pending;
  pending.name = std::move(name);
  pending.bytes = bytes;
  Result<> room = co_await quota_.acquire(bytes.size(), context_.options.wait_ms_max);
  if (!room) co_return room.error();
  context_.metrics.queue_bytes.set(static_cast<std::int64_t>(quota_.used_bytes()));
  const Batch alone(1, &pending);
  enqueue(alone, co_await asio::this_coro::executor);
  co_await pending.done.wait();
  quota_.release(bytes.size());
  context_.metrics.queue_bytes.set(static_cast<std::int64_t>(quota_.used_bytes()));
  if (pending.error) co_return pending.error;
  co_return std::move(pending.result);
}

Task<std::vector<Result<Appended>>> BatchWriter::append_all(std::vector<Body> bodies) {
  std::uint64_t bytes = 0;
  std::deque<Pending> pending;  // its elements stay where they are
  Batch all;
  for (Body& body : bodies) {
    Pending& each = pending.emplace_back();
    each.name = std::move(body.name);
    each.bytes = body.bytes;
    bytes += body.bytes.size();
    all.push_back(&each);
  }
  Result<> room = co_await quota_.acquire(bytes, context_.options.wait_ms_max);
  if (!room) co_return std::vector<Result<Appended>>(bodies.size(), room.error());
  enqueue(all, co_await asio::this_coro::executor);
  std::vector<Result<Appended>> results;
  for (Pending& each : pending) {
    co_await each.done.wait();
    if (each.error) {
      results.emplace_back(each.error);
    } else {
      results.emplace_back(std::move(each.result));
    }
  }
  quota_.release(bytes);
  co_return results;
}

void BatchWriter::enqueue(const Batch& batch, Executor executor) {
  bool start = false;
  {
    std::lock_guard lock(mutex_);
    queue_.insert(queue_.end(), batch.begin(), batch.end());
    if (running_ < std::max(context_.options.batches_in_flight_max, 1U)) {
      ++running_;
      start = true;
    }
  }
  if (start) context_.tasks.spawn(executor, write_batches());
}

// Fails a batch that nobody has settled when an exception leaves its write: those who wait hear of it.
class BatchWriter::Unsettled {
 public:
  explicit Unsettled(const Batch& batch) : batch_(&batch) {}
  Unsettled(const Unsettled&) = delete;
  Unsettled& operator=(const Unsettled&) = delete;
  ~Unsettled() {
    if (batch_ != nullptr) fail(*batch_, Errc::overloaded);  // no memory: nothing else throws here
  }
  void settle() { batch_ = nullptr; }

 private:
  const Batch* batch_;
};

Task<> BatchWriter::write_batches() {
  while (true) {
    try {
      co_await write_while_queued();
      co_return;
    } catch (const std::exception& error) {
      log_error("batch_failed", {{"what", error.what()}});
    }
  }
}

Task<> BatchWriter::write_while_queued() {
  while (true) {
    {
      std::lock_guard lock(mutex_);
      if (queue_.empty()) {
        --running_;
        co_return;
      }
    }
    Result<SegmentPtr> segment = co_await open_.current(lane_);
    if (!segment) {
      fail(take_all(), segment.error());
      continue;
    }
    Taken taken = take(**segment);
    if (!taken.batch.empty()) {
      co_await write(std::move(*segment), std::move(taken));
    } else if (taken.shard_blocks_max == 0) {
      open_.seal(*segment, co_await asio::this_coro::executor);
    }
  }
}

Task<> BatchWriter::write(SegmentPtr segment, Taken taken) {
  const Batch batch = std::move(taken.batch);
  Unsettled unsettled(batch);
  std::vector<std::uint32_t> sizes;
  for (const Pending* pending : batch) sizes.push_back(static_cast<std::uint32_t>(pending->bytes.size()));
  const erasure::Scheme scheme = segment->scheme();
  const StripeLayout layout = lay_out(scheme.data, taken.shard_blocks_max, sizes);
  std::vector<Piece> pieces(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    pieces[i].name = batch[i]->name;
    pieces[i].begin = layout.begins[i];
    pieces[i].length = sizes[i];
  }
  const StripeShape shape = shape_for(scheme, layout.shard_blocks, pieces);
  Result<io::Buffer> memory = co_await context_.pool.take(shape.memory_bytes(), context_.options.wait_ms_max);
  if (!memory) {
    unsettled.settle();
    fail(batch, memory.error());
    co_return;
  }
  Executor executor = co_await asio::this_coro::executor;
  const std::optional<Segment::Place> place = segment->reserve(shape.blocks());
  if (!place) {
    // Full, or sealed by another stripe's failure meanwhile: the next turn opens another segment.
    open_.seal(segment, executor);
    put_back(batch);
    unsettled.settle();
    co_return;
  }
  Stripe stripe(std::move(*memory), shape);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::uint32_t crc = stripe.put(pieces[i].begin, batch[i]->bytes);
    batch[i]->result.extent = extent_of(*segment, *place, shape, pieces[i].begin, pieces[i].length, crc);
  }
  zero_gaps(stripe, pieces);
  stripe.encode();
  Result<> written = co_await writer_.write(segment, *place, stripe, pieces);
  if (!written) {
    unsettled.settle();
    open_.seal(segment, executor);
    retry_or_fail(batch, written.error());
    co_return;
  }
  unsettled.settle();
  for (Pending* pending : batch) {
    pending->result.pin = append_pin(segment, *place);
    pending->done.open();  // the frame of `pending` may be gone from here on
  }
}

BatchWriter::Taken BatchWriter::take(const Segment& segment) {
  const erasure::Scheme scheme = segment.scheme();
  const std::uint32_t blocks_max = context_.shard_blocks_max(scheme);
  const std::uint64_t space = std::uint64_t{scheme.data} * blocks_max * io::kBlockBytes;
  const std::size_t header_max = kHeaderBlocksMax * io::kBlockBytes;
  const std::uint32_t room = segment.room_blocks();
  const bool whole = room >= kHeaderBlocksMax + blocks_max;  // else the end of the segment: a smaller stripe
  std::size_t header = shard_header_bytes(scheme, blocks_max, {});
  std::uint64_t bytes = 0;
  Taken taken;
  std::vector<Pending*> too_large;
  std::unique_lock lock(mutex_);
  std::size_t looked_at = 0;
  for (auto next = queue_.begin(); next != queue_.end() && looked_at < kLookedAtMax; ++looked_at) {
    Pending& body = **next;
    if (body.bytes.size() > space) {  // drives were lost since the body was let in: k is smaller now
      too_large.push_back(&body);
      next = queue_.erase(next);
      continue;
    }
    const std::size_t header_with = header + piece_bytes_in_header(body.name);
    const std::uint64_t bytes_with = bytes + body.bytes.size();
    const auto header_blocks = static_cast<std::uint32_t>((header_with + io::kBlockBytes - 1) / io::kBlockBytes);
    const std::uint32_t blocks = room > header_blocks ? std::min(blocks_max, room - header_blocks) : 0;
    if (header_with > header_max || bytes_with > std::uint64_t{scheme.data} * blocks * io::kBlockBytes) {
      if (whole || header_with > header_max) break;
      ++next;  // the end of a segment takes whoever fits it
      continue;
    }
    header = header_with;
    bytes = bytes_with;
    taken.shard_blocks_max = blocks;
    taken.batch.push_back(&body);
    next = queue_.erase(next);
  }
  const bool all_gone = queue_.empty();
  lock.unlock();
  // Nothing to write, and not for want of room.
  if (taken.batch.empty() && (all_gone || !too_large.empty())) taken.shard_blocks_max = blocks_max;
  fail(too_large, Errc::too_large);
  return taken;
}

BatchWriter::Batch BatchWriter::take_all() {
  std::lock_guard lock(mutex_);
  Batch batch(queue_.begin(), queue_.end());
  queue_.clear();
  return batch;
}

void BatchWriter::put_back(const Batch& batch) {
  std::lock_guard lock(mutex_);
  queue_.insert(queue_.begin(), batch.begin(), batch.end());
}

void BatchWriter::retry_or_fail(const Batch& batch, Error error) {
  Batch again;
  Batch given_up;
  for (Pending* pending : batch) (++pending->attempts < kAttemptsMax ? again : given_up).push_back(pending);
  put_back(again);
  fail(given_up, error);
}

void BatchWriter::fail(const Batch& batch, Error error) {
  for (Pending* pending : batch) {
    pending->error = error;
    pending->done.open();
  }
}

}  // namespace storage::segment
