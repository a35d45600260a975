#include "storage/upkeep/pacer.h"

#include <gtest/gtest.h>

namespace {

using storage::upkeep::Pacer;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMiB = 1 << 20;

class HandClock final : public storage::Clock {
 public:
  std::int64_t wall_ms() const override { return now_ns / 1'000'000; }
  std::int64_t monotonic_ns() const override { return now_ns; }
  std::int64_t now_ns = 5 * kSecond;
};

// Books 1 MiB after 1 MiB for a second of the clock, and returns how many MiB that were.
std::uint64_t spend_a_second(Pacer& pacer, HandClock& clock, std::uint64_t& calls, std::uint64_t calls_a_booking) {
  const std::int64_t end_ns = clock.now_ns + kSecond;
  std::uint64_t spent = 0;
  while (clock.now_ns < end_ns) {
    calls += calls_a_booking;
    clock.now_ns += pacer.book(kMiB);
    ++spent;
  }
  return spent;
}

TEST(Pacer, KeepsToItsBudgetBesideClients) {
  HandClock clock;
  std::uint64_t calls = 0;
  Pacer pacer(clock, [&calls] { return calls; }, {.busy_bytes_per_s = 32 * kMiB, .idle_bytes_per_s = 256 * kMiB});
  pacer.book(kMiB);
  spend_a_second(pacer, clock, calls, 100);  // until it has seen the clients
  const std::uint64_t spent = spend_a_second(pacer, clock, calls, 100);
  EXPECT_GE(spent, 31U);
  EXPECT_LE(spent, 34U);
}

TEST(Pacer, GoesFasterWithoutClients) {
  HandClock clock;
  std::uint64_t calls = 0;
  Pacer pacer(clock, [&calls] { return calls; }, {.busy_bytes_per_s = 32 * kMiB, .idle_bytes_per_s = 256 * kMiB});
  const std::uint64_t spent = spend_a_second(pacer, clock, calls, 0);
  EXPECT_GE(spent, 255U);
  EXPECT_LE(spent, 270U);
}

TEST(Pacer, NeverWaitsWhereIdleHasNoBound) {
  HandClock clock;
  Pacer pacer(clock, {}, {.busy_bytes_per_s = 1, .idle_bytes_per_s = 0});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pacer.book(1ULL << 40), 0);
}

TEST(Pacer, ForgivesDebtNeverButSavesLittle) {
  HandClock clock;
  Pacer pacer(clock, {}, {.busy_bytes_per_s = 1, .idle_bytes_per_s = kMiB});
  EXPECT_GT(pacer.book(10 * kMiB), 9 * kSecond);
  EXPECT_GT(pacer.book(0), 9 * kSecond);
  clock.now_ns += 100 * kSecond;
  EXPECT_GT(pacer.book(kMiB), kSecond * 9 / 10);
}

TEST(Pacer, TakesNewOptionsAtOnce) {
  HandClock clock;
  Pacer pacer(clock, {}, {.busy_bytes_per_s = 1, .idle_bytes_per_s = kMiB});
  pacer.set_options({.busy_bytes_per_s = 1, .idle_bytes_per_s = 0});
  EXPECT_EQ(pacer.book(100 * kMiB), 0);
  EXPECT_EQ(pacer.options().idle_bytes_per_s, 0U);
}

}  // namespace
