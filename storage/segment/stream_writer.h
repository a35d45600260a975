// StreamWriter: large bodies, in full stripes while they arrive.
//
// One stripe fills straight from the source while the one before it is being written. A stripe that fails is
// written again elsewhere, from the same memory, into a segment on what is alive.
// Memory    two stripes; the second is taken only if the pool has it at once, else filling waits for the
// write.
//           Writing again under another geometry takes one more.
// Threads   any. Stripes are written by tasks of StoreContext::tasks.
#pragma once

#include <vector>

#include "storage/segment/open_segments.h"
#include "storage/segment/store_context.h"
#include "storage/segment/stripe_writer.h"

namespace storage::segment {

class StreamWriter {
 public:
  StreamWriter(StoreContext& context, OpenSegments& open)
      : context_(context), open_(open), writer_(context) {}

  // As SegmentStore::append_stream().
  Task<Result<std::vector<Appended>>> append(PieceName name, std::span<const std::byte> head,
                                             ByteSource& source);

  // Whether a stripe's memory is to be had without waiting.
  bool has_room() const;

 private:
  struct Write;
  struct Input;

  Task<Result<Stripe>> new_stripe(Write* in_flight);
  Task<Result<std::uint32_t>> fill(Stripe& stripe, Input& input);
  Task<> run(std::shared_ptr<Write> write);
  Task<Result<>> write_rest(Write& write);
  Task<Result<>> copy_into_smaller(SegmentPtr segment, Write& write, Stripe& copy);
  Task<Result<>> write_once(SegmentPtr segment, Write& write, Stripe& stripe, std::uint32_t length);
  StripeShape shape_for(erasure::Scheme scheme) const;

  StoreContext& context_;
  OpenSegments& open_;
  StripeWriter writer_;
};

}  // namespace storage::segment
