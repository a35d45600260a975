#include "api/verified_body.h"

#include "api/encoding.h"

namespace api {

VerifiedBody::VerifiedBody(HttpBody& body, BodyPlan plan)
    : body_(body), plan_(std::move(plan)), checksum_(plan_.algorithm) {
  if (plan_.framed()) {
    ChunkedDecoder::Options options;
    options.decoded_length = plan_.length.value_or(0);
    options.signing = plan_.signing;
    options.trailer_allowed = plan_.payload != PayloadMode::streaming_signed;
    options.trailer_name = plan_.trailer_name;
    decoder_.emplace(std::move(options));
  }
  if (plan_.md5) md5_.emplace();
  // A SHA-256 checksum is the payload hash too: hash once.
  if (!plan_.sha256.empty() && plan_.algorithm != ChecksumAlgorithm::sha256)
    sha256_.emplace(Digest::Kind::sha256);
}

Task<storage::Result<std::size_t>> VerifiedBody::read(std::span<std::byte> into) {
  // Each turn consumes bytes of the body; framing without payload is bounded by the decoder.
  for (;;) {
    const auto got = co_await body_.read(into);
    if (!got) co_return got.error();
    if (*got == 0) {
      const auto verified = verify();
      if (!verified) co_return verified.error();
      co_return std::size_t{0};
    }
    std::size_t payload = *got;
    if (decoder_) {
      const auto unframed = decoder_->feed(into.first(*got));
      if (!unframed) co_return unframed.error();
      payload = *unframed;
    }
    if (payload == 0) continue;
    if (const storage::Error error = take(into.first(payload))) co_return error;
    co_return payload;
  }
}

storage::Error VerifiedBody::take(std::span<const std::byte> bytes) {
  length_ += bytes.size();
  if (plan_.length && length_ > *plan_.length) return make_error_code(S3Error::incomplete_body);
  if (length_ > plan_.length_max) return make_error_code(plan_.too_large);
  if (md5_) md5_->update(bytes);
  if (sha256_) sha256_->update(bytes);
  checksum_.update(bytes);
  return {};
}

storage::Error VerifiedBody::refuse(S3Error error, std::string message) {
  failure_.emplace(error, std::move(message));
  return make_error_code(error);
}

storage::Result<> VerifiedBody::verify() {
  if (decoder_) {
    if (const auto whole = decoder_->finish(); !whole) return whole.error();
  }
  if (plan_.length && length_ != *plan_.length) return make_error_code(S3Error::incomplete_body);
  digests_.checksum.algorithm = plan_.algorithm;
  digests_.checksum.value = checksum_.finish();
  if (!plan_.sha256.empty()) {
    const std::string actual = sha256_ ? sha256_->finish() : digests_.checksum.value;
    if (actual != plan_.sha256) {
      failure_ = Failure(S3Error::sha256_mismatch)
                     .with("ClientComputedContentSHA256", to_hex(plan_.sha256))
                     .with("S3ComputedContentSHA256", to_hex(actual));
      return make_error_code(S3Error::sha256_mismatch);
    }
  }
  if (md5_) digests_.md5 = md5_->finish();
  if (!plan_.content_md5.empty() && digests_.md5 != plan_.content_md5) {
    failure_ = Failure(S3Error::bad_digest, "The Content-MD5 you specified did not match what we received.")
                   .with("ExpectedDigest", to_hex(plan_.content_md5))
                   .with("CalculatedDigest", to_hex(digests_.md5));
    return make_error_code(S3Error::bad_digest);
  }
  return verify_checksum();
}

storage::Result<> VerifiedBody::verify_checksum() {
  const std::string name(checksum_name(plan_.algorithm));
  if (!plan_.trailer_name.empty()) {
    auto sent = from_base64(decoder_->trailer_value());
    if (!sent || sent->size() != checksum_bytes(plan_.algorithm)) {
      return refuse(S3Error::invalid_request,
                    "Value for " + plan_.trailer_name + " trailing header is invalid.");
    }
    plan_.checksum = std::move(*sent);
  }
  if (!plan_.checksum.empty() && plan_.checksum != digests_.checksum.value) {
    return refuse(S3Error::bad_digest,
                  "The " + name + " you specified did not match the calculated checksum.");
  }
  return storage::success();
}

}  // namespace api
