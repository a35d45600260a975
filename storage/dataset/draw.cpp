#include "storage/dataset/draw.h"

#include <algorithm>

#include "storage/base/check.h"
#include "storage/dataset/keyed_hash.h"

namespace storage::dataset {

DrawWords::DrawWords(const OrderKey& key) : keys_(derive_key("granary-draw-1", key)) {}

std::array<std::uint64_t, 2> DrawWords::at(std::uint64_t position) const {
  const std::uint64_t base = mix(position + keys_[0]);
  return {mix(base ^ keys_[1]) + keys_[2], mix(base + keys_[3]) ^ keys_[4]};
}

BalancedDraw::BalancedDraw(std::vector<std::uint32_t> members, std::vector<std::uint64_t> ends)
    : members_(std::move(members)), ends_(std::move(ends)) {}

std::uint64_t BalancedDraw::at(const DrawWords& words, std::uint64_t position) const {
  const auto [first, second] = words.at(position);
  const std::uint64_t which = scale(first, ends_.size());
  const std::uint64_t begin = which > 0 ? ends_[which - 1] : 0;
  return members_[begin + scale(second, ends_[which] - begin)];
}

void WeightedDraw::add(std::uint32_t index, double weight) {
  if (!(weight > 0)) return;
  indices_.push_back(index);
  sums_.push_back(weight);
}

void WeightedDraw::finish() {
  if (sums_.empty()) return;
  // As parts of the greatest, so that no sum overflows.
  const double greatest = *std::max_element(sums_.begin(), sums_.end());
  double sum = 0;
  for (double& each : sums_) {
    sum += each / greatest;
    each = sum;
  }
}

std::uint64_t WeightedDraw::at(const DrawWords& words, std::uint64_t position) const {
  CHECK(!sums_.empty());
  const double wanted = unit_interval(words.at(position)[0]) * sums_.back();
  const auto found = std::upper_bound(sums_.begin(), sums_.end(), wanted);
  const auto at = found == sums_.end() ? sums_.size() - 1 : static_cast<std::size_t>(found - sums_.begin());
  return indices_[at];
}

}  // namespace storage::dataset
