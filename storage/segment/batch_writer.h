// BatchWriter: group commit of small bodies.
//
// Bodies queue; while fewer than batches_in_flight_max stripes are being written, whatever waits becomes the
// next stripe, at once. So a lone body waits for nobody, and under load the stripes grow by themselves.
//
// A stripe whose write failed is given up with its segment; its bodies go back to the front of the queue and
// are written again into a segment on what is alive, a bounded number of times. Threads   any. The stripes
// are written by tasks of StoreContext::tasks on the executor that found room.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "storage/segment/byte_quota.h"
#include "storage/segment/gate.h"
#include "storage/segment/open_segments.h"
#include "storage/segment/store_context.h"
#include "storage/segment/stripe_writer.h"

namespace storage::segment {

class BatchWriter {
 public:
  // All bodies go to the segments of `lane`.
  BatchWriter(StoreContext& context, OpenSegments& open, Lane lane)
      : context_(context), open_(open), lane_(lane), writer_(context), quota_(context.options.queue_bytes_max) {}

  // As SegmentStore::append(); sizes and names are checked by the caller.
  Task<Result<Appended>> append(PieceName name, std::span<const std::byte> bytes);

  // The same for bodies that are all there at once, so that they fill stripes. Results in their order; Errc::too_large for
  // one that today's geometry cannot hold in one stripe.
  struct Body {
    PieceName name;
    std::span<const std::byte> bytes;
  };
  Task<std::vector<Result<Appended>>> append_all(std::vector<Body> bodies);

  std::uint64_t queue_bytes() const { return quota_.used_bytes(); }

 private:
  // One waiting append(); lives in its coroutine frame and is touched only by whoever took it from the queue.
  struct Pending {
    PieceName name;
    std::span<const std::byte> bytes;
    Gate done;
    Error error;
    Appended result;
    unsigned attempts = 0;
  };
  using Batch = std::vector<Pending*>;
  struct Taken {
    Batch batch;
    std::uint32_t shard_blocks_max = 0;  // what the layout may use
  };

  class Unsettled;

  void enqueue(const Batch& batch, Executor executor);
  Task<> write_batches();
  Task<> write_while_queued();
  Task<> write(SegmentPtr segment, Taken taken);
  // What makes the next stripe of the segment. Empty: nothing that waits fits it any more.
  Taken take(const Segment& segment);
  Batch take_all();
  void put_back(const Batch& batch);
  void retry_or_fail(const Batch& batch, Error error);
  static void fail(const Batch& batch, Error error);

  StoreContext& context_;
  OpenSegments& open_;
  const Lane lane_;
  StripeWriter writer_;
  ByteQuota quota_;
  std::mutex mutex_;
  std::deque<Pending*> queue_;
  std::uint32_t running_ = 0;  // tasks in write_batches()
};

}  // namespace storage::segment
