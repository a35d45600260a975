#include "server/config.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "server/secrets_key.h"
#include "server/webhook.h"

namespace server {
namespace {

using nlohmann::json;

constexpr std::size_t kExpansionMax = 1024;
constexpr std::uint64_t kSlowBytesPerSecondMax = 1ULL << 30;

// A sentence on its way to the operator.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::string text_of(const json& value, const std::string& name) {
  if (!value.is_string()) throw ConfigError(fmt::format("\"{}\" must be a text", name));
  return value.get<std::string>();
}

std::uint64_t number_of(const json& value, const std::string& name) {
  if (!value.is_number_unsigned()) throw ConfigError(fmt::format("\"{}\" must be a whole number, 0 or more", name));
  return value.get<std::uint64_t>();
}

unsigned small_number_of(const json& value, const std::string& name) {
  const std::uint64_t number = number_of(value, name);
  if (number > UINT32_MAX) throw ConfigError(fmt::format("\"{}\" is too large", name));
  return static_cast<unsigned>(number);
}

bool flag_of(const json& value, const std::string& name) {
  if (!value.is_boolean()) throw ConfigError(fmt::format("\"{}\" must be true or false", name));
  return value.get<bool>();
}

std::string secrets_key_of(const json& value, const std::string& name) {
  std::string key;
  if (!decode_secrets_key(text_of(value, name), key)) {
    throw ConfigError(fmt::format("\"{}\" must be 32 bytes in base64, such as `openssl rand -base64 32` prints", name));
  }
  return key;
}

std::vector<std::string> texts_of(const json& value, const std::string& name) {
  if (!value.is_array()) throw ConfigError(fmt::format("\"{}\" must be a list of texts", name));
  std::vector<std::string> texts;
  for (const json& each : value) texts.push_back(text_of(each, name));
  return texts;
}

using Readers = std::map<std::string, std::function<void(const json&, const std::string&)>>;

// Every key of `object` must have a reader: a misspelt key is an error, not a default.
void read_object(const json& object, const std::string& name, const Readers& readers) {
  if (!object.is_object()) throw ConfigError(fmt::format("{} must be an object", name));
  for (const auto& [key, value] : object.items()) {
    const auto reader = readers.find(key);
    if (reader == readers.end()) throw ConfigError(fmt::format("{} has the unknown key \"{}\": remove or correct it", name, key));
    reader->second(value, key);
  }
}

void add_drives(const std::string& text, std::uint64_t capacity_bytes, const std::filesystem::path& base, Config& config) {
  std::vector<std::string> paths;
  std::string why;
  if (!expand_braces(text, paths, why)) throw ConfigError(why);
  for (const std::string& path : paths) {
    const std::filesystem::path given(path);
    const std::filesystem::path whole = given.is_absolute() ? given : base / given;
    config.drives.push_back({whole.lexically_normal().string(), capacity_bytes});
  }
}

void read_drive(const json& value, const std::filesystem::path& base, Config& config) {
  if (value.is_string()) {
    add_drives(value.get<std::string>(), 0, base, config);
    return;
  }
  std::string path;
  std::uint64_t capacity_bytes = 0;
  read_object(value, "an entry of \"drives\"",
              {{"path", [&](const json& v, const std::string& n) { path = text_of(v, n); }},
               {"capacity_bytes", [&](const json& v, const std::string& n) { capacity_bytes = number_of(v, n); }}});
  if (path.empty()) throw ConfigError("an entry of \"drives\" has no \"path\"");
  add_drives(path, capacity_bytes, base, config);
}

api::User read_user(const json& value) {
  api::User user;
  const auto text = [](std::string& into) {
    return [&into](const json& v, const std::string& n) { into = text_of(v, n); };
  };
  read_object(value, "an entry of \"users\"",
              {{"name", text(user.name)},
               {"id", text(user.id)},
               {"email", text(user.email)},
               {"access_key", text(user.access_key)},
               {"secret_key", text(user.secret_key)}});
  if (user.access_key.empty() || user.secret_key.empty()) {
    throw ConfigError("every entry of \"users\" needs an \"access_key\" and a \"secret_key\"");
  }
  if (user.name.empty()) user.name = user.access_key;
  if (user.id.empty()) user.id = user.name;
  return user;
}

void read_encryption_keys(const json& value, const std::string& name, api::EncryptionOptions& encryption) {
  if (!value.is_object()) throw ConfigError(fmt::format("\"{}\" must be an object", name));
  for (const auto& [id, text] : value.items()) {
    auto key = text.is_string() ? api::SecretKey::from_base64(text.get_ref<const std::string&>()) : std::nullopt;
    // The text itself is not repeated: it may be a key that is nearly right.
    if (id.empty() || !key) {
      throw ConfigError(fmt::format("the encryption key \"{}\" must have a name and be the base64 of 32 bytes", id));
    }
    encryption.keys[id] = std::make_shared<const api::SecretKey>(std::move(*key));
  }
}

void read_encryption(const json& value, api::EncryptionOptions& encryption) {
  read_object(value, "\"encryption\"",
              {{"keys", [&](const json& v, const std::string& n) { read_encryption_keys(v, n, encryption); }},
               {"default_key", [&](const json& v, const std::string& n) { encryption.default_key = text_of(v, n); }},
               {"allow_http", [&](const json& v, const std::string& n) { encryption.allow_http = flag_of(v, n); }}});
  if (!encryption.default_key.empty() && !encryption.keys.contains(encryption.default_key)) {
    throw ConfigError(fmt::format("the default_key \"{}\" of \"encryption\" is none of its keys", encryption.default_key));
  }
}

void add_event_target(api::EventTarget target, api::NotificationOptions& notifications) {
  if (!api::is_target_name(target.name)) {
    throw ConfigError(fmt::format("the target \"{}\" of \"notifications\" must have a name of 1 to 64 letters, digits, -, _ and .", target.name));
  }
  for (const api::EventTarget& known : notifications.targets) {
    if (known.name == target.name) throw ConfigError(fmt::format("two targets of \"notifications\" are called \"{}\"", target.name));
  }
  notifications.targets.push_back(std::move(target));
}

// Paths are taken from the folder of the configuration.
using Beside = std::function<std::string(const std::string&)>;

void read_webhooks(const json& value, const std::string& name, const Beside& beside, api::NotificationOptions& notifications) {
  if (!value.is_object()) throw ConfigError(fmt::format("\"{}\" must be an object", name));
  for (const auto& [target_name, entry] : value.items()) {
    api::EventTarget target;
    target.kind = api::EventTargetKind::webhook;
    target.name = target_name;
    read_object(entry, fmt::format("the webhook \"{}\"", target_name),
                {{"url", [&](const json& v, const std::string& n) { target.url = text_of(v, n); }},
                 {"token", [&](const json& v, const std::string& n) { target.token = text_of(v, n); }},
                 {"certificate_authority",
                  [&](const json& v, const std::string& n) { target.certificate_authority = beside(text_of(v, n)); }}});
    if (!parse_webhook_url(target.url)) {
      throw ConfigError(fmt::format("the \"url\" of the webhook \"{}\" must be http://HOST[:PORT]/PATH or https://...", target_name));
    }
    const bool clean = target.token.find_first_of("\r\n") == std::string::npos;
    if (!clean) throw ConfigError(fmt::format("the \"token\" of the webhook \"{}\" must be one line", target_name));
    add_event_target(std::move(target), notifications);
  }
}

void read_directories(const json& value, const std::string& name, const Beside& beside, api::NotificationOptions& notifications) {
  if (!value.is_object()) throw ConfigError(fmt::format("\"{}\" must be an object", name));
  for (const auto& [target_name, path] : value.items()) {
    api::EventTarget target;
    target.kind = api::EventTargetKind::directory;
    target.name = target_name;
    target.path = beside(text_of(path, target_name));
    if (target.path.empty()) throw ConfigError(fmt::format("the directory \"{}\" must be a path", target_name));
    add_event_target(std::move(target), notifications);
  }
}

void read_notifications(const json& value, const Beside& beside, api::NotificationOptions& notifications) {
  read_object(value, "\"notifications\"",
              {{"webhooks", [&](const json& v, const std::string& n) { read_webhooks(v, n, beside, notifications); }},
               {"directories", [&](const json& v, const std::string& n) { read_directories(v, n, beside, notifications); }},
               {"event_bridge", [&](const json& v, const std::string& n) { notifications.event_bridge = text_of(v, n); }},
               {"queue_events_max", [&](const json& v, const std::string& n) { notifications.queue_events_max = number_of(v, n); }},
               {"queue_bytes_max", [&](const json& v, const std::string& n) { notifications.queue_bytes_max = number_of(v, n); }}});
  if (notifications.event_bridge.empty()) return;
  for (const api::EventTarget& target : notifications.targets) {
    if (target.name == notifications.event_bridge) return;
  }
  throw ConfigError(fmt::format("the event_bridge \"{}\" of \"notifications\" is none of its targets", notifications.event_bridge));
}

void read_file(const std::string& file, Config& config) {
  std::ifstream stream(file);
  if (!stream) throw ConfigError(fmt::format("the configuration file {} cannot be read", file));
  json document;
  try {
    document = json::parse(stream, nullptr, true, /*ignore_comments=*/true);
  } catch (const json::exception& error) {
    throw ConfigError(fmt::format("{} is not JSON: {}", file, error.what()));
  }
  const std::filesystem::path base = std::filesystem::absolute(file).parent_path();
  config.folder = base.string();
  const auto beside = [&](const std::string& path) {
    return path.empty() || std::filesystem::path(path).is_absolute() ? path : (base / path).string();
  };
  const Readers tls{{"listen", [&](const json& v, const std::string& n) { config.tls.listen = text_of(v, n); }},
                    {"certificate", [&](const json& v, const std::string& n) { config.tls.certificate = beside(text_of(v, n)); }},
                    {"key", [&](const json& v, const std::string& n) { config.tls.key = beside(text_of(v, n)); }}};
  UpkeepConfig& upkeep = config.upkeep;
  const auto rate = [](std::uint64_t& into) {
    return [&into](const json& v, const std::string& n) {
      into = number_of(v, n);
      if (into == 0) throw ConfigError(fmt::format("\"{}\" must be at least 1", n));
    };
  };
  const Readers upkeep_keys{
      {"collector_bytes_per_second", rate(upkeep.collector_bytes_per_s)},
      {"rebuild_bytes_per_second", rate(upkeep.rebuild_bytes_per_s)},
      {"scrub_bytes_per_second", rate(upkeep.scrub_bytes_per_s)},
      {"scrub_period_seconds", [&](const json& v, const std::string& n) { upkeep.scrub_period_s = number_of(v, n); }},
      {"rebuild_grace_seconds", [&](const json& v, const std::string& n) { upkeep.rebuild_grace_s = small_number_of(v, n); }}};
  const auto list = [](const json& value, const std::string& name, const std::function<void(const json&)>& each) {
    if (!value.is_array()) throw ConfigError(fmt::format("\"{}\" must be a list", name));
    for (const json& entry : value) each(entry);
  };
  read_object(
      document, file,
      {{"listen", [&](const json& v, const std::string& n) { config.listen = text_of(v, n); }},
       {"tls", [&](const json& v, const std::string&) { read_object(v, "\"tls\"", tls); }},
       {"admin_listen", [&](const json& v, const std::string& n) { config.admin_listen = text_of(v, n); }},
       {"admin_socket", [&](const json& v, const std::string& n) { config.admin_socket = beside(text_of(v, n)); }},
       {"admin_token", [&](const json& v, const std::string& n) { config.admin_token = text_of(v, n); }},
       {"upkeep", [&](const json& v, const std::string&) { read_object(v, "\"upkeep\"", upkeep_keys); }},
       {"lifecycle",
        [&](const json& v, const std::string&) {
          read_object(v, "\"lifecycle\"",
                      {{"day_seconds", [&](const json& w, const std::string& n) { config.lifecycle.day_seconds = small_number_of(w, n); }},
                       {"scan_seconds", [&](const json& w, const std::string& n) { config.lifecycle.scan_seconds = small_number_of(w, n); }}});
        }},
       {"notifications", [&](const json& v, const std::string&) { read_notifications(v, beside, config.notifications); }},
       {"access_log_seconds", [&](const json& v, const std::string& n) { config.access_log_seconds = small_number_of(v, n); }},
       {"website_domains", [&](const json& v, const std::string& n) { config.website_domains = texts_of(v, n); }},
       {"storage_classes", [&](const json& v, const std::string& n) { config.storage_classes = texts_of(v, n); }},
       {"encryption", [&](const json& v, const std::string&) { read_encryption(v, config.encryption); }},
       {"region", [&](const json& v, const std::string& n) { config.region = text_of(v, n); }},
       {"locations", [&](const json& v, const std::string& n) { config.locations = texts_of(v, n); }},
       {"domains", [&](const json& v, const std::string& n) { config.domains = texts_of(v, n); }},
       {"drives",
        [&](const json& v, const std::string& n) { list(v, n, [&](const json& e) { read_drive(e, base, config); }); }},
       {"memory_bytes", [&](const json& v, const std::string& n) { config.memory_bytes = number_of(v, n); }},
       {"answer_bytes_max", [&](const json& v, const std::string& n) { config.answer_bytes_max = number_of(v, n); }},
       {"users",
        [&](const json& v, const std::string& n) { list(v, n, [&](const json& e) { config.users.push_back(read_user(e)); }); }},
       {"threads",
        [&](const json& v, const std::string& n) { config.threads = small_number_of(v, n); }},
       {"connections_max",
        [&](const json& v, const std::string& n) { config.connections_max = small_number_of(v, n); }},
       {"memory_wait_ms",
        [&](const json& v, const std::string& n) { config.memory_wait_ms = small_number_of(v, n); }},
       {"slow_client_bytes_per_second",
        [&](const json& v, const std::string& n) { config.slow_client_bytes_per_second = number_of(v, n); }},
       {"slow_reader_bytes_per_second",
        [&](const json& v, const std::string& n) { config.slow_reader_bytes_per_second = number_of(v, n); }},
       {"secrets_key", [&](const json& v, const std::string& n) { config.secrets_key = secrets_key_of(v, n); }},
       {"secrets_key_file", [&](const json& v, const std::string& n) { config.secrets_key_file = beside(text_of(v, n)); }},
       {"signature_v2", [&](const json& v, const std::string& n) { config.signature_v2 = flag_of(v, n); }},
       {"unsafe_anonymous_reads",
        [&](const json& v, const std::string& n) { config.unsafe_anonymous_reads = flag_of(v, n); }}});
}

void apply_flags(const Flags& flags, Config& config) {
  if (!flags.listen.empty()) config.listen = flags.listen;
  if (!flags.tls_listen.empty()) config.tls.listen = flags.tls_listen;
  if (!flags.tls_certificate.empty()) config.tls.certificate = flags.tls_certificate;
  if (!flags.tls_key.empty()) config.tls.key = flags.tls_key;
  if (!flags.admin_listen.empty()) config.admin_listen = flags.admin_listen;
  if (!flags.drives.empty()) config.drives.clear();
  for (const std::string& drive : flags.drives) add_drives(drive, 0, std::filesystem::current_path(), config);
}

void apply_environment(Config& config) {
  const char* access_key = std::getenv("GRANARY_ACCESS_KEY");
  const char* secret_key = std::getenv("GRANARY_SECRET_KEY");
  if ((access_key == nullptr) != (secret_key == nullptr)) {
    throw ConfigError("GRANARY_ACCESS_KEY and GRANARY_SECRET_KEY go together: set both or neither");
  }
  if (access_key == nullptr) return;
  if (config.users.empty()) config.users.push_back({"main", "main", "", "", ""});
  config.users.front().access_key = access_key;
  config.users.front().secret_key = secret_key;
}

void check_address(const std::string& address, const char* name) {
  std::string host;
  std::uint16_t port = 0;
  if (!split_address(address, host, port)) {
    throw ConfigError(fmt::format("{} must be HOST:PORT, but is \"{}\"", name, address));
  }
}

// sockaddr_un holds no longer path.
constexpr std::size_t kSocketPathMax = 107;

void check(const Config& config, bool serving) {
  check_address(config.listen, "listen");
  if (!config.tls.listen.empty()) {
    check_address(config.tls.listen, "tls.listen");
    if (config.tls.certificate.empty() || config.tls.key.empty()) {
      throw ConfigError("TLS needs a certificate and a key: give both");
    }
  } else if (!config.tls.certificate.empty() || !config.tls.key.empty()) {
    throw ConfigError("a TLS certificate or key is given, but no address to listen on: give tls.listen");
  }
  if (!config.admin_listen.empty()) check_address(config.admin_listen, "admin_listen");
  if (config.admin_socket.size() > kSocketPathMax) {
    throw ConfigError(fmt::format("admin_socket must be a path of at most {} bytes", kSocketPathMax));
  }
  if (!config.admin_token.empty() && config.admin_token.size() < 16) {
    throw ConfigError("admin_token must have at least 16 characters");
  }
  if (config.drives.empty()) throw ConfigError("no drive is given: name at least one directory, file or block device");
  std::set<std::string> paths;
  for (const DriveConfig& drive : config.drives) {
    if (!paths.insert(drive.path).second) throw ConfigError(fmt::format("the drive {} is named twice", drive.path));
  }
  if (config.memory_bytes < kMemoryBytesMin) {
    throw ConfigError(fmt::format("memory_bytes must be at least {}", kMemoryBytesMin));
  }
  constexpr std::uint64_t kAnswerBytesMax = std::uint64_t{1} << 32;  // half of what is kept of all answers together
  if (config.answer_bytes_max == 0 || config.answer_bytes_max > kAnswerBytesMax) {
    throw ConfigError(fmt::format("answer_bytes_max must be from 1 to {}", kAnswerBytesMax));
  }
  if (config.connections_max == 0) throw ConfigError("connections_max must be at least 1");
  if (config.memory_wait_ms < 100 || config.memory_wait_ms > 60'000) {
    throw ConfigError("memory_wait_ms must be from 100 to 60000");
  }
  if (std::max(config.slow_client_bytes_per_second, config.slow_reader_bytes_per_second) > kSlowBytesPerSecondMax) {
    throw ConfigError(fmt::format("slow_client_bytes_per_second and slow_reader_bytes_per_second must be at most {}",
                                  kSlowBytesPerSecondMax));
  }
  if (config.threads > 1024) throw ConfigError("threads must be at most 1024");
  constexpr std::uint32_t kDaySeconds = 24 * 3600;
  if (config.lifecycle.day_seconds == 0 || config.lifecycle.day_seconds > kDaySeconds) {
    throw ConfigError("the day_seconds of \"lifecycle\" must be from 1 to 86400");
  }
  if (config.lifecycle.scan_seconds == 0 || config.lifecycle.scan_seconds > kDaySeconds) {
    throw ConfigError("the scan_seconds of \"lifecycle\" must be from 1 to 86400");
  }
  if (config.access_log_seconds == 0 || config.access_log_seconds > kDaySeconds) {
    throw ConfigError("access_log_seconds must be from 1 to 86400");
  }
  for (const std::string& name : config.storage_classes) {
    if (name.empty() || name.size() > 64 || name == "STANDARD") {
      throw ConfigError(fmt::format("the storage class \"{}\" must have 1 to 64 characters and not be STANDARD", name));
    }
  }
  if (!config.secrets_key.empty() && !config.secrets_key_file.empty()) {
    throw ConfigError("give secrets_key or secrets_key_file, not both");
  }
  if (config.region.empty()) throw ConfigError("region must not be empty");
  if (config.users.empty() && serving) {
    throw ConfigError("no user is given: set GRANARY_ACCESS_KEY and GRANARY_SECRET_KEY, or \"users\" in the configuration");
  }
  std::set<std::string> keys;
  for (const api::User& user : config.users) {
    if (!keys.insert(user.access_key).second) throw ConfigError("two users have the same access_key");
    if (user.secret_key.size() < 8) throw ConfigError("a secret_key must have at least 8 characters");
    if (user.secret_key.size() > 256) throw ConfigError("a secret_key must have at most 256 characters");
  }
}

}  // namespace

bool split_address(const std::string& text, std::string& host, std::uint16_t& port) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, port);
  return error == std::errc() && stop == end && begin != end;
}

bool expand_braces(const std::string& text, std::vector<std::string>& expanded, std::string& why) {
  const std::size_t open = text.find('{');
  const std::size_t close = text.find('}', open == std::string::npos ? 0 : open);
  if (open == std::string::npos) {
    expanded.push_back(text);
    return true;
  }
  const std::size_t dots = text.find("...", open);
  unsigned first = 0;
  unsigned last = 0;
  bool sound = close != std::string::npos && dots != std::string::npos && dots < close;
  if (sound) {
    const auto number = [&](std::size_t from, std::size_t to, unsigned& value) {
      const auto [stop, error] = std::from_chars(text.data() + from, text.data() + to, value);
      return from < to && error == std::errc() && stop == text.data() + to;
    };
    sound = number(open + 1, dots, first) && number(dots + 3, close, last) && first <= last &&
            last - first < kExpansionMax;
  }
  if (!sound) {
    why = fmt::format("\"{}\" has braces that are not {{FIRST...LAST}}, such as /mnt/d{{1...6}}", text);
    return false;
  }
  const bool padded = text[open + 1] == '0' && dots - open - 1 > 1;
  const std::size_t width = padded ? dots - open - 1 : 0;
  for (unsigned number = first; number <= last; ++number) {
    const std::string one = text.substr(0, open) + fmt::format("{:0{}}", number, width) + text.substr(close + 1);
    if (!expand_braces(one, expanded, why)) return false;
    if (expanded.size() > kExpansionMax) {
      why = fmt::format("\"{}\" names more than {} drives", text, kExpansionMax);
      return false;
    }
  }
  return true;
}

bool load_config(const Flags& flags, Config& config, std::string& why) {
  try {
    if (!flags.config_file.empty()) read_file(flags.config_file, config);
    apply_flags(flags, config);
    apply_environment(config);
    check(config, flags.serving);
    return true;
  } catch (const ConfigError& error) {
    why = error.what();
    return false;
  }
}

}  // namespace server
