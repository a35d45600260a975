#include "storage/io/buffer.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "storage/base/task_group.h"
#include "tests/support/run_task.h"

namespace storage::io {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

TEST(BufferPool, ClassesWasteAtMostAQuarter) {
  std::size_t classes = 0;
  std::size_t last = 0;
  for (std::size_t blocks = 1; blocks <= kMaxBufferBytes / kBlockBytes; ++blocks) {
    const std::size_t bytes = blocks * kBlockBytes;
    const std::size_t size = BufferPool::class_size(bytes);
    ASSERT_GE(size, bytes);
    ASSERT_EQ(size % kBlockBytes, 0u);
    ASSERT_LE(size - bytes, bytes / 4) << bytes;
    ASSERT_EQ(BufferPool::class_size(size), size);
    ASSERT_EQ(BufferPool::class_size(bytes - 1), size);
    classes += size != last;
    last = size;
  }
  EXPECT_EQ(classes, 40u);
  EXPECT_EQ(last, kMaxBufferBytes);
}

TEST(BufferPool, BuffersAreAlignedDisjointAndInsideTheArena) {
  BufferPool pool(32 * kMiB);
  std::mt19937_64 random(5);
  std::map<std::byte*, Buffer> out;
  std::size_t used = 0;
  for (int step = 0; step < 20000; ++step) {
    if (out.empty() || random() % 5 < 3) {
      const std::size_t bytes =
          random() % 4 == 0 ? 1 + random() % kMaxBufferBytes : 1 + random() % (200 * 1024);
      Buffer buffer = pool.try_take(bytes);
      if (!buffer) continue;
      ASSERT_EQ(buffer.size(), BufferPool::class_size(bytes));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kBlockBytes, 0u);
      ASSERT_GE(buffer.data(), pool.arena().data());
      ASSERT_LE(buffer.data() + buffer.size(), pool.arena().data() + pool.arena().size());
      const auto next = out.lower_bound(buffer.data());
      if (next != out.end()) {
        ASSERT_LE(buffer.data() + buffer.size(), next->first);
      }
      if (next != out.begin()) {
        ASSERT_LE(std::prev(next)->first + std::prev(next)->second.size(), buffer.data());
      }
      buffer.data()[0] = buffer.data()[buffer.size() - 1] = std::byte{1};
      used += buffer.size();
      out.emplace(buffer.data(), std::move(buffer));
    } else {
      auto victim = std::next(out.begin(), static_cast<std::ptrdiff_t>(random() % out.size()));
      used -= victim->second.size();
      out.erase(victim);
    }
    ASSERT_EQ(pool.used_bytes(), used);
    ASSERT_LE(used, pool.budget_bytes());
  }
  out.clear();
  // Everything came back to the common pool: the whole budget can go out in one class again.
  std::vector<Buffer> whole;
  for (int i = 0; i < 4; ++i) whole.push_back(pool.try_take(kMaxBufferBytes));
  for (const Buffer& buffer : whole) EXPECT_TRUE(buffer);
  EXPECT_FALSE(pool.try_take(1));
}

TEST(BufferPool, OneSmallBufferPinsOneMebibyteOnly) {
  BufferPool pool(8 * kMiB);
  Buffer small = pool.try_take(1);
  std::vector<Buffer> large;
  for (int i = 0; i < 7; ++i) large.push_back(pool.try_take(kMiB));
  for (const Buffer& buffer : large) EXPECT_TRUE(buffer);
  EXPECT_FALSE(pool.try_take(kMiB));
  EXPECT_TRUE(pool.try_take(1));
}

TEST(BufferPool, MovesLeaveNothingBehind) {
  BufferPool pool(1);
  EXPECT_EQ(pool.budget_bytes(), kMaxBufferBytes);
  Buffer first = pool.try_take(5000);
  Buffer second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_EQ(second.size(), 8192u);
  second = Buffer{};
  EXPECT_EQ(pool.used_bytes(), 0u);
}

Task<> take_and_note(BufferPool& pool, std::size_t bytes, std::uint32_t timeout_ms, int name,
                     std::vector<int>& order, std::vector<Buffer>& kept) {
  auto buffer = co_await pool.take(bytes, timeout_ms);
  order.push_back(buffer ? name : -static_cast<int>(buffer.error().value()));
  if (buffer) kept.push_back(std::move(*buffer));
}

Task<> join(TaskGroup& group) { co_await group.join(); }

TEST(BufferPool, WaitersAreServedInTheirOrder) {
  boost::asio::io_context context(1);
  BufferPool pool(8 * kMiB);
  TaskGroup group;
  std::vector<int> order;
  std::vector<Buffer> kept;
  Buffer half = pool.try_take(4 * kMiB);
  Buffer rest = pool.try_take(4 * kMiB);
  group.spawn(context.get_executor(), take_and_note(pool, 8 * kMiB, 60000, 1, order, kept));
  group.spawn(context.get_executor(), take_and_note(pool, 4096, 60000, 2, order, kept));
  context.poll();
  EXPECT_EQ(pool.waiters(), 2u);
  half.reset();
  context.restart();
  context.poll();
  EXPECT_TRUE(order.empty());      // the large request at the front is not overtaken
  EXPECT_FALSE(pool.try_take(1));  // not even by who does not wait
  rest.reset();
  context.restart();
  context.poll();
  EXPECT_EQ(order, std::vector<int>{1});
  kept.clear();
  tests::run_task(context, join(group));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  kept.clear();
}

TEST(BufferPool, AWaiterGivesUpAndLetsTheNextOnePass) {
  boost::asio::io_context context(1);
  BufferPool pool(8 * kMiB);
  TaskGroup group;
  std::vector<int> order;
  std::vector<Buffer> kept;
  Buffer half = pool.try_take(4 * kMiB);
  group.spawn(context.get_executor(), take_and_note(pool, 8 * kMiB, 1, 1, order, kept));
  group.spawn(context.get_executor(), take_and_note(pool, 4 * kMiB, 60000, 2, order, kept));
  tests::run_task(context, join(group));
  EXPECT_EQ(order, (std::vector<int>{-static_cast<int>(Errc::overloaded), 2}));
  EXPECT_EQ(pool.waiters(), 0u);
  kept.clear();
}

TEST(BufferPool, CancelledWaitersLeaveTheQueue) {
  boost::asio::io_context context(1);
  BufferPool pool(8 * kMiB);
  TaskGroup group;
  std::vector<int> order;
  std::vector<Buffer> kept;
  Buffer all = pool.try_take(8 * kMiB);
  group.spawn(context.get_executor(), take_and_note(pool, 4096, 60000, 1, order, kept));
  context.poll();
  EXPECT_EQ(pool.waiters(), 1u);
  group.cancel();
  tests::run_task(context, join(group));
  EXPECT_EQ(order, std::vector<int>{-static_cast<int>(Errc::shutting_down)});
  EXPECT_EQ(pool.waiters(), 0u);
}

TEST(BufferPool, TooManyWaitersAreRefusedAtOnce) {
  boost::asio::io_context context(1);
  BufferPool pool(8 * kMiB);
  TaskGroup group;
  std::vector<int> order;
  std::vector<Buffer> kept;
  Buffer all = pool.try_take(8 * kMiB);
  for (std::size_t i = 0; i < BufferPool::kWaitersMax + 1; ++i) {
    group.spawn(context.get_executor(), take_and_note(pool, 4096, 60000, 1, order, kept));
  }
  context.poll();
  EXPECT_EQ(pool.waiters(), BufferPool::kWaitersMax);
  EXPECT_EQ(order, std::vector<int>{-static_cast<int>(Errc::overloaded)});
  group.cancel();
  tests::run_task(context, join(group));
}

TEST(BufferPool, ManyThreadsTakeAndGiveBack) {
  BufferPool pool(16 * kMiB);
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&pool, seed] {
      std::mt19937_64 random(seed);
      std::vector<Buffer> out;
      for (int i = 0; i < 5000; ++i) {
        if (random() % 2 == 0) {
          if (Buffer buffer = pool.try_take(1 + random() % 100000)) {
            std::memset(buffer.data(), static_cast<int>(seed), 64);
            out.push_back(std::move(buffer));
          }
        } else if (!out.empty()) {
          std::swap(out[random() % out.size()], out.back());
          ASSERT_EQ(out.back().data()[63], std::byte(seed));
          out.pop_back();
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(pool.used_bytes(), 0u);
}

}  // namespace
}  // namespace storage::io
