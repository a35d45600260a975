#include "erasure/codec.h"

#include <isa-l/erasure_code.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "erasure/matrix.h"

namespace erasure {

namespace {

constexpr unsigned kShardsMax = kDataShardsMax + kParityShardsMax;
constexpr std::size_t kTableBytesPerCoefficient = 32;  // of ec_init_tables

// ISA-L counts bytes in int; longer shards go in pieces.
constexpr std::size_t kPieceBytesMax = std::size_t{1} << 30;

using Tables = std::vector<std::uint8_t>;

Tables expand(unsigned columns, unsigned rows, const std::vector<std::uint8_t>& matrix) {
  Tables tables(kTableBytesPerCoefficient * columns * rows);
  // ISA-L takes the matrix by a pointer to mutable bytes and does not change it.
  auto copy = matrix;
  ec_init_tables(static_cast<int>(columns), static_cast<int>(rows), copy.data(), tables.data());
  return tables;
}

// Applies expanded `tables` (rows x columns) to the source shards.
void apply(std::size_t length, const Tables& tables, std::span<const Shard> source,
           std::span<const Shard> target) {
  std::array<unsigned char*, kDataShardsMax> from;
  std::array<unsigned char*, kShardsMax> to;
  for (std::size_t done = 0; done < length;) {
    const std::size_t piece = std::min(length - done, kPieceBytesMax);
    for (std::size_t i = 0; i < source.size(); ++i)
      from[i] = reinterpret_cast<unsigned char*>(source[i]) + done;
    for (std::size_t i = 0; i < target.size(); ++i)
      to[i] = reinterpret_cast<unsigned char*>(target[i]) + done;
    ec_encode_data(static_cast<int>(piece), static_cast<int>(source.size()), static_cast<int>(target.size()),
                   const_cast<unsigned char*>(tables.data()), from.data(), to.data());
    done += piece;
  }
}

// A loss pattern: k and the bit sets of the shards read and made.
struct Pattern {
  unsigned data;
  std::uint32_t present;
  std::uint32_t lost;
  auto operator<=>(const Pattern&) const = default;
};

// Decode tables of the patterns used last. Inverting a 16 x 16 matrix costs microseconds and a lost drive
// gives a few dozen patterns (it is shard i of some segments, j of others), so a small cache serves.
class DecodeCache {
 public:
  std::shared_ptr<const Tables> find(const Pattern& pattern) {
    std::lock_guard lock(mutex_);
    const auto found = index_.find(pattern);
    if (found == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }

  void insert(const Pattern& pattern, std::shared_ptr<const Tables> tables) {
    std::lock_guard lock(mutex_);
    if (index_.contains(pattern)) return;  // another thread was faster
    order_.emplace_front(pattern, std::move(tables));
    index_.emplace(pattern, order_.begin());
    if (order_.size() > kEntriesMax) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
  }

 private:
  static constexpr std::size_t kEntriesMax = 256;  // of at most 4 x 16 x 32 bytes: half a megabyte

  using Order = std::list<std::pair<Pattern, std::shared_ptr<const Tables>>>;
  std::mutex mutex_;
  Order order_;  // most recently used first
  std::map<Pattern, Order::iterator> index_;
};

DecodeCache& decode_cache() {
  static DecodeCache cache;
  return cache;
}

std::shared_ptr<const Tables> decode_tables(unsigned data, std::span<const unsigned> present,
                                            std::span<const unsigned> lost) {
  Pattern pattern{data, 0, 0};
  for (unsigned shard : present) pattern.present |= std::uint32_t{1} << shard;
  for (unsigned shard : lost) pattern.lost |= std::uint32_t{1} << shard;
  if (auto tables = decode_cache().find(pattern)) return tables;
  const auto matrix = decode_matrix(data, present, lost);
  auto tables = std::make_shared<const Tables>(expand(data, static_cast<unsigned>(lost.size()), matrix));
  decode_cache().insert(pattern, tables);
  return tables;
}

}  // namespace

std::uint8_t coefficient(unsigned row, unsigned column) {
  assert(row < 128 && column < 128);
  const auto inverse = [](unsigned value) { return gf_inv(static_cast<unsigned char>(value)); };
  return gf_mul(inverse((128 + row) ^ column), inverse(inverse(128 ^ column)));
}

Codec::Codec(Scheme scheme) : scheme_(scheme) {
  assert(scheme.data >= 1 && scheme.data <= kDataShardsMax);
  assert(scheme.parity <= kParityShardsMax);
  if (scheme.parity == 0) return;
  std::vector<std::uint8_t> matrix;
  for (unsigned row = 0; row < scheme.parity; ++row) {
    for (unsigned column = 0; column < scheme.data; ++column) matrix.push_back(coefficient(row, column));
  }
  encode_tables_ = expand(scheme.data, scheme.parity, matrix);
}

void Codec::encode(std::size_t length, std::span<const Shard> data, std::span<const Shard> parity) const {
  assert(data.size() == scheme_.data);
  assert(parity.size() == scheme_.parity);
  if (scheme_.parity > 0) apply(length, encode_tables_, data, parity);
}

void Codec::rebuild(std::size_t length, std::span<const unsigned> present, std::span<const Shard> source,
                    std::span<const unsigned> lost, std::span<const Shard> target) const {
  assert(present.size() == scheme_.data);
  assert(source.size() == present.size());
  assert(target.size() == lost.size());
  assert(std::ranges::adjacent_find(present, std::greater_equal{}) == present.end());
  assert(lost.size() <= kShardsMax);
  if (lost.empty()) return;
  if (std::ranges::is_sorted(lost)) {
    apply(length, *decode_tables(scheme_.data, present, lost), source, target);
    return;
  }
  // Tables are cached by set, in ascending order.
  std::vector<std::pair<unsigned, Shard>> pairs;
  for (std::size_t i = 0; i < lost.size(); ++i) pairs.emplace_back(lost[i], target[i]);
  std::ranges::sort(pairs, {}, &std::pair<unsigned, Shard>::first);
  std::vector<unsigned> numbers;
  std::vector<Shard> memory;
  for (const auto& [number, shard] : pairs) {
    numbers.push_back(number);
    memory.push_back(shard);
  }
  apply(length, *decode_tables(scheme_.data, present, numbers), source, memory);
}

}  // namespace erasure
