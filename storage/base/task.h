// Coroutine vocabulary: Task<T> is what every asynchronous call of the store returns.
//
// Threads   A task runs on one io_context (one per core). The executor type is concrete, not
//           any_io_executor, since type erasure costs 10 % of a 4 KB GET.
// Rules     A coroutine is a named function; parameters by value, or by reference to what its owner
//           keeps alive until the call returns; every spawned task belongs to a TaskGroup.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace storage {

using Executor = boost::asio::io_context::executor_type;

template <class T = void>
using Task = boost::asio::awaitable<T, Executor>;

// Completion token: suspends the calling Task until the operation completes.
inline constexpr boost::asio::use_awaitable_t<Executor> use_task{};

}  // namespace storage
