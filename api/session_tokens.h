// SessionTokens: temporary credentials that nobody has to remember. All there is to know of them stands in the token, sealed by
// the store's own key; so they survive restarts and need no row.
//
// Format   the token is base64url of a sealed (secret_box.h) JSON {"user", "secret", "expires_ms", "issued_ms", "policy"}, about
//          "session\nACCESSKEY".
// Threads  any; opened tokens are cached, a fixed number of them.
// Ends     when they expire, or when their user is disabled, removed or loses what they were allowed: that is looked up anew.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/error_table.h"
#include "api/user_directory.h"
#include "storage/base/clock.h"

namespace api {

class SecretBox;

inline constexpr std::size_t kSessionPolicyBytesMax = 2048;

struct SessionWish {
  std::string user_id;
  std::int64_t expires_ms = 0;
  std::string policy;  // empty: as the user
};

struct NewSession {
  std::string access_key;
  std::string secret_key;
  std::string token;
};

class SessionTokens {
 public:
  SessionTokens(storage::Clock& clock, const SecretBox& box, const UserDirectory& users);
  ~SessionTokens();

  // Errors: InvalidRequest without a secrets key.
  Outcome<NewSession> make(const SessionWish& wish) const;

  // Errors: InvalidToken, ExpiredToken, InvalidAccessKeyId (the user is gone or disabled).
  Outcome<CredentialPtr> open(std::string_view access_key, std::string_view token) const;

 private:
  Outcome<CredentialPtr> decode(std::string_view access_key, std::string_view token) const;

  storage::Clock& clock_;
  const SecretBox& box_;
  const UserDirectory& users_;
  struct Cache;
  std::unique_ptr<Cache> cache_;
};

}  // namespace api
