#include "storage/dataset/manifest_row.h"

namespace storage::dataset {
namespace {

constexpr std::uint16_t kRowVersion = 1;
constexpr std::uint16_t kJsonObject = 1;

template <class T>
void put(std::string& to, T number) {
  for (std::size_t i = 0; i < sizeof(T); ++i) to += static_cast<char>(number >> 8 * i);
}

template <class T>
T take(std::span<const std::byte>& from) {
  T number = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) number = static_cast<T>(number | static_cast<T>(from[i]) << 8 * i);
  from = from.subspan(sizeof(T));
  return number;
}

}  // namespace

void ManifestRow::append_to(std::string& bytes) const {
  put<std::uint16_t>(bytes, kRowVersion);
  put<std::uint16_t>(bytes, json_object ? kJsonObject : 0);
  put(bytes, record_bytes);
  put(bytes, record_begin);
  put(bytes, object_bytes);
  put(bytes, json_bytes);
  put(bytes, base_hash);
  put(bytes, json_lines_end);
  put(bytes, csv_lines_end);
  put(bytes, base_bytes);
  put(bytes, extension_bytes);
  put<std::uint32_t>(bytes, 0);
}

bool ManifestRow::read(std::span<const std::byte> bytes) {
  if (bytes.size() != kManifestRowBytes) return false;
  const auto version = take<std::uint16_t>(bytes);
  const auto flags = take<std::uint16_t>(bytes);
  json_object = (flags & kJsonObject) != 0;
  record_bytes = take<std::uint32_t>(bytes);
  record_begin = take<std::uint64_t>(bytes);
  object_bytes = take<std::uint64_t>(bytes);
  json_bytes = take<std::uint64_t>(bytes);
  base_hash = take<std::uint64_t>(bytes);
  json_lines_end = take<std::uint64_t>(bytes);
  csv_lines_end = take<std::uint64_t>(bytes);
  base_bytes = take<std::uint16_t>(bytes);
  extension_bytes = take<std::uint16_t>(bytes);
  return version == kRowVersion;
}

}  // namespace storage::dataset
