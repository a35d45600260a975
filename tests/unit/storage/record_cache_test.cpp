#include "storage/record_cache.h"

#include <gtest/gtest.h>

namespace storage {
namespace {

using Cache = RecordCache<int>;
Cache::Pointer number(int n) { return std::make_shared<const int>(n); }

TEST(RecordCache, AnInsertFromBeforeAWriteIsRefused) {
  Cache cache(100);
  Cache::Ticket ticket;
  EXPECT_EQ(cache.get("k", ticket), nullptr);
  { Cache::Write write(cache, "k"); }
  cache.insert("k", number(1), ticket);  // read before the write: stale
  EXPECT_EQ(cache.get("k", ticket), nullptr);
  cache.insert("k", number(2), ticket);
  EXPECT_EQ(*cache.get("k", ticket), 2);
}

TEST(RecordCache, WhileAWriteIsUnderWayNothingIsServed) {
  Cache cache(100);
  Cache::Ticket ticket;
  cache.get("k", ticket);
  cache.insert("k", number(1), ticket);
  Cache::Write write(cache, "k");
  EXPECT_EQ(cache.get("k", ticket), nullptr);
  cache.insert("k", number(1), ticket);
  EXPECT_EQ(cache.get("k", ticket), nullptr);
  write.finish(number(2));
  EXPECT_EQ(*cache.get("k", ticket), 2);
}

TEST(RecordCache, OverlappingWritersLeaveNoRecord) {
  Cache cache(100);
  Cache::Ticket ticket;
  Cache::Write first(cache, "k");
  Cache::Write second(cache, "k");
  second.finish(number(2));
  first.finish(number(1));  // finished last, but perhaps committed first
  EXPECT_EQ(cache.get("k", ticket), nullptr);
}

TEST(RecordCache, ItHoldsNoMoreThanItsBound) {
  Cache cache(64);
  Cache::Ticket ticket;
  int held = 0;
  for (int i = 0; i < 1000; ++i) {
    cache.get(std::to_string(i), ticket);
    cache.insert(std::to_string(i), number(i), ticket);
  }
  for (int i = 0; i < 1000; ++i) held += cache.get(std::to_string(i), ticket) != nullptr ? 1 : 0;
  EXPECT_LE(held, 128);  // two a shard
  EXPECT_GE(held, 64);
}

}  // namespace
}  // namespace storage
