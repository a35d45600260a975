#include "storage/labels/label_set.h"

#include <algorithm>

namespace storage::labels {
namespace {

void append_values(std::string& to, const LabelSet::Values& values) {
  if (values.empty()) {
    to += "null";
    return;
  }
  if (values.size() == 1) {
    append_json(to, values.front());
    return;
  }
  char before = '[';
  for (const Value& value : values) {
    to += before;
    append_json(to, value);
    before = ',';
  }
  to += ']';
}

}  // namespace

LabelSet::Values& LabelSet::of(std::string_view name) {
  const auto found = labels_.find(name);
  return found != labels_.end() ? found->second : labels_.emplace(std::string(name), Values()).first->second;
}

bool LabelSet::add(std::string_view name, Value value) {
  Values& values = of(name);
  const auto place = std::lower_bound(values.begin(), values.end(), value);
  if (place != values.end() && *place == value) return false;
  values.insert(place, std::move(value));
  return true;
}

void LabelSet::remove(std::string_view name) {
  const auto found = labels_.find(name);
  if (found != labels_.end()) labels_.erase(found);
}

const LabelSet::Values* LabelSet::find(std::string_view name) const {
  const auto found = labels_.find(name);
  return found != labels_.end() ? &found->second : nullptr;
}

std::string LabelSet::to_json() const {
  std::string text = "{";
  for (const auto& [name, values] : labels_) {
    if (text.size() > 1) text += ',';
    append_json(text, std::string_view(name));
    text += ':';
    append_values(text, values);
  }
  return text += '}';
}

}  // namespace storage::labels
