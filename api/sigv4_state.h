// The inside of Authenticator, shared by the files of the two signature versions.
#pragma once

#include <algorithm>
#include <array>
#include <mutex>
#include <string>

#include "api/sigv4.h"

namespace api {

// The signing keys in use. A slot is found by the hash of (credential, date, region) and holds one key, so the
// cache has a fixed size; two that share a slot replace each other, which costs four HMACs and nothing else.
class SigningKeyCache {
 public:
  Sha256Digest get(const Credential& credential, std::string_view date, std::string_view region) {
    const std::size_t index = (credential.serial * 31 + std::hash<std::string_view>{}(date) * 7 +
                               std::hash<std::string_view>{}(region)) %
                              slots_.size();
    {
      const std::lock_guard lock(mutex_);
      const Slot& slot = slots_[index];
      if (slot.serial == credential.serial && slot.date == date && slot.region == region) return key_of(slot.key);
    }
    const Sha256Digest key = signing_key(credential.secret.view(), date, region);
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[index];
    slot.serial = credential.serial;
    slot.date = date;
    slot.region = region;
    slot.key = Secret(std::string_view(reinterpret_cast<const char*>(key.data()), key.size()));
    return key;
  }

 private:
  struct Slot {
    std::uint64_t serial = 0;  // 0: empty
    std::string date;
    std::string region;
    Secret key;
  };

  static Sha256Digest key_of(const Secret& secret) {
    Sha256Digest key{};
    std::copy(secret.view().begin(), secret.view().end(), key.begin());
    return key;
  }

  std::mutex mutex_;
  std::array<Slot, 1024> slots_;
};

struct Authenticator::State {
  storage::Clock& clock;
  const UserDirectory& users;
  Options options;
  SigningKeyCache keys;

  State(storage::Clock& service_clock, const UserDirectory& directory, Options given)
      : clock(service_clock), users(directory), options(std::move(given)) {}
};

}  // namespace api
