// The other end of AdminServer: one call, for the command line.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace server {

struct AdminTarget {
  std::string address;  // path of a unix socket, or HOST:PORT
  std::string token;    // for HOST:PORT
};

// Sends `method path` with `body` (empty: none) and waits for the answer as long as it takes. False and a sentence in
// `why` when the store cannot be reached or refuses.
bool admin_call(const AdminTarget& target, const std::string& method, const std::string& path, const std::string& body,
                nlohmann::json& answer, std::string& why);

}  // namespace server
