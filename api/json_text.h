// Questions about small JSON documents that need no document in memory afterwards. Pure.
#pragma once

#include <string_view>

namespace api {

// Whether `text` is an object whose values are all strings.
bool is_json_string_map(std::string_view text);

}  // namespace api
