#include "storage/base/signal.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "storage/base/task_group.h"
#include "tests/support/run_task.h"

namespace storage {
namespace {

using namespace std::chrono_literals;

Task<> wait_into(Signal& signal, std::uint64_t seen, std::chrono::milliseconds timeout, std::vector<Signal::Outcome>& into) {
  into.push_back(co_await signal.wait(seen, timeout));
}

Task<> join(TaskGroup& group) { co_await group.join(); }

TEST(Signal, OneWakeEndsEveryWait) {
  boost::asio::io_context context(1);
  Signal signal;
  std::vector<Signal::Outcome> outcomes;
  TaskGroup group;
  for (int i = 0; i < 3; ++i) group.spawn(context.get_executor(), wait_into(signal, signal.generation(), 1h, outcomes));
  context.poll();
  EXPECT_TRUE(outcomes.empty());
  signal.wake();
  tests::run_task(context, join(group));
  EXPECT_EQ(outcomes, std::vector<Signal::Outcome>(3, Signal::Outcome::changed));
}

TEST(Signal, AChangeBetweenTheLookAndTheWaitIsNotLost) {
  boost::asio::io_context context(1);
  Signal signal;
  const std::uint64_t seen = signal.generation();
  signal.wake();
  std::vector<Signal::Outcome> outcomes;
  TaskGroup group;
  group.spawn(context.get_executor(), wait_into(signal, seen, 1h, outcomes));
  tests::run_task(context, join(group));
  EXPECT_EQ(outcomes, std::vector<Signal::Outcome>(1, Signal::Outcome::changed));
}

TEST(Signal, AWaitEndsWithItsTimeOrItsTask) {
  boost::asio::io_context context(1);
  Signal signal;
  std::vector<Signal::Outcome> outcomes;
  TaskGroup group;
  group.spawn(context.get_executor(), wait_into(signal, signal.generation(), 0ms, outcomes));
  tests::run_task(context, join(group));
  EXPECT_EQ(outcomes, std::vector<Signal::Outcome>(1, Signal::Outcome::timed_out));
  outcomes.clear();
  TaskGroup cancelled;
  cancelled.spawn(context.get_executor(), wait_into(signal, signal.generation(), 1h, outcomes));
  context.restart();
  context.poll();
  cancelled.cancel();
  tests::run_task(context, join(cancelled));
  EXPECT_EQ(outcomes, std::vector<Signal::Outcome>(1, Signal::Outcome::cancelled));
}

}  // namespace
}  // namespace storage
