#include "storage/dataset/sample_name.h"

#include <xxhash.h>

#include <algorithm>

namespace storage::dataset {
namespace {

// "." and ".." as components are ways, not names.
std::string_view harmless(std::string_view component) {
  if (component == ".") return "_";
  if (component == "..") return "__";
  return component;
}

std::string suffixed(const std::string& base, std::optional<std::uint64_t> suffix) {
  return suffix ? base + '~' + std::to_string(*suffix) : base;
}

}  // namespace

SampleName SampleName::of(std::string_view key) {
  while (key.starts_with('/')) key.remove_prefix(1);
  SampleName name;
  while (true) {
    const std::size_t slash = key.find('/');
    if (slash == std::string_view::npos) break;
    name.base.append(harmless(key.substr(0, slash))) += '/';
    key.remove_prefix(slash + 1);
  }
  if (key == "." || key == "..") {
    name.base += harmless(key);
    name.extension = "bin";
    return name;
  }
  const std::size_t dot = key.rfind('.');
  std::string stem(key.substr(0, dot));
  if (dot != std::string_view::npos) name.extension = key.substr(dot + 1);
  if (name.extension.empty()) name.extension = "bin";
  if (stem.empty()) stem = "_";
  std::replace(stem.begin(), stem.end(), '.', '_');
  name.base += stem;
  return name;
}

// In any case, as loaders compare extensions.
bool SampleName::is_json() const {
  constexpr std::string_view kJson = "json";
  return std::equal(extension.begin(), extension.end(), kJson.begin(), kJson.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

std::string SampleName::object(std::optional<std::uint64_t> suffix) const {
  return suffixed(base, suffix) + '.' + extension;
}

std::string SampleName::labels(std::optional<std::uint64_t> suffix) const {
  return suffixed(base, suffix) + (is_json() ? ".labels.json" : ".json");
}

std::uint64_t base_hash(std::string_view base) { return XXH3_64bits(base.data(), base.size()); }

}  // namespace storage::dataset
