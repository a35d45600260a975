// RequestTarget: the path and query of a request, percent-decoded once. `//`, `/./` and `%2F` are bytes of a
// key.
//
// Lifetime  holds views of the request's target; the request outlives it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/error_table.h"

namespace api {

struct QueryParameter {
  std::string name;   // decoded, as the client wrote it; compared without case
  std::string value;  // decoded; empty for a bare name
};

struct RequestTarget {
  std::string_view raw_path;  // begins with '/'
  std::vector<QueryParameter> query;
  std::string bucket;  // empty: the service itself
  std::string key;     // empty: the bucket itself
  bool virtual_hosted = false;

  // The value of the first parameter of that name (without case).
  std::optional<std::string_view> parameter(std::string_view name) const;
  bool has(std::string_view name) const { return parameter(name).has_value(); }
};

// `host` is the Host header as received; a name of the form BUCKET.domain, for a domain of `domains` or
// `localhost`, names the bucket. Errors: InvalidURI (broken escapes, a key that is not UTF-8 or holds NUL,
// U+FFFE or U+FFFF, which no XML listing can carry), KeyTooLongError.
Outcome<RequestTarget> parse_target(std::string_view target, std::string_view host,
                                    std::span<const std::string> domains);

// The bucket that `host` names below one of `domains`; nullopt when it names none.
std::optional<std::string> bucket_below(std::string_view host, std::span<const std::string> domains);

// Decodes "a=1&b" into parameters. Errors: InvalidURI.
Outcome<std::vector<QueryParameter>> parse_query(std::string_view query);

// 3 to 63 of a-z 0-9 - and '.', by AWS's rules for names.
bool is_bucket_name(std::string_view name);

// Whether a key can be stored and listed: 1 to 1,024 bytes of UTF-8 without NUL, U+FFFE and U+FFFF.
Outcome<> check_key(std::string_view key);

}  // namespace api
