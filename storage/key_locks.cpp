#include "storage/key_locks.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <memory>

namespace storage {
namespace asio = boost::asio;

Task<KeyLocks::Guard> KeyLocks::lock(std::string key) {
  Shard& shard = shard_of(key);
  Executor executor = co_await asio::this_coro::executor;
  auto initiate = [&shard, &key, executor](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto resume = [shared, executor] { asio::post(executor, [shared] { std::move (*shared)(); }); };
    {
      std::lock_guard lock(shard.mutex);
      const auto [entry, free] = shard.held.try_emplace(key);
      if (!free) {
        entry->second.emplace_back(std::move(resume));
        return;
      }
    }
    resume();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(std::move(initiate), use_task);
  co_return Guard(this, std::move(key));
}

std::optional<KeyLocks::Guard> KeyLocks::try_lock(std::string key) {
  Shard& shard = shard_of(key);
  {
    std::lock_guard lock(shard.mutex);
    if (!shard.held.try_emplace(key).second) return std::nullopt;
  }
  return Guard(this, std::move(key));
}

void KeyLocks::unlock(const std::string& key) {
  Shard& shard = shard_of(key);
  std::function<void()> next;
  {
    std::lock_guard lock(shard.mutex);
    const auto entry = shard.held.find(key);
    if (entry->second.empty()) {
      shard.held.erase(entry);
      return;
    }
    next = std::move(entry->second.front());
    entry->second.pop_front();
  }
  next();
}

}  // namespace storage
