// The operator's commands: they ask a running store over its admin port and print what it says.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "server/admin_client.h"
#include "server/config.h"

namespace server {

struct CommandOptions {
  AdminTarget target;
  bool json = false;  // print the store's answer as it came
};

// Each returns the exit code: 0, or 1 with a sentence on stderr.
int show_status(const CommandOptions& options);
int show_drives(const CommandOptions& options);
int add_drive(const CommandOptions& options, const std::string& path, std::uint64_t capacity_bytes);
int retire_drive(const CommandOptions& options, std::uint32_t drive);
int replace_drive(const CommandOptions& options, std::uint32_t drive, const std::string& path, std::uint64_t capacity_bytes);
// Starts a scrub of one drive, or of all, and waits for its end with a progress bar unless `wait` is false.
// The exit code is 1, too, when bytes that a record names are lost.
int scrub(const CommandOptions& options, std::optional<std::uint32_t> drive, bool wait);
// The records of the running store against its drives, and back. 1 when there are problems.
int check(const CommandOptions& options);
// The same for a store that is not running.
int check_stopped(const Config& config, bool json);
// Lists what stripes on the drives of a store that is not running name, with its metadata or without.
int list_from_drives(const Config& config, bool json);

// Users of the running store.
struct UserCommand {
  std::string name;
  std::string email;
  std::string access_key;  // of `key remove`
  std::string policy;      // its name
  std::string file;        // a policy document; "-": standard input
};
int list_users(const CommandOptions& options);
int show_user(const CommandOptions& options, const UserCommand& user);  // with the texts of the policies, as JSON
int add_user(const CommandOptions& options, const UserCommand& user);
int enable_user(const CommandOptions& options, const UserCommand& user, bool enabled);
int remove_user(const CommandOptions& options, const UserCommand& user);
int add_user_key(const CommandOptions& options, const UserCommand& user);
int remove_user_key(const CommandOptions& options, const UserCommand& user);
int put_user_policy(const CommandOptions& options, const UserCommand& user);
int remove_user_policy(const CommandOptions& options, const UserCommand& user);

// Buckets of the running store.
struct BucketCommand {
  std::string name;
  std::optional<std::uint64_t> quota_bytes;    // not given: as it is; 0: none
  std::optional<std::uint64_t> quota_objects;
};
int show_bucket(const CommandOptions& options, const BucketCommand& bucket);
int set_bucket_quota(const CommandOptions& options, const BucketCommand& bucket);

// What both print: a bar on a terminal, and the report; the latter returns the exit code.
void show_check_progress(const nlohmann::json& report);
int print_check(const nlohmann::json& report, bool as_json);

}  // namespace server
