// Permutation: the order of an epoch, computed and never stored.
//
// What     a keyed bijection of [0, size): a balanced Feistel network over the smallest power of four that holds `size` (256 at
//          least), walked until it lands below `size`. Its key comes from (digest, seed, epoch) and from nothing else, so that
//          every node of every version gives the same order; golden vectors in the tests pin it.
// Cost     O(1) memory; at() takes on average fewer than four walks of eight rounds (a few hundred at the most for tiny sizes).
// Threads  any; immutable.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace storage::dataset {

// What a permutation or a sequence of draws depends on.
struct OrderKey {
  std::string_view digest;  // the dataset's, 32 bytes
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
};

class Permutation {
 public:
  static constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 40;

  // size <= kSizeMax.
  Permutation(OrderKey key, std::uint64_t size);

  std::uint64_t size() const { return size_; }
  // position < size(): what comes at that place.
  std::uint64_t at(std::uint64_t position) const;
  // The inverse: at which place `value` < size() comes.
  std::uint64_t position_of(std::uint64_t value) const;

 private:
  static constexpr std::size_t kRounds = 8;

  std::uint64_t forward(std::uint64_t value) const;
  std::uint64_t backward(std::uint64_t value) const;

  std::array<std::uint64_t, kRounds> keys_{};
  std::uint64_t size_;
  unsigned half_bits_ = 4;
};

}  // namespace storage::dataset
