#include "storage/labels/payload.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <unordered_set>

#include "storage/labels/json_text.h"

namespace storage::labels {
namespace {

using Place = JsonText::Place;

// Beyond this nesting leaves are counted without a look at the names of what is around them.
constexpr std::size_t kNamedDepthMax = 600;

std::optional<double> to_number(std::string_view token) {
  double number = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
  if (error == std::errc()) return number;
  // Too large or too small: strtod tells the one from the other.
  number = std::strtod(std::string(token).c_str(), nullptr);
  if (!std::isfinite(number)) return std::nullopt;
  return number;
}

bool begins_number(char c) { return c == '-' || (c >= '0' && c <= '9'); }

struct Member {
  std::string name;
  Place value;
};

class Leaves {
 public:
  Leaves(std::string_view name, const JsonText& json, Payload& payload)
      : name_(name), json_(json), payload_(payload) {}

  void add_all() { add_value(json_.root(), 0); }

 private:
  // `depth`: containers around the value. Gives the place behind it.
  Place add_value(Place place, std::size_t depth) {
    const char c = json_.at(place);
    if (c != '{' && c != '[') {
      add_scalar(json_.scalar(place), depth);
      return json_.after_value(place);
    }
    if (depth >= kNamedDepthMax) {
      count_all(place);
    } else if (c == '{') {
      add_members(place, depth);
    } else {
      add_elements(place, depth);
    }
    return json_.after_value(place);
  }

  void add_elements(Place array, std::size_t depth) {
    if (is_embedding(array)) {
      ++seen_;
      leave_out(1);
      return;
    }
    Place place = json_.skip_space({array.offset + 1, array.container + 1});
    while (json_.at(place) != ']') {
      place = json_.skip_space(add_value(place, depth + 1));
      if (json_.at(place) == ',') place = json_.skip_space({place.offset + 1, place.container});
    }
  }

  // Whether the elements are numbers only, and too many.
  bool is_embedding(Place array) const {
    std::size_t numbers = 0;
    Place place = json_.skip_space({array.offset + 1, array.container + 1});
    while (json_.at(place) != ']') {
      if (!begins_number(json_.at(place))) return false;
      ++numbers;
      place = json_.skip_space(json_.after_value(place));
      if (json_.at(place) == ',') place = json_.skip_space({place.offset + 1, place.container});
    }
    return numbers > kArrayNumbersMax;
  }

  std::vector<Member> members(Place object) const {
    std::vector<Member> result;
    Place place = json_.skip_space({object.offset + 1, object.container + 1});
    while (json_.at(place) != '}') {
      Member& member = result.emplace_back();
      member.name = unquote(json_.scalar(place));
      place = json_.skip_space(json_.after_value(place));  // at the colon
      member.value = json_.skip_space({place.offset + 1, place.container});
      place = json_.skip_space(json_.after_value(member.value));
      if (json_.at(place) == ',') place = json_.skip_space({place.offset + 1, place.container});
    }
    return result;
  }

  void add_members(Place object, std::size_t depth) {
    const std::vector<Member> all = members(object);
    std::vector<bool> counts(all.size());
    std::unordered_set<std::string_view> names;
    for (std::size_t i = all.size(); i-- > 0;) counts[i] = names.insert(all[i].name).second;  // the last of a name
    const std::size_t before = suffix_.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!counts[i]) continue;
      suffix_ += '.';
      suffix_ += all[i].name;
      add_value(all[i].value, depth + 1);
      suffix_.resize(before);
    }
  }

  void add_scalar(std::string_view token, std::size_t depth) {
    if (token == "null") return;
    const bool in_bounds = ++seen_ <= kLeavesMax && depth <= kLeafDepthMax &&
                           name_.size() + suffix_.size() <= kLabelNameBytesMax;
    std::optional<Value> value;
    if (in_bounds && token.front() == '"') {
      std::string text = unquote(token);
      if (text.size() <= kIndexedTextMax) value.emplace(std::move(text));
    } else if (in_bounds && begins_number(token.front())) {
      if (const auto number = to_number(token)) value.emplace(*number);
    } else if (in_bounds) {
      value.emplace(token == "true");
    }
    if (value) {
      payload_.leaves.emplace_back(suffix_, std::move(*value));
    } else {
      leave_out(1);
    }
  }

  void leave_out(std::uint32_t values) {
    std::string name(name_);
    if (name_.size() + suffix_.size() <= kLabelNameBytesMax) name += suffix_;
    const auto known = payload_.not_indexed.find(name);
    if (known != payload_.not_indexed.end()) {
      known->second += values;
    } else if (payload_.not_indexed.size() < kNotIndexedNamesMax) {
      payload_.not_indexed.emplace(std::move(name), values);
    } else {
      payload_.not_indexed[std::string(name_)] += values;
    }
  }

  // Counts the leaves of a container, whatever their names.
  void count_all(Place container) {
    const std::size_t end = json_.after_value(container).offset;
    std::uint32_t leaves = 0;
    Place place = container;
    while (place.offset < end) {
      const char c = json_.at(place);
      if (std::string_view("{}[],: \t\r\n").find(c) != std::string_view::npos) {
        ++place.offset;
        continue;
      }
      const std::string_view token = json_.scalar(place);
      place.offset += static_cast<std::uint32_t>(token.size());
      const bool is_name = token.front() == '"' && json_.at(json_.skip_space(place)) == ':';
      if (!is_name && token != "null") ++leaves;
    }
    if (leaves > 0) leave_out(leaves);
  }

  std::string_view name_;
  const JsonText& json_;
  Payload& payload_;
  std::string suffix_;
  std::size_t seen_ = 0;  // leaves so far
};

}  // namespace

bool is_reserved_label(std::string_view name) {
  return name.starts_with("object.") || name.starts_with("meta.") || name.starts_with("rule.");
}

Payload parse_payload(std::string_view name, std::string_view text) {
  Payload payload;
  if (const auto json = JsonText::parse(text)) {
    payload.json = true;
    payload.json_length = text.size();
    Leaves(name, *json, payload).add_all();
    return payload;
  }
  std::string quoted;
  append_json(quoted, text);
  payload.json_length = quoted.size();
  if (text.size() <= kIndexedTextMax) {
    payload.leaves.emplace_back(std::string(), Value(std::string(text)));
  } else {
    payload.not_indexed.emplace(std::string(name), 1);
  }
  return payload;
}

}  // namespace storage::labels
