#include "storage/dataset/permutation.h"

#include "storage/base/check.h"
#include "storage/dataset/keyed_hash.h"

namespace storage::dataset {

Permutation::Permutation(OrderKey key, std::uint64_t size) : keys_(derive_key("granary-permutation-1", key)), size_(size) {
  CHECK(size <= kSizeMax);
  // Never fewer than four bits a half: a network over less reaches only some of the orders.
  while ((std::uint64_t{1} << 2 * half_bits_) < size) ++half_bits_;
}

std::uint64_t Permutation::forward(std::uint64_t value) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = value >> half_bits_;
  std::uint64_t right = value & mask;
  for (const std::uint64_t key : keys_) {
    const std::uint64_t next = left ^ mix(right + key) >> (64 - half_bits_);
    left = right;
    right = next;
  }
  return left << half_bits_ | right;
}

std::uint64_t Permutation::backward(std::uint64_t value) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = value >> half_bits_;
  std::uint64_t right = value & mask;
  for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) {
    const std::uint64_t before = right ^ mix(left + *key) >> (64 - half_bits_);
    right = left;
    left = before;
  }
  return left << half_bits_ | right;
}

// Walking a cycle of the larger domain back into the range is a bijection of the range, and ends: the start lies in it.
std::uint64_t Permutation::at(std::uint64_t position) const {
  CHECK(position < size_);
  std::uint64_t value = forward(position);
  while (value >= size_) value = forward(value);
  return value;
}

std::uint64_t Permutation::position_of(std::uint64_t value) const {
  CHECK(value < size_);
  std::uint64_t position = backward(value);
  while (position >= size_) position = backward(position);
  return position;
}

}  // namespace storage::dataset
