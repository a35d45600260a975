#include "api/sealed_chunks.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <stdexcept>

#include "storage/base/check.h"

namespace api {
namespace {

// Fetched once for the process: a look-up takes a lock.
const EVP_CIPHER* aes_256_gcm() {
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  CHECK(cipher != nullptr);
  return cipher;
}

const unsigned char* octets(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }
unsigned char* octets(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

void put_big_endian(std::uint32_t value, std::uint8_t* into) {
  for (int i = 3; i >= 0; --i, value >>= 8) into[i] = static_cast<std::uint8_t>(value & 0xff);
}

using ChunkContext = std::array<std::uint8_t, 9>;

// What a chunk authenticates beside its bytes.
ChunkContext chunk_context(std::uint32_t part, std::uint32_t number, bool last) {
  ChunkContext context;
  put_big_endian(part, context.data());
  put_big_endian(number, context.data() + 4);
  context[8] = last ? 1 : 0;
  return context;
}

void random_bytes(std::uint8_t* into, std::size_t count) {
  if (RAND_bytes(into, static_cast<int>(count)) != 1) throw std::runtime_error("no random bytes for a nonce");
}

}  // namespace

GcmContext::GcmContext(const SecretKey& key) : context_(EVP_CIPHER_CTX_new()) {
  CHECK(context_ != nullptr);
  CHECK(EVP_CipherInit_ex2(context_, aes_256_gcm(), key.bytes().data(), nullptr, 1, nullptr) == 1);
}

GcmContext::~GcmContext() { EVP_CIPHER_CTX_free(context_); }  // wipes the key schedule

ChunkSealer::ChunkSealer(const SecretKey& key, std::uint32_t part) : context_(key), part_(part) {
  random_bytes(prefix_, sizeof prefix_);
}

void ChunkSealer::seal(std::span<std::byte> chunk, std::size_t length, bool last) {
  CHECK(length <= kPlainChunkBytes);
  CHECK(last == (length < kPlainChunkBytes));
  CHECK(chunk.size() >= length + kChunkOverheadBytes);
  CHECK(next_ != UINT32_MAX);
  unsigned char* const nonce = octets(chunk.data());
  std::memcpy(nonce, prefix_, sizeof prefix_);
  put_big_endian(next_, nonce + sizeof prefix_);
  const ChunkContext aad = chunk_context(part_, next_++, last);
  EVP_CIPHER_CTX* const context = context_.get();
  unsigned char* const text = nonce + kChunkNonceBytes;
  int written = 0;
  CHECK(EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce, nullptr) == 1);
  CHECK(EVP_EncryptUpdate(context, nullptr, &written, aad.data(), static_cast<int>(aad.size())) == 1);
  if (length > 0) CHECK(EVP_EncryptUpdate(context, text, &written, text, static_cast<int>(length)) == 1);
  CHECK(EVP_EncryptFinal_ex(context, text + length, &written) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kChunkTagBytes, text + length) == 1);
}

bool ChunkOpener::begin(std::span<const std::byte> nonce, std::uint32_t part, std::uint32_t number, bool last) {
  CHECK(nonce.size() == kChunkNonceBytes);
  std::uint8_t expected[4];
  put_big_endian(number, expected);
  if (std::memcmp(nonce.data() + kChunkNonceBytes - sizeof expected, expected, sizeof expected) != 0) return false;
  const ChunkContext aad = chunk_context(part, number, last);
  int written = 0;
  CHECK(EVP_DecryptInit_ex2(context_.get(), nullptr, nullptr, octets(nonce.data()), nullptr) == 1);
  CHECK(EVP_DecryptUpdate(context_.get(), nullptr, &written, aad.data(), static_cast<int>(aad.size())) == 1);
  return true;
}

void ChunkOpener::update(std::span<const std::byte> cipher, std::byte* plain) {
  int written = 0;
  CHECK(EVP_DecryptUpdate(context_.get(), octets(plain), &written, octets(cipher.data()),
                          static_cast<int>(cipher.size())) == 1);
  CHECK(static_cast<std::size_t>(written) == cipher.size());
}

bool ChunkOpener::finish(std::span<std::byte> tag) {
  CHECK(tag.size() == kChunkTagBytes);
  CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kChunkTagBytes, tag.data()) == 1);
  unsigned char nothing[kChunkTagBytes];
  int written = 0;
  return EVP_DecryptFinal_ex(context_.get(), nothing, &written) == 1;
}

std::string wrap_key(const SecretKey& key, const SecretKey& secret, std::string_view context) {
  const GcmContext gcm(key);
  std::string wrapped(kChunkNonceBytes + SecretKey::kBytes + kChunkTagBytes, '\0');
  auto* const nonce = reinterpret_cast<unsigned char*>(wrapped.data());
  unsigned char* const text = nonce + kChunkNonceBytes;
  random_bytes(nonce, kChunkNonceBytes);
  int written = 0;
  CHECK(EVP_EncryptInit_ex2(gcm.get(), nullptr, nullptr, nonce, nullptr) == 1);
  CHECK(EVP_EncryptUpdate(gcm.get(), nullptr, &written, reinterpret_cast<const unsigned char*>(context.data()),
                          static_cast<int>(context.size())) == 1);
  CHECK(EVP_EncryptUpdate(gcm.get(), text, &written, secret.bytes().data(), SecretKey::kBytes) == 1);
  CHECK(EVP_EncryptFinal_ex(gcm.get(), text + SecretKey::kBytes, &written) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(gcm.get(), EVP_CTRL_AEAD_GET_TAG, kChunkTagBytes, text + SecretKey::kBytes) == 1);
  return wrapped;
}

std::optional<SecretKey> unwrap_key(const SecretKey& key, std::string_view wrapped, std::string_view context) {
  if (wrapped.size() != kChunkNonceBytes + SecretKey::kBytes + kChunkTagBytes) return std::nullopt;
  const GcmContext gcm(key);
  const auto* const nonce = reinterpret_cast<const unsigned char*>(wrapped.data());
  const unsigned char* const text = nonce + kChunkNonceBytes;
  std::array<char, SecretKey::kBytes> plain;
  std::array<unsigned char, kChunkTagBytes> tag;
  std::memcpy(tag.data(), text + SecretKey::kBytes, tag.size());
  int written = 0;
  CHECK(EVP_DecryptInit_ex2(gcm.get(), nullptr, nullptr, nonce, nullptr) == 1);
  CHECK(EVP_DecryptUpdate(gcm.get(), nullptr, &written, reinterpret_cast<const unsigned char*>(context.data()),
                          static_cast<int>(context.size())) == 1);
  CHECK(EVP_DecryptUpdate(gcm.get(), reinterpret_cast<unsigned char*>(plain.data()), &written, text,
                          SecretKey::kBytes) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(gcm.get(), EVP_CTRL_AEAD_SET_TAG, kChunkTagBytes, tag.data()) == 1);
  unsigned char nothing[kChunkTagBytes];
  std::optional<SecretKey> secret;
  if (EVP_DecryptFinal_ex(gcm.get(), nothing, &written) == 1) {
    secret = SecretKey::from_bytes({plain.data(), plain.size()});
  }
  OPENSSL_cleanse(plain.data(), plain.size());
  return secret;
}

}  // namespace api
