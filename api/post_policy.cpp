#include "api/post_policy.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <nlohmann/json.hpp>
#include <set>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/sigv4.h"
#include "storage/base/check.h"

namespace api {
namespace {

using nlohmann::json;

Failure missing_field(std::string_view name) {
  std::string message = "Bucket POST must contain a field named '";
  message.append(name).append("'.  If it is specified, please check the order of the fields.");
  return Failure(S3Error::invalid_argument, std::move(message)).with("ArgumentName", name);
}

Failure bad_policy(std::string_view sentence) {
  return {S3Error::invalid_policy_document, "Invalid Policy: " + std::string(sentence)};
}

Failure against_policy(std::string_view sentence) {
  return {S3Error::access_denied, "Invalid according to Policy: " + std::string(sentence)};
}

std::string hmac_sha1_base64(std::string_view key, std::string_view text) {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  CHECK(HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), raw, &length) != nullptr);
  return to_base64({reinterpret_cast<const char*>(raw), length});
}

Outcome<CredentialPtr> find_key(const FormFields& fields, const Authenticator& authenticator,
                                std::string_view access_key) {
  const std::string* const token = fields.find("x-amz-security-token");
  std::optional<std::string_view> given;
  if (token != nullptr) given = *token;
  return authenticator.find_credential(access_key, given);
}

Outcome<CredentialPtr> signer_v2(const FormFields& fields, const std::string& policy,
                                 const Authenticator& authenticator) {
  const std::string* const access_key = fields.find("AWSAccessKeyId");
  const std::string* const signature = fields.find("signature");
  if (access_key == nullptr) return missing_field("AWSAccessKeyId");
  if (signature == nullptr) return missing_field("signature");
  auto credential = find_key(fields, authenticator, *access_key);
  if (!credential) return credential.error();
  if (equal_constant_time(hmac_sha1_base64((*credential)->secret.view(), policy), *signature)) return credential;
  return Failure(S3Error::signature_does_not_match).with("AWSAccessKeyId", *access_key).with("StringToSign", policy);
}

// AKID/20130524/us-east-1/s3/aws4_request
struct Scope {
  std::string_view access_key;
  std::string_view date;
  std::string_view region;
};

Outcome<Scope> parse_scope(std::string_view credential, std::string_view region,
                           std::span<const std::string> locations) {
  const auto malformed = [&](std::string_view sentence) {
    return Failure(S3Error::invalid_argument, "Error parsing the X-Amz-Credential parameter; " + std::string(sentence))
        .with("ArgumentName", "X-Amz-Credential");
  };
  Scope scope;
  std::string_view rest = credential;
  scope.access_key = cut(rest, '/');
  scope.date = cut(rest, '/');
  scope.region = cut(rest, '/');
  if (cut(rest, '/') != "s3" || rest != "aws4_request" || scope.date.size() != 8) {
    return malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  }
  bool known = scope.region == region;
  for (const std::string& location : locations) known = known || scope.region == location;
  if (!known) return malformed("the region '" + std::string(scope.region) + "' is wrong");
  return scope;
}

Outcome<CredentialPtr> signer_v4(const FormFields& fields, const std::string& policy,
                                 const Authenticator& authenticator, const FormScope& form) {
  for (const std::string_view name : {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"}) {
    if (fields.find(name) == nullptr) return missing_field(name);
  }
  if (*fields.find("X-Amz-Algorithm") != "AWS4-HMAC-SHA256") {
    return Failure(S3Error::invalid_argument, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  }
  const auto scope = parse_scope(*fields.find("X-Amz-Credential"), form.region, form.locations);
  if (!scope) return scope.error();
  const std::string& date = *fields.find("X-Amz-Date");
  if (!parse_amz_date(date) || !date.starts_with(scope->date)) {
    return Failure(S3Error::invalid_argument, "X-Amz-Date must be formatted via ISO8601 Long format")
        .with("ArgumentName", "X-Amz-Date");
  }
  auto credential = find_key(fields, authenticator, scope->access_key);
  if (!credential) return credential.error();
  const Sha256Digest key = signing_key((*credential)->secret.view(), scope->date, scope->region);
  std::string expected;
  append_hex(expected, hmac_sha256(key, policy));
  if (equal_constant_time(expected, to_lower(*fields.find("X-Amz-Signature")))) return credential;
  return Failure(S3Error::signature_does_not_match)
      .with("AWSAccessKeyId", scope->access_key)
      .with("StringToSign", policy);
}

}  // namespace

const std::string* FormFields::find(std::string_view name) const {
  for (const auto& [known, value] : all) {
    if (equals_caseless(known, name)) return &value;
  }
  return nullptr;
}

Outcome<Identity> form_signer(const FormFields& fields, const Authenticator& authenticator, const FormScope& scope) {
  const std::string* const policy = fields.find("policy");
  const bool second = fields.find("AWSAccessKeyId") != nullptr || fields.find("signature") != nullptr;
  const bool fourth = fields.find("X-Amz-Signature") != nullptr || fields.find("X-Amz-Credential") != nullptr ||
                      fields.find("X-Amz-Algorithm") != nullptr;
  Identity identity;
  if (policy == nullptr) {
    if (second || fourth) return missing_field("policy");
    return identity;
  }
  if (!fourth && !scope.signature_v2) {
    return Failure(S3Error::invalid_request,
                   "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
  }
  auto credential = fourth ? signer_v4(fields, *policy, authenticator, scope) : signer_v2(fields, *policy, authenticator);
  if (!credential) return credential.error();
  identity.credential = std::move(*credential);
  identity.auth_type = "POST";
  identity.signature_version = fourth ? "AWS4-HMAC-SHA256" : "AWS";
  identity.signed_ms = scope.now_ms;
  return identity;
}

namespace {

// The conditions of a policy against the fields of a form.
class Judge {
 public:
  Judge(const FormFields& fields, std::string_view bucket, std::string_view key)
      : fields_(fields), bucket_(bucket), key_(key) {}

  Outcome<> condition(const json& condition) {
    if (condition.is_object()) {
      if (condition.size() != 1) {
        return bad_policy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.");
      }
      const auto property = condition.begin();
      if (!property->is_string()) return bad_policy("Invalid Simple-Condition: value must be a string.");
      return equal(property.key(), property->get<std::string>(), condition);
    }
    if (!condition.is_array() || condition.size() != 3) {
      return bad_policy("Invalid Condition: a condition is an object of one property or a list of three values.");
    }
    if (!condition[0].is_string()) return bad_policy("Invalid Condition: the operation must be a string.");
    const std::string operation = to_lower(condition[0].get<std::string>());
    if (operation == "content-length-range") return length_range(condition);
    if (operation != "eq" && operation != "starts-with") return bad_policy("Invalid Condition: unknown operation.");
    if (!condition[1].is_string() || !condition[2].is_string()) {
      return bad_policy("Invalid Condition: field and value must be strings.");
    }
    const std::string field = condition[1].get<std::string>();
    if (!field.starts_with('$')) return bad_policy("Invalid Condition: a field begins with a dollar sign.");
    const std::string value = condition[2].get<std::string>();
    if (operation == "eq") return equal(field.substr(1), value, condition);
    return starts_with(field.substr(1), value, condition);
  }

  // Fields that no condition spoke of.
  Outcome<> every_field_named() const {
    for (const auto& [name, value] : fields_.all) {
      const std::string lower = to_lower(name);
      // What the signature is made of, what tightens the request only, and what the policy's author gave away.
      if (lower == "policy" || lower == "signature" || lower == "awsaccesskeyid" || lower == "x-amz-signature" ||
          lower.starts_with("x-ignore-") || lower.starts_with("x-amz-checksum-") ||
          lower == "x-amz-sdk-checksum-algorithm" || lower == "content-md5") {
        continue;
      }
      if (!named_.contains(lower)) return against_policy("Extra input fields: " + lower);
    }
    if (!named_.contains("bucket")) return against_policy("Extra input fields: bucket");
    return done();
  }

  const LengthRange& range() const { return range_; }

 private:
  std::optional<std::string_view> value_of(std::string_view lower) const {
    if (lower == "bucket") return bucket_;
    if (lower == "key") return key_;
    const std::string* const value = fields_.find(lower);
    if (value == nullptr) return std::nullopt;
    return *value;
  }

  static Failure failed(const json& condition) {
    return against_policy("Policy Condition failed: " + condition.dump(-1, ' ', false, json::error_handler_t::replace));
  }

  // A dollar sign may be escaped in a policy; some clients mean the backslash as it stands.
  static std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '$') continue;
      plain += text[i];
    }
    return plain;
  }

  Outcome<> equal(std::string_view name, const std::string& value, const json& condition) {
    const std::string lower = to_lower(name);
    named_.insert(lower);
    const auto sent = value_of(lower);
    if (sent && (*sent == value || *sent == unescaped(value))) return done();
    return failed(condition);
  }

  Outcome<> starts_with(std::string_view name, const std::string& prefix, const json& condition) {
    const std::string lower = to_lower(name);
    named_.insert(lower);
    const auto sent = value_of(lower);
    // An empty prefix allows anything, nothing included.
    if (prefix.empty()) return done();
    if (!sent) return failed(condition);
    if (lower != "content-type") {
      return sent->starts_with(prefix) || sent->starts_with(unescaped(prefix)) ? done() : Outcome<>(failed(condition));
    }
    // A list of types: each of them.
    std::string_view rest = *sent;
    do {
      if (!trim(cut(rest, ',')).starts_with(prefix)) return failed(condition);
    } while (!rest.empty());
    return done();
  }

  static std::optional<std::uint64_t> length_of(const json& value) {
    if (value.is_number_unsigned()) return value.get<std::uint64_t>();
    if (value.is_string()) return parse_decimal(value.get_ref<const std::string&>());
    return std::nullopt;
  }

  Outcome<> length_range(const json& condition) {
    const auto min = length_of(condition[1]);
    const auto max = length_of(condition[2]);
    if (!min || !max) return bad_policy("Invalid Condition: content-length-range needs two whole numbers.");
    range_.min = std::max(range_.min, *min);
    range_.max = std::min(range_.max, *max);
    return done();
  }

  const FormFields& fields_;
  std::string_view bucket_;
  std::string_view key_;
  std::set<std::string> named_;
  LengthRange range_;
};

}  // namespace

Outcome<LengthRange> judge_policy(const FormFields& fields, std::string_view bucket, std::string_view key,
                                  std::int64_t now_ms) {
  const std::string* const text = fields.find("policy");
  if (text == nullptr) return LengthRange{};
  const auto decoded = from_base64(*text);
  if (!decoded) return bad_policy("Policy is not base64.");
  const json policy = json::parse(*decoded, nullptr, /*allow_exceptions=*/false);
  if (!policy.is_object()) return bad_policy("Invalid JSON.");
  const auto expiration = policy.find("expiration");
  if (expiration == policy.end() || !expiration->is_string()) return bad_policy("Policy missing expiration.");
  const auto expires_s = parse_iso_date(expiration->get_ref<const std::string&>());
  if (!expires_s) return bad_policy("Invalid 'expiration' value.");
  const auto conditions = policy.find("conditions");
  if (conditions == policy.end() || !conditions->is_array()) return bad_policy("Policy missing conditions.");
  if (*expires_s * 1000 <= now_ms) return against_policy("Policy expired.");
  Judge judge(fields, bucket, key);
  for (const json& condition : *conditions) {
    if (auto judged = judge.condition(condition); !judged) return judged.error();
  }
  if (auto named = judge.every_field_named(); !named) return named.error();
  return judge.range();
}

}  // namespace api
