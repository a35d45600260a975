#include "storage/byte_cache.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace storage {
namespace {

segment::Extent extent(std::uint64_t segment) {
  segment::Extent result;
  result.segment = segment;
  result.length = 4096;
  return result;
}

TEST(ByteCache, WhatIsOfferedIsServed) {
  io::BufferPool pool(8 << 20);
  MetricsRegistry metrics;
  ByteCache cache(pool, metrics);
  const std::string bytes(4096, 'x');
  EXPECT_EQ(cache.get(extent(1)), nullptr);
  cache.offer(extent(1), std::as_bytes(std::span(bytes)));
  const auto held = cache.get(extent(1));
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(std::memcmp(held->span().data(), bytes.data(), bytes.size()), 0);
}

TEST(ByteCache, AScanLeavesAFullCacheAsItIs) {
  io::BufferPool pool(8 << 20);  // 2,048 bodies of one block
  MetricsRegistry metrics;
  ByteCache cache(pool, metrics);
  const std::string bytes(4096, 'x');
  for (std::uint64_t i = 0; i < 1000; ++i) {
    cache.get(extent(i));
    cache.offer(extent(i), std::as_bytes(std::span(bytes)));
    cache.get(extent(i));
  }
  for (std::uint64_t i = 10'000; i < 30'000; ++i) {  // each asked for once
    cache.get(extent(i));
    cache.offer(extent(i), std::as_bytes(std::span(bytes)));
  }
  int kept = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) kept += cache.get(extent(i)) != nullptr ? 1 : 0;
  EXPECT_GT(kept, 800);
  EXPECT_LE(pool.used_bytes(), pool.budget_bytes());
}

// One body fills a shard: while one thread copies it, the others find the shard full and yet without an entry to push out.
TEST(ByteCache, ManyThreadsOfferBodiesAsLargeAsAShard) {
  io::BufferPool pool(16 << 20);
  MetricsRegistry metrics;
  ByteCache cache(pool, metrics);
  const std::string bytes(1 << 20, 'x');
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&cache, &bytes, thread] {
      for (std::uint64_t i = 0; i < 300; ++i) {
        cache.get(extent(thread * 1000 + i));
        cache.offer(extent(thread * 1000 + i), std::as_bytes(std::span(bytes)));
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_LE(pool.used_bytes(), pool.budget_bytes());
  EXPECT_GT(pool.used_bytes(), 0u);
}

TEST(ByteCache, AFavouriteGetsInThoughTheCacheIsFull) {
  io::BufferPool pool(8 << 20);
  MetricsRegistry metrics;
  ByteCache cache(pool, metrics);
  const std::string bytes(4096, 'x');
  for (std::uint64_t i = 0; i < 5000; ++i) {
    cache.get(extent(i));
    cache.offer(extent(i), std::as_bytes(std::span(bytes)));
  }
  for (int round = 0; round < 20; ++round) {
    if (cache.get(extent(99'999)) != nullptr) return;
    cache.offer(extent(99'999), std::as_bytes(std::span(bytes)));
  }
  FAIL() << "asked for 20 times and never admitted";
}

}  // namespace
}  // namespace storage
