#include "storage/io/drive.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <utility>

namespace storage::io {
namespace asio = boost::asio;

namespace {

Task<Result<>> transfer(Drive& drive, Operation operation) {
  const Executor executor = co_await asio::this_coro::executor;
  auto token = asio::as_tuple(use_task);
  auto initiate = [&drive, operation, executor](auto handler) {
    // std::function wants a copyable callable; the handler of a coroutine is move-only.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    drive.start(executor, operation, [shared](Error result) { std::move (*shared)(result); });
  };
  auto [error] = co_await asio::async_initiate<decltype(token), void(Error)>(std::move(initiate), token);
  if (error) co_return error;
  co_return success();
}

}  // namespace

Task<Result<>> read(Drive& drive, std::uint64_t offset, std::span<std::byte> into) {
  const Operation operation{Operation::Kind::read, offset, into};
  co_return co_await transfer(drive, operation);
}

Task<Result<>> write(Drive& drive, std::uint64_t offset, std::span<std::byte> from) {
  const Operation operation{Operation::Kind::write, offset, from};
  co_return co_await transfer(drive, operation);
}

Task<> run_all(std::span<GroupedOperation> operations) {
  const Executor executor = co_await asio::this_coro::executor;
  auto initiate = [operations, executor](auto handler) {
    struct Group {
      explicit Group(decltype(handler)&& last) : resume(std::move(last)) {}
      decltype(handler) resume;
      std::size_t left = 0;
    };
    auto group = std::make_shared<Group>(std::move(handler));
    // Completions run on this thread and never inside start(), so the count needs no lock.
    for (GroupedOperation& element : operations) {
      element.error = Errc::drive_lost;
      if (element.drive == nullptr) continue;
      ++group->left;
      element.drive->start(executor, element.operation, [group, &element](Error result) {
        element.error = result;
        if (--group->left == 0) std::move(group->resume)();
      });
    }
    if (group->left == 0) asio::post(executor, [group] { std::move(group->resume)(); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(std::move(initiate), use_task);
}

}  // namespace storage::io
