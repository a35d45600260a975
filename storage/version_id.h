// Version ids: 32 characters that need no escaping in a URL, given once and never again.
//
// 16 random bytes, then the version's number masked by them: nobody can guess an id, and a look-up by id knows which row to
// read. A number says nothing without the id being that of the row it leads to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace storage {

inline constexpr std::size_t kVersionIdCharacters = 32;

std::string new_version_id(std::uint64_t number);

// The number of the version that has this id, if any has. nullopt for what no call of new_version_id() gave.
std::optional<std::uint64_t> version_number(std::string_view version_id);

}  // namespace storage
