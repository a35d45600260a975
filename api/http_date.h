// Dates of HTTP and S3, without locale or time zone data. Years 1970 to 9999.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace api {

// "Sun, 06 Nov 1994 08:49:37 GMT"
void append_http_date(std::string& out, std::int64_t unix_ms);
std::string http_date(std::int64_t unix_ms);
// "1994-11-06T08:49:37.000Z"
std::string iso_date(std::int64_t unix_ms);
// "19941106T084937Z", the form of x-amz-date
std::string amz_date(std::int64_t unix_ms);

// Seconds since 1970; nullopt for what is not a date of that form.
std::optional<std::int64_t> parse_http_date(std::string_view text);  // RFC 1123, RFC 850 and asctime
std::optional<std::int64_t> parse_amz_date(std::string_view text);
std::optional<std::int64_t> parse_iso_date(std::string_view text);  // UTC, with or without fraction

}  // namespace api
