#include "api/events/notification.h"

#include <openssl/rand.h>

#include <set>
#include <stdexcept>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/xml_reader.h"

namespace api {
namespace {

constexpr std::size_t kRulesMax = 100;
constexpr std::size_t kIdBytesMax = 255;
constexpr std::size_t kFilterBytesMax = 1024;

struct Form {
  std::string_view element;  // of the document
  std::string_view arn;      // the element of the ARN
  std::string_view service;  // as S3's own ARNs have it
  std::string_view what;     // in sentences
};
constexpr Form kForms[] = {
    {"TopicConfiguration", "Topic", "sns", "topic"},
    {"QueueConfiguration", "Queue", "sqs", "queue"},
    {"CloudFunctionConfiguration", "CloudFunction", "lambda", "Lambda"},
};

Failure bad_argument(std::string sentence, std::string_view name, std::string_view value) {
  return Failure(S3Error::invalid_argument, std::move(sentence)).with("ArgumentName", name).with("ArgumentValue", value);
}

std::string new_id() {
  std::string random(16, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(random.size())) != 1) {
    throw std::runtime_error("no random bytes for the Id of a notification");
  }
  return to_base64url(random);
}

Outcome<> read_filter_rule(XmlElement& element, NotificationRule& rule, bool& has_prefix, bool& has_suffix) {
  const auto name = child_text(element, "Name");
  const auto value = child_text(element, "Value");
  if (!name || !value || !*name || !*value || element.children.size() != 2) return S3Error::malformed_xml;
  const bool prefix = equals_caseless(**name, "prefix");
  if (!prefix && !equals_caseless(**name, "suffix")) {
    return bad_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", **name);
  }
  bool& given = prefix ? has_prefix : has_suffix;
  const std::string_view canonical = prefix ? "Prefix" : "Suffix";
  if (given) {
    return bad_argument(std::string("Cannot specify more than one ") + (prefix ? "prefix" : "suffix") +
                            " rule in a filter.", "FilterRule.Name", canonical);
  }
  given = true;
  if ((*value)->empty()) return bad_argument("filter value cannot be empty", canonical, "");
  if ((*value)->size() > kFilterBytesMax) {
    return bad_argument("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation", "FilterRule.Value",
                        **value);
  }
  (prefix ? rule.prefix : rule.suffix) = **value;
  for (XmlElement& child : element.children) {
    if (child.name == "Name") child.text = canonical;
  }
  return done();
}

Outcome<> read_filter(XmlElement& filter, NotificationRule& rule) {
  if (filter.children.size() > 1) return S3Error::malformed_xml;
  bool has_prefix = false;
  bool has_suffix = false;
  for (XmlElement& key : filter.children) {
    if (key.name != "S3Key") return S3Error::malformed_xml;
    for (XmlElement& element : key.children) {
      if (element.name != "FilterRule") return S3Error::malformed_xml;
      if (auto read = read_filter_rule(element, rule, has_prefix, has_suffix); !read) return read.error();
    }
  }
  return done();
}

// Errors: InvalidArgument, where the ARN is none, is of another kind or region, or names nothing.
Outcome<> check_arn(const Form& form, std::string_view text, const NotificationScope& scope) {
  const auto arn = parse_target_arn(text);
  const bool foreign = arn && arn->partition.starts_with("aws");
  if (!arn || (foreign && arn->service != form.service)) return bad_argument("The ARN could not be parsed", form.arn, text);
  if (scope.skip_validation) return done();
  if (!arn->region.empty() && arn->region != scope.region && arn->region != scope.location) {
    return bad_argument("The notification destination service region is not valid for the bucket location constraint",
                        form.arn, text);
  }
  if (find_target(scope.targets, text)) return done();
  return bad_argument("Unable to validate the following destination configurations", text,
                      "The destination " + std::string(form.what) + " does not exist");
}

Outcome<NotificationRule> read_rule(const Form& form, XmlElement& element, const NotificationScope& scope) {
  NotificationRule rule;
  for (const std::string_view once : {std::string_view("Id"), form.arn, std::string_view("Filter")}) {
    if (element.count(once) > 1) return S3Error::malformed_xml;
  }
  if (element.child(form.arn) == nullptr || element.child("Event") == nullptr) return S3Error::malformed_xml;
  for (XmlElement& child : element.children) {
    if (child.name == "Filter") {
      if (auto read = read_filter(child, rule); !read) return read.error();
      continue;
    }
    if (!child.children.empty()) return S3Error::malformed_xml;
    const std::string text(trim(child.text));
    if (child.name == "Id") {
      if (text.size() > kIdBytesMax) return bad_argument("ID length should not exceed allowed limit of 255", "Id", text);
      rule.id = text;
    } else if (child.name == form.arn) {
      rule.arn = text;
    } else if (child.name == "Event") {
      const auto events = events_by_name(text);
      if (!events) return bad_argument("The event is not supported for notifications", "Event", text);
      rule.events |= *events;
    } else if (child.name != "InvocationRole" || form.service != "lambda") {
      return S3Error::malformed_xml;
    }
  }
  if (rule.id.empty()) {
    rule.id = new_id();
    std::erase_if(element.children, [](const XmlElement& child) { return child.name == "Id"; });
    element.children.insert(element.children.begin(), XmlElement{"Id", rule.id, {}});
  }
  if (auto checked = check_arn(form, rule.arn, scope); !checked) return checked.error();
  return rule;
}

bool overlap(const NotificationRule& a, const NotificationRule& b) {
  if ((a.events & b.events) == 0) return false;
  const bool prefixes = a.prefix.starts_with(b.prefix) || b.prefix.starts_with(a.prefix);
  const bool suffixes = a.suffix.ends_with(b.suffix) || b.suffix.ends_with(a.suffix);
  return prefixes && suffixes;
}

Outcome<> check_overlaps(const std::vector<NotificationRule>& rules) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (std::size_t j = i + 1; j < rules.size(); ++j) {
      const NotificationRule& a = rules[i];
      const NotificationRule& b = rules[j];
      if (!overlap(a, b)) continue;
      const bool filtered = !a.prefix.empty() || !a.suffix.empty() || !b.prefix.empty() || !b.suffix.empty();
      return Failure(S3Error::invalid_argument,
                     filtered ? "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the "
                                "prefixes are overlapping for the same event type."
                              : "Configurations overlap. Configurations on the same bucket cannot share a common event "
                                "type.");
    }
  }
  return done();
}

}  // namespace

Outcome<NotificationRules> read_notifications(XmlElement& document, const NotificationScope& scope) {
  NotificationRules rules;
  std::set<std::string_view> ids;
  for (XmlElement& child : document.children) {
    if (child.name == "EventBridgeConfiguration") {
      if (!child.children.empty() || rules.event_bridge) return S3Error::malformed_xml;
      rules.event_bridge = true;
      continue;
    }
    const Form* form = nullptr;
    for (const Form& known : kForms) {
      if (known.element == child.name) form = &known;
    }
    if (form == nullptr) return S3Error::malformed_xml;
    if (rules.rules.size() == kRulesMax) {
      return Failure(S3Error::invalid_argument, "A bucket can have at most 100 notification configurations.");
    }
    auto rule = read_rule(*form, child, scope);
    if (!rule) return rule.error();
    rules.rules.push_back(std::move(*rule));
  }
  for (const NotificationRule& rule : rules.rules) {
    if (!ids.insert(rule.id).second) {
      return bad_argument("Same ID used for multiple configurations. IDs must be unique", "Id", rule.id);
    }
  }
  if (auto checked = check_overlaps(rules.rules); !checked) return checked.error();
  return rules;
}

std::shared_ptr<const NotificationRules> stored_notifications(std::string_view text) {
  auto document = parse_xml(text, "NotificationConfiguration");
  if (!document) return nullptr;
  // Targets and regions were checked when the text came; what has gone from the configuration since is found out later.
  const std::vector<EventTarget> none;
  const NotificationScope scope{none, {}, {}, true};
  auto rules = read_notifications(*document, scope);
  if (!rules) return nullptr;
  return std::make_shared<const NotificationRules>(std::move(*rules));
}

}  // namespace api
