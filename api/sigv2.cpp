// AWS Signature Version 2, header and query form: what old clients and boto3's default presigning use.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <map>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/sigv4.h"
#include "api/sigv4_state.h"
#include "storage/base/check.h"

namespace api {
namespace {

// Query parameters that change what a request means, in order; the signature covers these and no others.
constexpr std::array<std::string_view, 35> kSigned = {
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
    "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
    "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "select", "select-type", "storageClass", "tagging",
    "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website"};
// Sub-resources that came later than this signature: no client signs them.
constexpr std::array<std::string_view, 13> kNeverSigned = {
    "annotation", "append", "attributes", "encryption", "intelligent-tiering", "legal-hold", "metadataConfiguration",
    "metadataTable", "ownershipControls", "policyStatus", "publicAccessBlock", "renameObject", "retention"};

bool is_signed(std::string_view name) { return std::find(kSigned.begin(), kSigned.end(), name) != kSigned.end(); }

// Whether the query has a sub-resource that the signature does not cover, so that anybody could have added it.
bool has_unsigned_meaning(const RequestTarget& target) {
  return std::any_of(target.query.begin(), target.query.end(), [](const QueryParameter& parameter) {
    const auto same = [&](std::string_view name) { return equals_caseless(name, parameter.name); };
    if (std::any_of(kNeverSigned.begin(), kNeverSigned.end(), same)) return true;
    // Another spelling of a name is another name to the signature, and the same to the routes.
    return !is_signed(parameter.name) && std::any_of(kSigned.begin(), kSigned.end(), same);
  });
}

void append_amz_headers(std::string& out, const Request& request, const RequestTarget& target) {
  std::map<std::string, std::string> headers;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!starts_with_caseless(name, "x-amz-")) return;
    std::string& text = headers[to_lower(name)];
    if (!text.empty()) text += ',';
    text += trim(value);
  };
  for (const HeaderField& field : request.headers) add(field.name, field.value);
  // Presigning clients put them into the query.
  for (const QueryParameter& parameter : target.query) add(parameter.name, parameter.value);
  for (const auto& [name, value] : headers) out.append(name).append(":").append(value).append("\n");
}

void append_resource(std::string& out, const RequestTarget& target) {
  if (target.virtual_hosted) out.append("/").append(target.bucket);
  out += target.raw_path;
  std::vector<const QueryParameter*> parameters;
  for (const QueryParameter& parameter : target.query) {
    if (is_signed(parameter.name)) parameters.push_back(&parameter);
  }
  std::stable_sort(parameters.begin(), parameters.end(),
                   [](const QueryParameter* a, const QueryParameter* b) { return a->name < b->name; });
  char separator = '?';
  for (const QueryParameter* parameter : parameters) {
    out += separator;
    separator = '&';
    out += parameter->name;
    if (!parameter->value.empty()) out.append("=").append(parameter->value);
  }
}

std::string hmac_sha1(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const unsigned char* const made =
      HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), digest.data(), &length);
  CHECK(made != nullptr);
  return {reinterpret_cast<const char*>(digest.data()), length};
}

struct Claim {
  std::string_view access_key;
  std::string_view signature;
  std::string_view date;  // the Date line of the string to sign
  std::int64_t time_s = 0;
};

Outcome<Claim> claim_of_header(const Request& request, std::string_view authorization) {
  Claim claim;
  std::string_view rest = trim(authorization.substr(4));
  claim.access_key = rest.substr(0, rest.rfind(':'));
  claim.signature = claim.access_key.size() < rest.size() ? rest.substr(claim.access_key.size() + 1) : std::string_view();
  if (claim.access_key.empty() || claim.signature.empty()) {
    return Failure(S3Error::invalid_argument, "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
        .with("ArgumentName", "Authorization");
  }
  const auto amz = request.header("x-amz-date");
  const auto plain = request.header("date");
  const auto text = amz ? amz : plain;
  auto time = text ? parse_http_date(*text) : std::nullopt;
  if (text && !time) time = parse_amz_date(*text);
  if (text && !time) time = parse_iso_date(*text);
  if (!time) {
    return Failure(S3Error::access_denied, "AWS authentication requires a valid Date or x-amz-date header");
  }
  claim.time_s = *time;
  // x-amz-date is among the x-amz- headers then, and signed there.
  if (!amz) claim.date = *plain;
  return claim;
}

Outcome<Claim> claim_of_query(const RequestTarget& target) {
  const auto access_key = target.parameter("AWSAccessKeyId");
  const auto signature = target.parameter("Signature");
  const auto expires = target.parameter("Expires");
  if (!access_key || !signature || !expires || access_key->empty() || signature->empty()) {
    return Failure(S3Error::access_denied,
                   "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters");
  }
  const auto seconds = parse_decimal(*expires);
  if (!seconds || *seconds > INT32_MAX * std::uint64_t{64}) {
    return Failure(S3Error::access_denied, "Invalid date (should be seconds since epoch): " + std::string(*expires));
  }
  Claim claim;
  claim.access_key = *access_key;
  claim.signature = *signature;
  claim.date = *expires;
  claim.time_s = static_cast<std::int64_t>(*seconds);
  return claim;
}

Outcome<> check_claim_time(const Claim& claim, bool query_form, std::int64_t now_ms) {
  const std::int64_t then_ms = claim.time_s * 1000;
  if (query_form) {
    if (now_ms <= then_ms) return done();
    return Failure(S3Error::access_denied, "Request has expired")
        .with("Expires", iso_date(then_ms))
        .with("ServerTime", iso_date(now_ms));
  }
  if (then_ms - now_ms <= kClockSkewMsMax && now_ms - then_ms <= kClockSkewMsMax) return done();
  return Failure(S3Error::request_time_too_skewed)
      .with("RequestTime", iso_date(then_ms))
      .with("ServerTime", iso_date(now_ms))
      .with("MaxAllowedSkewMilliseconds", to_decimal(static_cast<std::uint64_t>(kClockSkewMsMax)));
}

}  // namespace

std::string string_to_sign_v2(const Request& request, const RequestTarget& target, std::string_view date) {
  std::string out;
  out.append(request.method).append("\n");
  out.append(request.header("content-md5").value_or("")).append("\n");
  out.append(request.header("content-type").value_or("")).append("\n");
  out.append(date).append("\n");
  append_amz_headers(out, request, target);
  append_resource(out, target);
  return out;
}

Outcome<Identity> Authenticator::authenticate_v2(const Request& request, const RequestTarget& target) const {
  if (!state_->options.signature_v2) {
    return Failure(S3Error::invalid_request,
                   "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
  }
  const auto authorization = request.header("authorization");
  const auto claim = authorization ? claim_of_header(request, *authorization) : claim_of_query(target);
  if (!claim) return claim.error();
  // A link goes through many hands.
  if (!authorization && has_unsigned_meaning(target)) {
    return Failure(S3Error::access_denied, "There were parameters present in the request which were not signed");
  }
  const auto header_token = request.header("x-amz-security-token");
  const auto credential = find_credential(claim->access_key, header_token ? header_token
                                                                          : target.parameter("x-amz-security-token"));
  if (!credential) return credential.error();
  if (auto checked = check_claim_time(*claim, !authorization, state_->clock.wall_ms()); !checked) return checked.error();
  const std::string to_sign = string_to_sign_v2(request, target, claim->date);
  const std::string signature = to_base64(hmac_sha1((*credential)->secret.view(), to_sign));
  if (!equal_constant_time(signature, claim->signature)) {
    return Failure(S3Error::signature_does_not_match)
        .with("AWSAccessKeyId", claim->access_key)
        .with("StringToSign", to_sign)
        .with("SignatureProvided", claim->signature)
        .with("StringToSignBytes", to_hex(to_sign));
  }
  // The body is under no signature of this kind, whatever else vouches for it.
  auto identity = anonymous(request);
  if (!identity) return identity.error();
  identity->credential = *credential;
  identity->auth_type = authorization ? "REST-HEADER" : "REST-QUERY-STRING";
  identity->signature_version = "AWS";
  identity->signed_ms = authorization ? claim->time_s * 1000 : 0;
  return identity;
}

}  // namespace api
