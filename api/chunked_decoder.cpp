#include "api/chunked_decoder.h"

#include <algorithm>
#include <cstring>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/error_table.h"
#include "api/limits.h"

namespace api {
namespace {

using storage::Error;

constexpr std::string_view kSignatureExtension = "chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";
constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const Error kFramingBroken = make_error_code(S3Error::incomplete_body);
const Error kTrailerBroken = make_error_code(S3Error::malformed_trailer);
const Error kSignatureWrong = make_error_code(S3Error::signature_does_not_match);

// Up to 16 significant hex digits; leading zeros are legal.
std::optional<std::uint64_t> parse_hex(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const int digit = hex_digit(c);
    if (digit < 0 || value >> 60 != 0) return std::nullopt;
    value = value << 4 | static_cast<unsigned>(digit);
  }
  return value;
}

std::string sign(const ChunkSigning& signing, std::string_view text) {
  std::string signature;
  append_hex(signature, hmac_sha256(signing.key, text));
  return signature;
}

}  // namespace

ChunkedDecoder::ChunkedDecoder(Options options) : options_(std::move(options)) {
  if (options_.signing) {
    previous_signature_ = options_.signing->seed;
    chunk_digest_.emplace(Digest::Kind::sha256);
  }
}

storage::Result<std::size_t> ChunkedDecoder::feed(std::span<std::byte> bytes) {
  std::size_t out = 0;
  for (std::size_t in = 0; in < bytes.size();) {
    if (stage_ != Stage::payload) {
      if (const Error error = step(static_cast<char>(bytes[in]))) return error;
      ++in;
      continue;
    }
    const auto run = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, bytes.size() - in));
    const auto payload = bytes.subspan(in, run);
    if (chunk_digest_) chunk_digest_->update(payload);
    if (out != in) std::memmove(bytes.data() + out, payload.data(), run);
    out += run;
    in += run;
    chunk_left_ -= run;
    if (chunk_left_ == 0) stage_ = Stage::payload_cr;
  }
  return out;
}

Error ChunkedDecoder::step(char c) {
  switch (stage_) {
    case Stage::size_line:
      if (c == '\n') return end_of_size_line();
      if (line_.size() >= kChunkHeaderBytesMax) return kFramingBroken;
      line_ += c;
      return {};
    case Stage::payload:
      return kFramingBroken;  // feed() takes payload itself
    case Stage::payload_cr:
      if (c != '\r') return kFramingBroken;
      stage_ = Stage::payload_lf;
      return {};
    case Stage::payload_lf:
      if (c != '\n') return kFramingBroken;
      return end_of_chunk();
    case Stage::trailer_line:
      if (++trailer_bytes_ > kTrailerBytesMax) return kTrailerBroken;
      if (c == '\n') return end_of_trailer_line();
      line_ += c;
      return {};
    case Stage::end:
      // minio-go ends its trailer with one blank line too many.
      if (c != '\r') return kFramingBroken;
      stage_ = Stage::end_lf;
      return {};
    case Stage::end_lf:
      if (c != '\n') return kFramingBroken;
      stage_ = Stage::closed;
      return {};
    case Stage::closed:
      return kFramingBroken;
  }
  return kFramingBroken;
}

Error ChunkedDecoder::end_of_size_line() {
  if (!line_.ends_with('\r')) return kFramingBroken;
  std::string_view line(line_);
  line.remove_suffix(1);
  std::string_view extension = line;
  const auto size = parse_hex(trim(cut(extension, ';')));
  if (!size) return kFramingBroken;
  if (options_.signing) {
    if (!extension.starts_with(kSignatureExtension)) return kSignatureWrong;
    chunk_signature_ = extension.substr(kSignatureExtension.size());
  }
  line_.clear();
  if (*size > options_.decoded_length - decoded_) return kFramingBroken;
  decoded_ += *size;
  chunk_left_ = *size;
  if (*size > 0) {
    stage_ = Stage::payload;
    return {};
  }
  if (decoded_ != options_.decoded_length) return kFramingBroken;
  last_chunk_ = true;
  stage_ = Stage::trailer_line;
  return check_chunk_signature();
}

Error ChunkedDecoder::end_of_chunk() {
  stage_ = Stage::size_line;
  return check_chunk_signature();
}

Error ChunkedDecoder::check_chunk_signature() {
  if (!options_.signing) return {};
  std::string text = "AWS4-HMAC-SHA256-PAYLOAD\n";
  text.append(options_.signing->timestamp).append("\n").append(options_.signing->scope).append("\n");
  text.append(previous_signature_).append("\n").append(kEmptySha256).append("\n");
  text += to_hex(chunk_digest_->finish());
  std::string expected = sign(*options_.signing, text);
  if (!equal_constant_time(expected, chunk_signature_)) return kSignatureWrong;
  previous_signature_ = std::move(expected);
  return {};
}

// True when nothing more than the blank line may follow.
bool ChunkedDecoder::trailer_complete() const {
  if (!options_.trailer_name.empty() && !trailer_seen_) return false;
  return !(options_.signing && trailer_seen_) || trailer_signed_;
}

Error ChunkedDecoder::end_of_trailer_line() {
  std::string_view line(line_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    line_.clear();
    return end_of_trailer();
  }
  if (!options_.trailer_allowed || line.find('\r') != std::string_view::npos) return kTrailerBroken;
  std::string_view value = line;
  const std::string name = to_lower(trim(cut(value, ':')));
  if (line.find(':') == std::string_view::npos) return kTrailerBroken;
  value = trim(value);
  if (name == kTrailerSignature) {
    if (!options_.signing || trailer_signed_ || !trailer_seen_) return kTrailerBroken;
    chunk_signature_ = value;
    line_.clear();
    trailer_signed_ = true;
    return check_trailer_signature();
  }
  if (name != options_.trailer_name || trailer_seen_) return kTrailerBroken;
  trailer_seen_ = true;
  trailer_value_ = value;
  canonical_trailer_ = name + ":" + trailer_value_ + "\n";
  line_.clear();
  return {};
}

Error ChunkedDecoder::end_of_trailer() {
  if (trailer_complete()) {
    stage_ = Stage::end;
    return {};
  }
  // A signed trailer may be set off from its signature by a blank line; anything else that is missing is
  // missing.
  const bool signature_follows = options_.signing && trailer_seen_ && !trailer_signed_;
  return signature_follows ? Error{} : kTrailerBroken;
}

Error ChunkedDecoder::check_trailer_signature() {
  std::string text = "AWS4-HMAC-SHA256-TRAILER\n";
  text.append(options_.signing->timestamp).append("\n").append(options_.signing->scope).append("\n");
  text.append(previous_signature_).append("\n");
  append_hex(text, sha256(canonical_trailer_));
  if (!equal_constant_time(sign(*options_.signing, text), chunk_signature_)) return kSignatureWrong;
  return {};
}

storage::Result<> ChunkedDecoder::finish() const {
  if (stage_ == Stage::end || stage_ == Stage::closed) return storage::success();
  if (last_chunk_ && !trailer_complete()) return kTrailerBroken;
  return kFramingBroken;
}

}  // namespace api
