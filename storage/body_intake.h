// BodyIntake: a body on its way in, in memory that follows what has arrived.
//
// Memory    one pool buffer that grows with the bytes in it, fourfold at a time: a sender holds at most some four times
//           what it has sent, and one that has sent nothing yet 4 KiB, whatever length it declared.
// Bounds    a buffer that cannot grow within kGrowWaitMs is handed on as it is, once it is worth a write; who waits for
//           memory therefore never keeps others from getting it. Errc::overloaded: not even that much came in time.
// Threads   one task. Lifetime: pool and body outlive it.
// Errors    the body's own unchanged; those of BufferPool::take().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/io/buffer.h"
#include "storage/object_store.h"

namespace storage {

class BodyIntake final : public ByteSource {
 public:
  BodyIntake(io::BufferPool& pool, BodySource& body, std::uint32_t wait_ms_max)
      : pool_(pool), body_(body), wait_ms_max_(wait_ms_max) {}

  // Receives until `bytes_max` bytes are there or the body ended; or fewer, but at least `bytes_min`, when no more
  // memory is to be had. 1 <= bytes_min <= bytes_max <= io::kMaxBufferBytes.
  Task<Result<>> receive(std::size_t bytes_min, std::size_t bytes_max);

  std::span<const std::byte> received() const { return buffer_.span().subspan(taken_, filled_ - taken_); }
  void clear();  // drops what was received and gives its memory back

  // The body was read to its end, whole and verified.
  bool ended() const { return ended_; }
  // What was received last came at kFastBytesPerSecond or more: worth a stripe buffer of its own.
  bool fast() const;

  // What is received, then the body as it comes; the buffer goes back once it is read. 0 when the body ended, and also
  // when its sender falls behind kFastBytesPerSecond, so that no stripe waits for it: ended() tells which.
  Task<Result<std::size_t>> read(std::span<std::byte> into) override;

  static constexpr std::size_t kFirstBytes = 4 * 1024;
  static constexpr std::uint64_t kFastBytesPerSecond = 2 * 1024 * 1024;
  static constexpr std::uint32_t kGrowWaitMs = 250;

 private:
  Task<Result<>> grow(std::size_t bytes_max, std::uint32_t wait_ms);
  // Reads from the body and keeps count of the time that its sender takes.
  Task<Result<std::size_t>> read_body(std::span<std::byte> into);
  bool fell_behind();

  io::BufferPool& pool_;
  BodySource& body_;
  const std::uint32_t wait_ms_max_;
  io::Buffer buffer_;
  std::size_t filled_ = 0;
  std::size_t taken_ = 0;  // by read()
  bool ended_ = false;
  std::chrono::nanoseconds waited_{0};  // for the body, since the count began
  std::uint64_t counted_bytes_ = 0;
};

}  // namespace storage
