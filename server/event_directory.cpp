#include "server/event_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

namespace server {
namespace {

constexpr std::size_t kTailBytes = 64 * 1024;

std::string sentence(const char* what, const std::string& path) {
  return fmt::format("{} {}: {}", what, path, std::strerror(errno));
}

// "20240131T235959Z"
std::string time_text(std::int64_t now_ms) {
  const std::time_t seconds = static_cast<std::time_t>(now_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return {text, length};
}

}  // namespace

DirectorySink::DirectorySink(std::string path, storage::Clock& clock, std::uint64_t file_bytes_max)
    : path_(std::move(path)), clock_(clock), file_bytes_max_(file_bytes_max) {}

DirectorySink::~DirectorySink() { abandon(); }

void DirectorySink::abandon() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
  bytes_ = 0;
}

bool DirectorySink::open(std::string& why) {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) {
    why = fmt::format("cannot make the directory {}: {}", path_, error.message());
    return false;
  }
  return open_file(why);
}

bool DirectorySink::sync_directory(std::string& why) {
  const int directory = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = directory >= 0 && ::fsync(directory) == 0;
  if (!synced) why = sentence("cannot sync", path_);
  if (directory >= 0) ::close(directory);
  return synced;
}

bool DirectorySink::open_file(std::string& why) {
  file_ = ::open(current().c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  struct stat status {};
  if (file_ < 0 || ::fstat(file_, &status) != 0) {
    why = sentence("cannot open", current());
    abandon();
    return false;
  }
  bytes_ = static_cast<std::uint64_t>(status.st_size);
  if (cut_torn_line(why) && sync_directory(why)) return true;
  abandon();
  return false;
}

bool DirectorySink::cut_torn_line(std::string& why) {
  std::string tail;
  std::uint64_t end = bytes_;
  while (end > 0) {
    const std::uint64_t begin = end - std::min<std::uint64_t>(end, kTailBytes);
    tail.resize(end - begin);
    const ssize_t got = ::pread(file_, tail.data(), tail.size(), static_cast<off_t>(begin));
    if (got != static_cast<ssize_t>(tail.size())) {
      why = sentence("cannot read", current());
      return false;
    }
    const std::size_t line_end = tail.rfind('\n');
    end = line_end == std::string::npos ? begin : begin + line_end + 1;
    if (line_end != std::string::npos) break;
  }
  if (end == bytes_) return true;
  if (::ftruncate(file_, static_cast<off_t>(end)) != 0) {
    why = sentence("cannot cut", current());
    return false;
  }
  bytes_ = end;
  return true;
}

bool DirectorySink::rotate(std::string& why) {
  abandon();
  std::string name;
  do {
    name = fmt::format("{}/events-{}-{:06}.jsonl", path_, time_text(clock_.wall_ms()), ++number_);
  } while (::access(name.c_str(), F_OK) == 0);
  if (::rename(current().c_str(), name.c_str()) != 0 && errno != ENOENT) {
    why = sentence("cannot rename", current());
    return false;
  }
  return open_file(why);
}

bool DirectorySink::append(const std::string& lines, std::string& why) {
  std::size_t at = 0;
  while (at < lines.size()) {
    const ssize_t written = ::write(file_, lines.data() + at, lines.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      why = sentence("cannot write", current());
      break;
    }
    at += static_cast<std::size_t>(written);
  }
  if (at == lines.size() && ::fdatasync(file_) == 0) {
    bytes_ += at;
    return true;
  }
  if (at == lines.size()) {
    why = sentence("cannot sync", current());
    // What a failed sync leaves is anybody's guess: nothing more goes into that file.
    std::string ignored;
    rotate(ignored);
  } else {
    abandon();  // opened again, it loses the torn line
  }
  return false;
}

storage::Task<std::size_t> DirectorySink::deliver(const std::vector<api::QueuedEvent>& events, std::string& why) {
  if (file_ < 0 && !open(why)) co_return std::size_t{0};
  if (bytes_ >= file_bytes_max_ && !rotate(why)) co_return std::size_t{0};
  std::string lines;
  for (const api::QueuedEvent& event : events) {
    lines += event.message;
    lines += '\n';
  }
  if (!append(lines, why)) co_return std::size_t{0};
  co_return events.size();
}

}  // namespace server
