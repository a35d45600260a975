#include "storage/base/task_group.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace storage {
namespace asio = boost::asio;

struct TaskGroup::State {
  struct Member {
    Executor executor;
    asio::cancellation_signal signal;
  };
  std::mutex mutex;
  bool cancelled = false;
  std::list<Member> members;
  std::vector<std::function<void()>> joiners;
};

namespace {

// By default Asio throws at the first co_await after a cancellation, in the middle of whatever the store
// was ordering. Here only the cancelled wait itself ends, with operation_aborted.
Task<> without_throwing(Task<> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await std::move(task);
}

}  // namespace

TaskGroup::TaskGroup() : state_(std::make_shared<State>()) {}

TaskGroup::~TaskGroup() {
  std::lock_guard lock(state_->mutex);
  CHECK(state_->members.empty());
}

void TaskGroup::spawn(Executor executor, Task<> task) {
  std::list<State::Member>::iterator member;
  bool cancelled;
  {
    std::lock_guard lock(state_->mutex);
    state_->members.emplace_back(executor);
    member = std::prev(state_->members.end());
    cancelled = state_->cancelled;
  }
  auto done = [state = state_, member](std::exception_ptr failure) {
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const boost::system::system_error& error) {
        // A cancelled wait that reports by exception is the expected end of a cancelled task.
        if (error.code() != asio::error::operation_aborted) {
          log_error("task_failed", {{"what", error.what()}});
        }
      } catch (const std::exception& error) {
        log_error("task_failed", {{"what", error.what()}});
      } catch (...) {
        log_error("task_failed", {{"what", "unknown exception"}});
      }
    }
    std::vector<std::function<void()>> joiners;
    {
      std::lock_guard lock(state->mutex);
      state->members.erase(member);
      if (state->members.empty()) joiners.swap(state->joiners);
    }
    for (auto& joiner : joiners) joiner();
  };
  asio::co_spawn(executor, without_throwing(std::move(task)),
                 asio::bind_cancellation_slot(member->signal.slot(), std::move(done)));
  if (cancelled) cancel();
}

void TaskGroup::cancel() {
  std::lock_guard lock(state_->mutex);
  state_->cancelled = true;
  for (auto member = state_->members.begin(); member != state_->members.end(); ++member) {
    // A signal may be emitted only on the task's own thread; by then the task may be gone, so look again.
    asio::post(member->executor, [state = state_, wanted = &*member] {
      asio::cancellation_signal* signal = nullptr;
      {
        std::lock_guard relock(state->mutex);
        for (auto& candidate : state->members) {
          if (&candidate == wanted) signal = &candidate.signal;
        }
      }
      if (signal != nullptr) signal->emit(asio::cancellation_type::all);
    });
  }
}

Task<> TaskGroup::join() {
  Executor executor = co_await asio::this_coro::executor;
  auto initiate = [state = state_, executor](auto handler) {
    // std::function wants a copyable callable; the handler of a coroutine is move-only.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto resume = [shared, executor] {
      asio::post(executor, [shared] { std::move (*shared)(); });
    };
    {
      std::lock_guard lock(state->mutex);
      if (!state->members.empty()) {
        state->joiners.emplace_back(std::move(resume));
        return;
      }
    }
    resume();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(std::move(initiate), use_task);
}

std::size_t TaskGroup::size() const {
  std::lock_guard lock(state_->mutex);
  return state_->members.size();
}

}  // namespace storage
