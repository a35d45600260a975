// LabelSet: the labels of one version of an object, whatever their sources: each name with its distinct values, ascending.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "storage/labels/value.h"

namespace storage::labels {

class LabelSet {
 public:
  using Values = std::vector<Value>;  // ascending, distinct; empty: the label exists and has no value

  void add_name(std::string_view name) { of(name); }
  // Whether it is new: a value that is there already changes nothing.
  bool add(std::string_view name, Value value);

  // Takes a label away with all its values.
  void remove(std::string_view name);

  // Null: there is no such label.
  const Values* find(std::string_view name) const;
  const std::map<std::string, Values, std::less<>>& all() const { return labels_; }
  bool empty() const { return labels_.empty(); }

  // {"name":value,...} by name: a single value as such, several as an array, none as null.
  std::string to_json() const;

  friend bool operator==(const LabelSet&, const LabelSet&) = default;

 private:
  Values& of(std::string_view name);

  std::map<std::string, Values, std::less<>> labels_;
};

}  // namespace storage::labels
