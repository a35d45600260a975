// The Range header, of one range of bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace api {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

enum class RangeKind {
  whole,  // no range, several, another unit, nonsense: the header counts as absent
  slice,
  unsatisfiable,  // 416
};

struct RangeAnswer {
  RangeKind kind = RangeKind::whole;
  ByteRange range;  // of slice, inside the object
};

RangeAnswer parse_range(std::string_view header, std::uint64_t size);

// "bytes=a-b" with both ends, a <= b, as UploadPartCopy wants it; nullopt for any other form.
std::optional<ByteRange> parse_closed_range(std::string_view header);

}  // namespace api
