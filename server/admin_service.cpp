#include "server/admin_service.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "server/admin_arguments.h"
#include "server/admin_buckets.h"
#include "server/admin_users.h"
#include "server/request_metrics.h"

namespace server {
namespace {

using nlohmann::json;
using storage::segment::DriveStatus;
using storage::segment::MemberInfo;

json scrub_of(const storage::upkeep::Scrubber::Progress& progress) {
  json document = {{"running", progress.running},
                   {"started_ms", progress.started_ms},
                   {"ended_ms", progress.ended_ms},
                   {"segments_total", progress.segments_total},
                   {"segments_done", progress.segments_done},
                   {"segments_skipped", progress.segments_skipped},
                   {"bytes", progress.bytes},
                   {"stripes", progress.stripes},
                   {"headers_repaired", progress.headers_repaired},
                   {"shards_damaged", progress.shards_damaged},
                   {"shards_repaired", progress.shards_repaired},
                   {"shards_absent", progress.shards_absent},
                   {"stripes_unreadable", progress.stripes_unreadable},
                   {"stripes_lost", progress.stripes_lost},
                   {"stripes_torn", progress.stripes_torn}};
  if (progress.member) document["drive"] = *progress.member;
  return document;
}

const char* name_of(storage::upkeep::Rebuilder::State state) {
  using State = storage::upkeep::Rebuilder::State;
  switch (state) {
    case State::idle:
      return "idle";
    case State::waiting:
      return "waiting";
    case State::working:
      return "working";
    case State::stuck:
      return "stuck";
  }
  return "unknown";
}

// Segments of which a shard cannot be read at this moment; the rebuilder looks only once a second.
std::uint64_t degraded_segments(StoreNode& store) {
  std::uint64_t count = 0;
  for (const auto& record : store.segments().segments()) {
    const bool whole = std::all_of(record.members.begin(), record.members.end(), [&](const auto& member) {
      const DriveStatus status = store.drives().status(member.drive);
      return status == DriveStatus::alive || status == DriveStatus::suspect;
    });
    if (!whole) ++count;
  }
  return count;
}

json rebuild_of(const storage::upkeep::Rebuilder::Progress& progress) {
  return {{"state", name_of(progress.state)},
          {"segments_degraded", progress.segments_degraded},
          {"segments_left", progress.segments_left},
          {"segments_done", progress.segments_done},
          {"segments_stuck", progress.segments_stuck},
          {"bytes", progress.bytes},
          {"started_ms", progress.started_ms}};
}

// The state of the store in one word, the worst that is true.
const char* store_state(bool writable, const storage::upkeep::Rebuilder::Progress& rebuild, bool all_there) {
  using State = storage::upkeep::Rebuilder::State;
  if (!writable) return "read-only";
  if (rebuild.state == State::working) return "rebuilding";
  if (rebuild.segments_degraded > 0) return "degraded";
  return all_there ? "healthy" : "healthy, drives away";
}

AdminAnswer refused_by(const storage::Error& error, const std::string& why) {
  const unsigned status = error == storage::Errc::conflict ? 409 : error == storage::Errc::invalid_argument ? 400 : 500;
  return refused(status, why.empty() ? error.message() : why);
}

// The number in /v1/drives/NUMBER/action.
std::optional<std::uint32_t> drive_of(const std::string& path, std::string_view action) {
  constexpr std::string_view kPrefix = "/v1/drives/";
  if (path.size() <= kPrefix.size() + action.size() || !path.starts_with(kPrefix) || !path.ends_with(action)) {
    return std::nullopt;
  }
  const std::string_view digits(path.data() + kPrefix.size(), path.size() - kPrefix.size() - action.size());
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
  return number;
}

}  // namespace

json check_document(const storage::upkeep::Checker::Report& report) {
  using State = storage::upkeep::Checker::Report::State;
  const char* state = report.state == State::never     ? "never"
                      : report.state == State::running ? "running"
                      : report.state == State::done    ? "done"
                                                       : "failed";
  json document = {{"state", state},
                   {"extents", report.extents},
                   {"segments", report.segments},
                   {"segments_checked", report.segments_checked},
                   {"segments_open", report.segments_open},
                   {"stripes", report.stripes},
                   {"bytes_read", report.bytes_read},
                   {"shards_damaged", report.shards_damaged},
                   {"shards_absent", report.shards_absent},
                   {"problems_total", report.problems_total},
                   {"problems", report.problems}};
  if (!report.error.empty()) document["error"] = report.error;
  return document;
}

json drives_document(StoreNode& store) {
  const std::vector<std::uint32_t> mirrors = store.mirrors();
  json list = json::array();
  for (const MemberInfo& member : store.drives().members()) {
    list.push_back({{"id", member.number},
                    {"uuid", member.uuid},
                    {"path", member.path},
                    {"state", member.retiring && member.status == DriveStatus::alive ? "retiring" : storage::segment::status_name(member.status)},
                    {"capacity_bytes", member.capacity_bytes},
                    {"zones", member.zones},
                    {"zones_free", store.segments().zones_free(member.number)},
                    {"metadata_mirror", std::find(mirrors.begin(), mirrors.end(), member.number) != mirrors.end()}});
  }
  return {{"drives", std::move(list)}};
}

json status_document(StoreNode& store) {
  std::size_t total = 0;
  std::size_t alive = 0;
  for (const MemberInfo& member : store.drives().members()) {
    if (member.status == DriveStatus::retired) continue;
    ++total;
    if (member.status == DriveStatus::alive) ++alive;
  }
  const auto scheme = store.drives().scheme_for(store.drives().alive_count());
  const auto usage = store.segments().usage();
  auto rebuild = store.upkeep().rebuild();
  rebuild.segments_degraded = degraded_segments(store);
  const auto collected = store.upkeep().collected();
  json document = {{"store", store.drives().store_uuid()},
                   {"state", store_state(scheme.data > 0, rebuild, alive == total)},
                   {"geometry", {{"data_shards", scheme.data}, {"parity_shards", scheme.parity}}},
                   {"drives", {{"total", total}, {"alive", alive}}},
                   {"metadata_mirrors", {{"current", store.mirrors()}, {"wanted", store.drives().parity() + 1}}},
                   {"space",
                    {{"zone_bytes", usage.zone_bytes},
                     {"zones_total", usage.zones_total},
                     {"zones_free", usage.zones_free},
                     {"segments", usage.segments}}},
                   {"rebuild", rebuild_of(rebuild)},
                   {"scrub", scrub_of(store.upkeep().background_scrub())},
                   {"collector",
                    {{"moved_bytes", collected.moved_bytes},
                     {"freed_bytes", collected.freed_bytes},
                     {"freed_segments", collected.freed_segments}}},
                   {"repairs_queued", usage.repairs_queued}};
  return document;
}

Task<AdminAnswer> AdminService::handle(AdminRequest request) {
  const bool get = request.method == "GET";
  if (request.path == "/.granary/health/live" && get) co_return AdminAnswer{200, "ok\n", "text/plain"};
  if (request.path == "/.granary/health/ready" && get) {
    co_return stopping_.load() ? AdminAnswer{503, "stopping\n", "text/plain"} : AdminAnswer{200, "ok\n", "text/plain"};
  }
  if (request.path == "/metrics" && get) {
    co_return AdminAnswer{200, metrics_text(metrics_), "text/plain; version=0.0.4; charset=utf-8"};
  }
  if (request.path == "/v1/status" && get) co_return answer_of(status_document(store_));
  if (request.path == "/v1/drives" && get) co_return answer_of(drives_document(store_));
  if (request.path == "/v1/scrub" && get) co_return answer_of(scrub_of(store_.upkeep().demanded_scrub()));
  if (request.path == "/v1/check" && get) co_return answer_of(check_document(store_.upkeep().checked()));
  if (request.path.starts_with("/v1/buckets/")) co_return co_await handle_buckets(store_.objects(), std::move(request));
  if (request.path == "/v1/users" || request.path.starts_with("/v1/users/")) {
    co_return co_await handle_users(users_, std::move(request));
  }
  if (request.method == "POST") {
    if (request.path == "/v1/scrub") co_return start_scrub(request);
    if (request.path == "/v1/check") co_return start_check(request);
    if (request.path == "/v1/drives") co_return co_await add_drive(std::move(request));
    if (const auto drive = drive_of(request.path, "/retire")) co_return co_await retire_drive(*drive, std::move(request));
    if (const auto drive = drive_of(request.path, "/replace")) co_return co_await replace_drive(*drive, std::move(request));
  }
  co_return answer_of({{"error", "there is no such command: " + request.method + " " + request.path}}, 404);
}

AdminAnswer AdminService::start_scrub(const AdminRequest& request) {
  Arguments arguments(request.body);
  const auto drive = arguments.number("drive");
  if (const std::string error = arguments.error(); !error.empty()) return refused(400, error);
  std::optional<std::uint32_t> member;
  if (drive) member = static_cast<std::uint32_t>(std::min<std::uint64_t>(*drive, UINT32_MAX));
  Result<> started = store_.upkeep().start_scrub(member);
  if (started) return answer_of({{"started", true}}, 202);
  if (started.error() == storage::Errc::conflict) return refused(409, "a scrub is running");
  return refused(400, "there is no such drive");
}

AdminAnswer AdminService::start_check(const AdminRequest& request) {
  Arguments arguments(request.body);
  if (const std::string error = arguments.error(); !error.empty()) return refused(400, error);
  Result<> started = store_.upkeep().start_check();
  return started ? answer_of({{"started", true}}, 202) : refused(409, "a check is running");
}

Task<AdminAnswer> AdminService::add_drive(AdminRequest request) {
  Arguments arguments(request.body);
  storage::segment::DriveSpec spec;
  spec.path = arguments.text("path");
  spec.capacity_bytes = arguments.number("capacity_bytes").value_or(0);
  if (const std::string error = arguments.error(); !error.empty()) co_return refused(400, error);
  if (!spec.path.starts_with('/')) co_return refused(400, "path must be an absolute path");
  std::string why;
  auto added = co_await store_.upkeep().add_drive(std::move(spec), why);
  if (!added) co_return refused_by(added.error(), why);
  co_return answer_of({{"id", *added}});
}

Task<AdminAnswer> AdminService::retire_drive(std::uint32_t drive, AdminRequest request) {
  Arguments arguments(request.body);
  if (const std::string error = arguments.error(); !error.empty()) co_return refused(400, error);
  std::string why;
  auto begun = co_await store_.upkeep().retire_drive(drive, why);
  if (!begun) co_return refused_by(begun.error(), why);
  co_return answer_of({{"retiring", drive}});
}

Task<AdminAnswer> AdminService::replace_drive(std::uint32_t drive, AdminRequest request) {
  Arguments arguments(request.body);
  storage::segment::DriveSpec spec;
  spec.path = arguments.text("path");
  spec.capacity_bytes = arguments.number("capacity_bytes").value_or(0);
  if (const std::string error = arguments.error(); !error.empty()) co_return refused(400, error);
  if (!spec.path.starts_with('/')) co_return refused(400, "path must be an absolute path");
  std::string why;
  auto added = co_await store_.upkeep().replace_drive(drive, std::move(spec), why);
  if (!added) co_return refused_by(added.error(), why);
  co_return answer_of({{"id", *added}, {"retiring", drive}});
}

}  // namespace server
