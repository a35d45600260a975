#include "api/ascii.h"
#include "api/encoding.h"
#include "api/verified_body.h"

namespace api {
namespace {

constexpr std::size_t kMd5Bytes = 16;

bool is_checksum_directive(std::string_view name) {
  return equals_caseless(name, "x-amz-checksum-algorithm") || equals_caseless(name, "x-amz-checksum-type") ||
         equals_caseless(name, "x-amz-checksum-mode");
}

Failure several_checksums() {
  return {S3Error::invalid_request,
          "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."};
}

Outcome<> plan_checksum_header(const Request& request, BodyPlan& plan) {
  bool found = false;
  for (const HeaderField& field : request.headers) {
    if (!starts_with_caseless(field.name, kChecksumHeaderPrefix) || is_checksum_directive(field.name))
      continue;
    if (found) return several_checksums();
    found = true;
    const auto algorithm = checksum_by_header(field.name);
    if (!algorithm) {
      return Failure(S3Error::invalid_request, "The checksum algorithm is not supported")
          .with("ArgumentName", to_lower(field.name));
    }
    auto value = from_base64(field.value);
    if (!value || value->size() != checksum_bytes(*algorithm)) {
      return Failure(S3Error::bad_digest,
                     "Value for " + std::string(checksum_header(*algorithm)) + " header is invalid.");
    }
    plan.algorithm = *algorithm;
    plan.checksum = std::move(*value);
  }
  return done();
}

Outcome<> plan_trailer(const Request& request, BodyPlan& plan) {
  const bool trailer_mode = plan.payload == PayloadMode::streaming_signed_trailer ||
                            plan.payload == PayloadMode::streaming_unsigned_trailer;
  const auto declared = request.header("x-amz-trailer");
  if (!trailer_mode || !declared || declared->empty()) return done();
  const auto algorithm = checksum_by_header(*declared);
  if (!algorithm) {
    return Failure(S3Error::invalid_request,
                   "The value specified in the x-amz-trailer header is not supported");
  }
  if (!plan.checksum.empty()) return several_checksums();
  plan.algorithm = *algorithm;
  plan.trailer_name = checksum_header(*algorithm);
  return done();
}

Outcome<> plan_named_algorithm(const Request& request, const BodyPlan& plan) {
  const auto named = request.header("x-amz-sdk-checksum-algorithm");
  if (!named || named->empty()) return done();
  const auto algorithm = checksum_by_name(*named);
  if (!algorithm) {
    return Failure(S3Error::invalid_request,
                   "Checksum algorithm provided is unsupported. Please try again with any "
                   "of the valid types: " +
                       std::string(kChecksumNames));
  }
  const bool sent = !plan.checksum.empty() || !plan.trailer_name.empty();
  if (sent && plan.algorithm != *algorithm) {
    return Failure(S3Error::invalid_request, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  }
  // A Content-MD5 alone also satisfies clients that name an algorithm they could not compute.
  if (!sent && plan.content_md5.empty()) {
    return Failure(S3Error::invalid_request,
                   "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                   "x-amz-checksum-* or x-amz-trailer headers were found.");
  }
  return done();
}

Outcome<> plan_length(const Request& request, const HttpBody& body, const BodyNeeds& needs, BodyPlan& plan) {
  plan.length_max = needs.length_max;
  plan.too_large = needs.too_large;
  if (plan.framed()) {
    const auto declared = request.header("x-amz-decoded-content-length");
    if (!declared) return S3Error::missing_content_length;
    plan.length = parse_decimal(*declared);
    if (!plan.length) {
      return Failure(S3Error::invalid_argument, "x-amz-decoded-content-length is not a number")
          .with("ArgumentName", "x-amz-decoded-content-length");
    }
  } else {
    plan.length = body.content_length();
    if (!plan.length && !body.chunked()) {
      if (needs.length_required) return S3Error::missing_content_length;
      plan.length = 0;
    }
  }
  if (plan.length && *plan.length > needs.length_max) {
    return Failure(needs.too_large)
        .with("ProposedSize", to_decimal(*plan.length))
        .with("MaxSizeAllowed", to_decimal(needs.length_max));
  }
  return done();
}

}  // namespace

Outcome<BodyPlan> plan_body(const Request& request, const HttpBody& body, const Identity& identity,
                            const BodyNeeds& needs) {
  BodyPlan plan;
  plan.payload = identity.payload;
  plan.signing = identity.chunk_signing;
  plan.md5 = needs.md5;
  if (identity.payload == PayloadMode::signed_hash) {
    plan.sha256 = from_hex(identity.payload_sha256).value_or(std::string{});
  }
  if (auto planned = plan_length(request, body, needs, plan); !planned) return planned.error();
  if (const auto sent = request.header("content-md5")) {
    auto value = from_base64(*sent);
    if (!value || value->size() != kMd5Bytes) return S3Error::invalid_digest;
    plan.content_md5 = std::move(*value);
    plan.md5 = true;
  }
  if (needs.checksum_headers) {
    if (auto planned = plan_checksum_header(request, plan); !planned) return planned.error();
  }
  if (auto planned = plan_trailer(request, plan); !planned) return planned.error();
  if (needs.checksum_headers) {
    if (auto planned = plan_named_algorithm(request, plan); !planned) return planned.error();
  }
  if (plan.algorithm == ChecksumAlgorithm::none) plan.algorithm = needs.algorithm;
  return plan;
}

}  // namespace api
