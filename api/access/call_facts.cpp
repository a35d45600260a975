#include "api/access/call_facts.h"

#include "api/ascii.h"
#include "api/call.h"
#include "api/encoding.h"
#include "api/http_date.h"

namespace api {
namespace {

using Values = std::vector<std::string>;

Values one(std::string text) {
  Values values;
  values.push_back(std::move(text));
  return values;
}

Values maybe(std::optional<std::string_view> text) { return text ? one(std::string(*text)) : Values(); }

Values not_empty(std::string_view text) { return text.empty() ? Values() : one(std::string(text)); }

bool is_listing(const Call& call) {
  return call.route != nullptr && call.route->scope == Scope::bucket && call.route->method == "GET";
}

// "BUCKET/KEY" without a leading slash, decoded, as policies spell it.
Values copy_source(const Call& call) {
  const auto header = call.header("x-amz-copy-source");
  if (!header) return {};
  std::string_view text = trim(*header);
  text = text.substr(0, text.find("?versionId="));
  auto decoded = percent_decode(text, Plus::literal);
  if (!decoded) return {};
  if (decoded->starts_with('/')) decoded->erase(0, 1);
  return one(std::move(*decoded));
}

Values remaining_retention_days(const Call& call) {
  const auto until = call.header("x-amz-object-lock-retain-until-date");
  const auto seconds = until ? parse_iso_date(*until) : std::nullopt;
  if (!seconds) return {};
  const std::int64_t rest_s = *seconds - call.clock.wall_ms() / 1000;
  constexpr std::int64_t kDay = 24 * 3600;
  return one(std::to_string((rest_s + kDay - 1) / kDay));
}

}  // namespace

Values CallFacts::values(std::string_view key) const {
  if (key.starts_with("aws:")) return global_values(key.substr(4));
  if (key.starts_with("s3:")) return s3_values(key.substr(3));
  return {};
}

Values CallFacts::global_values(std::string_view name) const {
  const Principal* principal = call_.principal();
  if (name == "securetransport") return one(call_.request.tls ? "true" : "false");
  if (name == "sourceip") return not_empty(call_.request.peer);
  if (name == "referer") return maybe(call_.request.header("referer"));
  if (name == "useragent") return maybe(call_.request.header("user-agent"));
  if (name == "currenttime") return one(iso_date(call_.clock.wall_ms()));
  if (name == "epochtime") return one(std::to_string(call_.clock.wall_ms() / 1000));
  if (name == "requestedregion") return one(call_.region());
  if (name == "principaltype") return one(principal == nullptr ? "Anonymous" : "User");
  if (principal == nullptr) return {};
  if (name == "username") return one(principal->name);
  if (name == "userid" || name == "principalaccount") return one(principal->id);
  if (name == "principalarn") return one("arn:aws:iam::" + principal->id + ":user/" + principal->name);
  if (name == "tokenissuetime") return not_empty(principal->token_issued);
  return {};
}

Values CallFacts::tag_values(std::string_view name) const {
  Values values;
  storage::NameValues given;
  const storage::NameValues* tags = request_tags_;
  const std::size_t slash = name.find('/');
  if (name.starts_with("existingobjecttag")) {
    tags = object_ != nullptr ? &object_->attributes.tags : nullptr;
  } else if (tags == nullptr) {
    if (const auto header = call_.header("x-amz-tagging")) {
      if (auto parsed = parse_query(*header)) {
        for (QueryParameter& each : *parsed) given.emplace_back(std::move(each.name), std::move(each.value));
      }
      tags = &given;
    }
  }
  if (tags == nullptr) return values;
  for (const auto& [tag, value] : *tags) {
    if (slash == std::string_view::npos) values.push_back(tag);
    else if (tag == name.substr(slash + 1)) values.push_back(value);
  }
  return values;
}

Values CallFacts::s3_values(std::string_view name) const {
  if (name.starts_with("existingobjecttag/") || name.starts_with("requestobjecttag")) return tag_values(name);
  if (name == "x-amz-copy-source") return copy_source(call_);
  if (name.starts_with("x-amz-")) return maybe(call_.header(name));
  if (name == "prefix" || name == "delimiter" || name == "max-keys") {
    return is_listing(call_) ? maybe(call_.target.parameter(name)) : Values();
  }
  if (name == "versionid") return maybe(call_.target.parameter("versionId"));
  if (name == "object-lock-remaining-retention-days") return remaining_retention_days(call_);
  if (name == "object-lock-mode") return maybe(call_.header("x-amz-object-lock-mode"));
  if (name == "object-lock-legal-hold") return maybe(call_.header("x-amz-object-lock-legal-hold"));
  if (name == "object-lock-retain-until-date") return maybe(call_.header("x-amz-object-lock-retain-until-date"));
  if (name == "if-match" || name == "if-none-match") return maybe(call_.request.header(name));
  if (name == "resourceaccount") return bucket_ != nullptr ? one(bucket_->owner_id) : Values();
  if (name == "objectcreationoperation") {
    const bool creates = call_.route != nullptr && call_.request.method == "PUT" && !call_.target.has("uploadId");
    return one(creates ? "true" : "false");
  }
  if (name == "authtype") return not_empty(call_.identity.auth_type);
  if (name == "signatureversion") return not_empty(call_.identity.signature_version);
  if (name == "signatureage") {
    if (call_.identity.signed_ms == 0) return {};
    return one(std::to_string(call_.clock.wall_ms() - call_.identity.signed_ms));
  }
  return {};
}

}  // namespace api
