// Patterns of policies: '*' stands for any text, '?' for one character.
//
// Cost  at most the product of the two lengths, whatever the pattern: the last '*' is the only place to go back to.
#pragma once

#include <string>
#include <string_view>

namespace api {

enum class Letters { exact, any_case };

bool matches_wildcard(std::string_view pattern, std::string_view text, Letters letters = Letters::exact);

// A pattern in units: one for each byte of its text, kAnyText and kAnyCharacter for the wildcards. So a policy variable can
// put a '*' in that is only a '*'.
using PatternUnits = std::u16string;
inline constexpr char16_t kAnyText = 0x100;
inline constexpr char16_t kAnyCharacter = 0x101;

bool matches_units(const PatternUnits& pattern, std::string_view text);

}  // namespace api
