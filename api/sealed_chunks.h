// The form of an encrypted body at rest, and AES-256-GCM over it.
//
// Format    a body is a row of chunks of 64 KiB of plain bytes; the last one is shorter, if need be empty, so that every
//           body has an end of its own. A chunk is stored as
//             nonce (12 bytes: 8 random ones of the body, then the chunk's number, big-endian) | cipher text | tag (16)
//           and authenticates part number, chunk number and whether it is the last. So chunks that were moved, left out or
//           taken from another part do not open, and any range of a body can be read alone.
//           The random bytes let one data key serve all parts of an upload, parts sent again included.
// Source    NIST SP 800-38D; construction after STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015).
// Threads   an object belongs to one task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/secret_key.h"

struct evp_cipher_ctx_st;

namespace api {

inline constexpr std::size_t kPlainChunkBytes = 64 * 1024;
inline constexpr std::size_t kChunkNonceBytes = 12;
inline constexpr std::size_t kChunkTagBytes = 16;
inline constexpr std::size_t kChunkOverheadBytes = kChunkNonceBytes + kChunkTagBytes;
inline constexpr std::size_t kStoredChunkBytes = kPlainChunkBytes + kChunkOverheadBytes;

// Bytes at rest of a body of `plain` bytes.
constexpr std::uint64_t sealed_size(std::uint64_t plain) {
  return plain + kChunkOverheadBytes * (plain / kPlainChunkBytes + 1);
}

// A context of OpenSSL with one key.
class GcmContext {
 public:
  explicit GcmContext(const SecretKey& key);
  ~GcmContext();
  GcmContext(const GcmContext&) = delete;
  GcmContext& operator=(const GcmContext&) = delete;

  evp_cipher_ctx_st* get() const { return context_; }

 private:
  evp_cipher_ctx_st* context_;
};

class ChunkSealer {
 public:
  // `part`: the number of the part, 0 for a body that is none.
  ChunkSealer(const SecretKey& key, std::uint32_t part);

  // Encrypts the next chunk in place: its `length` plain bytes lie kChunkNonceBytes behind the beginning of `chunk`, which
  // becomes length + kChunkOverheadBytes stored bytes. `last` exactly for a chunk of less than kPlainChunkBytes.
  void seal(std::span<std::byte> chunk, std::size_t length, bool last);

 private:
  GcmContext context_;
  std::uint32_t part_;
  std::uint32_t next_ = 0;
  std::uint8_t prefix_[8];
};

class ChunkOpener {
 public:
  explicit ChunkOpener(const SecretKey& key) : context_(key) {}

  // One chunk: begin(), update() for its cipher text in pieces, finish(). Nothing that update() gave may be used unless
  // finish() says true. begin() is false when the nonce does not belong to chunk `number`.
  bool begin(std::span<const std::byte> nonce, std::uint32_t part, std::uint32_t number, bool last);
  // `plain` has room for as many bytes; may be the same memory.
  void update(std::span<const std::byte> cipher, std::byte* plain);
  bool finish(std::span<std::byte> tag);

 private:
  GcmContext context_;
};

// `secret` encrypted under `key`, with `context` authenticated: nonce, cipher text, tag.
std::string wrap_key(const SecretKey& key, const SecretKey& secret, std::string_view context);
// nullopt when another key or context was used, or the bytes were changed.
std::optional<SecretKey> unwrap_key(const SecretKey& key, std::string_view wrapped, std::string_view context);

}  // namespace api
