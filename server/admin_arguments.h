// What the operator's commands have in common: their arguments, and how they answer.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "server/admin_server.h"

namespace server {

// Arguments of a command; refuses what it does not know.
class Arguments {
 public:
  explicit Arguments(const std::string& body) : document_(nlohmann::json::parse(body.empty() ? "{}" : body, nullptr, false)) {
    if (!document_.is_object()) fail("the body must be a JSON object");
  }
  std::string text(const char* name) {
    const auto value = take(name);
    if (!value) return {};
    if (!value->is_string()) fail(std::string(name) + " must be a text");
    return value->is_string() ? value->get<std::string>() : std::string();
  }
  std::optional<std::uint64_t> number(const char* name) {
    const auto value = take(name);
    if (!value) return std::nullopt;
    if (!value->is_number_unsigned()) {
      fail(std::string(name) + " must be a whole number");
      return std::nullopt;
    }
    return value->get<std::uint64_t>();
  }
  // Empty if all was well and nothing is left over.
  std::string error() {
    if (error_.empty() && document_.is_object() && !document_.empty()) fail("unknown key " + document_.begin().key());
    return error_;
  }

 private:
  std::optional<nlohmann::json> take(const char* name) {
    if (!document_.is_object() || !document_.contains(name)) return std::nullopt;
    nlohmann::json value = document_[name];
    document_.erase(name);
    return value;
  }
  void fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }

  nlohmann::json document_;
  std::string error_;
};

inline AdminAnswer answer_of(const nlohmann::json& document, unsigned status = 200) {
  // Paths need not be UTF-8.
  return {status, document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", "application/json"};
}

inline AdminAnswer refused(unsigned status, const std::string& sentence) { return answer_of({{"error", sentence}}, status); }

}  // namespace server
