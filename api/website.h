// Website: what a bucket's website configuration says, and how it answers browsers on a website host.
//
// A website host (BUCKET.domain for a domain of ServiceOptions::website_domains) takes GET and HEAD, knows no signatures and
// speaks HTML where it has to speak.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/error_table.h"
#include "api/service.h"

namespace api {

struct XmlElement;

// Always a domain of websites, as localhost is one of buckets.
inline constexpr std::string_view kLocalWebsiteDomain = "s3-website.localhost";

inline constexpr std::string_view kWebsiteSetting = "website";  // <WebsiteConfiguration>

struct WebsiteRedirect {
  std::string host;      // empty: the one that was asked
  std::string protocol;  // "http" or "https"; empty: as it was asked
  unsigned code = 301;
  std::optional<std::string> key;         // instead of the whole key
  std::optional<std::string> key_prefix;  // instead of the prefix that the rule's condition names
};

struct WebsiteRule {
  std::string prefix;       // of the key
  unsigned error_code = 0;  // 0: whatever comes of it
  WebsiteRedirect redirect;
};

struct Website {
  std::string index_suffix;
  std::string error_key;  // empty: none
  std::optional<WebsiteRedirect> redirect_all;
  std::vector<WebsiteRule> rules;
};

// Errors: InvalidArgument, InvalidRequest, MalformedXML.
Outcome<Website> parse_website(const XmlElement& document);
// The same of a stored text; null if it is none.
std::shared_ptr<const Website> stored_website(std::string_view text);

// What a website asks of the store, as an anonymous reader.
struct WebsiteReads {
  std::function<Task<Outcome<Response>>(std::string key)> get;  // the answer to a GET, or HEAD, of the object
  std::function<Task<bool>(std::string key)> exists;
};

// The answer to a request for `key` (decoded, empty for the root).
Task<Response> answer_website(const Website& website, const Request& request, std::string key, WebsiteReads reads);

// An error as browsers show it. 404 for what is missing, 403 for what is not public.
Response website_error(const Request& request, const Failure& failure, std::string_view key);

}  // namespace api
