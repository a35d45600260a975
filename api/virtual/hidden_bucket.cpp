#include "api/virtual/hidden_bucket.h"

namespace api {

using storage::Errc;
using storage::Result;
using storage::Task;

Task<Result<>> ensure_hidden_bucket(storage::ObjectStore& store) {
  const auto there = co_await store.bucket(std::string(kHiddenBucket));
  if (there) co_return storage::success();
  if (there.error() != Errc::bucket_not_found) co_return there.error();
  storage::BucketInfo bucket;
  bucket.name = kHiddenBucket;
  bucket.owner_id = kHiddenBucket;  // no user's id: it is in nobody's list
  const auto made = co_await store.create_bucket(std::move(bucket));
  // Another request may have been faster.
  if (!made && made.error() != Errc::bucket_exists) co_return made.error();
  co_return storage::success();
}

namespace {

Task<Result<>> sweep_objects(storage::ObjectStore& store, std::string prefix, std::int64_t before_ms) {
  storage::ListOptions options;
  options.prefix = std::move(prefix);
  while (true) {
    const auto page = co_await store.list(std::string(kHiddenBucket), options);
    if (!page) co_return page.error();
    std::vector<storage::RemoveRequest> removals;
    for (const storage::ObjectInfoPtr& object : page->objects) {
      if (object->modified_ms >= before_ms) continue;
      storage::RemoveRequest& removal = removals.emplace_back();
      removal.key = object->key;
    }
    if (!removals.empty()) {
      const auto removed = co_await store.remove_many(std::string(kHiddenBucket), std::move(removals));
      for (const auto& each : removed) {
        if (!each) co_return each.error();
      }
    }
    if (!page->truncated) co_return storage::success();
    options.after = page->next_after;
  }
}

Task<Result<>> sweep_uploads(storage::ObjectStore& store, std::int64_t before_ms) {
  storage::UploadListOptions options;
  while (true) {
    const auto page = co_await store.list_uploads(std::string(kHiddenBucket), options);
    if (!page) co_return page.error();
    for (const storage::UploadInfo& upload : page->uploads) {
      if (upload.initiated_ms >= before_ms) continue;
      storage::ObjectKey key{std::string(kHiddenBucket), upload.key};
      const auto aborted = co_await store.abort_upload(std::move(key), upload.upload_id);
      if (!aborted && aborted.error() != Errc::upload_not_found) co_return aborted.error();
    }
    if (!page->truncated) co_return storage::success();
    options.key_after = page->next_key;
    options.upload_id_after = page->next_upload_id;
  }
}

}  // namespace

Task<Result<>> sweep_hidden_bucket(storage::ObjectStore& store, std::int64_t abandoned_before_ms) {
  const auto there = co_await store.bucket(std::string(kHiddenBucket));
  if (!there && there.error() == Errc::bucket_not_found) co_return storage::success();
  if (!there) co_return there.error();
  auto swept = co_await sweep_objects(store, std::string(kSpoolPrefix), INT64_MAX);
  if (!swept) co_return swept.error();
  swept = co_await sweep_objects(store, std::string(kUploadPrefix), abandoned_before_ms);
  if (!swept) co_return swept.error();
  co_return co_await sweep_uploads(store, abandoned_before_ms);
}

storage::ObjectKey upload_place(const storage::BucketInfo& bucket, std::string_view key) {
  std::string place(kUploadPrefix);
  place.append(std::to_string(bucket.id)).append("/").append(key);
  return {std::string(kHiddenBucket), std::move(place)};
}

}  // namespace api
