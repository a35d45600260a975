// ObjectStore: the index of a store that was written before there was one.
#include <map>

#include "storage/base/log.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

constexpr std::uint32_t kHeadsPerCommit = 256;
constexpr std::uint32_t kBucketsPerPage = 1000;

using Buckets = std::map<keys::BucketId, std::string>;

Task<Result<Buckets>> bucket_names(ObjectStore::State& state) {
  Buckets names;
  metadata::KeyRange range = metadata::prefix_range(keys::bucket_prefix({}));
  while (true) {
    auto page = co_await state.metadata.scan(range, kBucketsPerPage);
    if (!page) co_return page.error();
    for (const metadata::Entry& entry : page->entries) {
      auto name = keys::bucket_name(entry.key);
      records::Bucket row;
      if (!name) co_return Errc::corrupt_record;
      Result<> parsed = parse(entry.value, row);
      if (!parsed) co_return parsed.error();
      names.emplace(row.id(), std::move(*name));
    }
    if (!page->next) co_return names;
    range.begin = std::move(*page->next);
  }
}

// Gives one head its ordinal and its postings.
Task<Result<>> index_head(ObjectStore::State& state, VersionEdit& edit, std::string bucket_name, metadata::Entry entry) {
  records::Head head;
  Result<> parsed = parse(entry.value, head);
  if (!parsed) co_return parsed;
  if (head.ordinal() != 0 || head.current().delete_marker()) co_return success();
  auto key = keys::head_object(entry.key);
  if (!key) co_return Errc::corrupt_record;
  auto bucket = co_await state.find_bucket(std::move(bucket_name));
  if (!bucket) co_return bucket.error();
  Result<> labelled = co_await state.change_labels(edit, *bucket, std::move(*key), nullptr, &head);
  if (!labelled) co_return labelled;
  edit.transaction.require_revision(entry.key, entry.revision);
  edit.transaction.put(entry.key, serialize(head));
  co_return success();
}

}  // namespace

Task<Result<>> ObjectStore::State::index_old_heads() {
  auto indexed = co_await metadata.get(keys::labels_indexed());
  if (indexed) co_return success();
  if (indexed.error() != Errc::not_found) co_return indexed.error();
  auto names = co_await bucket_names(*this);
  if (!names) co_return names.error();
  std::uint64_t heads_done = 0;
  metadata::KeyRange range = metadata::prefix_range(keys::heads_prefix());
  while (true) {
    auto page = co_await metadata.scan(range, kHeadsPerCommit);
    if (!page) co_return page.error();
    VersionEdit edit;
    for (metadata::Entry& entry : page->entries) {
      const auto bucket = keys::head_bucket(entry.key);
      if (!bucket) co_return Errc::corrupt_record;
      const auto name = names->find(*bucket);
      if (name == names->end()) continue;  // of a bucket that is just being cleared
      Result<> done = co_await index_head(*this, edit, name->second, std::move(entry));
      if (!done) co_return done;
    }
    heads_done += page->entries.size();
    if (!edit.transaction.puts.empty()) {
      // Nothing has been derived of the index yet: no listener needs to hear of it.
      auto revision = co_await metadata.commit(std::move(edit.transaction));
      if (!revision) co_return revision.error();
    }
    if (!page->next) break;
    range.begin = std::move(*page->next);
  }
  metadata::Transaction transaction;
  transaction.put(keys::labels_indexed(), std::string());
  auto revision = co_await metadata.commit(std::move(transaction));
  if (!revision) co_return revision.error();
  log_info("labels_indexed", {{"heads", heads_done}});
  co_return success();
}

}  // namespace storage
