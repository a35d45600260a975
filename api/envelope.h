// Envelope: what a version keeps (storage::Controls::encryption) about how its bytes were encrypted: by which kind of key, and
// the data key, wrapped by that key. No key lies open in it.
//
// Format    lines "name=value"; unknown names are refused, so that an older server never guesses. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/secret_key.h"

namespace api {

enum class EncryptionKind { none, customer, store, kms };  // SSE-C, SSE-S3, SSE-KMS

struct Envelope {
  EncryptionKind kind = EncryptionKind::none;
  std::string customer_md5;  // of SSE-C: base64 of the MD5 of the client's key
  std::string key_id;        // of KMS: as the client named the key
  std::string context;       // of KMS: the encryption context, base64 of JSON as it came; empty: none
  bool bucket_key = false;   // of KMS: what the client said of bucket keys
  std::string wrapping_key;  // of KMS: the configured name of the key that wraps
  std::string wrapped;       // the data key: nonce, cipher text, tag

  std::string text() const;
  static std::optional<Envelope> parse(std::string_view text);

  // Makes a data key, wraps it under `key`, and returns it.
  SecretKey seal(const SecretKey& key);
  // nullopt: another key, or a changed envelope.
  std::optional<SecretKey> open(const SecretKey& key) const;

 private:
  std::string authenticated() const;
};

}  // namespace api
