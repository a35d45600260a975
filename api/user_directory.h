// UserDirectory: who has which access key. Users of the configuration, and users of the registry, which come and go while the
// store runs.
//
// Threads   any; readers take a snapshot, a change swaps it.
// Secrets   keys are held for signatures only, in memory that is left out of core dumps, and wiped when they go.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/access/principal.h"
#include "api/secret.h"

namespace api {

struct User;

// One access key and whose it is.
struct Credential {
  PrincipalPtr principal;
  Secret secret;
  std::uint64_t serial = 0;        // another one for every key that was ever loaded: what caches of derived keys compare
  std::int64_t expires_ms = 0;     // of temporary credentials; 0: never
  bool temporary = false;
};
using CredentialPtr = std::shared_ptr<const Credential>;

class UserDirectory {
 public:
  explicit UserDirectory(std::vector<User> configured);
  ~UserDirectory();

  // What stands beside the configured users from now on. One entry a key; users without any key in `principals` too.
  void replace(std::vector<CredentialPtr> credentials, std::vector<PrincipalPtr> principals);
  static std::uint64_t next_serial();

  // Another number after each replace().
  std::uint64_t generation() const;

  CredentialPtr find_key(std::string_view access_key) const;  // null: there is none
  bool knows_id(std::string_view id) const;
  bool knows_any(std::string_view id_name_or_key) const;
  PrincipalPtr find_user(std::string_view id) const;           // null: there is none
  // The same for a user who has a key that works: not disabled.
  PrincipalPtr find_active(std::string_view id) const;
  PrincipalPtr find_name(std::string_view name) const;
  std::optional<std::string> id_of_email(std::string_view email) const;
  // The name to show for an id; empty when nobody has it.
  std::string display_name(std::string_view id) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace api
