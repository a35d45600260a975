#include "server/file_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <filesystem>

#include "storage/base/log.h"

namespace server {
namespace {

// Reopened drives, their locks, and what the metadata mirrors open beyond what they have at the start (each at most 256).
constexpr std::uint64_t kFilesAside = 64;
constexpr std::uint64_t kFilesPerDrive = 32;
constexpr unsigned kConnectionsMin = 16;

}  // namespace

std::uint64_t raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  }
  return limit.rlim_cur;
}

std::uint64_t open_files() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end; !error && entry != end;
       entry.increment(error)) {
    ++count;
  }
  return count;
}

unsigned connections_within(std::uint64_t limit, std::uint64_t open, std::size_t drives, unsigned wanted) {
  const std::uint64_t kept = open + kFilesAside + kFilesPerDrive * drives;
  if (limit < kept + kConnectionsMin) return 0;
  return static_cast<unsigned>(std::min<std::uint64_t>(wanted, limit - kept));
}

}  // namespace server
