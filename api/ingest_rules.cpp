#include "api/ingest_rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "storage/labels/payload.h"

namespace api {
namespace {

using storage::labels::Value;
using Json = nlohmann::json;

constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kPatternBytesMax = 1024;
constexpr std::size_t kLabelsMax = 100;
constexpr std::size_t kTemplateBytesMax = 1024;
constexpr std::string_view kChecks[] = {"not_empty", "utf8", "json", "image", "duplicate"};

Failure wrong(std::string message) { return {S3Error::invalid_argument, std::move(message)}; }

// A text with places for what groups of the pattern matched: literal, group, literal, ...
struct Template {
  std::vector<std::string> literals;
  std::vector<int> groups;  // one less than literals
};

Outcome<Template> parse_template(std::string_view text, const std::map<std::string, int>& groups) {
  Template result;
  result.literals.emplace_back();
  while (true) {
    const std::size_t place = text.find("${");
    result.literals.back().append(text.substr(0, place));
    if (place == std::string_view::npos) return result;
    const std::size_t end = text.find('}', place);
    if (end == std::string_view::npos) return wrong("A ${ in a label is not closed");
    const std::string name(text.substr(place + 2, end - place - 2));
    const auto group = groups.find(name);
    if (group == groups.end()) return wrong("The key pattern has no group named " + name);
    result.groups.push_back(group->second);
    result.literals.emplace_back();
    text.remove_prefix(end + 1);
  }
}

Outcome<> check_members(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) return wrong("Unknown member " + name);
  }
  return done();
}

Outcome<std::string> text_member(const Json& object, const char* name, std::size_t bytes_min, std::size_t bytes_max) {
  const auto member = object.find(name);
  if (member == object.end() || !member->is_string()) return wrong(std::string("A rule needs a text ") + name);
  auto text = member->get<std::string>();
  if (text.size() < bytes_min || text.size() > bytes_max) return wrong(std::string("The length of ") + name + " is out of bounds");
  return text;
}

}  // namespace

struct IngestRules::Rule {
  enum class Failing : std::uint8_t { label, reject, quarantine };
  std::string name;
  std::unique_ptr<RE2> pattern;
  std::vector<std::pair<std::string, Template>> labels;
  bool not_empty = false;
  Failing failing = Failing::label;

  static Outcome<Rule> parse(const Json& json);
  Outcome<> parse_labels(const Json& json);
  Outcome<> parse_checks(const Json& json);
};

IngestRules::IngestRules() = default;
IngestRules::~IngestRules() = default;

Outcome<> IngestRules::Rule::parse_labels(const Json& json) {
  if (!json.is_object() || json.size() > kLabelsMax) return wrong("labels must be an object of at most 100 texts");
  const std::map<std::string, int> groups = pattern->NamedCapturingGroups();
  for (const auto& [label, text] : json.items()) {
    if (label.empty() || label.size() > storage::labels::kLabelNameBytesMax || storage::labels::is_reserved_label(label)) {
      return wrong("A rule cannot give the label " + label);
    }
    if (!text.is_string()) return wrong("The label " + label + " is not a text");
    const auto& value = text.get_ref<const std::string&>();
    if (value.size() > kTemplateBytesMax) return wrong("The label " + label + " is too long");
    auto parsed = parse_template(value, groups);
    if (!parsed) return parsed.error();
    labels.emplace_back(label, std::move(*parsed));
  }
  return done();
}

Outcome<> IngestRules::Rule::parse_checks(const Json& json) {
  if (!json.is_array()) return wrong("check must be an array");
  for (const Json& check : json) {
    if (!check.is_string()) return wrong("A check is not a text");
    const auto& text = check.get_ref<const std::string&>();
    if (std::find(std::begin(kChecks), std::end(kChecks), text) == std::end(kChecks)) return wrong("Unknown check " + text);
    // Those that read the content are not built; a rule that asks for one is refused rather than kept and never obeyed.
    if (text != "not_empty") return Failure(S3Error::not_implemented, "The check " + text + " is not implemented");
    not_empty = true;
  }
  return done();
}

Outcome<IngestRules::Rule> IngestRules::Rule::parse(const Json& json) {
  if (!json.is_object()) return wrong("A rule is not an object");
  if (auto known = check_members(json, {"name", "key", "labels", "check", "on_failure"}); !known) return known.error();
  Rule rule;
  auto name = text_member(json, "name", 1, kNameBytesMax);
  if (!name) return name.error();
  rule.name = std::move(*name);
  auto key = text_member(json, "key", 0, kPatternBytesMax);
  if (!key) return key.error();
  RE2::Options options(RE2::Quiet);
  rule.pattern = std::make_unique<RE2>(*key, options);
  if (!rule.pattern->ok()) return wrong("The key pattern of " + rule.name + " is refused: " + rule.pattern->error());
  if (const auto labels = json.find("labels"); labels != json.end()) {
    if (auto parsed = rule.parse_labels(*labels); !parsed) return parsed.error();
  }
  if (const auto checks = json.find("check"); checks != json.end()) {
    if (auto parsed = rule.parse_checks(*checks); !parsed) return parsed.error();
  }
  const auto failing = json.find("on_failure");
  if (failing == json.end()) return rule;
  if (*failing == "label") rule.failing = Failing::label;
  else if (*failing == "reject") rule.failing = Failing::reject;
  else if (*failing == "quarantine") rule.failing = Failing::quarantine;
  else return wrong("Unknown on_failure of " + rule.name);
  return rule;
}

Outcome<std::shared_ptr<const IngestRules>> IngestRules::parse(std::string_view text) {
  if (text.size() > kIngestRulesBytesMax) return S3Error::entity_too_large;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return wrong("The rules are not a JSON object");
  if (auto known = check_members(json, {"rules"}); !known) return known.error();
  const auto rules = json.find("rules");
  if (rules == json.end() || !rules->is_array()) return wrong("There is no array of rules");
  if (rules->size() > kIngestRulesMax) return wrong("There are more than 100 rules");
  const std::shared_ptr<IngestRules> result(new IngestRules());
  for (const Json& each : *rules) {
    auto rule = Rule::parse(each);
    if (!rule) return rule.error();
    result->rules_.push_back(std::move(*rule));
  }
  return std::shared_ptr<const IngestRules>(result);
}

IngestRules::Judgement IngestRules::judge(std::string_view key, std::uint64_t size, bool refuses) const {
  Judgement judgement;
  const auto add = [&](std::string name, std::string value) {
    std::pair<std::string, Value> label(std::move(name), Value(std::move(value)));
    const auto& labels = judgement.labels;
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) judgement.labels.push_back(std::move(label));
  };
  for (const Rule& rule : rules_) {
    std::vector<re2::StringPiece> matched(static_cast<std::size_t>(rule.pattern->NumberOfCapturingGroups()) + 1);
    const re2::StringPiece text(key.data(), key.size());
    if (!rule.pattern->Match(text, 0, key.size(), RE2::UNANCHORED, matched.data(), static_cast<int>(matched.size()))) continue;
    for (const auto& [name, parts] : rule.labels) {
      std::string value = parts.literals.front();
      for (std::size_t i = 0; i < parts.groups.size(); ++i) {
        const re2::StringPiece& group = matched[static_cast<std::size_t>(parts.groups[i])];
        value.append(group.data() != nullptr ? group.data() : "", group.size()).append(parts.literals[i + 1]);
      }
      add(name, std::move(value));
    }
    if (!rule.not_empty || size > 0) continue;
    if (rule.failing == Rule::Failing::reject && refuses) {
      judgement.refusal = "The rule " + rule.name + " refuses the object: the check not_empty failed";
      return judgement;
    }
    if (rule.failing == Rule::Failing::quarantine) add("rule.quarantined", rule.name);
    else add("rule.failed", "not_empty");
  }
  return judgement;
}

std::shared_ptr<const IngestRules> stored_ingest_rules(std::string_view text) {
  const auto parsed = IngestRules::parse(text);
  return parsed ? *parsed : nullptr;
}

}  // namespace api
