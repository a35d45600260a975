// BufferPool and Buffer: aligned memory for drive I/O and bodies, from one budget.
//
// Memory    one anonymous mapping, `budget_bytes` long; touched pages stay. No allocation of a body or of
//           a drive transfer is made anywhere else, so the budget bounds them all (invariant 15).
// Sizes     a buffer has the size asked for, rounded up to a class: multiples of 4096 with at most 25 %
//           waste, 4 KiB to kMaxBufferBytes. Alignment 4096.
// Threads   any. A Buffer may be dropped on another thread than the one that took it.
// Lifetime  the pool outlives its buffers (CHECKed in its destructor).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "storage/base/result.h"
#include "storage/base/task.h"

namespace storage::io {

inline constexpr std::size_t kBlockBytes = 4096;
inline constexpr std::size_t kMaxBufferBytes = 8 * 1024 * 1024;

class BufferPool;

// Owns one aligned piece of the pool; movable. Empty after a move or by default.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }  // bytes usable: the class size, at least what was asked for
  std::span<std::byte> span() const { return {data_, size_}; }
  explicit operator bool() const { return data_ != nullptr; }
  void reset();

 private:
  friend class BufferPool;
  Buffer(BufferPool* pool, std::byte* data, std::size_t size) : pool_(pool), data_(data), size_(size) {}

  BufferPool* pool_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

class BufferPool {
 public:
  // budget_bytes is rounded up to a multiple of kMaxBufferBytes. Throws std::bad_alloc if it cannot be mapped.
  explicit BufferPool(std::size_t budget_bytes);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A buffer of at least `bytes` (1..kMaxBufferBytes), or an empty one when the budget is used up or a take() waits.
  // Memory is given to a class in pieces of 1 MiB (buffers up to 128 KiB) or 8 MiB, so a budget below some 64 MiB
  // can be used up by many classes before its last byte is out.
  Buffer try_take(std::size_t bytes);

  // Waits for memory, first come first served, at most `timeout_ms`; then Errc::overloaded. The number of
  // waiters is bounded by kWaitersMax; beyond it Errc::overloaded at once. A cancelled wait ends with
  // Errc::shutting_down. Resumes on the caller's executor.
  Task<Result<Buffer>> take(std::size_t bytes, std::uint32_t timeout_ms);

  // What take() gives for `bytes`.
  static std::size_t class_size(std::size_t bytes);

  std::size_t budget_bytes() const;
  std::size_t used_bytes() const;   // in buffers that are out
  std::size_t waiters() const;      // tasks inside take()
  static constexpr std::size_t kWaitersMax = 4096;

  // The whole mapping, for registration with io_uring.
  std::span<std::byte> arena() const;

 private:
  friend class Buffer;
  void give_back(std::byte* data, std::size_t size) noexcept;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace storage::io
