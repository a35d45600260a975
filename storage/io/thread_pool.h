// ThreadPool: the fallback where io_uring is missing. Blocking reads and writes with the same flags on 16
// threads of the process, made at the first operation. Private to this folder.
//
// Threads   submit() from any. The completion is posted to the executor given.
// Lifetime  an io_context waits in its destructor for its operations; their handlers are then dropped unrun.
// Bounds    kQueueMax operations wait; beyond it Errc::overloaded, posted.
#pragma once

#include <cstddef>

#include "storage/io/open_file.h"

namespace storage::io::thread_pool {

inline constexpr std::size_t kThreads = 16;
inline constexpr std::size_t kQueueMax = 65536;

void submit(OpenFile& file, Executor executor, const Operation& operation, Completion completion);

}  // namespace storage::io::thread_pool
