#include "storage/dataset/splits.h"

#include <cmath>

#include "storage/dataset/keyed_hash.h"

namespace storage::dataset {
namespace {

// 0.8 + 0.1 + 0.1 is not 1 in every order of adding: what is as near as that is meant to be.
constexpr double kNearlyOne = 1e-9;

}  // namespace

bool Splits::valid(const std::map<std::string, double>& fractions) {
  if (fractions.size() > kSplitsMax) return false;
  double sum = 0;
  for (const auto& [name, fraction] : fractions) {
    if (!std::isfinite(fraction) || fraction < 0) return false;
    sum += fraction;
  }
  return sum <= 1 + kNearlyOne;
}

Splits::Splits(std::map<std::string, double> fractions, std::uint64_t seed)
    : fractions_(std::move(fractions)), seed_(seed) {}

std::optional<std::size_t> Splits::of(std::string_view group) const {
  const double point = split_point(seed_, group);
  double end = 0;
  std::size_t place = 0;
  for (const auto& [name, fraction] : fractions_) {
    end += fraction;
    if (fraction > 0 && (point < end || end > 1 - kNearlyOne)) return place;
    ++place;
  }
  return std::nullopt;
}

bool is_dataset_name(std::string_view name) {
  if (name.empty() || name.front() == '-' || name.back() == '-') return false;
  for (const char c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (!fits) return false;
  }
  return true;
}

}  // namespace storage::dataset
