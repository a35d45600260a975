// Object lock: GetObjectLockConfiguration, GetObjectRetention, GetObjectLegalHold and their PUTs.
#include "api/object_lock.h"

#include "api/ascii.h"
#include "api/events/change_events.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/versions.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

using storage::Lock;
using storage::RetentionMode;

// Both together name the same bound: no default lasts longer than a century.
constexpr std::uint64_t kDefaultDaysMax = 36'500;
constexpr std::uint64_t kDefaultYearsMax = 100;

Outcome<std::uint32_t> parse_period(std::string_view text, std::uint64_t max) {
  text = trim(text);
  const bool negative = text.starts_with('-') && parse_decimal(text.substr(1));
  const auto number = parse_decimal(text);
  if (!number && !negative) return S3Error::malformed_xml;
  if (negative || *number == 0) return S3Error::invalid_retention_period;
  if (*number > max) return Failure(S3Error::invalid_retention_period, "Default retention period is too large.");
  return static_cast<std::uint32_t>(*number);
}

// Errors: InvalidRetentionPeriod, MalformedXML.
Outcome<DefaultRetention> parse_rule(const XmlElement& rule) {
  const XmlElement* element = rule.child("DefaultRetention");
  if (element == nullptr) return S3Error::malformed_xml;
  const auto mode = child_text(*element, "Mode");
  const auto days = child_text(*element, "Days");
  const auto years = child_text(*element, "Years");
  if (!mode || !days || !years || !*mode || days->has_value() == years->has_value()) return S3Error::malformed_xml;
  const auto known = retention_mode_by_name(**mode);
  if (!known) return S3Error::malformed_xml;
  DefaultRetention retention;
  retention.mode = *known;
  const auto period = *days ? parse_period(**days, kDefaultDaysMax) : parse_period(**years, kDefaultYearsMax);
  if (!period) return period.error();
  (*days ? retention.days : retention.years) = *period;
  return retention;
}

Outcome<DefaultRetention> parse_configuration(const XmlElement& document) {
  const auto enabled = child_text(document, "ObjectLockEnabled");
  if (!enabled || !*enabled || **enabled != "Enabled" || document.count("Rule") > 1) return S3Error::malformed_xml;
  const XmlElement* rule = document.child("Rule");
  if (rule == nullptr) return DefaultRetention{};
  return parse_rule(*rule);
}

}  // namespace

Task<Outcome<Response>> get_object_lock_configuration(Call& call) {
  if (!call.bucket->object_lock) co_return S3Error::object_lock_configuration_not_found;
  const DefaultRetention retention = default_retention(*call.bucket);
  XmlWriter xml;
  xml.open_root("ObjectLockConfiguration");
  xml.element("ObjectLockEnabled", "Enabled");
  if (retention.mode != RetentionMode::none) {
    xml.open("Rule");
    xml.open("DefaultRetention");
    xml.element("Mode", retention_mode_name(retention.mode));
    if (retention.days > 0) xml.element("Days", std::uint64_t{retention.days});
    if (retention.years > 0) xml.element("Years", std::uint64_t{retention.years});
    xml.close("DefaultRetention");
    xml.close("Rule");
  }
  xml.close("ObjectLockConfiguration");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_object_lock_configuration(Call& call) {
  XmlBodyNeeds needs;
  needs.root = "ObjectLockConfiguration";
  needs.length_max = kXmlBodyBytesMax;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  const auto retention = parse_configuration(*document);
  if (!retention) co_return retention.error();
  const std::string text = default_retention_text(*retention);
  const auto change = [&text](storage::BucketInfo& bucket) -> storage::Result<> {
    if (bucket.versioning != storage::Versioning::enabled) return S3Error::invalid_bucket_state;
    bucket.object_lock = true;
    if (text.empty()) {
      bucket.settings.erase(std::string(kObjectLockSetting));
    } else {
      bucket.settings[std::string(kObjectLockSetting)] = text;
    }
    return storage::success();
  };
  const auto changed = co_await call.store.change_bucket(call.target.bucket, change);
  if (!changed && changed.error() == make_error_code(S3Error::invalid_bucket_state)) {
    co_return Failure(S3Error::invalid_bucket_state,
                      "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration");
  }
  if (!changed) co_return changed.error();
  co_return empty_response(200);
}

namespace {

// Mode and date, or neither of them, which takes a retention away. Errors: InvalidArgument, MalformedXML.
Outcome<Lock> parse_retention(const Call& call, const XmlElement& document) {
  const auto mode = child_text(document, "Mode");
  const auto date = child_text(document, "RetainUntilDate");
  if (!mode || !date || mode->has_value() != date->has_value()) return S3Error::malformed_xml;
  Lock lock;
  if (!*mode) return lock;
  const auto known = retention_mode_by_name(**mode);
  const auto until = parse_retention_date(**date);
  if (!known || !until) return S3Error::malformed_xml;
  lock.mode = *known;
  lock.retain_until_ms = *until;
  if (*until <= call.clock.wall_ms()) {
    return invalid_argument("RetainUntilDate", **date, "The retain until date must be in the future!");
  }
  return lock;
}

// Whether a retention in force may become `next`: longer always, else governance with a bypass, and compliance never.
storage::Result<> check_retention(const Lock& before, const Lock& next, std::int64_t now_ms, bool bypass) {
  if (before.mode == RetentionMode::none || before.retain_until_ms <= now_ms) return storage::success();
  if (next.mode == before.mode && next.retain_until_ms >= before.retain_until_ms) return storage::success();
  if (before.mode == RetentionMode::governance && bypass) return storage::success();
  return storage::Errc::object_locked;
}

Task<Outcome<Response>> change_lock(Call& call, std::string version_id, storage::VersionChange change,
                                    storage::CommitCompanion* companion = nullptr) {
  const auto changed = co_await change_version(call, std::move(version_id), std::move(change), companion);
  if (!changed) {
    if (changed.error().error() == S3Error::access_denied) co_return locked_failure();
    co_return changed.error();
  }
  Response response = empty_response(200);
  add_version_header(call, **changed, response);
  co_return response;
}

// The version that the call is about, in a bucket with object lock.
Task<Outcome<storage::ObjectInfoPtr>> find_lockable(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  if (!call.bucket->object_lock) co_return missing_lock_configuration();
  co_return co_await find_version(call, std::move(*version));
}

}  // namespace

Task<Outcome<Response>> get_object_retention(Call& call) {
  const auto info = co_await find_lockable(call);
  if (!info) co_return info.error();
  const Lock& lock = (*info)->controls.lock;
  if (lock.mode == RetentionMode::none) co_return S3Error::no_such_object_lock_configuration;
  XmlWriter xml;
  xml.open_root("Retention");
  xml.element("Mode", retention_mode_name(lock.mode));
  xml.element("RetainUntilDate", iso_date(lock.retain_until_ms));
  xml.close("Retention");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_object_retention(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  XmlBodyNeeds needs;
  needs.root = "Retention";
  needs.length_max = kXmlBodyBytesMax;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  if (!call.bucket->object_lock) co_return missing_lock_configuration();
  const auto retention = parse_retention(call, *document);
  if (!retention) co_return retention.error();
  const std::int64_t now_ms = call.clock.wall_ms();
  const storage::VersionChange change = [wanted = *retention, now_ms, bypass = bypasses_governance(call)](
                                            const storage::ObjectInfo&, storage::Changeable& next) {
    Lock lock = wanted;
    lock.legal_hold = next.controls.lock.legal_hold;
    lock.legal_hold_set = next.controls.lock.legal_hold_set;
    storage::Result<> allowed = check_retention(next.controls.lock, lock, now_ms, bypass);
    if (allowed) next.controls.lock = lock;
    return allowed;
  };
  ChangeEvents events(call, EventKind::retention_put);
  co_return co_await change_lock(call, std::move(*version), change, events.companion());
}

Task<Outcome<Response>> get_object_legal_hold(Call& call) {
  const auto info = co_await find_lockable(call);
  if (!info) co_return info.error();
  const Lock& lock = (*info)->controls.lock;
  if (!lock.legal_hold && !lock.legal_hold_set) co_return S3Error::no_such_object_lock_configuration;
  XmlWriter xml;
  xml.open_root("LegalHold");
  xml.element("Status", lock.legal_hold ? "ON" : "OFF");
  xml.close("LegalHold");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_object_legal_hold(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  XmlBodyNeeds needs;
  needs.root = "LegalHold";
  needs.length_max = kXmlBodyBytesMax;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  if (!call.bucket->object_lock) co_return missing_lock_configuration();
  const auto status = child_text(*document, "Status");
  if (!status || !*status || (**status != "ON" && **status != "OFF")) co_return S3Error::malformed_xml;
  const storage::VersionChange change = [on = **status == "ON"](const storage::ObjectInfo&, storage::Changeable& next) {
    next.controls.lock.legal_hold = on;
    next.controls.lock.legal_hold_set = true;
    return storage::success();
  };
  co_return co_await change_lock(call, std::move(*version), change);
}

}  // namespace api
