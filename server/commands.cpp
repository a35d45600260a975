#include "server/commands.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace server {
namespace {

using nlohmann::json;

// Calls the store; prints the sentence if it refuses. nullopt then.
std::optional<json> call(const CommandOptions& options, const char* method, const std::string& path, const json& body = {}) {
  json answer;
  std::string why;
  if (admin_call(options.target, method, path, body.is_null() ? std::string() : body.dump(), answer, why)) return answer;
  fmt::print(stderr, "granary: {}\n", why);
  return std::nullopt;
}

int print_json(const json& document) {
  fmt::print("{}\n", document.dump(2));
  return 0;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace

int show_status(const CommandOptions& options) {
  const auto status = call(options, "GET", "/v1/status");
  if (!status) return 1;
  if (options.json) return print_json(*status);
  const json& space = status->at("space");
  const json& geometry = status->at("geometry");
  const std::uint64_t zone_bytes = space.at("zone_bytes");
  fmt::print("store      {}\n", status->at("store").get<std::string>());
  fmt::print("state      {}\n", status->at("state").get<std::string>());
  fmt::print("drives     {} of {} alive, new data as {}+{}\n", status->at("drives").at("alive").get<unsigned>(),
             status->at("drives").at("total").get<unsigned>(), geometry.at("data_shards").get<unsigned>(),
             geometry.at("parity_shards").get<unsigned>());
  fmt::print("metadata   {} of {} mirrors\n", status->at("metadata_mirrors").at("current").size(),
             status->at("metadata_mirrors").at("wanted").get<unsigned>());
  fmt::print("space      {} of {} in free zones\n", bytes_text(space.at("zones_free").get<std::uint64_t>() * zone_bytes),
             bytes_text(space.at("zones_total").get<std::uint64_t>() * zone_bytes));
  return 0;
}

int show_drives(const CommandOptions& options) {
  const auto drives = call(options, "GET", "/v1/drives");
  if (!drives) return 1;
  if (options.json) return print_json(*drives);
  fmt::print("{:>3}  {:<9} {:>10} {:>11}  {:<8}  {}\n", "ID", "STATE", "CAPACITY", "FREE ZONES", "MIRROR", "PATH");
  for (const json& drive : drives->at("drives")) {
    fmt::print("{:>3}  {:<9} {:>10} {:>5}/{:<5}  {:<8}  {}\n", drive.at("id").get<unsigned>(),
               drive.at("state").get<std::string>(), bytes_text(drive.at("capacity_bytes")),
               drive.at("zones_free").get<std::uint64_t>(), drive.at("zones").get<std::uint64_t>(),
               drive.at("metadata_mirror").get<bool>() ? "yes" : "no", drive.at("path").get<std::string>());
  }
  return 0;
}

}  // namespace server
