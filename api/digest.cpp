#include "api/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstring>
#include <utility>

#include "storage/base/check.h"

namespace api {
namespace {

// EVP_MD_fetch looks an algorithm up under a lock: once for the process, never for a request.
const EVP_MD* algorithm(Digest::Kind kind) {
  static const std::array<EVP_MD*, 4> fetched = {
      EVP_MD_fetch(nullptr, "MD5", nullptr), EVP_MD_fetch(nullptr, "SHA1", nullptr),
      EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_fetch(nullptr, "SHA512", nullptr)};
  const EVP_MD* found = fetched[static_cast<std::size_t>(kind)];
  CHECK(found != nullptr);
  return found;
}

// A context for one-shot digests of this thread.
struct ScratchContext {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ScratchContext() { CHECK(context != nullptr); }
  ~ScratchContext() { EVP_MD_CTX_free(context); }
  ScratchContext(const ScratchContext&) = delete;
  ScratchContext& operator=(const ScratchContext&) = delete;
};

EVP_MD_CTX* scratch() {
  thread_local ScratchContext context;
  return context.context;
}

// SHA-256 of `first` and then `second`.
Sha256Digest sha256_of(std::span<const std::uint8_t> first, std::span<const std::uint8_t> second) {
  Sha256Digest digest;
  unsigned length = 0;
  EVP_MD_CTX* const context = scratch();
  CHECK(EVP_DigestInit_ex2(context, algorithm(Digest::Kind::sha256), nullptr) == 1);
  CHECK(EVP_DigestUpdate(context, first.data(), first.size()) == 1);
  CHECK(EVP_DigestUpdate(context, second.data(), second.size()) == 1);
  CHECK(EVP_DigestFinal_ex(context, digest.data(), &length) == 1);
  return digest;
}

std::span<const std::uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Digest::Digest(Kind kind) : kind_(kind), context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
  CHECK(EVP_DigestInit_ex2(context_, algorithm(kind), nullptr) == 1);
}

Digest::~Digest() { EVP_MD_CTX_free(context_); }

Digest::Digest(Digest&& other) noexcept
    : kind_(other.kind_), context_(std::exchange(other.context_, nullptr)) {}

Digest& Digest::operator=(Digest&& other) noexcept {
  std::swap(kind_, other.kind_);
  std::swap(context_, other.context_);
  return *this;
}

void Digest::update(std::span<const std::byte> bytes) {
  CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
}

std::string Digest::finish() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  CHECK(EVP_DigestFinal_ex(context_, raw, &length) == 1);
  CHECK(EVP_DigestInit_ex2(context_, algorithm(kind_), nullptr) == 1);
  return std::string(reinterpret_cast<const char*>(raw), length);
}

Sha256Digest sha256(std::string_view text) { return sha256_of(octets(text), {}); }

Sha256Digest hmac_sha256(std::span<const std::uint8_t> key, std::string_view text) {
  constexpr std::size_t kBlockBytes = 64;
  Sha256Digest folded;
  if (key.size() > kBlockBytes) {
    folded = sha256_of(key, {});
    key = folded;
  }
  std::array<std::uint8_t, kBlockBytes> inner;
  std::array<std::uint8_t, kBlockBytes> outer;
  for (std::size_t i = 0; i < kBlockBytes; ++i) {
    const std::uint8_t byte = i < key.size() ? key[i] : std::uint8_t{0};
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  return sha256_of(outer, sha256_of(inner, octets(text)));
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace api
