#include "api/lifecycle.h"

#include <openssl/rand.h>

#include <algorithm>
#include <stdexcept>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/tags.h"
#include "api/xml_reader.h"

namespace api {
namespace {

constexpr std::size_t kRulesMax = 1000;
constexpr std::size_t kIdBytesMax = 255;
constexpr std::uint32_t kNoncurrentKeptMax = 100;
constexpr std::uint32_t kDaySeconds = 24 * 3600;
constexpr std::int64_t kDayMs = 1000LL * kDaySeconds;

Failure bad_argument(std::string sentence) { return {S3Error::invalid_argument, std::move(sentence)}; }
Failure bad_request(std::string sentence) { return {S3Error::invalid_request, std::move(sentence)}; }

// A whole number; more than INT32_MAX is none. nullopt in the value: the element is absent.
Outcome<std::optional<std::uint32_t>> number_of(const XmlElement& parent, std::string_view name) {
  const auto text = child_text(parent, name);
  if (!text) return text.error();
  if (!*text) return std::optional<std::uint32_t>();
  std::string_view digits = trim(**text);
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  const auto number = parse_decimal(digits);
  if (!number || *number > INT32_MAX) return S3Error::malformed_xml;
  // Negative numbers are numbers, if none that a rule can have: they fall to the same sentence as zero.
  return std::optional<std::uint32_t>(negative ? 0 : static_cast<std::uint32_t>(*number));
}

Outcome<std::optional<std::uint32_t>> positive(const XmlElement& parent, std::string_view name,
                                               std::string_view action) {
  auto number = number_of(parent, name);
  if (!number || !*number || **number > 0) return number;
  std::string sentence = "'";
  sentence.append(name).append("' for ").append(action).append(" action must be a positive integer");
  return bad_argument(std::move(sentence));
}

bool has_only(const XmlElement& element, std::initializer_list<std::string_view> names) {
  return std::all_of(element.children.begin(), element.children.end(), [&](const XmlElement& child) {
    return std::find(names.begin(), names.end(), child.name) != names.end() &&
           (child.name == "Tag" || element.count(child.name) == 1);
  });
}

Outcome<std::optional<std::int64_t>> date_of(const XmlElement& parent) {
  const auto text = child_text(parent, "Date");
  if (!text) return text.error();
  if (!*text) return std::optional<std::int64_t>();
  std::string value(trim(**text));
  if (value.size() == 10) value += "T00:00:00Z";  // a day alone
  const auto seconds = parse_iso_date(value);
  if (!seconds) return S3Error::malformed_xml;
  if (*seconds % kDaySeconds != 0) return bad_argument("'Date' must be at midnight GMT");
  return std::optional<std::int64_t>(*seconds * 1000);
}

Outcome<> parse_tag(const XmlElement& element, LifecycleRule& rule) {
  const auto name = child_text(element, "Key");
  const auto value = child_text(element, "Value");
  if (!name || !value || !*name || !*value || element.children.size() != 2) return S3Error::malformed_xml;
  rule.tags.emplace_back(**name, **value);
  return done();
}

// What may stand in a <Filter> and in its <And>.
Outcome<> parse_predicate(const XmlElement& element, LifecycleRule& rule) {
  if (element.name == "Tag") return parse_tag(element, rule);
  if (!element.children.empty()) return S3Error::malformed_xml;
  if (element.name == "Prefix") {
    if (element.text.size() > storage::kKeyBytesMax) {
      return bad_argument("The maximum size of a prefix is 1024");
    }
    rule.prefix = element.text;
    return done();
  }
  const auto bytes = parse_decimal(trim(element.text));
  if (!bytes) return S3Error::malformed_xml;
  if (element.name == "ObjectSizeGreaterThan") {
    rule.size_above = *bytes;
  } else if (element.name == "ObjectSizeLessThan") {
    rule.size_below = *bytes;
  } else {
    return S3Error::malformed_xml;
  }
  return done();
}

Outcome<> parse_filter(const XmlElement& filter, LifecycleRule& rule) {
  if (filter.children.size() > 1) return S3Error::malformed_xml;
  for (const XmlElement& child : filter.children) {
    if (child.name != "And") {
      if (auto parsed = parse_predicate(child, rule); !parsed) return parsed.error();
      continue;
    }
    if (child.children.empty() ||
        !has_only(child, {"Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"})) {
      return S3Error::malformed_xml;
    }
    for (const XmlElement& predicate : child.children) {
      if (auto parsed = parse_predicate(predicate, rule); !parsed) return parsed.error();
    }
  }
  if (auto checked = check_tags(rule.tags); !checked) {
    return bad_request(std::string(checked.error().message()));
  }
  if (rule.size_above && rule.size_below && *rule.size_above >= *rule.size_below) {
    return bad_request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
  }
  return done();
}

Outcome<> parse_expiration(const XmlElement& element, LifecycleRule& rule) {
  if (element.children.size() != 1 || !has_only(element, {"Days", "Date", "ExpiredObjectDeleteMarker"})) {
    return S3Error::malformed_xml;
  }
  const auto days = positive(element, "Days", "Expiration");
  if (!days) return days.error();
  const auto date = date_of(element);
  if (!date) return date.error();
  if (*days) rule.expiration = LifecycleTime{**days, std::nullopt};
  if (*date) rule.expiration = LifecycleTime{0, **date};
  if (const XmlElement* marker = element.child("ExpiredObjectDeleteMarker")) {
    if (marker->text != "true" && marker->text != "false") return S3Error::malformed_xml;
    rule.expired_markers = marker->text == "true";
  }
  return done();
}

Outcome<> parse_noncurrent(const XmlElement& element, LifecycleRule& rule) {
  if (!has_only(element, {"NoncurrentDays", "NewerNoncurrentVersions"})) return S3Error::malformed_xml;
  const auto days = positive(element, "NoncurrentDays", "NoncurrentVersionExpiration");
  if (!days) return days.error();
  const auto kept = positive(element, "NewerNoncurrentVersions", "NoncurrentVersionExpiration");
  if (!kept) return kept.error();
  if (!*days) return S3Error::malformed_xml;
  if (*kept && **kept > kNoncurrentKeptMax) {
    return bad_argument("'NewerNoncurrentVersions' must be a positive integer no greater than 100");
  }
  rule.noncurrent_days = **days;
  rule.noncurrent_kept = kept->value_or(0);
  return done();
}

Outcome<> parse_abort(const XmlElement& element, LifecycleRule& rule) {
  if (element.children.size() != 1) return S3Error::malformed_xml;
  const auto days = positive(element, "DaysAfterInitiation", "AbortIncompleteMultipartUpload");
  if (!days) return days.error();
  if (!*days) return S3Error::malformed_xml;
  rule.abort_days = **days;
  return done();
}

Outcome<> check_class(const XmlElement& element, const std::vector<std::string>* storage_classes,
                      std::string& storage_class) {
  const auto name = child_text(element, "StorageClass");
  if (!name || !*name) return S3Error::malformed_xml;
  storage_class = **name;
  if (storage_classes == nullptr) return done();
  const bool known = std::find(storage_classes->begin(), storage_classes->end(), storage_class) != storage_classes->end();
  return known ? done() : Outcome<>(S3Error::invalid_storage_class);
}

Outcome<> parse_transition(const XmlElement& element, const std::vector<std::string>* storage_classes,
                           LifecycleRule& rule) {
  if (element.children.size() != 2 || !has_only(element, {"Days", "Date", "StorageClass"})) {
    return S3Error::malformed_xml;
  }
  LifecycleTransition transition;
  if (auto known = check_class(element, storage_classes, transition.storage_class); !known) return known.error();
  const auto days = number_of(element, "Days");
  const auto date = date_of(element);
  if (!days) return days.error();
  if (!date) return date.error();
  transition.time = LifecycleTime{days->value_or(0), *date};
  rule.transitions.push_back(std::move(transition));
  return done();
}

Outcome<> parse_noncurrent_transition(const XmlElement& element, const std::vector<std::string>* storage_classes,
                                      LifecycleRule& rule) {
  if (!has_only(element, {"NoncurrentDays", "NewerNoncurrentVersions", "StorageClass"})) return S3Error::malformed_xml;
  NoncurrentTransition transition;
  if (auto known = check_class(element, storage_classes, transition.storage_class); !known) return known.error();
  const auto days = number_of(element, "NoncurrentDays");
  if (!days) return days.error();
  if (!*days) return S3Error::malformed_xml;
  const auto kept = positive(element, "NewerNoncurrentVersions", "NoncurrentVersionTransition");
  if (!kept) return kept.error();
  if (*kept && **kept > kNoncurrentKeptMax) {
    return bad_argument("'NewerNoncurrentVersions' must be a positive integer no greater than 100");
  }
  transition.days = **days;
  transition.kept = kept->value_or(0);
  rule.noncurrent_transitions.push_back(std::move(transition));
  return done();
}

Outcome<> parse_element(const XmlElement& element, const std::vector<std::string>* storage_classes,
                        LifecycleRule& rule) {
  if (element.name == "ID") {
    rule.id = element.text;
    if (rule.id.size() <= kIdBytesMax) return done();
    return bad_argument("ID length should not exceed allowed limit of 255");
  }
  if (element.name == "Status") {
    if (element.text != "Enabled" && element.text != "Disabled") return S3Error::malformed_xml;
    rule.enabled = element.text == "Enabled";
    return done();
  }
  if (element.name == "Prefix") return parse_predicate(element, rule);
  if (element.name == "Filter") return parse_filter(element, rule);
  if (element.name == "Expiration") return parse_expiration(element, rule);
  if (element.name == "NoncurrentVersionExpiration") return parse_noncurrent(element, rule);
  if (element.name == "AbortIncompleteMultipartUpload") return parse_abort(element, rule);
  if (element.name == "Transition") return parse_transition(element, storage_classes, rule);
  if (element.name == "NoncurrentVersionTransition") {
    return parse_noncurrent_transition(element, storage_classes, rule);
  }
  return S3Error::malformed_xml;
}

// What no element alone can say.
Outcome<> check_rule(const XmlElement& element, const LifecycleRule& rule) {
  if (element.count("Status") != 1) return S3Error::malformed_xml;
  if (element.count("Filter") + element.count("Prefix") != 1) return S3Error::malformed_xml;
  for (const std::string_view once : {"ID", "Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}) {
    if (element.count(once) > 1) return S3Error::malformed_xml;
  }
  const bool acts = element.child("Expiration") != nullptr || rule.noncurrent_days || rule.abort_days ||
                    !rule.transitions.empty() || !rule.noncurrent_transitions.empty();
  if (!acts) return bad_request("At least one action needs to be specified in a rule");
  const bool by_tag_or_size = !rule.tags.empty() || rule.size_above || rule.size_below;
  if (rule.abort_days && !rule.tags.empty()) {
    return bad_request("AbortIncompleteMultipartUpload cannot be specified with Tags.");
  }
  if (rule.abort_days && by_tag_or_size) {
    return bad_request("AbortIncompleteMultipartUpload cannot be specified with Object Size.");
  }
  if (element.child("Expiration") != nullptr && !rule.expiration && by_tag_or_size) {
    return bad_request("ExpiredObjectDeleteMarker cannot be specified with Tags or Object Size.");
  }
  for (const LifecycleTransition& transition : rule.transitions) {
    if (!rule.expiration) continue;
    if (transition.time.date_ms.has_value() != rule.expiration->date_ms.has_value()) {
      return bad_request("Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for "
                         "prefix '" + rule.prefix + "'");
    }
    if (!rule.expiration->date_ms && rule.expiration->days <= transition.time.days) {
      return bad_argument("'Days' in the Expiration action for filter '(prefix=" + rule.prefix +
                          ")' must be greater than 'Days' in the Transition action");
    }
  }
  return done();
}

Outcome<LifecycleRules> parse_rules(const XmlElement& document, const std::vector<std::string>* storage_classes) {
  LifecycleRules rules;
  std::vector<std::string> ids;
  for (const XmlElement& element : document.children) {
    if (element.name != "Rule" || rules.rules.size() == kRulesMax) return S3Error::malformed_xml;
    LifecycleRule& rule = rules.rules.emplace_back();
    for (const XmlElement& child : element.children) {
      if (auto parsed = parse_element(child, storage_classes, rule); !parsed) return parsed.error();
    }
    if (auto checked = check_rule(element, rule); !checked) return checked.error();
    if (!rule.id.empty()) ids.push_back(rule.id);
  }
  if (rules.rules.empty()) return S3Error::malformed_xml;
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
    return bad_argument("Rule ID must be unique. Found same ID for more than one rule");
  }
  return rules;
}

}  // namespace

Outcome<LifecycleRules> parse_lifecycle(const XmlElement& document, const std::vector<std::string>& storage_classes) {
  return parse_rules(document, &storage_classes);
}

std::shared_ptr<const LifecycleRules> stored_lifecycle(std::string_view text) {
  const auto document = parse_xml(text, "LifecycleConfiguration");
  if (!document) return nullptr;
  auto rules = parse_rules(*document, nullptr);
  if (!rules) return nullptr;
  return std::make_shared<const LifecycleRules>(std::move(*rules));
}

void name_rules(XmlElement& document) {
  for (XmlElement& rule : document.children) {
    std::string random(36, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(random.size())) != 1) {
      throw std::runtime_error("no random bytes for the ID of a rule");
    }
    const auto id = std::find_if(rule.children.begin(), rule.children.end(),
                                 [](const XmlElement& child) { return child.name == "ID"; });
    if (id == rule.children.end()) {
      rule.children.insert(rule.children.begin(), XmlElement{"ID", to_base64url(random), {}});
    } else if (id->text.empty()) {
      id->text = to_base64url(random);
    }
  }
}

bool rule_meets(const LifecycleRule& rule, std::string_view key, std::uint64_t size,
                const storage::NameValues& tags) {
  if (!key.starts_with(rule.prefix)) return false;
  if (rule.size_above && size <= *rule.size_above) return false;
  if (rule.size_below && size >= *rule.size_below) return false;
  return std::all_of(rule.tags.begin(), rule.tags.end(), [&](const auto& tag) {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
  });
}

std::int64_t due_ms(std::int64_t since_ms, std::uint32_t days, std::uint32_t day_seconds) {
  const std::int64_t due = since_ms + std::int64_t{days} * day_seconds * 1000;
  return day_seconds == kDaySeconds ? (due + kDayMs - 1) / kDayMs * kDayMs : due;
}

std::int64_t due_ms(std::int64_t since_ms, const LifecycleTime& time, std::uint32_t day_seconds) {
  return time.date_ms ? std::max(*time.date_ms, since_ms) : due_ms(since_ms, time.days, day_seconds);
}

void add_expiration_header(const LifecycleRules* rules, std::string_view key, std::uint64_t size,
                           const storage::NameValues& tags, std::int64_t modified_ms, Response& response) {
  if (rules == nullptr) return;
  const LifecycleRule* first = nullptr;
  std::int64_t first_ms = 0;
  for (const LifecycleRule& rule : rules->rules) {
    if (!rule.enabled || !rule.expiration || !rule_meets(rule, key, size, tags)) continue;
    const std::int64_t due =
        rule.expiration->date_ms ? *rule.expiration->date_ms : due_ms(modified_ms, rule.expiration->days, kDaySeconds);
    if (first != nullptr && first_ms <= due) continue;
    first = &rule;
    first_ms = due;
  }
  if (first == nullptr) return;
  response.add_header("x-amz-expiration", "expiry-date=\"" + http_date(first_ms) + "\", rule-id=\"" +
                                              percent_encode(first->id, Slash::encode) + "\"");
}

void add_abort_headers(const LifecycleRules* rules, std::string_view key, std::int64_t initiated_ms,
                       Response& response) {
  if (rules == nullptr) return;
  const LifecycleRule* first = nullptr;
  for (const LifecycleRule& rule : rules->rules) {
    if (!rule.enabled || !rule.abort_days || !key.starts_with(rule.prefix)) continue;
    if (first == nullptr || *rule.abort_days < *first->abort_days) first = &rule;
  }
  if (first == nullptr) return;
  response.add_header("x-amz-abort-date", http_date(due_ms(initiated_ms, *first->abort_days, kDaySeconds)));
  response.add_header("x-amz-abort-rule-id", percent_encode(first->id, Slash::encode));
}

}  // namespace api
