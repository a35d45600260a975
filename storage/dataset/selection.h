// Selection: a set of samples by index, with the k-th of them at hand: a bit a sample, and counts every 512.
//
// Threads  any, once finished.
#pragma once

#include <cstdint>
#include <vector>

namespace storage::dataset {

class Selection {
 public:
  explicit Selection(std::uint64_t size) : words_((size + 63) / 64), size_(size) {}

  std::uint64_t size() const { return size_; }
  void add(std::uint64_t index) { words_[index / 64] |= std::uint64_t{1} << index % 64; }
  bool contains(std::uint64_t index) const { return (words_[index / 64] >> index % 64 & 1) != 0; }
  // Once, after the last add().
  void finish();

  std::uint64_t count() const { return count_; }
  // k < count(): the index of the k-th, ascending.
  std::uint64_t select(std::uint64_t k) const;
  // How many members are below `index`.
  std::uint64_t rank(std::uint64_t index) const;
  std::size_t memory_bytes() const { return (words_.capacity() + ranks_.capacity()) * 8; }

 private:
  static constexpr std::size_t kWordsPerBlock = 8;

  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> ranks_;  // members before each block
  std::uint64_t size_;
  std::uint64_t count_ = 0;
};

}  // namespace storage::dataset
