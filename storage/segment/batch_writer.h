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
  BatchWriter(StoreContext& context, OpenSegments& open)
      : context_(context), open_(open), writer_(context), quota_(context.options.queue_bytes_max) {}

  // As SegmentStore::append(); sizes and names are checked by the caller.
  Task<Result<Appended>> append(PieceName name, std::span<const std::byte> bytes);

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

  class Unsettled;

  Task<> write_batches();
  Task<> write_while_queued();
  Task<> write(SegmentPtr segment, Batch batch);
  Batch take(erasure::Scheme scheme);
  Batch take_all();
  void put_back(const Batch& batch);
  void retry_or_fail(const Batch& batch, Error error);
  static void fail(const Batch& batch, Error error);

  StoreContext& context_;
  OpenSegments& open_;
  StripeWriter writer_;
  ByteQuota quota_;
  std::mutex mutex_;
  std::deque<Pending*> queue_;
  std::uint32_t running_ = 0;  // tasks in write_batches()
};

}  // namespace storage::segment
