// Clock: the one source of time, a seam so that tests and simulations decide what time it is.
//
// Threads  any. Units  wall time in milliseconds since 1970-01-01T00:00:00Z; monotonic time in nanoseconds
// from an arbitrary origin, never stepping back, for durations and deadlines only.
#pragma once

#include <cstdint>

namespace storage {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t wall_ms() const = 0;
  virtual std::int64_t monotonic_ns() const = 0;
};

// The clock of the machine.
Clock& system_clock();

}  // namespace storage
