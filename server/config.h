// Configuration: what `granary serve` was told, by file, flags and environment, checked once at start.
//
// Errors  parse and check failures come back as one sentence that says what to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/service.h"

namespace server {

struct DriveConfig {
  std::string path;
  std::uint64_t capacity_bytes = 0;  // 0: see README
};

struct TlsConfig {
  std::string listen;       // HOST:PORT; empty: no TLS
  std::string certificate;  // PEM chain
  std::string key;          // PEM
};

struct UpkeepConfig {
  // Budgets beside clients; without clients upkeep goes as fast as the drives do.
  std::uint64_t collector_bytes_per_s = 64ULL << 20;
  std::uint64_t rebuild_bytes_per_s = 64ULL << 20;
  std::uint64_t scrub_bytes_per_s = 32ULL << 20;
  std::uint64_t scrub_period_s = 14ULL * 24 * 3600;  // 0: only on demand
  std::uint32_t rebuild_grace_s = 600;               // a drive may be away for so long
};

struct Config {
  std::string listen = "127.0.0.1:9000";
  TlsConfig tls;
  std::string admin_listen;  // admin over TCP; empty: none
  std::string admin_socket;  // admin over a unix socket; empty: default_admin_socket(), done without if that fails
  std::string admin_token;   // needed over TCP
  std::string region = "us-east-1";
  std::vector<std::string> locations;
  std::vector<std::string> domains;
  std::vector<DriveConfig> drives;
  std::uint64_t memory_bytes = 2ULL << 30;
  std::vector<api::User> users;
  unsigned threads = 0;         // 0: one a core
  unsigned connections_max = 16'384;  // less where the process may not open so many files
  unsigned memory_wait_ms = 5'000;    // longest wait of a request for memory; then 503 SlowDown
  // While memory is short, clients slower than this over five seconds are cut; 0: none.
  std::uint64_t slow_client_bytes_per_second = 16 * 1024;
  // Readers slower than this over a minute are cut in any case, since they hold old bytes on the drives; 0: none.
  std::uint64_t slow_reader_bytes_per_second = 4 * 1024;
  UpkeepConfig upkeep;
  api::LifecycleOptions lifecycle;
  std::uint64_t answer_bytes_max = api::AnswerLimits().answer_bytes_max;  // of one answer of a virtual object
  std::uint32_t access_log_seconds = 300;    // how often access logs are written into their target buckets
  std::vector<std::string> storage_classes;  // beside those of AWS
  std::vector<std::string> website_domains;  // websites answer on BUCKET.domain; s3-website.localhost always
  api::NotificationOptions notifications;
  api::EncryptionOptions encryption;  // "keys": id to the base64 of 32 bytes
  // Seals users' secrets and temporary credentials: 32 bytes given, or kept in a file that is made at the first start.
  std::string secrets_key;
  std::string secrets_key_file;        // empty: see secrets_key.h
  std::string folder;                  // of the configuration file; empty without one
  bool signature_v2 = true;            // the old signature of requests is taken too
  bool unsafe_anonymous_reads = false;
};

inline constexpr std::uint64_t kMemoryBytesMin = 256ULL << 20;

// What the command line gave; empty strings and vectors: not given.
struct Flags {
  std::string config_file;
  std::string listen;
  std::string tls_listen;
  std::string tls_certificate;
  std::string tls_key;
  std::string admin_listen;
  std::vector<std::string> drives;
  bool serving = true;  // else no user is needed
};

// File, then flags over it, then the first user from GRANARY_ACCESS_KEY and GRANARY_SECRET_KEY. Returns false and a
// sentence in `why` if anything is wrong.
bool load_config(const Flags& flags, Config& config, std::string& why);

// `/mnt/d{1...4}` -> /mnt/d1 .. /mnt/d4; leading zeros keep the width. A text without braces is itself.
bool expand_braces(const std::string& text, std::vector<std::string>& expanded, std::string& why);

// "HOST:PORT" or "[V6]:PORT".
bool split_address(const std::string& text, std::string& host, std::uint16_t& port);

}  // namespace server
