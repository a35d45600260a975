// Core: what the sessions of one core share, and its sweeper, which ends those that have used up our patience.
//
// Threads   the core's executor only.
// Cut       past its deadline; or slower than Patience allows; or, while the process stops, idle; at the end of a stop, all.
//           Time in which the process itself stood still (SIGSTOP, a stalled machine) counts against nobody.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <string>

#include "storage/base/metrics.h"
#include "storage/base/task.h"

namespace server {

class Session;

// What is in short supply: others wait for it, or soon will.
struct MemoryShort {
  bool for_senders = false;
  bool for_readers = false;
};

struct Patience {
  // While memory is short, a client from which, or to which, less than this has moved in five seconds of waiting.
  std::uint64_t bytes_per_second_min = 16 * 1024;
  // In any case a client that has taken less than this of its answer in a minute: it holds old bytes on the drives.
  std::uint64_t reader_bytes_per_second_min = 4 * 1024;
};

struct Core {
  explicit Core(storage::Executor the_executor) : executor(the_executor) {}

  storage::Executor executor;
  std::list<Session*> sessions;
  std::atomic<std::uint64_t> requests{0};  // so far; written by this core, read by others
  bool stopping = false;  // answers carry Connection: close
  bool closing = false;   // idle sessions end
  bool cutting = false;   // all sessions end
  Patience patience;
  std::function<MemoryShort()> memory_short;        // empty: never
  storage::Counter* slow_clients_cut = nullptr;     // null: not counted
  std::string date_header;                          // "Date: ...\r\n" of the current second
  std::int64_t date_second = 0;

  // Whether a request that came before the stop is still being answered.
  bool busy() const;
  // Ends up to `count` sessions that have been idle for a second at least, the longest idle first.
  void end_oldest_idle(std::size_t count);
  // One round of the sweeper. `late_ms`: how much later than planned it comes.
  void sweep(std::int64_t now_ms, std::int64_t late_ms);
};

// Sweeps once a second, while the process stops 20 times a second, until it is cancelled.
storage::Task<> keep_sweeping(Core& core);

}  // namespace server
