#include "storage/labels/label_sources.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "storage/labels/label_sources.pb.h"

namespace storage::labels {
namespace {

constexpr std::uint32_t kSourcesFormat = 1;
// Bytes of all leaves of a version, and of the names of what it leaves out: with 1,000 annotations they fit into a row.
constexpr std::size_t kLeafBytesMax = 2304 * 1024;
constexpr std::size_t kLeafBytesFixed = 16;
constexpr std::size_t kLeftOutBytesMax = 512 * 1024;
constexpr std::size_t kLeftOutBytesFixed = 32;

void encode_value(const Value& value, records::LabelValue& row) {
  switch (value.kind()) {
    case Kind::boolean:
      row.set_boolean(value.boolean());
      return;
    case Kind::number:
      row.set_number(value.number());
      return;
    case Kind::string:
      row.set_text(value.text());
      return;
  }
}

std::optional<Value> decode_value(const records::LabelValue& row) {
  switch (row.kind_case()) {
    case records::LabelValue::kBoolean:
      return Value(row.boolean());
    case records::LabelValue::kNumber:
      return Value(row.number());
    case records::LabelValue::kText:
      return Value(row.text());
    case records::LabelValue::KIND_NOT_SET:
      break;
  }
  return std::nullopt;
}

void encode_annotation(const Annotation& annotation, records::AnnotationSource& row) {
  row.set_name(annotation.name);
  row.set_md5(annotation.md5);
  row.set_size(annotation.size);
  row.set_json_length(annotation.json_length);
  row.set_revision(annotation.revision);
  row.set_json(annotation.json);
  row.set_modified_ms(annotation.modified_ms);
  row.set_checksum_algorithm(annotation.checksum_algorithm);
  row.set_cut(annotation.cut);
  row.set_inlined(annotation.inlined);
  std::unordered_map<std::string_view, std::uint32_t> suffixes;
  for (const auto& [suffix, value] : annotation.leaves) {
    const auto [known, added] = suffixes.emplace(suffix, static_cast<std::uint32_t>(suffixes.size()));
    if (added) row.add_suffixes(suffix);
    records::Leaf* const leaf = row.add_leaves();
    leaf->set_suffix(known->second);
    encode_value(value, *leaf->mutable_value());
  }
  for (const auto& [name, values] : annotation.not_indexed) {
    records::LeftOut* const left_out = row.add_not_indexed();
    left_out->set_name(name);
    left_out->set_values(values);
  }
}

Result<Annotation> decode_annotation(const records::AnnotationSource& row) {
  Annotation annotation;
  annotation.name = row.name();
  annotation.md5 = row.md5();
  annotation.size = row.size();
  annotation.json_length = row.json_length();
  annotation.revision = row.revision();
  annotation.json = row.json();
  annotation.modified_ms = row.modified_ms();
  annotation.checksum_algorithm = static_cast<std::uint8_t>(row.checksum_algorithm());
  annotation.cut = row.cut();
  annotation.inlined = row.inlined();
  annotation.leaves.reserve(static_cast<std::size_t>(row.leaves_size()));
  for (const records::Leaf& leaf : row.leaves()) {
    auto value = decode_value(leaf.value());
    if (!value || leaf.suffix() >= static_cast<std::uint32_t>(row.suffixes_size())) return Errc::corrupt_record;
    annotation.leaves.emplace_back(row.suffixes(static_cast<int>(leaf.suffix())), std::move(*value));
  }
  for (const records::LeftOut& left_out : row.not_indexed()) {
    annotation.not_indexed[left_out.name()] += left_out.values();
  }
  return annotation;
}

std::size_t leaf_bytes(const std::pair<std::string, Value>& leaf) {
  const bool is_text = leaf.second.kind() == Kind::string;
  return kLeafBytesFixed + leaf.first.size() + (is_text ? leaf.second.text().size() : 0);
}

bool by_name(const Annotation& annotation, std::string_view name) { return annotation.name < name; }

// How much of the version's room the leaves take.
struct Room {
  std::size_t values = 0;
  std::size_t bytes = 0;

  // Whether the leaf still fits; then it is in.
  bool take(const std::pair<std::string, Value>& leaf) {
    const std::size_t more = leaf_bytes(leaf);
    if (values >= kVersionValuesMax || bytes + more > kLeafBytesMax) return false;
    ++values;
    bytes += more;
    return true;
  }
};

std::string label_name(const Annotation& annotation, const std::string& suffix) { return annotation.name + suffix; }

}  // namespace

const Annotation* Sources::find(std::string_view name) const {
  const auto place = std::lower_bound(annotations.begin(), annotations.end(), name, by_name);
  return place != annotations.end() && place->name == name ? &*place : nullptr;
}

void Sources::put(Annotation annotation) {
  const auto place = std::lower_bound(annotations.begin(), annotations.end(), annotation.name, by_name);
  if (place != annotations.end() && place->name == annotation.name) {
    *place = std::move(annotation);
  } else {
    annotations.insert(place, std::move(annotation));
  }
}

void Sources::remove(std::string_view name) {
  const auto place = std::lower_bound(annotations.begin(), annotations.end(), name, by_name);
  if (place != annotations.end() && place->name == name) annotations.erase(place);
}

void Sources::fit() {
  Room room;
  std::size_t left_out_bytes = 0;
  bool full = false;  // once a leaf did not fit none behind it does: so what is in does not depend on history
  for (Annotation& annotation : annotations) {
    full = full || (annotation.cut && annotation.leaves.empty());
    for (std::size_t i = 0; i < annotation.leaves.size(); ++i) {
      full = full || !room.take(annotation.leaves[i]);
      if (!full) continue;
      for (std::size_t j = i; j < annotation.leaves.size(); ++j) {
        ++annotation.not_indexed[label_name(annotation, annotation.leaves[j].first)];
      }
      annotation.leaves.erase(annotation.leaves.begin() + static_cast<std::ptrdiff_t>(i), annotation.leaves.end());
      annotation.cut = true;
    }
    full = full || annotation.cut;
    for (auto each = annotation.not_indexed.begin(); each != annotation.not_indexed.end();) {
      left_out_bytes += each->first.size() + kLeftOutBytesFixed;
      if (left_out_bytes <= kLeftOutBytesMax || each->first == annotation.name) {
        ++each;
        continue;
      }
      annotation.not_indexed[annotation.name] += each->second;
      each = annotation.not_indexed.erase(each);
    }
  }
}

const Annotation* Sources::restorable() const {
  Room room;
  for (const Annotation& annotation : annotations) {
    if (annotation.cut) return room.values < kVersionValuesMax && room.bytes < kLeafBytesMax ? &annotation : nullptr;
    for (const auto& leaf : annotation.leaves) static_cast<void>(room.take(leaf));
  }
  return nullptr;
}

std::string encode(const Sources& sources) {
  if (sources.empty()) return {};
  records::LabelSources row;
  row.set_format(kSourcesFormat);
  for (const Annotation& annotation : sources.annotations) encode_annotation(annotation, *row.add_annotations());
  for (const auto& [name, value] : sources.rules) {
    records::RuleLabel* const rule = row.add_rules();
    rule->set_name(name);
    encode_value(value, *rule->mutable_value());
  }
  return row.SerializeAsString();
}

Result<Sources> decode_sources(const std::string& bytes) {
  Sources sources;
  if (bytes.empty()) return sources;
  records::LabelSources row;
  if (!row.ParseFromString(bytes) || row.format() == 0) return Errc::corrupt_record;
  if (row.format() > kSourcesFormat) return Errc::unsupported;
  sources.annotations.reserve(static_cast<std::size_t>(row.annotations_size()));
  for (const records::AnnotationSource& each : row.annotations()) {
    auto annotation = decode_annotation(each);
    if (!annotation) return annotation.error();
    sources.annotations.push_back(std::move(*annotation));
  }
  for (const records::RuleLabel& each : row.rules()) {
    auto value = decode_value(each.value());
    if (!value) return Errc::corrupt_record;
    sources.rules.emplace_back(each.name(), std::move(*value));
  }
  return sources;
}

void Labeller::leave_out(std::string_view name, std::uint32_t values) {
  result_.not_indexed[std::string(name.substr(0, kLabelNameBytesMax))] += values;
}

void Labeller::value(const std::string& name, const Value& value) {
  if (values_ >= kVersionValuesMax) {
    leave_out(name, 1);
    return;
  }
  if (result_.labels.add(name, value)) ++values_;
}

void Labeller::text(std::string name, std::string_view text) {
  if (name.size() > kLabelNameBytesMax || text.size() > kIndexedTextMax) {
    leave_out(name, 1);
  } else {
    value(name, Value(std::string(text)));
  }
}

void Labeller::tag(std::string_view name, std::string_view value) {
  if (is_reserved_label(name)) {
    leave_out(name, 1);
  } else {
    text(std::string(name), value);
  }
}

void Labeller::metadata(std::string_view name, std::string_view value) {
  text(std::string("meta.").append(name), value);
}

void Labeller::add(const Sources& sources) {
  for (const auto& [name, each] : sources.rules) {
    if (each.kind() == Kind::string) text(name, each.text());
    else value(name, each);
  }
  for (const Annotation& annotation : sources.annotations) {
    if (is_reserved_label(annotation.name)) {
      leave_out(annotation.name, 1);
    } else {
      result_.labels.add_name(annotation.name);
    }
    for (const auto& [suffix, each] : annotation.leaves) {
      const std::string name = label_name(annotation, suffix);
      if (is_reserved_label(name)) {
        leave_out(name, 1);
      } else {
        value(name, each);
      }
    }
    for (const auto& [name, values] : annotation.not_indexed) leave_out(name, values);
  }
}

}  // namespace storage::labels
