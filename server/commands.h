// The operator's commands: they ask a running store over its admin port and print what it says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/admin_client.h"

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
int scrub(const CommandOptions& options, std::optional<std::uint32_t> drive, bool wait);

}  // namespace server
