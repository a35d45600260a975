// SecretBox: seals small texts with the store's own key, AES-256-GCM.
//
// Format   a byte 1, 12 bytes of nonce (random), the cipher text, 16 bytes of tag. `about` is authenticated and not stored: a
//          sealed text does not open in another place than the one it was made for.
// Threads  any.
// Errors   a text that was changed, made with another key or for another place does not open. Without a key nothing does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/secret.h"

namespace api {

inline constexpr std::size_t kSecretsKeyBytes = 32;

class SecretBox {
 public:
  // kSecretsKeyBytes bytes, or none.
  explicit SecretBox(std::string_view key);

  bool has_key() const { return !key_.empty(); }
  // nullopt without a key.
  std::optional<std::string> seal(std::string_view text, std::string_view about) const;
  std::optional<std::string> open(std::string_view sealed, std::string_view about) const;

 private:
  Secret key_;
};

// Bytes of the system's generator for keys. CHECKs that there is one.
std::string random_bytes(std::size_t count);

}  // namespace api
