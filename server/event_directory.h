// DirectorySink: appends each event as one line of JSON to a file of a directory.
//
// Files       events.jsonl grows; at kFileBytesMax it becomes events-DATE-NUMBER.jsonl, whose name sorts by time, and a new one
//             begins. Those that are complete are the reader's to take away.
// Durability  a line is taken once it is on stable storage. What a crash left of a line without its end is cut off at the next
//             start: it was taken by nobody and comes again.
// Threads     writes and syncs block the caller's thread.
// Lifetime    one process a directory.
#pragma once

#include <cstdint>
#include <string>

#include "server/event_sink.h"
#include "storage/base/clock.h"

namespace server {

class DirectorySink final : public EventSink {
 public:
  static constexpr std::uint64_t kFileBytesMax = 64ULL << 20;

  // `file_bytes_max`: for tests.
  DirectorySink(std::string path, storage::Clock& clock, std::uint64_t file_bytes_max = kFileBytesMax);
  ~DirectorySink() override;

  // Makes the directory if there is none. False and a reason in `why` when it cannot be written to.
  bool open(std::string& why);

  storage::Task<std::size_t> deliver(const std::vector<api::QueuedEvent>& events, std::string& why) override;
  std::uint32_t batch() const override { return 500; }
  void close() override {}

 private:
  bool open_file(std::string& why);
  bool cut_torn_line(std::string& why);
  bool rotate(std::string& why);
  bool append(const std::string& lines, std::string& why);
  bool sync_directory(std::string& why);
  void abandon();
  std::string current() const { return path_ + "/events.jsonl"; }

  std::string path_;
  storage::Clock& clock_;
  std::uint64_t file_bytes_max_;
  std::uint64_t number_ = 0;  // of the files that were completed
  int file_ = -1;
  std::uint64_t bytes_ = 0;  // of the file
};

}  // namespace server
