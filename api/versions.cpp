#include "api/versions.h"

#include <algorithm>

#include "api/http_date.h"

namespace api {
namespace {

// Ids of any store that a client may have seen, so that an unknown one is told from a mistake.
constexpr std::size_t kIdCharactersMin = 24;
constexpr std::size_t kIdCharactersMax = 1024;

bool is_id_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
         c == '-';
}

bool keeps_versions(const Call& call) {
  return call.bucket != nullptr && call.bucket->versioning != storage::Versioning::off;
}

}  // namespace

bool is_version_id(std::string_view text) {
  if (text == "null") return true;
  return text.size() >= kIdCharactersMin && text.size() <= kIdCharactersMax &&
         std::all_of(text.begin(), text.end(), is_id_character);
}

Failure invalid_version_id(std::string_view name, std::string_view value) {
  return invalid_argument(name, value,
                          value.empty() ? "Version id cannot be the empty string" : "Invalid version id specified");
}

Outcome<std::string> version_parameter(const Call& call) {
  const auto version = call.target.parameter("versionId");
  if (!version) return std::string();
  if (!is_version_id(*version)) return invalid_version_id("versionId", *version);
  return std::string(*version);
}

void add_version_header(const Call& call, std::string_view version_id, Response& response) {
  if (version_id.empty() || (version_id == "null" && !keeps_versions(call))) return;
  response.add_header("x-amz-version-id", version_id);
}

void add_version_header(const Call& call, const storage::ObjectInfo& info, Response& response) {
  add_version_header(call, info.version_id, response);
}

Failure marker_failure(const Call& call, const storage::ObjectInfo& marker, bool by_id) {
  if (!by_id) {
    return Failure(S3Error::no_such_key)
        .with("Key", call.target.key)
        .with_header("x-amz-delete-marker", "true")
        .with_header("x-amz-version-id", marker.version_id);
  }
  return Failure(S3Error::method_not_allowed)
      .with("Method", call.request.method)
      .with("ResourceType", "DeleteMarker")
      .with_header("Allow", "DELETE")
      .with_header("Last-Modified", http_date(marker.modified_ms))
      .with_header("x-amz-delete-marker", "true")
      .with_header("x-amz-version-id", marker.version_id);
}

Failure version_failure(const Call& call, const storage::Error& error, std::string_view version_id) {
  if (error != storage::Errc::version_not_found) return error;
  return Failure(S3Error::no_such_version).with("Key", call.target.key).with("VersionId", version_id);
}

Task<Outcome<storage::ObjectInfoPtr>> find_version(Call& call, std::string version_id) {
  auto info = co_await call.store.head(call.object_key(), version_id);
  if (!info) co_return version_failure(call, info.error(), version_id);
  if ((*info)->delete_marker) co_return marker_failure(call, **info, !version_id.empty());
  co_return std::move(*info);
}

Task<Outcome<storage::ObjectInfoPtr>> change_version(Call& call, std::string version_id, storage::VersionChange change,
                                                     storage::CommitCompanion* companion) {
  auto changed = co_await call.store.change(call.object_key(), version_id, std::move(change), companion);
  if (changed) co_return std::move(*changed);
  if (changed.error() == storage::Errc::not_found) {
    // Nothing there, or a delete marker: which cannot be changed.
    auto found = co_await find_version(call, version_id);
    if (!found) co_return found.error();
  }
  co_return version_failure(call, changed.error(), version_id);
}

}  // namespace api
