// Agreement: how far predictions agree with the truth, counted object by object. Pure.
//
// Bounds  kClassesMax classes; add() is false when there would be more.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "storage/labels/label_set.h"

namespace api {

class Agreement {
 public:
  static constexpr std::size_t kClassesMax = 4096;
  static constexpr std::size_t kWorstMax = 100;
  using Values = storage::labels::LabelSet::Values;

  // One object, in key order. Null and empty are both: no value.
  bool add(const std::string& key, const Values* truth, const Values* prediction, std::optional<double> score);
  // After the last: in pieces, of which the rows of the matrix are most. False: that was the last.
  bool print(std::string& to, std::string_view truth, std::string_view prediction);

 private:
  struct Worst {
    std::string key;
    storage::labels::Value truth;
    storage::labels::Value prediction;
    std::optional<double> score;
    std::uint64_t number = 0;  // in key order
  };
  struct Class {
    std::uint64_t truths = 0;
    std::uint64_t predictions = 0;
    std::uint64_t agreed = 0;
  };

  void note(const std::string& key, const storage::labels::Value& truth, const storage::labels::Value& prediction,
            std::optional<double> score);
  void trim_worst();
  void print_head(std::string& to, std::string_view truth, std::string_view prediction);
  void print_row(std::string& to);
  void print_tail(std::string& to);

  std::uint64_t objects_ = 0;
  std::uint64_t both_ = 0;
  std::uint64_t missing_truth_ = 0;
  std::uint64_t missing_prediction_ = 0;
  std::uint64_t ambiguous_ = 0;
  std::uint64_t agreed_ = 0;
  // By value, ascending: pairs of truth and prediction.
  std::map<storage::labels::Value, Class> classes_;
  std::map<storage::labels::Value, std::map<storage::labels::Value, std::uint64_t>> pairs_;
  std::vector<Worst> worst_;
  std::optional<std::map<storage::labels::Value, Class>::const_iterator> next_row_;
};

}  // namespace api
