// granary: the command line.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "server/admin_server.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/server.h"

namespace {

constexpr const char* kVersion = GRANARY_VERSION;
constexpr const char* kDefaultListen = "127.0.0.1:9000";

int serve(const server::Flags& flags) {
  server::Config config;
  std::string why;
  if (!server::load_config(flags, config, why)) {
    fmt::print(stderr, "granary: {}\n", why);
    return 1;
  }
  return server::serve(config);
}

// What the operator's commands are given.
struct Arguments {
  server::CommandOptions options;
  std::optional<std::uint32_t> drive;
  std::string path;
  std::uint64_t capacity_bytes = 0;
  bool no_wait = false;
  bool from_drives = false;
  server::Flags store;  // of a check of a store that is not running
  server::UserCommand user;
  server::BucketCommand bucket;
};

int check(Arguments& arguments) {
  if (arguments.store.config_file.empty() && arguments.store.drives.empty() && !arguments.from_drives) return server::check(arguments.options);
  server::Config config;
  std::string why;
  arguments.store.serving = false;
  if (!server::load_config(arguments.store, config, why)) {
    fmt::print(stderr, "granary: {}\n", why);
    return 1;
  }
  if (arguments.from_drives) return server::list_from_drives(config, arguments.options.json);
  return server::check_stopped(config, arguments.options.json);
}

CLI::App* add_command(CLI::App& parent, const char* name, const char* what, Arguments& arguments) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->add_option("--admin", arguments.options.target.address,
                      "The store's admin socket, or HOST:PORT of its admin port (the socket of the store on port 9000)");
  command->add_option("--token", arguments.options.target.token, "Bearer token for HOST:PORT (also GRANARY_ADMIN_TOKEN)")
      ->envname("GRANARY_ADMIN_TOKEN");
  command->add_flag("--json", arguments.options.json, "Print JSON");
  return command;
}

// Groups of commands (`granary user ...`): the command that was given, or nothing.
using Step = std::function<int()>;

void add_user_commands(CLI::App& app, Arguments& arguments, std::vector<std::pair<CLI::App*, Step>>& steps) {
  CLI::App* users = app.add_subcommand("user", "Add, list, disable and remove users of the running store");
  users->require_subcommand(1);
  const auto add = [&](CLI::App& parent, const char* name, const char* what, Step step) {
    CLI::App* command = add_command(parent, name, what, arguments);
    steps.emplace_back(command, std::move(step));
    return command;
  };
  const auto named = [&](CLI::App* command) {
    command->add_option("NAME", arguments.user.name, "The user")->required();
    return command;
  };
  add(*users, "list", "Show them, with their keys", [&] { return server::list_users(arguments.options); });
  named(add(*users, "add", "Make a user with a first key, which is shown this once",
            [&] { return server::add_user(arguments.options, arguments.user); }))
      ->add_option("--email", arguments.user.email, "For grants by e-mail address");
  named(add(*users, "show", "Show one, with the texts of their policies",
            [&] { return server::show_user(arguments.options, arguments.user); }));
  named(add(*users, "disable", "Refuse the user's keys until further notice",
            [&] { return server::enable_user(arguments.options, arguments.user, false); }));
  named(add(*users, "enable", "Take them again", [&] { return server::enable_user(arguments.options, arguments.user, true); }));
  named(add(*users, "remove", "Remove the user; what they own stays",
            [&] { return server::remove_user(arguments.options, arguments.user); }));
  CLI::App* keys = users->add_subcommand("key", "Add or remove a key of a user");
  keys->require_subcommand(1);
  named(add(*keys, "add", "Make a further key, which is shown this once",
            [&] { return server::add_user_key(arguments.options, arguments.user); }));
  named(add(*keys, "remove", "Remove a key", [&] { return server::remove_user_key(arguments.options, arguments.user); }))
      ->add_option("ACCESSKEY", arguments.user.access_key, "The key")
      ->required();
  CLI::App* policies = users->add_subcommand("policy", "Put or remove a policy of a user");
  policies->require_subcommand(1);
  CLI::App* put = named(add(*policies, "put", "Limit the user to what their policies allow",
                            [&] { return server::put_user_policy(arguments.options, arguments.user); }));
  put->add_option("POLICY", arguments.user.policy, "Its name")->required();
  put->add_option("FILE", arguments.user.file, "The document; - for standard input")->required();
  named(add(*policies, "remove", "Remove a policy",
            [&] { return server::remove_user_policy(arguments.options, arguments.user); }))
      ->add_option("POLICY", arguments.user.policy, "Its name")
      ->required();
}

void add_bucket_commands(CLI::App& app, Arguments& arguments, std::vector<std::pair<CLI::App*, Step>>& steps) {
  CLI::App* buckets = app.add_subcommand("bucket", "Look at buckets of the running store and bound them");
  buckets->require_subcommand(1);
  CLI::App* show = add_command(*buckets, "show", "What a bucket holds, and may hold", arguments);
  show->add_option("NAME", arguments.bucket.name, "The bucket")->required();
  steps.emplace_back(show, [&] { return server::show_bucket(arguments.options, arguments.bucket); });
  CLI::App* quota = add_command(*buckets, "quota", "Bound what a bucket may hold, all versions counted; 0 takes a bound away", arguments);
  quota->add_option("NAME", arguments.bucket.name, "The bucket")->required();
  quota->add_option("--bytes", arguments.bucket.quota_bytes, "Bytes as clients see them");
  quota->add_option("--objects", arguments.bucket.quota_objects, "Objects, versions and delete markers");
  steps.emplace_back(quota, [&] { return server::set_bucket_quota(arguments.options, arguments.bucket); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Granary: an S3-compatible object store for machine-learning data sets"};
  app.require_subcommand(1);

  server::Flags flags;
  CLI::App* serve_command = app.add_subcommand("serve", "Serve the store in the foreground until SIGTERM");
  serve_command->add_option("--config", flags.config_file, "JSON file, comments allowed; flags win over it");
  serve_command->add_option("--listen", flags.listen, "HOST:PORT of the S3 endpoint (127.0.0.1:9000)");
  serve_command->add_option("--tls-listen", flags.tls_listen, "HOST:PORT of the S3 endpoint over TLS");
  serve_command->add_option("--tls-cert", flags.tls_certificate, "PEM file with the certificate chain");
  serve_command->add_option("--tls-key", flags.tls_key, "PEM file with the private key");
  serve_command->add_option("--admin-listen", flags.admin_listen, "HOST:PORT of health, /metrics and the commands");
  serve_command->add_option("DRIVE", flags.drives, "Directory, file or block device; /mnt/d{1...6} expands");
  CLI::App* version_command = app.add_subcommand("version", "Print the version");

  Arguments arguments;
  arguments.options.target.address = server::default_admin_socket(kDefaultListen);
  CLI::App* status_command = add_command(app, "status", "Show the state of the running store", arguments);
  CLI::App* drives_command = add_command(app, "drives", "Show its drives", arguments);
  CLI::App* drive_command = app.add_subcommand("drive", "Add, retire or replace a drive of the running store");
  drive_command->require_subcommand(1);
  const auto add_path = [&](CLI::App* command) {
    command->add_option("PATH", arguments.path, "Directory, file or block device")->required();
    command->add_option("--capacity-bytes", arguments.capacity_bytes, "Bytes of it to use");
  };
  CLI::App* add_drive = add_command(*drive_command, "add", "Make a blank drive a member", arguments);
  add_path(add_drive);
  CLI::App* retire_drive = add_command(*drive_command, "retire", "Move everything off a drive", arguments);
  retire_drive->add_option("ID", arguments.drive, "Its number, as `granary drives` shows it")->required();
  CLI::App* replace_drive = add_command(*drive_command, "replace", "Put a blank drive in another's place", arguments);
  replace_drive->add_option("ID", arguments.drive, "Number of the drive that goes")->required();
  add_path(replace_drive);
  CLI::App* scrub_command = add_command(app, "scrub", "Read and repair all drives, or one", arguments);
  scrub_command->add_option("ID", arguments.drive, "Number of the drive");
  scrub_command->add_flag("--no-wait", arguments.no_wait, "Do not wait for the end");
  CLI::App* check_command =
      add_command(app, "check", "Compare records and drives, of the running store or of one that is not", arguments);
  check_command->add_option("--config", arguments.store.config_file, "Configuration of a store that is not running");
  check_command->add_flag("--from-drives", arguments.from_drives,
                          "List what the drives' stripes name, deleted objects too: for a store that lost its metadata");
  check_command->add_option("DRIVE", arguments.store.drives, "Drives of a store that is not running");

  std::vector<std::pair<CLI::App*, Step>> steps;
  add_user_commands(app, arguments, steps);
  add_bucket_commands(app, arguments, steps);

  CLI11_PARSE(app, argc, argv);
  for (const auto& [command, step] : steps) {
    if (command->parsed()) return step();
  }
  if (version_command->parsed()) {
    fmt::print("granary {}\n", kVersion);
    return 0;
  }
  if (status_command->parsed()) return server::show_status(arguments.options);
  if (drives_command->parsed()) return server::show_drives(arguments.options);
  if (add_drive->parsed()) return server::add_drive(arguments.options, arguments.path, arguments.capacity_bytes);
  if (retire_drive->parsed()) return server::retire_drive(arguments.options, *arguments.drive);
  if (replace_drive->parsed()) {
    return server::replace_drive(arguments.options, *arguments.drive, arguments.path, arguments.capacity_bytes);
  }
  if (scrub_command->parsed()) return server::scrub(arguments.options, arguments.drive, !arguments.no_wait);
  if (check_command->parsed()) return check(arguments);
  return serve(flags);
}
