// Runs a Task to its end on a fresh or given io_context, from a plain test function.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/task.h"

namespace tests {

// Runs `task` on `context` until it completes (other work of the context runs too); returns its value.
template <class T>
T run_task(boost::asio::io_context& context, storage::Task<T> task) {
  std::optional<T> value;
  std::exception_ptr failure;
  boost::asio::co_spawn(context.get_executor(), std::move(task), [&](std::exception_ptr error, T result) {
    failure = error;
    value.emplace(std::move(result));
  });
  context.restart();
  while (!value && context.run_one() > 0) {
  }
  if (failure) std::rethrow_exception(failure);
  CHECK(value.has_value());  // the context ran dry: the task waits for something that never comes
  return std::move(*value);
}

void run_task(boost::asio::io_context& context, storage::Task<> task);

// The same on a context of its own.
template <class T>
T run_task(storage::Task<T> task) {
  boost::asio::io_context context(1);
  return run_task(context, std::move(task));
}

}  // namespace tests
