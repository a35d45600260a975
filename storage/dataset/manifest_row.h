// ManifestRow: the fixed-width row of a sample in a sealed manifest. Everything that lengths of tars and manifests need without
// reading the sample's record. Layout in README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace storage::dataset {

inline constexpr std::size_t kManifestRowBytes = 64;
inline constexpr std::uint64_t kSamplesMax = (std::uint64_t{1} << 32) - 1;

struct ManifestRow {
  std::uint64_t record_begin = 0;   // in the records
  std::uint32_t record_bytes = 0;
  std::uint16_t base_bytes = 0;     // of BASE, without a suffix
  std::uint16_t extension_bytes = 0;
  std::uint64_t object_bytes = 0;   // as clients see it
  std::uint64_t json_bytes = 0;     // of sample_json()
  std::uint64_t base_hash = 0;
  std::uint64_t json_lines_end = 0; // where its line ends in manifest.jsonl
  std::uint64_t csv_lines_end = 0;  // likewise in manifest.csv, the header counted
  bool json_object = false;         // SampleName::is_json()

  void append_to(std::string& bytes) const;
  // `bytes` are kManifestRowBytes. False when they are no row of this version.
  bool read(std::span<const std::byte> bytes);
  friend bool operator==(const ManifestRow&, const ManifestRow&) = default;
};

}  // namespace storage::dataset
