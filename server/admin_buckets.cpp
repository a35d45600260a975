#include "server/admin_buckets.h"

#include <nlohmann/json.hpp>

#include "server/admin_arguments.h"

namespace server {
namespace {

using nlohmann::json;

AdminAnswer refused_by(const storage::Error& error) {
  if (error == storage::Errc::bucket_not_found) return refused(404, "there is no such bucket");
  return refused(500, error.message());
}

Task<AdminAnswer> show_bucket(storage::ObjectStore& store, std::string name) {
  const auto bucket = co_await store.bucket(name);
  if (!bucket) co_return refused_by(bucket.error());
  const auto usage = co_await store.bucket_usage(name);
  if (!usage) co_return refused_by(usage.error());
  const storage::BucketInfo& info = **bucket;
  const json document = {{"name", info.name},
                         {"owner", info.owner_id},
                         {"created_ms", info.created_ms},
                         {"objects", usage->versions},
                         {"bytes", usage->bytes},
                         {"quota_objects", info.quota_objects},
                         {"quota_bytes", info.quota_bytes}};
  co_return answer_of(document);
}

// Numbers that are left out stay; 0 takes a quota away.
Task<AdminAnswer> set_quota(storage::ObjectStore& store, std::string name, AdminRequest request) {
  Arguments arguments(request.body);
  const auto bytes = arguments.number("bytes");
  const auto objects = arguments.number("objects");
  if (const std::string error = arguments.error(); !error.empty()) co_return refused(400, error);
  if (!bytes && !objects) co_return refused(400, "give bytes, objects or both");
  const std::function<storage::Result<>(storage::BucketInfo&)> change = [&](storage::BucketInfo& bucket) {
    if (bytes) bucket.quota_bytes = *bytes;
    if (objects) bucket.quota_objects = *objects;
    return storage::success();
  };
  const auto changed = co_await store.change_bucket(name, change);
  if (!changed) co_return refused_by(changed.error());
  co_return co_await show_bucket(store, std::move(name));
}

}  // namespace

Task<AdminAnswer> handle_buckets(storage::ObjectStore& store, AdminRequest request) {
  constexpr std::string_view kPrefix = "/v1/buckets/";
  const std::string rest = request.path.substr(kPrefix.size());
  const std::size_t slash = rest.find('/');
  if (request.method == "GET" && slash == std::string::npos) co_return co_await show_bucket(store, rest);
  if (request.method == "POST" && slash != std::string::npos && rest.substr(slash + 1) == "quota") {
    co_return co_await set_quota(store, rest.substr(0, slash), std::move(request));
  }
  co_return refused(404, "there is no such command: " + request.method + " " + request.path);
}

}  // namespace server
