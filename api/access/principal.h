// Principal: who asks, and what limits them beside the access control of what they ask for.
//
// Threads  immutable once made; shared by the requests of one key.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace api {

class Policy;

struct Principal {
  std::string id;          // canonical user id
  std::string name;
  std::string email;
  std::string access_key;  // the one that signed
  std::string token_issued;  // of temporary credentials: when, ISO 8601; else empty
  // The user's own policies. Without one a user is the owner of what is theirs and needs no further leave; with one they may
  // do only what these, a bucket's policy or somebody else's access control list allow.
  std::vector<std::shared_ptr<const Policy>> policies;
  // Of temporary credentials: nothing is allowed that this does not allow too. Null: as the user.
  std::shared_ptr<const Policy> session_policy;

  bool restricted() const { return !policies.empty(); }
};
using PrincipalPtr = std::shared_ptr<const Principal>;

// The canonical id of callers without a signature, as AWS has it.
inline constexpr std::string_view kAnonymousId = "65a011a29cdf8ec533ec3d1ccaae921c";

}  // namespace api
