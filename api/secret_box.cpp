#include "api/secret_box.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>

#include "storage/base/check.h"

namespace api {
namespace {

constexpr char kFormat = 1;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kTextBytesMax = 1024 * 1024;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

unsigned char* octets(std::string& text, std::size_t at = 0) { return reinterpret_cast<unsigned char*>(text.data()) + at; }
const unsigned char* octets(std::string_view text, std::size_t at = 0) {
  return reinterpret_cast<const unsigned char*>(text.data()) + at;
}

// Takes the authenticated text in; false if OpenSSL refuses.
bool start(EVP_CIPHER_CTX* context, std::string_view key, std::string_view nonce, std::string_view about, bool sealing) {
  int length = 0;
  return context != nullptr &&
         EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nullptr, octets(key), octets(nonce), sealing ? 1 : 0) == 1 &&
         EVP_CipherUpdate(context, nullptr, &length, octets(about), static_cast<int>(about.size())) == 1;
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  CHECK(RAND_bytes(octets(bytes), static_cast<int>(count)) == 1);
  return bytes;
}

SecretBox::SecretBox(std::string_view key) {
  if (key.size() == kSecretsKeyBytes) key_ = Secret(key);
}

std::optional<std::string> SecretBox::seal(std::string_view text, std::string_view about) const {
  if (!has_key() || text.size() > kTextBytesMax || about.size() > kTextBytesMax) return std::nullopt;
  const std::string nonce = random_bytes(kNonceBytes);
  const Context context(EVP_CIPHER_CTX_new());
  std::string sealed(1 + kNonceBytes + text.size() + kTagBytes, '\0');
  sealed[0] = kFormat;
  nonce.copy(sealed.data() + 1, kNonceBytes);
  int length = 0;
  int rest = 0;
  const bool done = start(context.get(), key_.view(), nonce, about, true) &&
                    EVP_CipherUpdate(context.get(), octets(sealed, 1 + kNonceBytes), &length, octets(text),
                                     static_cast<int>(text.size())) == 1 &&
                    EVP_CipherFinal_ex(context.get(), octets(sealed, 1 + kNonceBytes + text.size()), &rest) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                                        octets(sealed, 1 + kNonceBytes + text.size())) == 1;
  CHECK(done);
  return sealed;
}

std::optional<std::string> SecretBox::open(std::string_view sealed, std::string_view about) const {
  constexpr std::size_t kFrame = 1 + kNonceBytes + kTagBytes;
  if (!has_key() || sealed.size() < kFrame || sealed.size() > kTextBytesMax + kFrame || sealed[0] != kFormat) {
    return std::nullopt;
  }
  const std::string_view nonce = sealed.substr(1, kNonceBytes);
  const std::string_view cipher = sealed.substr(1 + kNonceBytes, sealed.size() - kFrame);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  const Context context(EVP_CIPHER_CTX_new());
  std::string text(cipher.size() + kTagBytes, '\0');  // room that the cipher may ask for
  int length = 0;
  int rest = 0;
  const bool done = start(context.get(), key_.view(), nonce, about, false) &&
                    EVP_CipherUpdate(context.get(), octets(text), &length, octets(cipher),
                                     static_cast<int>(cipher.size())) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, octets(tag)) == 1 &&
                    EVP_CipherFinal_ex(context.get(), octets(text, static_cast<std::size_t>(length)), &rest) == 1;
  if (!done) {
    wipe(text.data(), text.size());
    return std::nullopt;
  }
  text.resize(cipher.size());
  return text;
}

}  // namespace api
