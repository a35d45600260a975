// TaskGroup: the owner of spawned coroutines. spawn() starts one, cancel() asks all to end, join() waits
// until the last has returned; the destructor CHECKs that none is left.
//
// Threads   spawn() from any thread; each task runs on the executor given. join() once, after the last
//           spawn(). Lifetime: the group outlives its tasks by construction of the owner: cancel, join,
//           then destroy.
// Errors    an exception that leaves a task is logged (event `task_failed`) and ends that task only.
// Cancel    ends the wait on a socket or timer that a task is in, with operation_aborted as its value; nothing
//           throws, and drive operations and commits run to their end.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "storage/base/task.h"

namespace storage {

class TaskGroup {
 public:
  TaskGroup();
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts `task` on `executor`. After cancel() the task is still started and cancelled at once.
  void spawn(Executor executor, Task<> task);

  // Requests every task, present and future, to end.
  void cancel();

  // Completes when no task is left; resumes on the caller's executor.
  Task<> join();

  // Tasks that have not returned.
  std::size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace storage
