// AdminService: what the operator's commands mean. JSON in and out; README.md has the calls.
//
// Threads   one executor at a time (AdminServer's). Lifetime: the store, its users and the registry outlive it.
#pragma once

#include <atomic>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "api/user_registry.h"
#include "server/admin_server.h"
#include "server/store_node.h"
#include "storage/base/metrics.h"

namespace server {

class AdminService {
 public:
  AdminService(StoreNode& store, api::UserRegistry& users, const storage::MetricsRegistry& metrics)
      : store_(store), users_(users), metrics_(metrics) {}

  Task<AdminAnswer> handle(AdminRequest request);

  // From now on the store is not ready.
  void stop() { stopping_.store(true); }

 private:
  AdminAnswer start_scrub(const AdminRequest& request);
  AdminAnswer start_check(const AdminRequest& request);
  Task<AdminAnswer> add_drive(AdminRequest request);
  Task<AdminAnswer> retire_drive(std::uint32_t drive, AdminRequest request);
  Task<AdminAnswer> replace_drive(std::uint32_t drive, AdminRequest request);

  StoreNode& store_;
  api::UserRegistry& users_;
  const storage::MetricsRegistry& metrics_;
  std::atomic<bool> stopping_{false};
};

// The state of the store as `granary status` and `granary drives` show it.
nlohmann::json status_document(StoreNode& store);
nlohmann::json drives_document(StoreNode& store);
nlohmann::json check_document(const storage::upkeep::Checker::Report& report);

}  // namespace server
