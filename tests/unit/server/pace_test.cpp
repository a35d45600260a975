#include "server/pace.h"

#include <gtest/gtest.h>

namespace server {
namespace {

constexpr std::int64_t kWindowMs = 5'000;
constexpr std::uint64_t kLeast = 1000;  // bytes a second

TEST(Pace, NobodyIsJudgedBeforeAWholeWindowOfWaiting) {
  Pace pace(kWindowMs);
  EXPECT_FALSE(pace.slower_than(kLeast, 100'000));
  pace.wait_begins(1000);
  EXPECT_FALSE(pace.slower_than(kLeast, 1000 + kWindowMs - 1));
  EXPECT_TRUE(pace.slower_than(kLeast, 1000 + kWindowMs));
}

TEST(Pace, OnlyWaitingCounts) {
  Pace pace(kWindowMs);
  std::int64_t now_ms = 0;
  for (int i = 0; i < 100; ++i) {
    pace.wait_begins(now_ms);
    pace.wait_ends(now_ms + 10);
    now_ms += 10'000;  // our own work
  }
  pace.wait_begins(now_ms);
  EXPECT_FALSE(pace.slower_than(kLeast, now_ms + 1000));
}

TEST(Pace, WhoKeepsUpIsNeverSlowAndWhoStopsIsSoon) {
  Pace pace(kWindowMs);
  std::int64_t now_ms = 0;
  for (int i = 0; i < 60; ++i) {
    pace.wait_begins(now_ms);
    now_ms += 500;
    EXPECT_FALSE(pace.slower_than(kLeast, now_ms));
    pace.wait_ends(now_ms);
    pace.moved(1000);  // twice what is asked for
  }
  pace.wait_begins(now_ms);
  EXPECT_TRUE(pace.slower_than(kLeast, now_ms + 3 * kWindowMs)) << "what it did long ago does not help it";
}

TEST(Pace, ATrickleIsSlow) {
  Pace pace(kWindowMs);
  std::int64_t now_ms = 0;
  for (int i = 0; i < 20; ++i) {
    pace.wait_begins(now_ms);
    now_ms += 1000;
    pace.wait_ends(now_ms);
    pace.moved(1);
  }
  pace.wait_begins(now_ms);
  EXPECT_TRUE(pace.slower_than(kLeast, now_ms));
  EXPECT_FALSE(pace.slower_than(0, now_ms)) << "a bound of 0 judges nobody";
}

TEST(Pace, AStandstillOfOurOwnIsForgiven) {
  Pace pace(kWindowMs);
  pace.wait_begins(0);
  pace.forgive(10'000);
  EXPECT_FALSE(pace.slower_than(kLeast, 10'000));
  EXPECT_TRUE(pace.slower_than(kLeast, 10'000 + kWindowMs));
}

TEST(Pace, ANewBodyStartsAnew) {
  Pace pace(kWindowMs);
  pace.wait_begins(0);
  pace.wait_ends(kWindowMs);
  pace.restart();
  pace.wait_begins(kWindowMs);
  EXPECT_FALSE(pace.slower_than(kLeast, kWindowMs + 100));
}

}  // namespace
}  // namespace server
