// Object lock on the wire: a bucket's default retention, the lock headers of writes and reads, dates and modes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/call.h"

namespace api {

inline constexpr std::string_view kObjectLockSetting = "object-lock";  // of BucketInfo::settings

// What a bucket gives to new versions that bring no retention of their own.
struct DefaultRetention {
  storage::RetentionMode mode = storage::RetentionMode::none;  // none: no default
  std::uint32_t days = 0;
  std::uint32_t years = 0;  // one of the two is 0
};

std::string default_retention_text(const DefaultRetention& retention);
DefaultRetention default_retention(const storage::BucketInfo& bucket);

std::string_view retention_mode_name(storage::RetentionMode mode);
std::optional<storage::RetentionMode> retention_mode_by_name(std::string_view name);  // never none

// Milliseconds since 1970 of a date in ISO 8601: with or without time, fraction and zone (UTC where none is named), in the
// extended or the basic form.
std::optional<std::int64_t> parse_retention_date(std::string_view text);

// The lock of a version about to be written: what the headers say, else the bucket's default.
//   explicit_headers  set to whether the request named any of it
// Errors: InvalidArgument, InvalidRequest (headers in a bucket without object lock).
Outcome<storage::Lock> read_lock(const Call& call, bool* explicit_headers = nullptr);

// x-amz-object-lock-* of a version.
void add_lock_headers(const storage::ObjectInfo& info, Response& response);

// Whether the request asks to pass governance retention.
bool bypasses_governance(const Call& call);

Failure locked_failure();           // a version that may not be removed
Failure missing_lock_configuration();  // a bucket without object lock

}  // namespace api
