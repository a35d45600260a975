// Pace: how fast a peer moves bytes, counted only while we wait for it.
//
// Threads  one. Times are milliseconds of one monotonic clock, given by the caller.
#pragma once

#include <cstddef>
#include <cstdint>

namespace server {

class Pace {
 public:
  // Judges over the last `window_ms` to one and a half times that of waiting.
  explicit Pace(std::int64_t window_ms) : window_ms_(window_ms) {}

  void restart() { *this = Pace(window_ms_); }
  void wait_begins(std::int64_t now_ms) { began_ms_ = now_ms; }
  void wait_ends(std::int64_t now_ms);
  void moved(std::uint64_t bytes) { current_.bytes += bytes; }
  bool waiting() const { return began_ms_ >= 0; }

  // The wait under way did not last `ms` of its time: this process stood still, not the peer.
  void forgive(std::int64_t ms) {
    if (began_ms_ >= 0) began_ms_ += ms;
  }

  // We wait for the peer at this moment, have waited for a whole window, and got less than this.
  bool slower_than(std::uint64_t bytes_per_second, std::int64_t now_ms) const;

 private:
  struct Count {
    std::int64_t waited_ms = 0;
    std::uint64_t bytes = 0;
  };

  std::int64_t window_ms_;
  std::int64_t began_ms_ = -1;  // of the wait under way; -1: none
  Count past_;
  Count current_;  // becomes past_ once it is half a window long
};

}  // namespace server
