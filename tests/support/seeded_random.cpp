#include "tests/support/seeded_random.h"

#include <cstdlib>

#include "storage/base/check.h"

namespace tests {

std::uint64_t SeededRandom::next() {
  state_ += 0x9e3779b97f4a7c15ull;
  std::uint64_t value = state_;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

std::uint64_t SeededRandom::below(std::uint64_t bound) {
  CHECK(bound > 0);
  return next() % bound;  // the bias is below 2^-32 for every bound that tests use
}

bool SeededRandom::chance(double probability) {
  return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
}

std::uint64_t test_seed(std::uint64_t fallback) {
  const char* text = std::getenv("GRANARY_TEST_SEED");
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

}  // namespace tests
