// Keyring: the keys that wrap data keys: those of the configuration (SSE-KMS) and the store's own (SSE-S3).
//
// The store's own key is made at first use and kept with the settings of a bucket whose name no client can spell, in the
// metadata store: wrapped under the default key of the configuration (else its first), or open where none is configured.
// Once there is a configured key, an open one is wrapped; once the default key is another one, it is wrapped anew. So the
// keys of the configuration change without a byte of any object being written.
//
// Threads   any. Lifetime: the store outlives it.
// Errors    Errc::unsupported when the key that wraps the store's own is configured no more; those of the store.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/secret_key.h"
#include "api/service.h"

namespace api {

class Keyring {
 public:
  Keyring(storage::ObjectStore& store, const EncryptionOptions& options);
  ~Keyring();

  struct Named {
    std::string name;  // as configured
    SecretKeyPtr key;  // null: there is none
  };
  // The configured key of that name; the last part of an ARN names one too.
  Named find(std::string_view key_id) const;
  // The key for requests that name none; null key: none is configured as such.
  Named default_key() const;

  storage::Task<storage::Result<SecretKeyPtr>> store_key();

 private:
  storage::Task<storage::Result<>> load();
  Named wrapping_key() const;
  storage::Result<SecretKeyPtr> decode(std::string_view text) const;
  std::string encode(const SecretKey& key) const;

  struct Loaded;
  storage::ObjectStore& store_;
  const EncryptionOptions& options_;
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace api
