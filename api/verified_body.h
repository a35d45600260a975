// VerifiedBody: the bytes of a request body with aws-chunked framing taken off, and proof at the end that
// they are the bytes the client meant: length, payload hash, Content-MD5, checksum in header or trailer,
// chunk and trailer signatures. read() gives its final 0 only when all of it agrees, so the store names
// nothing before.
//
// Memory    none of its own per byte: a plain body is read straight into the caller's span and hashed there
// while it is
//           in cache; a framed one is unframed in place.
// Threads   one task. Lifetime: the HttpBody outlives it.
// Errors    S3Error codes, and BodyErrc of the HttpBody unchanged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/checksum.h"
#include "api/chunked_decoder.h"
#include "api/error_table.h"
#include "api/service.h"
#include "api/sigv4.h"

namespace api {

// What an operation wants of its body.
struct BodyNeeds {
  std::uint64_t length_max = storage::kBodyBytesMax;
  S3Error too_large = S3Error::entity_too_large;  // what a longer body is
  bool length_required = false;  // refuse a body with neither length nor chunked coding (411)
  bool md5 = false;              // compute the MD5 even if the client sent none
  bool checksum_headers = true;  // x-amz-checksum-* headers are about this body
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::none;  // computed where the client names none
};

// What the headers say about the body.
struct BodyPlan {
  PayloadMode payload = PayloadMode::unsigned_payload;
  std::string sha256;  // 32 raw bytes; empty: not announced
  std::optional<ChunkSigning> signing;
  std::optional<std::uint64_t> length;  // of the object's bytes, without framing
  std::uint64_t length_max = 0;
  S3Error too_large = S3Error::entity_too_large;
  bool md5 = false;
  std::string content_md5;  // 16 raw bytes; empty: not announced
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::none;
  std::string checksum;      // raw value of the header; empty: none or in the trailer
  std::string trailer_name;  // lower case; empty: none declared

  bool framed() const {
    return payload != PayloadMode::signed_hash && payload != PayloadMode::unsigned_payload;
  }
  // Whether the client sent anything that vouches for the bytes.
  bool has_integrity() const {
    return !sha256.empty() || !content_md5.empty() || !checksum.empty() || !trailer_name.empty() ||
           signing.has_value();
  }
};

// Reads the headers; nothing of the body. Errors: BadDigest, EntityTooLarge, InvalidArgument, InvalidDigest,
// InvalidRequest, MissingContentLength.
Outcome<BodyPlan> plan_body(const Request& request, const HttpBody& body, const Identity& identity,
                            const BodyNeeds& needs);

class VerifiedBody final : public storage::BodySource {
 public:
  VerifiedBody(HttpBody& body, BodyPlan plan);

  Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override;
  std::optional<std::uint64_t> declared_length() const override { return plan_.length; }
  storage::BodyDigests digests() const override { return digests_; }

  // Particulars of the error that read() returned, where there are any.
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  storage::Error take(std::span<const std::byte> bytes);
  storage::Result<> verify();
  storage::Result<> verify_checksum();
  storage::Error refuse(S3Error error, std::string message);

  HttpBody& body_;
  BodyPlan plan_;
  std::optional<ChunkedDecoder> decoder_;
  std::optional<Md5> md5_;
  std::optional<Digest> sha256_;
  ChecksumHasher checksum_;
  std::uint64_t length_ = 0;
  storage::BodyDigests digests_;
  std::optional<Failure> failure_;
};

}  // namespace api
