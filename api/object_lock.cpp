#include "api/object_lock.h"

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/http_date.h"

namespace api {
namespace {

using storage::RetentionMode;

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

std::int64_t days_of(const DefaultRetention& retention) {
  return retention.days > 0 ? retention.days : std::int64_t{365} * retention.years;
}

Failure bad_header(std::string_view name, std::string_view value, std::string message) {
  return invalid_argument(name, value, std::move(message));
}

// Takes "+hh:mm", "-hh:mm" or "Z" off the end of a time. Minutes to subtract for UTC; nullopt for none of these.
std::optional<std::int64_t> take_zone(std::string_view& text) {
  if (text.ends_with('Z')) {
    text.remove_suffix(1);
    return 0;
  }
  constexpr std::size_t kZoneCharacters = 6;
  if (text.size() < kZoneCharacters) return std::nullopt;
  const std::string_view zone = text.substr(text.size() - kZoneCharacters);
  const auto hours = parse_decimal(zone.substr(1, 2));
  const auto minutes = parse_decimal(zone.substr(4, 2));
  if ((zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !hours || !minutes || *hours > 14 || *minutes > 59) {
    return std::nullopt;
  }
  text.remove_suffix(kZoneCharacters);
  const auto offset = static_cast<std::int64_t>(*hours * 60 + *minutes);
  return zone[0] == '+' ? offset : -offset;
}

// Errors: InvalidArgument.
Outcome<> read_retention(const Call& call, std::string_view mode, std::string_view date, storage::Lock& lock) {
  const auto known = retention_mode_by_name(mode);
  if (!known) return bad_header("x-amz-object-lock-mode", mode, "Unknown wormMode directive.");
  const auto until = parse_retention_date(date);
  if (!until) {
    return bad_header("x-amz-object-lock-retain-until-date", date,
                      "The retain until date must be provided in ISO 8601 format");
  }
  lock.mode = *known;
  lock.retain_until_ms = *until;
  if (lock.retain_until_ms <= call.clock.wall_ms()) {
    return bad_header("x-amz-object-lock-retain-until-date", date, "The retain until date must be in the future!");
  }
  return done();
}

}  // namespace

std::optional<std::int64_t> parse_retention_date(std::string_view text) {
  text = trim(text);
  std::int64_t offset_minutes = 0;
  if (text.find('T') != std::string_view::npos) offset_minutes = take_zone(text).value_or(0);
  std::string_view fraction = text;
  std::string date(cut(fraction, '.'));
  std::int64_t ms = 0;
  if (!fraction.empty()) {
    if (fraction.size() > 9 || !parse_decimal(fraction)) return std::nullopt;
    std::string thousandths(fraction.substr(0, 3));
    thousandths.resize(3, '0');
    ms = static_cast<std::int64_t>(*parse_decimal(thousandths));
  }
  if (date.find('T') == std::string::npos) date += "T00:00:00";
  date += 'Z';
  auto seconds = parse_iso_date(date);
  if (!seconds) seconds = parse_amz_date(date);
  if (!seconds) return std::nullopt;
  return (*seconds - offset_minutes * 60) * 1000 + ms;
}

std::string_view retention_mode_name(RetentionMode mode) {
  switch (mode) {
    case RetentionMode::none:
      return {};
    case RetentionMode::governance:
      return "GOVERNANCE";
    case RetentionMode::compliance:
      return "COMPLIANCE";
  }
  return {};
}

std::optional<RetentionMode> retention_mode_by_name(std::string_view name) {
  for (const RetentionMode mode : {RetentionMode::governance, RetentionMode::compliance}) {
    if (name == retention_mode_name(mode)) return mode;
  }
  return std::nullopt;
}

std::string default_retention_text(const DefaultRetention& retention) {
  if (retention.mode == RetentionMode::none) return {};
  std::string text(retention_mode_name(retention.mode));
  text += retention.days > 0 ? " days " : " years ";
  return text + to_decimal(retention.days > 0 ? retention.days : retention.years);
}

DefaultRetention default_retention(const storage::BucketInfo& bucket) {
  DefaultRetention retention;
  const auto setting = bucket.settings.find(kObjectLockSetting);
  if (setting == bucket.settings.end()) return retention;
  std::string_view text = setting->second;
  const auto mode = retention_mode_by_name(cut(text, ' '));
  const std::string_view unit = cut(text, ' ');
  const auto count = parse_decimal(text);
  if (!mode || !count) return retention;
  retention.mode = *mode;
  (unit == "days" ? retention.days : retention.years) = static_cast<std::uint32_t>(*count);
  return retention;
}

Outcome<storage::Lock> read_lock(const Call& call, bool* explicit_headers) {
  storage::Lock lock;
  const auto mode = call.header("x-amz-object-lock-mode");
  const auto date = call.header("x-amz-object-lock-retain-until-date");
  const auto hold = call.header("x-amz-object-lock-legal-hold");
  const bool off_only = hold && *hold == "OFF" && !mode && !date;
  const bool named = (mode || date || hold) && !off_only;
  if (explicit_headers != nullptr) *explicit_headers = named;
  if (mode.has_value() != date.has_value()) {
    return bad_header(mode ? "x-amz-object-lock-mode" : "x-amz-object-lock-retain-until-date", mode ? *mode : *date,
                      "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied");
  }
  if (hold && *hold != "ON" && *hold != "OFF") {
    return bad_header("x-amz-object-lock-legal-hold", *hold, "Legal Hold must be either of 'ON' or 'OFF'");
  }
  if (mode) {
    if (auto read = read_retention(call, *mode, *date, lock); !read) return read.error();
  }
  const bool locks = call.bucket != nullptr && call.bucket->object_lock;
  if (named && !locks) return missing_lock_configuration();
  lock.legal_hold = hold && *hold == "ON";
  lock.legal_hold_set = hold.has_value() && locks;
  if (mode || !locks) return lock;
  const DefaultRetention retention = default_retention(*call.bucket);
  if (retention.mode != RetentionMode::none) {
    lock.mode = retention.mode;
    lock.retain_until_ms = call.clock.wall_ms() + days_of(retention) * kDayMs;
  }
  return lock;
}

void add_lock_headers(const storage::ObjectInfo& info, Response& response) {
  const storage::Lock& lock = info.controls.lock;
  if (lock.mode != RetentionMode::none) {
    response.add_header("x-amz-object-lock-mode", retention_mode_name(lock.mode));
    response.add_header("x-amz-object-lock-retain-until-date", iso_date(lock.retain_until_ms));
  }
  if (lock.legal_hold || lock.legal_hold_set) {
    response.add_header("x-amz-object-lock-legal-hold", lock.legal_hold ? "ON" : "OFF");
  }
}

bool bypasses_governance(const Call& call) {
  return equals_caseless(call.header("x-amz-bypass-governance-retention").value_or(""), "true");
}

Failure locked_failure() {
  return {S3Error::access_denied, "Access Denied because object protected by object lock."};
}

Failure missing_lock_configuration() {
  return {S3Error::invalid_request, "Bucket is missing Object Lock Configuration"};
}

}  // namespace api
