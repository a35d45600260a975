// Splits: which part of a dataset a group belongs to. A group falls in one place of [0, 1), whatever the dataset, and each split
// has an interval there: so no group is ever in two, and a dataset that grows keeps its old members where they were.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace storage::dataset {

class Splits {
 public:
  static constexpr std::size_t kSplitsMax = 64;

  // Intervals in byte order of the names, one behind the other. False when a fraction is negative or no number, or they sum
  // above 1, or there are too many.
  static bool valid(const std::map<std::string, double>& fractions);

  // `fractions` as valid() has them.
  Splits(std::map<std::string, double> fractions, std::uint64_t seed);

  const std::map<std::string, double>& fractions() const { return fractions_; }
  // The place of its split among the names in order; nullopt: the group is in none.
  std::optional<std::size_t> of(std::string_view group) const;

 private:
  std::map<std::string, double> fractions_;
  std::uint64_t seed_;
};

// What a dataset may be called: lower-case letters, digits and inner "-".
bool is_dataset_name(std::string_view name);

}  // namespace storage::dataset
