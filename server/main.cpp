// granary: the command line.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "server/config.h"
#include "server/server.h"

namespace {

constexpr const char* kVersion = GRANARY_VERSION;

int serve(const server::Flags& flags) {
  server::Config config;
  std::string why;
  if (!server::load_config(flags, config, why)) {
    fmt::print(stderr, "granary: {}\n", why);
    return 1;
  }
  return server::serve(config);
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
  serve_command->add_option("--admin-listen", flags.admin_listen, "HOST:PORT of health and /metrics");
  serve_command->add_option("DRIVE", flags.drives, "Directory, file or block device; /mnt/d{1...6} expands");
  CLI::App* version_command = app.add_subcommand("version", "Print the version");

  CLI11_PARSE(app, argc, argv);
  if (version_command->parsed()) {
    fmt::print("granary {}\n", kVersion);
    return 0;
  }
  return serve(flags);
}
