#include "api/cors.h"

#include <algorithm>

#include "api/ascii.h"
#include "api/xml_reader.h"

namespace api {
namespace {

constexpr std::size_t kRulesMax = 100;
constexpr std::size_t kIdBytesMax = 255;
constexpr std::string_view kMethods[] = {"GET", "PUT", "POST", "DELETE", "HEAD"};
constexpr std::size_t kRequestHeadersMax = 100;

Failure bad_rule(std::string sentence) { return {S3Error::invalid_request, std::move(sentence)}; }

Outcome<> check_wildcards(std::string_view element, const std::string& text) {
  if (text.empty() || !is_header_safe(text)) return S3Error::malformed_xml;
  if (std::count(text.begin(), text.end(), '*') <= 1) return done();
  return bad_rule(std::string(element) + " \"" + text + "\" can not have more than one wildcard.");
}

Outcome<> parse_entry(const XmlElement& entry, CorsRule& rule) {
  const std::string text(trim(entry.text));
  if (!entry.children.empty()) return S3Error::malformed_xml;
  if (entry.name == "AllowedOrigin") {
    rule.origins.push_back(text);
    return check_wildcards(entry.name, text);
  }
  if (entry.name == "AllowedHeader") {
    rule.headers.push_back(to_lower(text));
    return check_wildcards(entry.name, text);
  }
  if (entry.name == "AllowedMethod") {
    if (std::find(std::begin(kMethods), std::end(kMethods), text) == std::end(kMethods)) {
      return bad_rule("Found unsupported HTTP method in CORS config. Unsupported method is " + text);
    }
    rule.methods.push_back(text);
    return done();
  }
  if (entry.name == "ExposeHeader") {
    if (text.empty() || !is_header_safe(text)) return S3Error::malformed_xml;
    if (text.find('*') != std::string::npos) {
      return bad_rule("ExposeHeader \"" + text +
                      "\" contains wildcard. We currently do not support wildcard for ExposeHeader.");
    }
    rule.expose.push_back(text);
    return done();
  }
  if (entry.name == "MaxAgeSeconds") {
    const auto seconds = parse_decimal(text);
    if (!seconds || *seconds > INT32_MAX || rule.max_age_s) return S3Error::malformed_xml;
    rule.max_age_s = static_cast<std::uint32_t>(*seconds);
    return done();
  }
  if (entry.name != "ID" || text.size() > kIdBytesMax) return S3Error::malformed_xml;
  return done();
}

void add_line(std::string& headers, std::string_view name, std::string_view value) {
  headers.append(name).append(": ").append(value).append("\r\n");
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) {
    if (!all.empty()) all += ", ";
    all += text;
  }
  return all;
}

// The names of Access-Control-Request-Headers, lower-case.
std::vector<std::string> requested_headers(const Request& request) {
  std::vector<std::string> names;
  std::string_view rest = request.header("access-control-request-headers").value_or("");
  while (!rest.empty() && names.size() <= kRequestHeadersMax) {
    const std::string_view name = trim(cut(rest, ','));
    if (!name.empty()) names.push_back(to_lower(name));
  }
  return names;
}

bool allows_headers(const CorsRule& rule, const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::any_of(rule.headers.begin(), rule.headers.end(),
                       [&](const std::string& pattern) { return fits_wildcard(pattern, name); });
  });
}

struct Match {
  const CorsRule* rule = nullptr;
  bool any_origin = false;  // by a pattern that is nothing but the wildcard
};

Match find_rule(const CorsRules& rules, std::string_view origin, std::string_view method,
                const std::vector<std::string>& headers) {
  for (const CorsRule& rule : rules.rules) {
    if (std::find(rule.methods.begin(), rule.methods.end(), method) == rule.methods.end()) continue;
    if (!allows_headers(rule, headers)) continue;
    for (const std::string& pattern : rule.origins) {
      if (fits_wildcard(pattern, origin)) return {&rule, pattern == "*"};
    }
  }
  return {};
}

void add_rule_headers(const Match& match, std::string_view origin, std::string& headers) {
  add_line(headers, "Access-Control-Allow-Origin", match.any_origin ? "*" : origin);
  if (!match.any_origin) add_line(headers, "Access-Control-Allow-Credentials", "true");
  add_line(headers, "Access-Control-Allow-Methods", joined(match.rule->methods));
  if (!match.rule->expose.empty()) {
    add_line(headers, "Access-Control-Expose-Headers", joined(match.rule->expose));
  }
  if (match.rule->max_age_s) add_line(headers, "Access-Control-Max-Age", to_decimal(*match.rule->max_age_s));
  add_line(headers, "Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

}  // namespace

bool fits_wildcard(std::string_view pattern, std::string_view text) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  return text.size() >= before.size() + after.size() && text.starts_with(before) && text.ends_with(after);
}

Outcome<CorsRules> parse_cors(const XmlElement& document) {
  CorsRules rules;
  for (const XmlElement& element : document.children) {
    if (element.name != "CORSRule" || rules.rules.size() == kRulesMax) return S3Error::malformed_xml;
    CorsRule& rule = rules.rules.emplace_back();
    for (const XmlElement& entry : element.children) {
      if (auto parsed = parse_entry(entry, rule); !parsed) return parsed.error();
    }
    if (rule.origins.empty() || rule.methods.empty()) return S3Error::malformed_xml;
  }
  if (rules.rules.empty()) return S3Error::malformed_xml;
  return rules;
}

std::shared_ptr<const CorsRules> stored_cors(std::string_view text) {
  const auto document = parse_xml(text, "CORSConfiguration");
  if (!document) return nullptr;
  auto rules = parse_cors(*document);
  if (!rules) return nullptr;
  return std::make_shared<const CorsRules>(std::move(*rules));
}

Outcome<Response> answer_preflight(const Request& request, const CorsRules* rules) {
  if (rules == nullptr) return S3Error::access_forbidden;
  const std::string_view origin = request.header("origin").value_or("");
  const std::string_view method = request.header("access-control-request-method").value_or("");
  if (method.empty()) return Failure(S3Error::bad_request, "Invalid Access-Control-Request-Method: null");
  const std::vector<std::string> headers = requested_headers(request);
  const Match match = find_rule(*rules, origin, method, headers);
  if (match.rule == nullptr || headers.size() > kRequestHeadersMax) {
    return Failure(S3Error::access_forbidden,
                   "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "
                   "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not "
                   "whitelisted by the resource's CORS spec.")
        .with("Method", method);
  }
  Response response;
  add_rule_headers(match, origin, response.headers);
  if (!headers.empty()) add_line(response.headers, "Access-Control-Allow-Headers", joined(headers));
  return response;
}

void add_cors_headers(const Request& request, const CorsRules* rules, std::string& headers) {
  const auto origin = request.header("origin");
  if (!origin || rules == nullptr) return;
  // A request may say itself for which method a browser asks.
  const std::string_view method = request.header("access-control-request-method").value_or(request.method);
  const Match match = find_rule(*rules, *origin, method, {});
  if (match.rule != nullptr) add_rule_headers(match, *origin, headers);
}

}  // namespace api
