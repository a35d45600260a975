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

// SSE-C, SSE-S3, SSE-KMS, DSSE-KMS (two layers, each under a data key of its own).
enum class EncryptionKind { none, customer, store, kms, kms_double };

constexpr bool is_kms(EncryptionKind kind) { return kind == EncryptionKind::kms || kind == EncryptionKind::kms_double; }

// What the bytes of a body are encrypted with; without an outer key not at all.
struct BodyKeys {
  SecretKeyPtr outer;
  SecretKeyPtr inner;  // of a second layer beneath; else null
  bool whole_first = false;  // the first of several parts was encrypted as a body without parts: others were appended to it

  explicit operator bool() const { return outer != nullptr; }
};

struct Envelope {
  EncryptionKind kind = EncryptionKind::none;
  std::string customer_md5;  // of SSE-C: base64 of the MD5 of the client's key
  std::string key_id;        // of KMS: as the client named the key
  std::string context;       // of KMS: the encryption context, base64 of JSON as it came; empty: none
  bool bucket_key = false;   // of KMS: what the client said of bucket keys
  std::string wrapping_key;  // of KMS: the configured name of the key that wraps
  std::string wrapped;       // the data key: nonce, cipher text, tag
  bool whole_first = false;  // see BodyKeys
  std::string wrapped_inner;  // that of the inner layer, likewise; empty: there is none

  std::string text() const;
  static std::optional<Envelope> parse(std::string_view text);

  // Makes data keys, as many as the kind needs, wraps them under `key`, and returns them.
  BodyKeys seal(const SecretKey& key);
  // nullopt: another key, or a changed envelope.
  std::optional<BodyKeys> open(const SecretKey& key) const;

 private:
  std::string authenticated(std::string_view layer) const;
};

}  // namespace api
