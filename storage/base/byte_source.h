// ByteSource: bytes that arrive over time, such as the body of a request.
//
// Threads   one reader at a time, on the executor that owns the source.
// Lifetime  the caller keeps the source and the span until read() returns.
#pragma once

#include <cstddef>
#include <span>

#include "storage/base/result.h"
#include "storage/base/task.h"

namespace storage {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Reads 1 to into.size() bytes; 0 means the body ended, whole and verified (a source that checks a
  // digest or framing reports a mismatch instead of the 0). After an error or 0, do not call again.
  virtual Task<Result<std::size_t>> read(std::span<std::byte> into) = 0;
};

// Fills `into` as far as the source goes; returns the bytes read, less than into.size() only at the end.
Task<Result<std::size_t>> read_full(ByteSource& source, std::span<std::byte> into);

}  // namespace storage
