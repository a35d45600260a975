// SampleName: what a sample is called in a tar, by the layout of WebDataset: BASE.EXT for the object, BASE.json for its labels.
//
// Rules    EXT follows the last dot of the key's last component ("bin" where there is none, or nothing behind it); further dots of
//          that component become "_", since WebDataset cuts at the first. Slashes at the front are dropped; components "." and
//          ".." become "_" and "__"; a last component that is empty, or has nothing but an extension, is "_".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace storage::dataset {

struct SampleName {
  std::string base;
  std::string extension;

  static SampleName of(std::string_view key);

  // Whether an object of this extension would take the name of its labels.
  bool is_json() const;
  // BASE[~SUFFIX].EXT
  std::string object(std::optional<std::uint64_t> suffix) const;
  // BASE[~SUFFIX].json, or BASE[~SUFFIX].labels.json
  std::string labels(std::optional<std::uint64_t> suffix) const;
};

// For finding names that are not unique: XXH3's 64 bits of a BASE. Part of the manifest's format.
std::uint64_t base_hash(std::string_view base);

}  // namespace storage::dataset
