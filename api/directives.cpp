#include <algorithm>
#include <array>

#include "api/ascii.h"
#include "api/call.h"

namespace api {
namespace {

// x-amz- names that a write may carry: read by an operation, or without meaning for what is stored.
constexpr auto kKnown = std::to_array<std::string_view>({
    "x-amz-acl",
    "x-amz-algorithm",
    "x-amz-api-version",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
    "x-amz-client-token",
    "x-amz-confirm-remove-self-bucket-access",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-range",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-expires",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-if-match-last-modified-time",
    "x-amz-if-match-size",
    "x-amz-metadata-directive",
    "x-amz-mfa",
    "x-amz-mp-object-size",
    "x-amz-object-annotation-directive",
    "x-amz-object-if-match",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-ownership",
    "x-amz-rename-source",
    "x-amz-rename-source-if-match",
    "x-amz-rename-source-if-modified-since",
    "x-amz-rename-source-if-none-match",
    "x-amz-rename-source-if-unmodified-since",
    "x-amz-request-payer",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-skip-destination-validation",
    "x-amz-source-expected-bucket-owner",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-trailer",
    "x-amz-transition-default-minimum-object-size",
    "x-amz-user-agent",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
});
static_assert(std::is_sorted(kKnown.begin(), kKnown.end()));

Failure refused(std::string_view name) {
  return Failure(S3Error::not_implemented).with("Header", to_lower(name));
}

Outcome<> check_write(const Route& route, std::string_view name) {
  const std::string lower = to_lower(name);
  // A copy that lands on another call than a copy must not become something without its source.
  if (lower.starts_with("x-amz-copy-source") && !route.copy) return refused(name);
  if (lower.starts_with("x-amz-rename-source") && route.operation != "RenameObject") return refused(name);
  if (lower == "x-amz-write-offset-bytes" && route.operation != "PutObject") return refused(name);
  if (lower.starts_with("x-amz-meta-") || lower.starts_with("x-amz-checksum-")) return done();
  if (std::binary_search(kKnown.begin(), kKnown.end(), lower)) return done();
  return refused(name);
}

Outcome<> check_one(const Route& route, std::string_view name) {
  if (!starts_with_caseless(name, "x-amz-")) return done();
  // What a read asks for is at most left out of its answer.
  if (route.method == "GET" || route.method == "HEAD") return done();
  return check_write(route, name);
}

}  // namespace

Outcome<> check_directives(const Call& call) {
  const Route& route = *call.route;
  for (const HeaderField& field : call.request.headers) {
    if (auto checked = check_one(route, field.name); !checked) return checked.error();
  }
  for (const QueryParameter& parameter : call.target.query) {
    if (auto checked = check_one(route, parameter.name); !checked) return checked.error();
  }
  return done();
}

}  // namespace api
