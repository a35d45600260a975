#include "storage/io/thread_pool.h"

#include <sys/uio.h>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace storage::io::thread_pool {
namespace asio = boost::asio;

namespace {

// Counts the operations that one io_context has in the pool, and keeps the context alive for them.
class Outstanding final : public asio::execution_context::service {
 public:
  using key_type = Outstanding;
  static asio::execution_context::id id;

  explicit Outstanding(asio::execution_context& context) : asio::execution_context::service(context) {}

  void begin() {
    std::lock_guard lock(mutex_);
    ++count_;
  }

  // The last touch of the context by a thread of the pool.
  void end() {
    std::lock_guard lock(mutex_);
    if (--count_ == 0) none_left_.notify_all();
  }

 private:
  // The kernel may still write to the memory of these operations, and threads will post here.
  void shutdown() noexcept override {
    std::unique_lock lock(mutex_);
    none_left_.wait(lock, [this] { return count_ == 0; });
  }

  std::mutex mutex_;
  std::condition_variable none_left_;
  std::size_t count_ = 0;
};

asio::execution_context::id Outstanding::id;

struct Job {
  OpenFile* file;
  Outstanding* outstanding;
  Executor executor;
  Operation operation;
  Completion completion;
};

std::int64_t transfer(int descriptor, const Operation& operation) {
  const iovec vector{operation.memory.data(), operation.memory.size()};
  const auto offset = static_cast<off_t>(operation.offset);
  for (;;) {
    const ssize_t moved = operation.kind == Operation::Kind::read
                              ? ::preadv2(descriptor, &vector, 1, offset, 0)
                              : ::pwritev2(descriptor, &vector, 1, offset, RWF_DSYNC);
    if (moved >= 0) return moved;
    if (errno != EINTR) return -errno;
  }
}

class Pool {
 public:
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // Returns false when the queue is full; the job is then untouched.
  bool push(Job& job) {
    {
      std::lock_guard lock(mutex_);
      if (queue_.size() >= kQueueMax) return false;
      start_threads();
      job.outstanding->begin();
      queue_.emplace_back(std::move(job));
    }
    wake_.notify_one();
    return true;
  }

 private:
  struct Queued {
    explicit Queued(Job&& queued) : job(std::move(queued)), work(asio::make_work_guard(job.executor)) {}
    Job job;
    asio::executor_work_guard<Executor> work;  // run() of the context waits for the completion
  };

  // Fewer threads than wanted are slower, none is a machine that cannot go on.
  void start_threads() {
    try {
      while (threads_.size() < kThreads) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) throw;
    }
  }

  void work() {
    for (;;) {
      std::optional<Queued> next;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        next.emplace(std::move(queue_.front()));
        queue_.pop_front();
      }
      Job& job = next->job;
      const Error error = job.file->finish(job.operation, transfer(job.file->descriptor, job.operation));
      Outstanding* outstanding = job.outstanding;
      asio::post(job.executor, [completion = std::move(job.completion), error] { completion(error); });
      next.reset();
      outstanding->end();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Queued> queue_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

Pool& pool() {
  static Pool pool;
  return pool;
}

}  // namespace

void submit(OpenFile& file, Executor executor, const Operation& operation, Completion completion) {
  auto& outstanding = asio::use_service<Outstanding>(asio::query(executor, asio::execution::context));
  Job job{&file, &outstanding, executor, operation, std::move(completion)};
  if (pool().push(job)) return;
  asio::post(executor, [completion = std::move(job.completion)] { completion(Errc::overloaded); });
}

}  // namespace storage::io::thread_pool
