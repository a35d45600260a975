#include "api/json_text.h"

#include <nlohmann/json.hpp>

namespace api {

bool is_json_string_map(std::string_view text) {
  const nlohmann::json document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return false;
  for (const auto& value : document) {
    if (!value.is_string()) return false;
  }
  return true;
}

}  // namespace api
