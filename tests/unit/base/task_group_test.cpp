#include "storage/base/task_group.h"

#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <stdexcept>

#include "storage/base/log.h"
#include "tests/support/run_task.h"

namespace storage {
namespace {

namespace asio = boost::asio;

Task<> wait_forever(bool& ended, boost::system::error_code& seen) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_at(asio::steady_timer::time_point::max());
  auto [error] = co_await timer.async_wait(asio::as_tuple(use_task));
  seen = error;
  // A second wait after the cancellation must not throw: a store call may be in the middle of its order.
  timer.expires_after(std::chrono::nanoseconds(1));
  co_await timer.async_wait(asio::as_tuple(use_task));
  ended = true;
}

Task<> count_up(int& counter) {
  ++counter;
  co_return;
}

Task<> fail() {
  throw std::runtime_error("expected by the test");
  co_return;
}

Task<> cancel_and_join(TaskGroup& group) {
  group.cancel();
  co_await group.join();
}

Task<> only_join(TaskGroup& group) { co_await group.join(); }

TEST(TaskGroup, JoinWaitsForEveryTask) {
  asio::io_context context(1);
  TaskGroup group;
  int counter = 0;
  for (int i = 0; i < 10; ++i) group.spawn(context.get_executor(), count_up(counter));
  EXPECT_EQ(group.size(), 10u);
  tests::run_task(context, only_join(group));
  EXPECT_EQ(counter, 10);
  EXPECT_EQ(group.size(), 0u);
}

TEST(TaskGroup, CancelEndsAWaitWithoutThrowing) {
  asio::io_context context(1);
  TaskGroup group;
  bool ended = false;
  boost::system::error_code seen;
  group.spawn(context.get_executor(), wait_forever(ended, seen));
  context.poll();
  tests::run_task(context, cancel_and_join(group));
  EXPECT_TRUE(ended);
  EXPECT_EQ(seen, asio::error::operation_aborted);
}

TEST(TaskGroup, AnExceptionEndsOnlyItsTask) {
  asio::io_context context(1);
  set_log_level(LogLevel::off);
  TaskGroup group;
  int counter = 0;
  group.spawn(context.get_executor(), fail());
  group.spawn(context.get_executor(), count_up(counter));
  tests::run_task(context, only_join(group));
  set_log_level(LogLevel::info);
  EXPECT_EQ(counter, 1);
}

TEST(TaskGroupDeathTest, DestroyingAGroupWithTasksAborts) {
  EXPECT_DEATH(
      {
        asio::io_context context(1);
        bool ended = false;
        boost::system::error_code seen;
        auto group = std::make_unique<TaskGroup>();
        group->spawn(context.get_executor(), wait_forever(ended, seen));
        context.poll();
        group.reset();
      },
      "CHECK failed");
}

}  // namespace
}  // namespace storage
