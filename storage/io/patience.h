// Operations whose caller does not wait for ever: a drive may be stuck (it never answers) or slow.
//
// Lifetime  what an operation works on belongs to the drive until it has ended, also when nobody waits for it any more:
//           `keeps` (the buffer, the placement of the zone, ...) is held until the last operation of the group has ended.
//           It must not refer to anything that dies earlier than the drive.
// Time      is counted in ticks of the event loop, kTickMs apart, and only those that the loop has run: a process that was
//           stopped for a minute sees one tick, and handles the completions that came meanwhile before it judges anybody.
// Cost      no timer of its own: one for all groups of an io_context, set only while there are any.
// Threads   as of Drive: one thread runs an io_context.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "storage/io/drive.h"

namespace storage::io {

inline constexpr std::uint32_t kTickMs = 25;

// What is known of how one drive answers. Thread-safe.
class DriveLoad {
 public:
  // Operations that are unfinished and that nobody waits for.
  std::uint32_t abandoned() const { return abandoned_.load(std::memory_order_relaxed); }

  struct Answers {
    std::uint64_t count = 0;
    std::uint64_t nanoseconds = 0;  // of all of them together
  };
  // Those that ended since the last call.
  Answers take_answers(Operation::Kind kind);

  void begin_abandoned();
  void end_abandoned();
  void answered(Operation::Kind kind, std::uint64_t nanoseconds);

 private:
  struct Counts {
    std::atomic<std::uint64_t> count{0};
    std::atomic<std::uint64_t> nanoseconds{0};
  };
  std::atomic<std::uint32_t> abandoned_{0};
  std::array<Counts, 2> counts_;
};

// Of all drives of the process. While there are any, an io_context on which one was started must not be destroyed: that
// would wait for the drive. A process that is to end can leave with _exit() once all else is durable.
std::uint64_t abandoned_operations();

struct Patience {
  std::uint32_t after_first_ms = 0;  // since the first operation of the group ended; 0: no such limit
  std::uint32_t in_all_ms = 0;       // since the group was started; at least 1
  // after_first_ms counts only while no more than so many are unfinished: when most drives are late at once it is what they
  // share that stands still, and giving up on all of them would help nobody.
  std::uint32_t late_max = UINT32_MAX;
};

struct PatientOperation {
  Drive* drive = nullptr;  // null: skipped, its error is Errc::drive_lost
  Operation operation{};
  std::shared_ptr<DriveLoad> load;  // may be null
  bool compared = true;             // its time counts in `load`
  Error error;                      // filled in
  bool late = false;                // filled in: it is unfinished and abandoned; its error is Errc::io_error
};

// Starts all of `operations` at once and completes when the last has ended or `patience` is at its end. The caller keeps the
// elements until the call returns.
Task<> run_patiently(std::span<PatientOperation> operations, Patience patience, std::shared_ptr<const void> keeps);

// One operation; Errc::io_error when it was abandoned.
Task<Result<>> run_patiently(PatientOperation operation, Patience patience, std::shared_ptr<const void> keeps);

}  // namespace storage::io
