// The operator's calls about buckets: /v1/buckets. README.md has them.
#pragma once

#include "server/admin_server.h"
#include "storage/object_store.h"

namespace server {

// Answers every request whose path is below /v1/buckets/.
Task<AdminAnswer> handle_buckets(storage::ObjectStore& store, AdminRequest request);

}  // namespace server
