#include "api/copy_source.h"

#include "api/ascii.h"
#include "api/conditions.h"
#include "api/encoding.h"
#include "api/versions.h"

namespace api {
namespace {

Failure broken(std::string_view header) {
  return invalid_argument("x-amz-copy-source", header,
                          "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
}

}  // namespace

Outcome<storage::ObjectKey> parse_copy_source(std::string_view header, std::string* version_id) {
  std::string_view version = trim(header);
  const std::string_view path = cut(version, '?');
  auto decoded = percent_decode(path, Plus::literal);
  if (!decoded) return broken(header);
  std::string_view rest = *decoded;
  if (rest.starts_with('/')) rest.remove_prefix(1);
  storage::ObjectKey source;
  source.bucket = cut(rest, '/');
  source.key = rest;
  if (source.key.empty() || !is_bucket_name(source.bucket) || !check_key(source.key)) return broken(header);
  if (!version.empty()) {
    const std::string_view name = cut(version, '=');
    if (!equals_caseless(name, "versionId")) return broken(header);
    if (!is_version_id(version)) return invalid_version_id("x-amz-copy-source", version);
    if (version_id != nullptr) *version_id = version;
  }
  return source;
}

Task<Outcome<std::unique_ptr<storage::OpenObject>>> open_copy_source(Call& call) {
  std::string version_id;
  auto source = parse_copy_source(call.header("x-amz-copy-source").value_or(""), &version_id);
  if (!source) co_return source.error();
  const auto bucket = co_await call.store.bucket(source->bucket);
  if (!bucket) co_return Failure(bucket.error()).with("BucketName", source->bucket);
  const auto expected = call.header("x-amz-source-expected-bucket-owner");
  if (expected && *expected != (*bucket)->owner_id) co_return S3Error::access_denied;

  auto object = co_await call.store.open(*source, version_id);
  if (!object) {
    Failure failure = object.error() == storage::Errc::version_not_found
                          ? Failure(S3Error::no_such_version).with("Key", source->key).with("VersionId", version_id)
                          : Failure(object.error()).with("Key", source->key);
    co_return call.authorizer.hide_missing(call, **bucket, std::move(failure));
  }
  if ((*object)->info()->delete_marker) {
    if (version_id.empty()) {
      Failure failure = Failure(S3Error::no_such_key).with("Key", source->key);
      co_return call.authorizer.hide_missing(call, **bucket, std::move(failure));
    }
    co_return Failure(S3Error::invalid_request,
                      "The source of a copy request may not specifically refer to a delete marker by version id.");
  }
  const storage::ObjectInfo& found = *(*object)->info();
  if (auto allowed = call.authorizer.check_source(call, **bucket, source->key, !version_id.empty(), found); !allowed) {
    co_return allowed.error();
  }
  std::string_view condition;
  if (judge_read(call, "x-amz-copy-source-", *(*object)->info(), &condition) != ReadVerdict::proceed) {
    co_return Failure(S3Error::precondition_failed)
        .with("Condition", "x-amz-copy-source-" + std::string(condition));
  }
  co_return std::move(*object);
}

Task<> add_source_version(Call& call, const storage::ObjectInfo& source, Response& response) {
  if (source.version_id == "null") {
    const auto named = parse_copy_source(call.header("x-amz-copy-source").value_or(""));
    if (!named) co_return;
    const auto bucket = co_await call.store.bucket(named->bucket);
    if (!bucket || (*bucket)->versioning == storage::Versioning::off) co_return;
  }
  response.add_header("x-amz-copy-source-version-id", source.version_id);
}

}  // namespace api
