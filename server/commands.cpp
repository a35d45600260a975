#include "server/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

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

std::uint64_t number(const json& document, const char* name) { return document.at(name).get<std::uint64_t>(); }

void show_progress(std::uint64_t done, std::uint64_t total, std::uint64_t bytes) {
  constexpr std::uint64_t kWidth = 40;
  const std::uint64_t filled = total == 0 ? 0 : std::min(done, total) * kWidth / total;
  fmt::print(stderr, "\r[{:-<{}}{:{}}] {}/{} segments, {} ", "", filled, "", kWidth - filled, done, total, bytes_text(bytes));
  std::fflush(stderr);
}

// Asks for `path` until `running` says no, showing progress on a terminal.
template <class Running>
std::optional<json> wait_for(const CommandOptions& options, const std::string& path, const char* done, const char* total,
                             const char* bytes, Running running) {
  const bool terminal = ::isatty(STDERR_FILENO) != 0 && !options.json;
  while (true) {
    auto answer = call(options, "GET", path);
    if (!answer) return std::nullopt;
    if (terminal) show_progress(number(*answer, done), number(*answer, total), number(*answer, bytes));
    if (!running(*answer)) {
      if (terminal) fmt::print(stderr, "\n");
      return answer;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

// A path as the store sees it, which has a working directory of its own.
std::string absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

int print_answer(const CommandOptions& options, const std::optional<json>& answer, const std::string& sentence) {
  if (!answer) return 1;
  if (options.json) return print_json(*answer);
  fmt::print("{}\n", sentence);
  return 0;
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
  const json& rebuild = status->at("rebuild");
  fmt::print("rebuild    {}, {} segments short of a shard, {} left to move\n", rebuild.at("state").get<std::string>(),
             rebuild.at("segments_degraded").get<std::uint64_t>(), rebuild.at("segments_left").get<std::uint64_t>());
  const json& scrub = status->at("scrub");
  fmt::print("scrub      {} of {} segments, {} damaged shards, {} repaired\n",
             scrub.at("segments_done").get<std::uint64_t>(), scrub.at("segments_total").get<std::uint64_t>(),
             scrub.at("shards_damaged").get<std::uint64_t>(), scrub.at("shards_repaired").get<std::uint64_t>());
  const json& collector = status->at("collector");
  fmt::print("collector  {} freed, {} written again\n", bytes_text(collector.at("freed_bytes")),
             bytes_text(collector.at("moved_bytes")));
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

int add_drive(const CommandOptions& options, const std::string& path, std::uint64_t capacity_bytes) {
  json body = {{"path", absolute(path)}};
  if (capacity_bytes > 0) body["capacity_bytes"] = capacity_bytes;
  const auto answer = call(options, "POST", "/v1/drives", body);
  return print_answer(options, answer, answer ? fmt::format("{} is drive {} now", path, number(*answer, "id")) : "");
}

int retire_drive(const CommandOptions& options, std::uint32_t drive) {
  const auto answer = call(options, "POST", fmt::format("/v1/drives/{}/retire", drive), json::object());
  return print_answer(options, answer,
                      fmt::format("drive {} gets no new data; what lies on it is being moved: `granary drives` tells", drive));
}

int replace_drive(const CommandOptions& options, std::uint32_t drive, const std::string& path,
                  std::uint64_t capacity_bytes) {
  json body = {{"path", absolute(path)}};
  if (capacity_bytes > 0) body["capacity_bytes"] = capacity_bytes;
  const auto answer = call(options, "POST", fmt::format("/v1/drives/{}/replace", drive), body);
  return print_answer(options, answer,
                      answer ? fmt::format("{} is drive {} now; drive {} is being emptied onto it", path,
                                           number(*answer, "id"), drive)
                             : "");
}

int scrub(const CommandOptions& options, std::optional<std::uint32_t> drive, bool wait) {
  json body = json::object();
  if (drive) body["drive"] = *drive;
  const auto started = call(options, "POST", "/v1/scrub", body);
  if (!started) return 1;
  if (!wait) return print_answer(options, started, "the scrub has begun");
  const auto result = wait_for(options, "/v1/scrub", "segments_done", "segments_total", "bytes",
                               [](const json& answer) { return answer.at("running").get<bool>(); });
  if (!result) return 1;
  const bool lost = number(*result, "stripes_lost") + number(*result, "stripes_unreadable") > 0;
  print_answer(options, result,
               fmt::format("{} stripes read, {} damaged shards, {} repaired, {} on drives that are away, {} stripes lost",
                           number(*result, "stripes"), number(*result, "shards_damaged"),
                           number(*result, "shards_repaired"), number(*result, "shards_absent"),
                           number(*result, "stripes_lost") + number(*result, "stripes_unreadable")));
  return lost ? 1 : 0;
}

void show_check_progress(const json& report) {
  if (::isatty(STDERR_FILENO) == 0) return;
  show_progress(number(report, "segments_checked"), number(report, "segments"), number(report, "bytes_read"));
}

int print_check(const json& report, bool as_json) {
  const bool sound = report.at("state") == "done" && number(report, "problems_total") == 0;
  if (as_json) {
    print_json(report);
    return sound ? 0 : 1;
  }
  for (const json& problem : report.at("problems")) fmt::print("{}\n", problem.get<std::string>());
  if (report.contains("error")) fmt::print("the check ended early: {}\n", report.at("error").get<std::string>());
  fmt::print("{} extents in {} segments ({} of them open), {} stripes, {} read: {} problems\n", number(report, "extents"),
             number(report, "segments"), number(report, "segments_open"), number(report, "stripes"),
             bytes_text(number(report, "bytes_read")), number(report, "problems_total"));
  return sound ? 0 : 1;
}

int check(const CommandOptions& options) {
  if (!call(options, "POST", "/v1/check", json::object())) return 1;
  const auto report = wait_for(options, "/v1/check", "segments_checked", "segments", "bytes_read",
                               [](const json& answer) { return answer.at("state") == "running" || answer.at("state") == "never"; });
  return report ? print_check(*report, options.json) : 1;
}

}  // namespace server
