// The operator's calls about users: /v1/users. README.md has them.
#pragma once

#include "api/user_registry.h"
#include "server/admin_server.h"

namespace server {

// Answers every request whose path is /v1/users or below.
Task<AdminAnswer> handle_users(api::UserRegistry& users, AdminRequest request);

}  // namespace server
