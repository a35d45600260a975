// granary bucket ...
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/commands.h"

namespace server {
namespace {

using nlohmann::json;

// Calls the store about one bucket and prints what it holds and may hold.
int call(const CommandOptions& options, const std::string& name, const char* method, const std::string& action,
         const json& body) {
  if (name.empty() || name.find_first_of("/?# %") != std::string::npos) {
    fmt::print(stderr, "granary: \"{}\" is no bucket name\n", name);
    return 1;
  }
  json answer;
  std::string why;
  if (!admin_call(options.target, method, "/v1/buckets/" + name + action, body.is_null() ? "" : body.dump(), answer, why)) {
    fmt::print(stderr, "granary: {}\n", why);
    return 1;
  }
  if (options.json) {
    fmt::print("{}\n", answer.dump(2));
    return 0;
  }
  const auto line = [&](const char* what, const char* used, const char* quota) {
    const auto bound = answer.at(quota).get<std::uint64_t>();
    fmt::print("{:<8} {:>15}  {}\n", what, answer.at(used).get<std::uint64_t>(),
               bound == 0 ? std::string("no quota") : fmt::format("of {}", bound));
  };
  fmt::print("owner    {}\n", answer.at("owner").get<std::string>());
  line("objects", "objects", "quota_objects");
  line("bytes", "bytes", "quota_bytes");
  return 0;
}

}  // namespace

int show_bucket(const CommandOptions& options, const BucketCommand& bucket) {
  return call(options, bucket.name, "GET", "", nullptr);
}

int set_bucket_quota(const CommandOptions& options, const BucketCommand& bucket) {
  json body = json::object();
  if (bucket.quota_bytes) body["bytes"] = *bucket.quota_bytes;
  if (bucket.quota_objects) body["objects"] = *bucket.quota_objects;
  return call(options, bucket.name, "POST", "/quota", body);
}

}  // namespace server
