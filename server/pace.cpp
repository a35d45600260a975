#include "server/pace.h"

#include <algorithm>
#include <utility>

namespace server {

void Pace::wait_ends(std::int64_t now_ms) {
  if (began_ms_ >= 0) current_.waited_ms += std::max<std::int64_t>(0, now_ms - began_ms_);
  began_ms_ = -1;
  if (current_.waited_ms >= window_ms_ / 2) past_ = std::exchange(current_, Count{});
}

bool Pace::slower_than(std::uint64_t bytes_per_second, std::int64_t now_ms) const {
  if (began_ms_ < 0) return false;
  const std::int64_t waited_ms = past_.waited_ms + current_.waited_ms + std::max<std::int64_t>(0, now_ms - began_ms_);
  if (waited_ms < window_ms_) return false;
  return (past_.bytes + current_.bytes) * 1000 < bytes_per_second * static_cast<std::uint64_t>(waited_ms);
}

}  // namespace server
