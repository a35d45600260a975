#include "api/sigv4.h"

#include <algorithm>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/session_tokens.h"
#include "api/sigv4_state.h"

namespace api {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
constexpr std::string_view kStreamingSigned = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
constexpr std::string_view kStreamingSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
constexpr std::string_view kStreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

bool is_hex(std::string_view text, std::size_t length) {
  return text.size() == length &&
         std::all_of(text.begin(), text.end(), [](char c) { return hex_digit(c) >= 0; });
}

// Whether `name` (any case) is in `signed_headers`, a list separated by ';'.
bool is_signed(std::string_view signed_headers, std::string_view name) {
  while (!signed_headers.empty()) {
    if (equals_caseless(cut(signed_headers, ';'), name)) return true;
  }
  return false;
}

}  // namespace

// What a request claims about itself before anything is believed.
struct Authenticator::Signed {
  bool query_form = false;
  std::string_view access_key;
  std::string_view date;  // of the scope, YYYYMMDD
  std::string_view region;
  std::string_view service;
  std::string_view wanted_service = "s3";
  std::string_view scope;  // date/region/service/aws4_request
  std::string_view signed_headers;
  std::string_view signature;
  std::string timestamp;  // YYYYMMDDTHHMMSSZ
  std::int64_t time_s = 0;
  std::uint64_t expires_s = 0;  // of the query form
  std::string_view payload_hash;
  CredentialPtr key_of_user;
  std::string_view region_text;  // of options: outlives the request

  S3Error malformed() const {
    return query_form ? S3Error::authorization_query_parameters : S3Error::authorization_header_malformed;
  }

  // ACCESSKEY/date/region/service/aws4_request, read from the right since access keys may hold slashes.
  Outcome<> parse_credential(std::string_view credential) {
    std::array<std::string_view, 4> last;
    std::string_view rest = credential;
    for (std::size_t i = last.size(); i-- > 0;) {
      const std::size_t slash = rest.rfind('/');
      if (slash == std::string_view::npos) return bad_credential();
      last[i] = rest.substr(slash + 1);
      rest = rest.substr(0, slash);
    }
    access_key = rest;
    scope = credential.substr(rest.size() + 1);
    date = last[0];
    region = last[1];
    service = last[2];
    if (access_key.empty() || last[3] != "aws4_request") return bad_credential();
    return done();
  }

  Failure bad_credential() const {
    return {malformed(),
            "The authorization is malformed; the Credential is mal-formed; expecting "
            "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."};
  }
};

Authenticator::Authenticator(storage::Clock& clock, const UserDirectory& users, Options options)
    : state_(std::make_unique<State>(clock, users, std::move(options))) {}
Authenticator::~Authenticator() = default;

bool Authenticator::has_credentials(const Request& request, const RequestTarget& target) {
  if (request.header("authorization")) return true;
  return !target.query.empty() && (target.has("X-Amz-Signature") || target.has("X-Amz-Credential") ||
                                   target.has("X-Amz-Algorithm") || target.has("AWSAccessKeyId"));
}

Outcome<Authenticator::Signed> Authenticator::parse_header(const Request& request,
                                                           std::string_view authorization) const {
  Signed claim;
  if (!authorization.starts_with(kAlgorithm) || authorization.size() == kAlgorithm.size() ||
      !is_blank(authorization[kAlgorithm.size()])) {
    return Failure(S3Error::authorization_header_malformed, "The authorization header is malformed.");
  }
  std::string_view rest = authorization.substr(kAlgorithm.size());
  std::string_view credential;
  while (!rest.empty()) {
    std::string_view field = trim(cut(rest, ','));
    if (field.empty()) continue;
    const std::string_view name = cut(field, '=');
    if (name == "Credential") {
      credential = field;
    } else if (name == "SignedHeaders") {
      claim.signed_headers = field;
    } else if (name == "Signature") {
      claim.signature = field;
    } else {
      return Failure(S3Error::authorization_header_malformed);
    }
  }
  if (credential.empty() || claim.signed_headers.empty() || claim.signature.empty()) {
    return Failure(
        S3Error::authorization_header_malformed,
        "The authorization header is malformed; the authorization header requires three components: "
        "Credential, SignedHeaders, and Signature.");
  }
  if (auto parsed = claim.parse_credential(credential); !parsed) return parsed.error();

  std::optional<std::int64_t> time;
  if (const auto amz = request.header("x-amz-date")) {
    time = parse_amz_date(*amz);
    if (!time) time = parse_http_date(*amz);
  } else if (const auto plain = request.header("date")) {
    time = parse_http_date(*plain);
    if (!time) time = parse_amz_date(*plain);
  }
  if (!time) {
    return Failure(S3Error::access_denied, "AWS authentication requires a valid Date or x-amz-date header");
  }
  claim.time_s = *time;
  claim.timestamp = amz_date(*time * 1000);

  const auto hash = request.header("x-amz-content-sha256");
  if (!hash && claim.service == "s3") {
    return Failure(S3Error::invalid_request,
                   "Missing required header for this request: x-amz-content-sha256");
  }
  claim.payload_hash = hash.value_or("");
  return claim;
}

Outcome<Authenticator::Signed> Authenticator::parse_query_form(const Request& request,
                                                               const RequestTarget& target) const {
  Signed claim;
  claim.query_form = true;
  const auto algorithm = target.parameter("X-Amz-Algorithm");
  const auto credential = target.parameter("X-Amz-Credential");
  const auto date = target.parameter("X-Amz-Date");
  const auto expires = target.parameter("X-Amz-Expires");
  const auto signed_headers = target.parameter("X-Amz-SignedHeaders");
  const auto signature = target.parameter("X-Amz-Signature");
  if (!algorithm || !credential || !date || !expires || !signed_headers || !signature) {
    return S3Error::authorization_query_parameters;
  }
  if (*algorithm != kAlgorithm) {
    return Failure(S3Error::authorization_query_parameters,
                   "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  }
  if (auto parsed = claim.parse_credential(*credential); !parsed) return parsed.error();
  const auto time = parse_amz_date(*date);
  if (!time) {
    return Failure(S3Error::authorization_query_parameters,
                   "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  const auto seconds = parse_decimal(*expires);
  if (!seconds || *seconds < 1 || *seconds > kPresignSecondsMax) {
    // AWS answers 400; the public conformance suites expect 403, and no client cares.
    return Failure(S3Error::access_denied, "X-Amz-Expires must be a number of seconds from 1 to 604800");
  }
  claim.time_s = *time;
  claim.timestamp = *date;
  claim.expires_s = *seconds;
  claim.signed_headers = *signed_headers;
  claim.signature = *signature;
  claim.payload_hash = kUnsignedPayload;
  if (const auto hash = target.parameter("X-Amz-Content-Sha256")) {
    claim.payload_hash = *hash;
  } else if (const auto header = request.header("x-amz-content-sha256")) {
    claim.payload_hash = *header;
  }
  return claim;
}

Outcome<> Authenticator::check_scope(Signed& claim) const {
  if (!claim.timestamp.starts_with(claim.date) || claim.date.size() != 8) {
    return Failure(claim.malformed(),
                   "The authorization is malformed; the date of the credential scope is not the "
                   "day of the request.");
  }
  if (claim.service != claim.wanted_service) {
    std::string message = "The authorization is malformed; incorrect service. This endpoint belongs to \"";
    message.append(claim.wanted_service).append("\".");
    return Failure(claim.malformed(), std::move(message));
  }
  claim.region_text = {};
  if (claim.region == state_->options.region) claim.region_text = state_->options.region;
  for (const std::string& location : state_->options.locations) {
    if (claim.region == location) claim.region_text = location;
  }
  if (claim.region_text.empty()) {
    std::string message = "The authorization is malformed; the region '";
    message.append(claim.region).append("' is wrong; expecting '").append(state_->options.region).append("'");
    return Failure(claim.malformed(), std::move(message)).with("Region", state_->options.region);
  }
  return done();
}

Outcome<> Authenticator::check_time(const Signed& claim) const {
  const std::int64_t now_ms = state_->clock.wall_ms();
  const std::int64_t then_ms = claim.time_s * 1000;
  if (!claim.query_form) {
    if (then_ms - now_ms > kClockSkewMsMax || now_ms - then_ms > kClockSkewMsMax) {
      return Failure(S3Error::request_time_too_skewed)
          .with("RequestTime", claim.timestamp)
          .with("ServerTime", iso_date(now_ms))
          .with("MaxAllowedSkewMilliseconds", to_decimal(static_cast<std::uint64_t>(kClockSkewMsMax)));
    }
    return done();
  }
  if (then_ms - now_ms > kClockSkewMsMax) {
    return Failure(S3Error::access_denied, "Request is not yet valid").with("ServerTime", iso_date(now_ms));
  }
  const std::int64_t end_ms = then_ms + static_cast<std::int64_t>(claim.expires_s) * 1000;
  if (now_ms > end_ms) {
    return Failure(S3Error::access_denied, "Request has expired")
        .with("X-Amz-Expires", to_decimal(claim.expires_s))
        .with("Expires", iso_date(end_ms))
        .with("ServerTime", iso_date(now_ms));
  }
  return done();
}

namespace {

// Every x-amz- header must be signed: an unsigned one could have been added by anybody on the way.
Outcome<> check_signed_headers(const Request& request, std::string_view signed_headers) {
  if (std::count(signed_headers.begin(), signed_headers.end(), ';') >= std::ptrdiff_t{kSignedHeadersMax}) {
    return Failure(S3Error::invalid_request, "Too many signed headers");
  }
  if (!is_signed(signed_headers, "host")) {
    return Failure(S3Error::access_denied, "'host' must be a signed header").with("HeadersNotSigned", "host");
  }
  std::string missing;
  for (const HeaderField& field : request.headers) {
    if (!starts_with_caseless(field.name, "x-amz-") || is_signed(signed_headers, field.name)) continue;
    if (!missing.empty()) missing += ", ";
    missing += to_lower(field.name);
  }
  if (missing.empty()) return done();
  return Failure(S3Error::access_denied, "There were headers present in the request which were not signed")
      .with("HeadersNotSigned", missing);
}

Outcome<PayloadMode> payload_mode(std::string_view hash) {
  if (hash == kUnsignedPayload) return PayloadMode::unsigned_payload;
  if (hash == kStreamingSigned) return PayloadMode::streaming_signed;
  if (hash == kStreamingSignedTrailer) return PayloadMode::streaming_signed_trailer;
  if (hash == kStreamingUnsignedTrailer) return PayloadMode::streaming_unsigned_trailer;
  if (is_hex(hash, 64)) return PayloadMode::signed_hash;
  return Failure(S3Error::invalid_argument,
                 "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                 "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
                 "sha256 "
                 "value.")
      .with("ArgumentName", "x-amz-content-sha256")
      .with("ArgumentValue", hash);
}

std::string hex_of(const Sha256Digest& digest) {
  std::string text;
  text.reserve(64);
  append_hex(text, digest);
  return text;
}

}  // namespace

Outcome<> Authenticator::check_signature(const Request& request, const RequestTarget& target, Signed& claim) {
  const std::string canonical =
      canonical_request(request, target, claim.signed_headers, claim.payload_hash, claim.query_form);
  std::string to_sign;
  to_sign.reserve(160);
  to_sign.append(kAlgorithm)
      .append("\n")
      .append(claim.timestamp)
      .append("\n")
      .append(claim.scope)
      .append("\n");
  append_hex(to_sign, sha256(canonical));

  const bool s3 = claim.wanted_service == "s3";
  const Sha256Digest key =
      s3 ? state_->keys.get(*claim.key_of_user, claim.date, claim.region_text)
         : signing_key(claim.key_of_user->secret.view(), claim.date, claim.region_text, claim.wanted_service);
  if (equal_constant_time(hex_of(hmac_sha256(key, to_sign)), claim.signature)) return done();
  return Failure(S3Error::signature_does_not_match)
      .with("AWSAccessKeyId", claim.access_key)
      .with("StringToSign", to_sign)
      .with("SignatureProvided", claim.signature)
      .with("StringToSignBytes", to_hex(to_sign))
      .with("CanonicalRequest", canonical)
      .with("CanonicalRequestBytes", to_hex(canonical));
}

Outcome<Identity> Authenticator::anonymous(const Request& request) {
  Identity identity;
  const auto hash = request.header("x-amz-content-sha256");
  if (!hash) {
    // The SDKs leave the header to their signers, and frame the body all the same.
    if (request.header("x-amz-trailer")) identity.payload = PayloadMode::streaming_unsigned_trailer;
    return identity;
  }
  const auto mode = payload_mode(*hash);
  if (!mode) return mode.error();
  if (*mode == PayloadMode::streaming_signed || *mode == PayloadMode::streaming_signed_trailer) {
    return S3Error::access_denied;
  }
  identity.payload = *mode;
  if (*mode == PayloadMode::signed_hash) identity.payload_sha256 = *hash;
  return identity;
}

Outcome<CredentialPtr> Authenticator::find_credential(std::string_view access_key,
                                                     std::optional<std::string_view> token) const {
  if (token && !token->empty()) {
    if (state_->options.sessions == nullptr) return S3Error::invalid_token;
    return state_->options.sessions->open(access_key, *token);
  }
  CredentialPtr found = state_->users.find_key(access_key);
  if (found == nullptr) return Failure(S3Error::invalid_access_key_id).with("AWSAccessKeyId", access_key);
  return found;
}

Outcome<Identity> Authenticator::authenticate(const Request& request, const RequestTarget& target) {
  const auto authorization = request.header("authorization");
  if (!authorization && !has_credentials(request, target)) return Failure(S3Error::access_denied);
  if (authorization && target.has("X-Amz-Signature")) {
    return Failure(
        S3Error::invalid_argument,
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
        "parameter or the Authorization header should be specified");
  }
  const bool old = authorization ? authorization->starts_with("AWS ") : target.has("AWSAccessKeyId");
  if (old) return authenticate_v2(request, target);
  auto parsed = authorization ? parse_header(request, *authorization) : parse_query_form(request, target);
  if (!parsed) return parsed.error();
  return verify(request, target, *parsed);
}

Outcome<Identity> Authenticator::authenticate_sts(const Request& request, const RequestTarget& target,
                                                  std::string_view body_sha256) {
  const auto authorization = request.header("authorization");
  if (!authorization) return S3Error::access_denied;
  auto parsed = parse_header(request, *authorization);
  if (!parsed) return parsed.error();
  parsed->wanted_service = "sts";
  parsed->payload_hash = body_sha256;
  return verify(request, target, *parsed);
}

Outcome<Identity> Authenticator::verify(const Request& request, const RequestTarget& target, Signed& claim) {
  if (auto checked = check_scope(claim); !checked) return checked.error();
  const auto mode = payload_mode(claim.payload_hash);
  if (!mode) return mode.error();
  auto credential = find_credential(claim.access_key, claim.query_form ? target.parameter("X-Amz-Security-Token")
                                                                       : request.header("x-amz-security-token"));
  if (!credential) return credential.error();
  claim.key_of_user = std::move(*credential);
  if (auto checked = check_time(claim); !checked) return checked.error();
  if (auto checked = check_signed_headers(request, claim.signed_headers); !checked) return checked.error();
  if (auto checked = check_signature(request, target, claim); !checked) return checked.error();

  Identity identity;
  identity.credential = claim.key_of_user;
  identity.auth_type = claim.query_form ? "REST-QUERY-STRING" : "REST-HEADER";
  identity.signature_version = kAlgorithm;
  identity.signed_ms = claim.time_s * 1000;
  identity.payload = *mode;
  if (*mode == PayloadMode::signed_hash) identity.payload_sha256 = claim.payload_hash;
  if (*mode == PayloadMode::streaming_signed || *mode == PayloadMode::streaming_signed_trailer) {
    identity.chunk_signing =
        ChunkSigning{state_->keys.get(*claim.key_of_user, claim.date, claim.region_text), claim.timestamp,
                     std::string(claim.scope), std::string(claim.signature)};
  }
  return identity;
}

}  // namespace api
