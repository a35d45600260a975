// ChunkedDecoder: takes the aws-chunked framing off a body, as a machine that is fed bytes and does no I/O.
//
//   hex-size [;chunk-signature=64-hex] CRLF bytes CRLF ... 0 [;chunk-signature=..] CRLF trailer lines CRLF
//
// Bounds   a chunk header is at most kChunkHeaderBytesMax, the trailer kTrailerBytesMax; the decoded bytes
// never
//          exceed the declared length.
// Errors   incomplete_body (framing), malformed_trailer, signature_does_not_match: as S3Error codes. After an
// error the
//          decoder is not fed again. Payload of a chunk is handed out before its signature is known: the
//          caller makes nothing visible before finish() has succeeded.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/digest.h"
#include "api/sigv4.h"
#include "storage/base/result.h"

namespace api {

class ChunkedDecoder {
 public:
  struct Options {
    std::uint64_t decoded_length = 0;
    std::optional<ChunkSigning> signing;  // chunks must be signed
    bool trailer_allowed = false;
    std::string trailer_name;  // lower case; empty: none declared, none may come
  };

  explicit ChunkedDecoder(Options options);

  // Consumes all of `bytes` and moves the payload in it to the front; returns the payload's length.
  storage::Result<std::size_t> feed(std::span<std::byte> bytes);

  // To be called when the body has ended: whether it was whole.
  storage::Result<> finish() const;

  // The value of the declared trailer; empty before finish() or when none was declared.
  const std::string& trailer_value() const { return trailer_value_; }

 private:
  enum class Stage { size_line, payload, payload_cr, payload_lf, trailer_line, end, end_lf, closed };

  storage::Error step(char c);
  storage::Error end_of_size_line();
  storage::Error end_of_chunk();
  storage::Error end_of_trailer_line();
  storage::Error end_of_trailer();
  storage::Error check_chunk_signature();
  storage::Error check_trailer_signature();
  bool trailer_complete() const;

  Options options_;
  Stage stage_ = Stage::size_line;
  std::string line_;  // the chunk header or trailer line so far
  std::size_t trailer_bytes_ = 0;
  std::uint64_t chunk_left_ = 0;
  std::uint64_t decoded_ = 0;
  bool last_chunk_ = false;
  bool trailer_seen_ = false;
  bool trailer_signed_ = false;
  std::string trailer_value_;
  std::string canonical_trailer_;
  std::string previous_signature_;
  std::string chunk_signature_;
  std::optional<Digest> chunk_digest_;
};

}  // namespace api
