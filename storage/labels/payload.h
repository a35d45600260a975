// What an annotation's payload says: its leaves, as labels. The rules are those of the README, "Leaves".
//
// Threads   any. Errors none: a payload that is no JSON is a text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/labels/value.h"

namespace storage::labels {

inline constexpr std::size_t kLeavesMax = 256;         // of one payload, in document order
inline constexpr std::size_t kIndexedTextMax = 256;    // bytes of a string value
inline constexpr std::size_t kArrayNumbersMax = 32;    // more of them in one array are an embedding
inline constexpr std::size_t kLeafDepthMax = 64;       // containers around a leaf
inline constexpr std::size_t kLabelNameBytesMax = 512;
inline constexpr std::size_t kNotIndexedNamesMax = 256;  // of one payload; what is beyond is counted under the annotation's name

// How many values were left out, by the name that they would have had.
using LeftOut = std::map<std::string, std::uint32_t, std::less<>>;

struct Payload {
  bool json = false;
  std::uint64_t json_length = 0;  // bytes of the payload as a JSON value: its own, or those of the text in quotes
  // In document order; the label's name is the annotation's followed by the suffix, which is empty or begins with a dot.
  std::vector<std::pair<std::string, Value>> leaves;
  LeftOut not_indexed;
};

// `name`: the annotation's. `text` is UTF-8. Cost: proportional to the text.
Payload parse_payload(std::string_view name, std::string_view text);

// Whether labels beginning so are other sources' alone: object., meta., rule.
bool is_reserved_label(std::string_view name);

}  // namespace storage::labels
