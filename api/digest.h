// Message digests of OpenSSL, their algorithms fetched once for the process.
//
// Threads  an object belongs to one task at a time; the free functions may be called from any thread.
// Errors   none: a digest that cannot be set up is a broken installation and CHECKs at first use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace api {

using Sha256Digest = std::array<std::uint8_t, 32>;

class Digest {
 public:
  enum class Kind { md5, sha1, sha256, sha512 };

  explicit Digest(Kind kind);
  ~Digest();
  Digest(Digest&& other) noexcept;
  Digest& operator=(Digest&& other) noexcept;

  void update(std::span<const std::byte> bytes);
  // The raw digest; the object then starts over.
  std::string finish();

 private:
  Kind kind_;
  evp_md_ctx_st* context_;
};

// The ETag's hash. A class of its own, since many streams of one thread can be hashed side by side in SIMD
// lanes.
class Md5 {
 public:
  void update(std::span<const std::byte> bytes) { digest_.update(bytes); }
  std::string finish() { return digest_.finish(); }  // 16 raw bytes

 private:
  Digest digest_{Digest::Kind::md5};
};

Sha256Digest sha256(std::string_view text);
// RFC 2104 with SHA-256.
Sha256Digest hmac_sha256(std::span<const std::uint8_t> key, std::string_view text);

// Compares in time that depends on the lengths alone.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace api
