#include "storage/dataset/selection.h"

#include <algorithm>
#include <bit>

#include "storage/base/check.h"

namespace storage::dataset {

void Selection::finish() {
  ranks_.clear();
  count_ = 0;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (i % kWordsPerBlock == 0) ranks_.push_back(count_);
    count_ += static_cast<std::uint64_t>(std::popcount(words_[i]));
  }
}

std::uint64_t Selection::rank(std::uint64_t index) const {
  std::size_t word = index / 64 / kWordsPerBlock * kWordsPerBlock;
  std::uint64_t rank = ranks_[index / 64 / kWordsPerBlock];
  for (; word < index / 64; ++word) rank += static_cast<std::uint64_t>(std::popcount(words_[word]));
  return rank + static_cast<std::uint64_t>(std::popcount(words_[word] & ((std::uint64_t{1} << index % 64) - 1)));
}

std::uint64_t Selection::select(std::uint64_t k) const {
  CHECK(k < count_);
  const auto block = static_cast<std::size_t>(std::upper_bound(ranks_.begin(), ranks_.end(), k) - ranks_.begin()) - 1;
  std::uint64_t rest = k - ranks_[block];
  std::size_t word = block * kWordsPerBlock;
  for (;; ++word) {
    const auto here = static_cast<std::uint64_t>(std::popcount(words_[word]));
    if (rest < here) break;
    rest -= here;
  }
  std::uint64_t bits = words_[word];
  for (; rest > 0; --rest) bits &= bits - 1;
  return word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
}

}  // namespace storage::dataset
