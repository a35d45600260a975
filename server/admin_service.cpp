#include "server/admin_service.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/request_metrics.h"

namespace server {
namespace {

using nlohmann::json;
using storage::segment::DriveStatus;
using storage::segment::MemberInfo;

AdminAnswer answer_of(const json& document, unsigned status = 200) {
  return {status, document.dump() + "\n", "application/json"};
}

const char* name_of(DriveStatus status) {
  switch (status) {
    case DriveStatus::alive:
      return "alive";
    case DriveStatus::suspect:
      return "suspect";
    case DriveStatus::lost:
      return "lost";
    case DriveStatus::missing:
      return "missing";
    case DriveStatus::retired:
      return "retired";
  }
  return "unknown";
}

}  // namespace

json drives_document(StoreNode& store) {
  const std::vector<std::uint32_t> mirrors = store.mirrors();
  json list = json::array();
  for (const MemberInfo& member : store.drives().members()) {
    list.push_back({{"id", member.number},
                    {"uuid", member.uuid},
                    {"path", member.path},
                    {"state", name_of(member.status)},
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
    ++total;
    if (member.status == DriveStatus::alive) ++alive;
  }
  const auto scheme = store.drives().scheme_for(static_cast<unsigned>(alive));
  const auto usage = store.segments().usage();
  const bool writable = scheme.data > 0;
  json document = {{"store", store.drives().store_uuid()},
                   {"state", !writable ? "read-only" : alive < total ? "degraded" : "healthy"},
                   {"geometry", {{"data_shards", scheme.data}, {"parity_shards", scheme.parity}}},
                   {"drives", {{"total", total}, {"alive", alive}}},
                   {"metadata_mirrors", {{"current", store.mirrors()}, {"wanted", store.drives().parity() + 1}}},
                   {"space",
                    {{"zone_bytes", usage.zone_bytes},
                     {"zones_total", usage.zones_total},
                     {"zones_free", usage.zones_free},
                     {"segments", usage.segments}}},
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
  co_return answer_of({{"error", "there is no such command: " + request.method + " " + request.path}}, 404);
}

}  // namespace server
