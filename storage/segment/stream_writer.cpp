#include "storage/segment/stream_writer.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <cstring>

#include "storage/base/byte_source.h"
#include "storage/base/check.h"
#include "storage/base/log.h"

namespace storage::segment {
namespace asio = boost::asio;

namespace {

// Failed writes of one stripe before its error goes to the caller; each takes a drive out of service.
constexpr unsigned kAttemptsMax = 8;

}  // namespace

// One stripe on its way to the drives. Shared by its task and the append() that waits for it.
struct StreamWriter::Write {
  PieceName name;
  Stripe stripe;              // encoded
  std::uint32_t length = 0;   // bytes of the body in it
  std::uint32_t written = 0;  // of them, in `extents`
  std::vector<Appended> extents;
  Error error;
  Gate done;
};

struct StreamWriter::Input {
  std::span<const std::byte> head;
  ByteSource& source;
  bool ended = false;
};

StripeShape StreamWriter::shape_for(erasure::Scheme scheme) const {
  StripeShape shape;
  shape.scheme = scheme;
  shape.header_blocks = 1;  // enough for one piece: asserted in format.h
  shape.shard_blocks = context_.shard_blocks_max(scheme);
  return shape;
}

Task<Result<std::vector<Appended>>> StreamWriter::append(PieceName name, std::span<const std::byte> head,
                                                         ByteSource& source) {
  Executor executor = co_await asio::this_coro::executor;
  Input input{head, source};
  std::vector<Appended> extents;
  std::shared_ptr<Write> in_flight;
  Error failed;
  while (!input.ended && !failed) {
    Result<Stripe> stripe = co_await new_stripe(in_flight.get());
    if (stripe && !*stripe) {  // no memory for a second one: the first comes back when it is written
      co_await in_flight->done.wait();
      std::move(in_flight->extents.begin(), in_flight->extents.end(), std::back_inserter(extents));
      failed = std::exchange(in_flight, nullptr)->error;
      continue;
    }
    Result<std::uint32_t> filled = std::uint32_t{0};
    if (stripe) {
      filled = co_await fill(*stripe, input);
    } else {
      filled = stripe.error();
    }
    if (in_flight) {
      co_await in_flight->done.wait();
      std::move(in_flight->extents.begin(), in_flight->extents.end(), std::back_inserter(extents));
      failed = std::exchange(in_flight, nullptr)->error;
    }
    if (!filled && !failed) failed = filled.error();
    if (failed || *filled == 0) break;
    stripe->shrink_to(*filled);
    stripe->encode();
    in_flight = std::make_shared<Write>();
    in_flight->name = name;
    in_flight->stripe = std::move(*stripe);
    in_flight->length = *filled;
    context_.tasks.spawn(executor, run(in_flight));
  }
  if (in_flight) {
    co_await in_flight->done.wait();
    std::move(in_flight->extents.begin(), in_flight->extents.end(), std::back_inserter(extents));
    if (!failed) failed = in_flight->error;
  }
  if (failed) co_return failed;
  co_return extents;
}

// An empty stripe means: no memory now, but `in_flight` will give its own back.
Task<Result<Stripe>> StreamWriter::new_stripe(Write* in_flight) {
  Result<SegmentPtr> segment = co_await open_.current(Lane::stream);
  if (!segment) co_return segment.error();
  const StripeShape shape = shape_for((*segment)->scheme());
  segment->reset();
  io::Buffer memory = context_.stream_pool.try_take(shape.memory_bytes());
  if (!memory) {
    if (in_flight != nullptr) co_return Stripe();
    Result<io::Buffer> waited =
        co_await context_.stream_pool.take(shape.memory_bytes(), context_.options.wait_ms_max);
    if (!waited) co_return waited.error();
    memory = std::move(*waited);
  }
  co_return Stripe(std::move(memory), shape);
}

// Fills the address space from head and source; returns the bytes that came.
Task<Result<std::uint32_t>> StreamWriter::fill(Stripe& stripe, Input& input) {
  std::uint32_t filled = 0;
  for (unsigned shard = 0; shard < stripe.shape().scheme.data && !input.ended; ++shard) {
    std::span<std::byte> into = stripe.payload(shard);
    const std::size_t from_head = std::min(into.size(), input.head.size());
    if (from_head > 0) std::memcpy(into.data(), input.head.data(), from_head);
    input.head = input.head.subspan(from_head);
    into = into.subspan(from_head);
    filled += static_cast<std::uint32_t>(from_head);
    if (into.empty()) continue;
    Result<std::size_t> read = co_await read_full(input.source, into);
    if (!read) co_return read.error();
    filled += static_cast<std::uint32_t>(*read);
    input.ended = *read < into.size();
  }
  co_return filled;
}

bool StreamWriter::has_room() const {
  const erasure::Scheme scheme = context_.drives.scheme_for(context_.drives.alive_count());
  return scheme.data > 0 && static_cast<bool>(context_.stream_pool.try_take(shape_for(scheme).memory_bytes()));
}

// Whatever happens in here, the append() that waits hears of it.
Task<> StreamWriter::run(std::shared_ptr<Write> write) {
  try {
    Result<> done = co_await write_rest(*write);
    if (!done) write->error = done.error();
  } catch (const std::exception& error) {
    log_error("stripe_failed", {{"what", error.what()}});
    write->error = Errc::overloaded;  // no memory: nothing else throws here
  }
  write->stripe = Stripe();  // the memory is free before anybody who may wait for it goes on
  write->done.open();
}

Task<Result<>> StreamWriter::write_rest(Write& write) {
  unsigned failures = 0;
  while (write.written < write.length) {
    Result<SegmentPtr> segment = co_await open_.current(Lane::stream);
    if (!segment) co_return segment.error();
    Result<> result = success();
    const bool stamps = write.written == 0 && (*segment)->scheme() == write.stripe.shape().scheme;
    if (stamps && !write.stripe.lent()) {
      result = co_await write_once(*segment, write, write.stripe, write.length);
    } else {
      // Drives were lost since the stripe was built: the same bytes under another geometry. Or a drive that is stuck
      // still has the stripe, which must not be stamped for another place then.
      Stripe copy;
      result = co_await copy_into_smaller(*segment, write, copy);
      if (!result) co_return result;
      const auto space = static_cast<std::uint32_t>(copy.shape().space_bytes());
      result = co_await write_once(*segment, write, copy, std::min(space, write.length - write.written));
    }
    if (result) continue;
    if (result.error() == Errc::conflict) continue;  // the segment was full: current() opens the next
    if (++failures == kAttemptsMax) co_return result;
  }
  co_return success();
}

// Copies what is not yet written, as much as fits, into a stripe of the segment's geometry.
Task<Result<>> StreamWriter::copy_into_smaller(SegmentPtr segment, Write& write, Stripe& copy) {
  const StripeShape shape = shape_for(segment->scheme());
  Result<io::Buffer> memory = co_await context_.stream_pool.take(shape.memory_bytes(), context_.options.wait_ms_max);
  if (!memory) co_return memory.error();
  copy = Stripe(std::move(*memory), shape);
  const auto length =
      static_cast<std::uint32_t>(std::min<std::size_t>(shape.space_bytes(), write.length - write.written));
  std::uint32_t at = 0;
  write.stripe.for_range(write.written, length, [&](std::span<std::byte> bytes) {
    copy.put(at, bytes);
    at += static_cast<std::uint32_t>(bytes.size());
  });
  copy.shrink_to(length);
  copy.encode();
  co_return success();
}

// Errc::conflict: the segment had no room and is sealed now; nothing was written.
Task<Result<>> StreamWriter::write_once(SegmentPtr segment, Write& write, Stripe& stripe,
                                        std::uint32_t length) {
  Executor executor = co_await asio::this_coro::executor;
  const std::optional<Segment::Place> place = segment->reserve(stripe.shape().blocks());
  if (!place) {
    open_.seal(segment, executor);
    co_return Errc::conflict;
  }
  std::vector<Piece> pieces(1);
  pieces[0].name = write.name;
  pieces[0].length = length;
  // Before the write: the record's CRC must be that of the bytes as they were handed to the drives.
  const std::uint32_t crc = stripe.crc(0, length);
  Result<> written = co_await writer_.write(segment, *place, stripe, pieces);
  if (!written) {
    open_.seal(segment, executor);
    co_return written;
  }
  Appended appended;
  appended.extent = extent_of(*segment, *place, stripe.shape(), 0, length, crc);
  appended.pin = append_pin(segment, *place);
  write.extents.push_back(std::move(appended));
  write.written += length;
  co_return success();
}

}  // namespace storage::segment
