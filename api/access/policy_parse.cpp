// Policy::parse: JSON into statements, refused with the sentences that AWS has for it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "api/access/policy_statement.h"
#include "api/ascii.h"
#include "api/encoding.h"

namespace api {
namespace {

using nlohmann::json;

constexpr std::string_view kArn = "arn:aws:s3:::";
constexpr int kDepthMax = 8;

Failure malformed(std::string message) { return {S3Error::malformed_policy, std::move(message)}; }

// Parses with a bound on depth; a name that stands twice in an object would let two readers disagree.
std::optional<json> parse_json(std::string_view text) {
  std::vector<std::set<std::string>> names;
  bool sound = true;
  const json::parser_callback_t check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kDepthMax) sound = false;
    if (event == json::parse_event_t::object_start) names.emplace_back();
    if (event == json::parse_event_t::object_end && !names.empty()) names.pop_back();
    if (event == json::parse_event_t::key && !names.empty()) {
      sound = names.back().insert(value.get<std::string>()).second && sound;
    }
    return true;
  };
  json document = json::parse(text.begin(), text.end(), check, /*allow_exceptions=*/false);
  if (document.is_discarded() || !document.is_object() || !sound) return std::nullopt;
  return document;
}

// A text or a list of texts; nullopt for anything else.
std::optional<std::vector<std::string>> texts_of(const json& value) {
  std::vector<std::string> texts;
  if (value.is_string()) {
    texts.push_back(value.get<std::string>());
    return texts;
  }
  if (!value.is_array()) return std::nullopt;
  for (const json& each : value) {
    if (!each.is_string()) return std::nullopt;
    texts.push_back(each.get<std::string>());
  }
  return texts;
}

// The same for values of conditions, where numbers and truth values may stand without quotes.
std::optional<std::vector<std::string>> scalars_of(const json& value) {
  const auto scalar = [](const json& each) -> std::optional<std::string> {
    if (each.is_string()) return each.get<std::string>();
    if (each.is_boolean() || each.is_number()) return each.dump();
    return std::nullopt;
  };
  std::vector<std::string> texts;
  if (!value.is_array()) {
    const auto text = scalar(value);
    if (!text) return std::nullopt;
    texts.push_back(*text);
    return texts;
  }
  for (const json& each : value) {
    const auto text = scalar(each);
    if (!text) return std::nullopt;
    texts.push_back(*text);
  }
  return texts;
}

bool is_account_number(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c); });
}

// s3: keys that a request here can have. Those of tags stand before a slash.
bool is_known_key(std::string_view key) {
  constexpr std::string_view kKeys[] = {
      "s3:authtype", "s3:dataaccesspointaccount", "s3:dataaccesspointarn", "s3:delimiter", "s3:existingobjecttag",
      "s3:if-match", "s3:if-none-match", "s3:locationconstraint", "s3:max-keys", "s3:object-lock-legal-hold",
      "s3:object-lock-mode", "s3:object-lock-remaining-retention-days", "s3:object-lock-retain-until-date",
      "s3:objectcreationoperation", "s3:prefix", "s3:requestobjecttag", "s3:requestobjecttagkeys", "s3:resourceaccount",
      "s3:signatureage", "s3:signatureversion", "s3:tlsversion", "s3:versionid"};
  if (key.starts_with("aws:")) return key.size() > 4;
  if (key.starts_with("s3:x-amz-")) return true;
  const std::string_view name = key.substr(0, key.find('/'));
  if (std::find(std::begin(kKeys), std::end(kKeys), name) == std::end(kKeys)) return false;
  const bool needs_tag = name == "s3:existingobjecttag" || name == "s3:requestobjecttag";
  return needs_tag == (key.size() > name.size() + 1);
}

}  // namespace

class PolicyParser {
 public:
  explicit PolicyParser(const Policy::Kind& kind) : kind_(kind) {}

  Outcome<std::shared_ptr<const Policy>> parse(std::string_view text);

 private:
  Outcome<> read_statement(const json& element);
  Outcome<> read_effect(const json& element);
  Outcome<> read_principals(const json& element);
  Outcome<> read_principal(std::string_view type, const std::string& text);
  Outcome<> read_actions(const json& element);
  Outcome<> read_resources(const json& element);
  Outcome<> check_resource(const PolicyText& resource);
  Outcome<> read_conditions(const json& element);
  Outcome<> read_condition(const std::string& name, const json& keys);
  void note_needs();

  const Policy::Kind& kind_;
  std::shared_ptr<Policy> policy_;
  Policy::Statement statement_;
  bool names_objects_ = false;  // a resource of the statement is about keys
  bool names_bucket_ = false;
};

Outcome<std::shared_ptr<const Policy>> PolicyParser::parse(std::string_view text) {
  if (text.size() > kPolicyBytesMax) return malformed("Policy exceeds the maximum allowed document size.");
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos || text[text.find_first_not_of(" \t\r\n")] != '{') {
    return malformed("Policies must be valid JSON and the first byte must be '{'");
  }
  const auto document = parse_json(text);
  if (!document) return malformed("This policy contains invalid Json");
  policy_ = std::shared_ptr<Policy>(new Policy());
  for (const auto& [name, value] : document->items()) {
    if (name == "Version") {
      if (!value.is_string() || (value != "2012-10-17" && value != "2008-10-17")) {
        return malformed("The policy must contain a valid version string");
      }
    } else if (name == "Id") {
      if (!value.is_string()) return malformed("Invalid policy syntax.");
    } else if (name != "Statement") {
      return malformed("Unknown field " + name);
    }
  }
  const auto statements = document->find("Statement");
  if (statements == document->end()) return malformed("Missing required field Statement");
  if (statements->is_object()) {
    if (auto read = read_statement(*statements); !read) return read.error();
  } else if (!statements->is_array() || statements->empty()) {
    return malformed("Could not parse the policy: Statement is empty!");
  } else {
    for (const json& each : *statements) {
      if (auto read = read_statement(each); !read) return read.error();
    }
  }
  return std::shared_ptr<const Policy>(std::move(policy_));
}

Outcome<> PolicyParser::read_statement(const json& element) {
  if (!element.is_object()) return malformed("Invalid policy syntax.");
  statement_ = Policy::Statement();
  names_objects_ = names_bucket_ = false;
  constexpr std::string_view kFields[] = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction",
                                          "Resource", "NotResource", "Condition"};
  for (const auto& [name, value] : element.items()) {
    if (std::find(std::begin(kFields), std::end(kFields), name) == std::end(kFields)) {
      return malformed("Unknown field " + name);
    }
    if (name == "Sid" && !value.is_string()) return malformed("Invalid policy syntax.");
  }
  if (auto read = read_effect(element); !read) return read.error();
  if (auto read = read_principals(element); !read) return read.error();
  if (auto read = read_resources(element); !read) return read.error();
  if (auto read = read_actions(element); !read) return read.error();
  if (auto read = read_conditions(element); !read) return read.error();
  note_needs();
  policy_->public_ = policy_->public_ || statement_.is_public();
  policy_->statements_.push_back(std::move(statement_));
  return done();
}

Outcome<> PolicyParser::read_effect(const json& element) {
  const auto effect = element.find("Effect");
  if (effect == element.end()) return malformed("Missing required field Effect");
  if (*effect == "Allow") statement_.allow = true;
  else if (*effect != "Deny") return malformed("Invalid effect: " + (effect->is_string() ? effect->get<std::string>() : effect->dump()));
  return done();
}

Outcome<> PolicyParser::read_principals(const json& element) {
  const bool has = element.contains("Principal");
  const bool has_not = element.contains("NotPrincipal");
  if (kind_.bucket.empty()) {
    if (has || has_not) return malformed("Policy document should not specify a principal.");
    return done();
  }
  if (has == has_not) return malformed("Missing required field Principal");
  if (has_not && statement_.allow) return malformed("Allow with NotPrincipal is not allowed.");
  statement_.has_principals = true;
  statement_.not_principals = has_not;
  const json& given = element.at(has ? "Principal" : "NotPrincipal");
  if (!given.is_object()) {
    const auto texts = texts_of(given);
    if (!texts || texts->empty()) return malformed("Invalid principal in policy");
    for (const std::string& text : *texts) {
      if (auto read = read_principal("AWS", text); !read) return read.error();
    }
    return done();
  }
  for (const auto& [type, value] : given.items()) {
    const auto texts = texts_of(value);
    if (!texts || texts->empty()) return malformed("Invalid principal in policy");
    for (const std::string& text : *texts) {
      if (auto read = read_principal(type, text); !read) return read.error();
    }
  }
  if (statement_.principals.empty()) return malformed("Invalid principal in policy");
  return done();
}

Outcome<> PolicyParser::read_principal(std::string_view type, const std::string& text) {
  PrincipalPattern pattern;
  if (type == "Service" || type == "Federated") {
    if (text.empty()) return malformed("Invalid principal in policy");
    statement_.principals.push_back(std::move(pattern));
    return done();
  }
  if (type != "AWS" && type != "CanonicalUser") return malformed("Invalid principal in policy");
  pattern.kind = PrincipalPattern::Kind::user;
  std::string_view rest = text;
  bool must_exist = true;
  if (text == "*") {
    pattern.kind = PrincipalPattern::Kind::anybody;
    must_exist = false;
  } else if (rest.starts_with("arn:")) {
    // arn:aws:iam:[region]:[account]:user/NAME, :role/NAME or :root; an account is an id of a user here.
    std::string_view fields[5];
    for (std::string_view& field : fields) field = cut(rest, ':');
    if (fields[1] != "aws" || (fields[2] != "iam" && fields[2] != "sts")) return malformed("Invalid principal in policy");
    std::string_view name = rest;
    const std::string_view what = cut(name, '/');
    if (rest == "root" && !fields[4].empty()) {
      pattern.name = fields[4];
      must_exist = false;
    } else if (what == "user" && !name.empty()) {
      // A path may stand before the name.
      pattern.name = name.substr(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1);
    } else if ((what == "role" || what == "assumed-role" || what == "federated-user") && !name.empty()) {
      pattern.kind = PrincipalPattern::Kind::nobody;
      must_exist = false;
    } else {
      return malformed("Invalid principal in policy");
    }
  } else {
    pattern.name = text;
    must_exist = !is_account_number(text);
  }
  if (must_exist && (pattern.name.empty() || !kind_.known_user || !kind_.known_user(pattern.name))) {
    return malformed("Invalid principal in policy");
  }
  statement_.principals.push_back(std::move(pattern));
  return done();
}

Outcome<> PolicyParser::read_actions(const json& element) {
  const bool has = element.contains("Action");
  const bool has_not = element.contains("NotAction");
  if (has == has_not) return malformed("Missing required field Action");
  const auto texts = texts_of(element.at(has ? "Action" : "NotAction"));
  if (!texts || texts->empty()) return malformed("Policy has invalid action");
  ActionSet all;
  for (const std::string& text : *texts) {
    // Of users, other services may be meant too: they have no action here.
    const bool foreign = kind_.bucket.empty() && text.find(':') != std::string::npos && !starts_with_caseless(text, "s3:");
    bool known = false;
    const ActionSet set = actions_like(text, known);
    if (!known && !foreign) return malformed("Policy has invalid action");
    if (has && !kind_.bucket.empty() && !statement_.not_resources && set.any()) {
      bool objects = false;
      bool buckets = false;
      for (std::size_t i = 1; i < kActions; ++i) {
        if (set.test(i)) (is_object_action(static_cast<Action>(i)) ? objects : buckets) = true;
      }
      if (!(objects && names_objects_) && !(buckets && names_bucket_)) {
        return malformed("Action does not apply to any resource(s) in statement");
      }
    }
    all |= set;
  }
  statement_.actions = has ? all : ~all;
  statement_.actions.reset(0);
  return done();
}

Outcome<> PolicyParser::read_resources(const json& element) {
  const bool has = element.contains("Resource");
  const bool has_not = element.contains("NotResource");
  if (has == has_not) return malformed("Missing required field Resource");
  statement_.not_resources = has_not;
  const auto texts = texts_of(element.at(has ? "Resource" : "NotResource"));
  if (!texts || texts->empty()) return malformed("Policy has invalid resource");
  for (const std::string& text : *texts) {
    std::string_view name = text;
    if (name.starts_with(kArn)) {
      name.remove_prefix(kArn.size());
    } else if (name != "*" || !kind_.bucket.empty()) {
      return malformed("Policy has invalid resource");
    }
    auto resource = PolicyText::parse(name, true);
    if (!resource || name.empty() || !is_utf8(name)) return malformed("Policy has invalid resource");
    if (!kind_.bucket.empty()) {
      if (auto checked = check_resource(*resource); !checked) return checked.error();
    }
    statement_.resources.push_back(std::move(*resource));
  }
  return done();
}

// A bucket's policy speaks about that bucket, its datasets and their keys only.
Outcome<> PolicyParser::check_resource(const PolicyText& resource) {
  std::string_view key = resource.source();
  const std::size_t slash = key.find('/');
  const std::string_view bucket = key.substr(0, slash);
  // The datasets of a bucket are called NAME.BUCKET, and its policy governs them.
  const std::size_t dot = bucket.find('.');
  const bool dataset = dot != std::string_view::npos && dot > 0 && matches_wildcard(bucket.substr(dot + 1), kind_.bucket);
  if (!dataset && !matches_wildcard(bucket, kind_.bucket)) return malformed("Policy has invalid resource");
  const bool open_end = bucket.ends_with('*');
  names_objects_ = names_objects_ || slash != std::string_view::npos || open_end;
  names_bucket_ = names_bucket_ || slash == std::string_view::npos;
  return done();
}

Outcome<> PolicyParser::read_conditions(const json& element) {
  const auto conditions = element.find("Condition");
  if (conditions == element.end()) return done();
  if (!conditions->is_object()) return malformed("Invalid policy syntax.");
  for (const auto& [name, keys] : conditions->items()) {
    if (auto read = read_condition(name, keys); !read) return read.error();
  }
  return done();
}

Outcome<> PolicyParser::read_condition(const std::string& name, const json& keys) {
  const auto parsed = parse_operator(name);
  if (!parsed) return malformed("Invalid Condition type : " + name);
  if (!keys.is_object()) return malformed("Invalid policy syntax.");
  const bool patterns = parsed->comparison == Comparison::string_like || parsed->comparison == Comparison::arn_like;
  for (const auto& [key, value] : keys.items()) {
    Condition condition = *parsed;
    condition.key = condition_key(key);
    if (!is_known_key(condition.key)) return malformed("Policy has an invalid condition key");
    const auto texts = scalars_of(value);
    if (!texts) return malformed("Invalid policy syntax.");
    for (const std::string& text : *texts) {
      auto parsed_text = PolicyText::parse(text, patterns);
      if (!parsed_text || !fits_comparison(condition.comparison, text)) {
        return malformed("Invalid value for condition " + name + ": " + text);
      }
      condition.values.push_back(std::move(*parsed_text));
    }
    statement_.conditions.push_back(std::move(condition));
  }
  return done();
}

void PolicyParser::note_needs() {
  for (const Condition& condition : statement_.conditions) {
    if (condition.key.starts_with("s3:existingobjecttag/")) policy_->object_tags_ |= statement_.actions;
    if (condition.key.starts_with("s3:requestobjecttag")) policy_->request_tags_ |= statement_.actions;
  }
}

Outcome<std::shared_ptr<const Policy>> Policy::parse(std::string_view text, const Kind& kind) {
  return PolicyParser(kind).parse(text);
}

}  // namespace api
