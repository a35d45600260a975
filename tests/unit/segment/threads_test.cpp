// Many event loops, one store: each call resumes on its own loop, and every body comes back.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/this_coro.hpp>
#include <thread>

#include "storage/base/log.h"
#include "storage/base/task_group.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

namespace asio = boost::asio;
using tests::FakeSource;
using tests::StoreRig;
using tests::StoreRigOptions;

struct Worker {
  asio::io_context context{1};
  std::uint64_t seed = 0;
  int failures = 0;
  std::thread::id thread;
};

Task<> check_back(SegmentStore& store, Extent extent, std::span<const std::byte> bytes, io::BufferPool& pool,
                  Worker& worker) {
  Result<Slice> back = co_await store.read(extent, 0, extent.length, pool);
  const bool whole =
      back && std::equal(bytes.begin(), bytes.end(), back->bytes().begin(), back->bytes().end());
  if (!whole || std::this_thread::get_id() != worker.thread) ++worker.failures;
}

Task<> work(SegmentStore& store, io::BufferPool& pool, Worker& worker) {
  worker.thread = std::this_thread::get_id();
  tests::SeededRandom random(worker.seed);
  for (int round = 0; round < 60; ++round) {
    const auto body = tests::random_bytes(random, 1 + random.below(40'000));
    if (round % 20 == 19) {
      FakeSource source(body, 10'000);
      Result<std::vector<Appended>> streamed = co_await store.append_stream(PieceName(), {}, source);
      if (!streamed || streamed->size() != 1) {
        ++worker.failures;
        continue;
      }
      co_await check_back(store, streamed->front().extent, body, pool, worker);
      continue;
    }
    Result<Appended> appended = co_await store.append(PieceName(), body);
    if (!appended || std::this_thread::get_id() != worker.thread) {
      ++worker.failures;
      continue;
    }
    co_await check_back(store, appended->extent, body, pool, worker);
  }
}

TEST(SegmentThreads, EveryLoopGetsItsOwnAnswers) {
  set_log_level(LogLevel::off);
  StoreRigOptions options;
  options.capacity_bytes = 256 << 20;
  StoreRig rig{options};
  rig.disks.on_operation({});  // the rig's counters are for one thread
  ASSERT_TRUE(rig.boot()) << rig.why;
  std::array<Worker, 3> workers;
  TaskGroup group;
  std::vector<std::thread> threads;
  for (Worker& worker : workers) {
    worker.seed = static_cast<std::uint64_t>(&worker - workers.data()) + 1;
    for (int i = 0; i < 4; ++i) {
      group.spawn(worker.context.get_executor(), work(*rig.store, rig.pool, worker));
    }
  }
  // A loop stays alive while another may still resume something on it.
  std::vector<asio::executor_work_guard<Executor>> guards;
  for (Worker& worker : workers) guards.emplace_back(worker.context.get_executor());
  for (Worker& worker : workers) threads.emplace_back([&worker] { worker.context.run(); });
  struct Join {
    static Task<> all(TaskGroup& joined) { co_await joined.join(); }
  };
  tests::run_task(rig.context, Join::all(group));
  guards.clear();
  for (std::thread& thread : threads) thread.join();
  for (const Worker& worker : workers) EXPECT_EQ(worker.failures, 0);
  rig.halt();
  set_log_level(LogLevel::info);
}

struct Kept {
  Extent extent;
  std::vector<std::byte> body;
};

Task<> read_again_and_again(SegmentStore& store, io::BufferPool& pool, const std::vector<Kept>& kept,
                            std::atomic<bool>& ended, Worker& worker) {
  worker.thread = std::this_thread::get_id();
  tests::SeededRandom random(worker.seed);
  while (!ended.load()) {
    const Kept& one = kept[random.below(kept.size())];
    co_await check_back(store, one.extent, one.body, pool, worker);
    // What is written meanwhile takes the zones that moves have left.
    const auto fresh = tests::random_bytes(random, 30'000);
    Result<Appended> appended = co_await store.append(PieceName(), fresh);
    if (!appended && appended.error() != Errc::no_space) ++worker.failures;
    if (appended) co_await check_back(store, appended->extent, fresh, pool, worker);
  }
}

TEST(SegmentThreads, ReadersSeeTheSameBytesWhileShardsMove) {
  set_log_level(LogLevel::off);
  StoreRigOptions options;
  options.disks = 7;
  StoreRig rig{options};
  rig.disks.on_operation({});
  ASSERT_TRUE(rig.boot()) << rig.why;
  tests::SeededRandom random{tests::test_seed(81)};
  std::vector<Kept> kept;
  for (int i = 0; i < 24; ++i) {
    std::vector<std::byte> body = tests::random_bytes(random, 250'000);
    const auto appended = rig.append(body);
    ASSERT_TRUE(appended);
    kept.push_back({appended->extent, std::move(body)});
  }
  const SegmentId last = kept.back().extent.segment;
  ASSERT_TRUE(rig.seal(last));
  std::array<Worker, 2> workers;
  std::atomic<bool> ended{false};
  TaskGroup group;
  std::vector<asio::executor_work_guard<Executor>> guards;
  std::vector<std::thread> threads;
  for (Worker& worker : workers) {
    worker.seed = static_cast<std::uint64_t>(&worker - workers.data()) + 1;
    group.spawn(worker.context.get_executor(), read_again_and_again(*rig.store, rig.pool, kept, ended, worker));
    guards.emplace_back(worker.context.get_executor());
  }
  for (Worker& worker : workers) threads.emplace_back([&worker] { worker.context.run(); });
  unsigned moved = 0;
  for (int i = 0; i < 120; ++i) {
    const SegmentId segment = 1 + random.below(last);
    const auto shard = static_cast<unsigned>(random.below(6));
    // Of seven members one holds no shard; the others are refused.
    for (std::uint32_t member = 0; member < 7; ++member) {
      if (rig.move_shard(segment, shard, member)) ++moved;
    }
  }
  ended.store(true);
  struct Join {
    static Task<> all(TaskGroup& joined) { co_await joined.join(); }
  };
  tests::run_task(rig.context, Join::all(group));
  guards.clear();
  for (std::thread& thread : threads) thread.join();
  for (const Worker& worker : workers) EXPECT_EQ(worker.failures, 0);
  EXPECT_GT(moved, 50u);
  for (const Kept& one : kept) EXPECT_TRUE(rig.all_shards_stand(one.extent));
  rig.halt();
  set_log_level(LogLevel::info);
}

}  // namespace
}  // namespace storage::segment
