// SeededRandom: chance for tests, the same on every machine.
//
// Threads  one at a time.
#pragma once

#include <cstdint>

namespace tests {

// The seed of a randomised test: the environment variable GRANARY_TEST_SEED, or `fallback`.
std::uint64_t test_seed(std::uint64_t fallback);

// Random numbers that are the same with every compiler and library (splitmix64).
class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);  // 0..bound-1; bound >= 1
  bool chance(double probability);

 private:
  std::uint64_t state_;
};

}  // namespace tests
