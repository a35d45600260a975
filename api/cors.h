// CORS: the rules of a bucket, preflight requests, and the headers that answers carry for browsers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/error_table.h"
#include "api/service.h"

namespace api {

struct XmlElement;

inline constexpr std::string_view kCorsSetting = "cors";  // <CORSConfiguration>, in storage::BucketInfo::settings

struct CorsRule {
  std::vector<std::string> origins;  // each with at most one *
  std::vector<std::string> methods;
  std::vector<std::string> headers;  // each with at most one *
  std::vector<std::string> expose;
  std::optional<std::uint32_t> max_age_s;
};

struct CorsRules {
  std::vector<CorsRule> rules;
};

// Errors: InvalidRequest, MalformedXML.
Outcome<CorsRules> parse_cors(const XmlElement& document);
// The same of a stored text; null if it is none.
std::shared_ptr<const CorsRules> stored_cors(std::string_view text);

// The answer to OPTIONS of a request with an Origin; `rules` may be null. Errors: AccessForbidden, BadRequest.
Outcome<Response> answer_preflight(const Request& request, const CorsRules* rules);

// Adds what the first rule that allows the request says. Nothing for a request without Origin.
void add_cors_headers(const Request& request, const CorsRules* rules, std::string& headers);

// Whether `text` fits `pattern`, in which one * stands for any characters.
bool fits_wildcard(std::string_view pattern, std::string_view text);

}  // namespace api
