// Which keys are those of virtual objects.
#pragma once

#include <string_view>

namespace api {

inline constexpr std::string_view kVirtualPrefix = ".granary/";

constexpr bool is_virtual_key(std::string_view key) { return key.starts_with(kVirtualPrefix); }

}  // namespace api
