// Draws with replacement: which sample comes at a position of a balanced or weighted epoch.
//
// What     the p-th draw is a function of (digest, seed, epoch, p) and of the classes or weights: no state, any position at once.
// Order    classes are visited in the order of label values, samples by index: what a seed means never changes (golden vectors).
// Memory   BalancedDraw 4 bytes a (sample, value) and 8 a class, WeightedDraw 12 bytes a drawable sample.
// Threads  any, once built.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "storage/dataset/permutation.h"

namespace storage::dataset {

// The random words of an epoch's draws.
class DrawWords {
 public:
  explicit DrawWords(const OrderKey& key);
  // Two independent words for a position.
  std::array<std::uint64_t, 2> at(std::uint64_t position) const;

 private:
  std::array<std::uint64_t, 8> keys_;
};

// Each class equally likely, then each of its members.
class BalancedDraw {
 public:
  // Indices of class after class; `ends` has where each ends, ascending, no class empty.
  BalancedDraw(std::vector<std::uint32_t> members, std::vector<std::uint64_t> ends);
  bool empty() const { return ends_.empty(); }
  // Not while empty().
  std::uint64_t at(const DrawWords& words, std::uint64_t position) const;
  std::size_t memory_bytes() const { return members_.capacity() * 4 + ends_.capacity() * 8; }

 private:
  std::vector<std::uint32_t> members_;
  std::vector<std::uint64_t> ends_;
};

// Proportional to a positive weight.
class WeightedDraw {
 public:
  // Samples in ascending order of index. A weight that is not above zero is never drawn. Weights so far apart that their
  // sum swallows the small ones are drawn as IEEE doubles have them.
  void add(std::uint32_t index, double weight);
  // Once, after the last add().
  void finish();
  bool empty() const { return indices_.empty(); }
  std::uint64_t at(const DrawWords& words, std::uint64_t position) const;
  std::size_t memory_bytes() const { return indices_.capacity() * 4 + sums_.capacity() * 8; }

 private:
  std::vector<std::uint32_t> indices_;
  std::vector<double> sums_;  // weights until finish(), then their running sums
};

}  // namespace storage::dataset
