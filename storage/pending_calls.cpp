// ObjectStore: labels that came before their objects. Each is a row by key and annotation name, which the transaction that
// makes the key current turns into an annotation: so it happens once, and with the object or not at all.
#include <algorithm>

#include "storage/object_store_state.h"

namespace storage {

// Within the lock of the key, as all that makes or takes pending labels of it.
Task<Result<>> ObjectStore::State::join_pending(VersionEdit& edit, keys::BucketId bucket, std::string key,
                                                records::Version& next) {
  auto lines = co_await label_index.pending_lines(bucket);
  if (!lines) co_return lines.error();
  if (*lines == 0) co_return success();
  if (refuses_annotations && refuses_annotations(next.controls().encryption())) co_return success();
  auto page = co_await metadata.scan(metadata::prefix_range(keys::pending_labels_of(bucket, key)),
                                     kAnnotationsMax);
  if (!page) co_return page.error();
  if (page->entries.empty()) co_return success();
  if (next.holder().empty()) next.set_holder(random_bytes16());
  auto sources = co_await new_sources(edit, next);
  if (!sources) co_return sources.error();
  for (metadata::Entry& entry : page->entries) {
    const auto parts = keys::pending_parts_of(entry.key);
    if (!parts) co_return Errc::corrupt_record;
    records::Annotation row;
    Result<> parsed = parse(entry.value, row);
    if (!parsed) co_return parsed;
    const labels::Annotation* const before = sources->find(parts->name);
    if (before == nullptr && sources->annotations.size() >= kAnnotationsMax) continue;  // it goes on waiting
    if (before != nullptr) {
      // It came with the version, and what waited is the later word. A copy's rows are in this very edit.
      const std::string old_row = keys::annotation(next.holder(), before->name, before->revision);
      const auto erased = std::erase_if(edit.transaction.puts, [&](const metadata::Transaction::Put& put) {
        return put.key.ends_with(old_row);  // the row, and the blob's reference that names it
      });
      Result<> released = success();
      if (erased == 0) released = co_await release_annotation(edit, next.holder(), *before);
      if (!released) co_return released;
    }
    labels::Annotation annotation;
    annotation.name = parts->name;
    annotation.md5 = row.md5();
    annotation.size = row.size();
    annotation.revision = random_revision();
    annotation.modified_ms = clock.wall_ms();
    annotation.checksum_algorithm = static_cast<std::uint8_t>(row.checksum().algorithm());
    annotation.inlined = row.blob_chunks() == 0;
    auto payload = co_await read_payload(row);
    if (!payload) co_return payload.error();
    describe_payload(annotation, *payload);
    const std::string row_key = keys::annotation(next.holder(), annotation.name, annotation.revision);
    row.set_modified_ms(annotation.modified_ms);
    if (row.blob_chunks() > 0) {
      edit.transaction.remove(keys::blob_reference(blob_id(row.blob_id()), entry.key));
      edit.transaction.put(keys::blob_reference(blob_id(row.blob_id()), row_key), std::string());
    }
    edit.transaction.put(row_key, serialize(row));
    edit.transaction.require_revision(entry.key, entry.revision);
    edit.transaction.remove(entry.key);
    edit.pending_lines -= 1;
    edit.pending_bytes -= static_cast<std::int64_t>(row.size());
    sources->put(std::move(annotation));
  }
  sources->fit();
  reset_sources(edit, next, *sources);
  co_return success();
}

Task<Result<>> ObjectStore::State::take_pending(VersionEdit& edit, metadata::Entry entry) {
  records::Annotation row;
  Result<> parsed = parse(entry.value, row);
  if (!parsed) co_return parsed;
  edit.pending_lines -= 1;
  edit.pending_bytes -= static_cast<std::int64_t>(row.size());
  edit.transaction.require_revision(entry.key, entry.revision);
  if (row.blob_chunks() == 0) co_return success();
  co_return co_await release_blob(edit.transaction, blob_id(row.blob_id()), row.blob_chunks(), entry.key, false,
                                  edit.change);
}

Task<Result<>> ObjectStore::State::drop_pending(keys::BucketId bucket, std::optional<std::string> name) {
  constexpr std::uint32_t kRowsPerStep = 500;
  metadata::KeyRange range = metadata::prefix_range(keys::pending_labels_prefix(bucket));
  int conflicts = 0;
  while (true) {
    auto page = co_await metadata.scan(range, kRowsPerStep);
    if (!page) co_return page.error();
    VersionEdit edit;
    for (metadata::Entry& entry : page->entries) {
      const auto parts = keys::pending_parts_of(entry.key);
      if (!parts) co_return Errc::corrupt_record;
      if (name && *name != parts->name) continue;
      edit.transaction.remove(entry.key);
      Result<> taken = co_await take_pending(edit, std::move(entry));
      if (!taken) co_return taken;
    }
    if (!edit.transaction.removes.empty()) {
      BucketInfo counted;
      counted.id = bucket;
      count_versions(edit, counted, false);
      auto revision = co_await metadata.commit(std::move(edit.transaction));
      settle(bucket, edit, revision);
      if (!revision && (revision.error() != Errc::conflict || ++conflicts == kCommitAttemptsMax)) co_return revision.error();
      if (!revision) continue;  // a label found its object meanwhile
    }
    if (!page->next) co_return success();
    range.begin = std::move(*page->next);
  }
}

Task<Result<PendingPage>> ObjectStore::pending_labels(std::string bucket_name, std::string name, std::string cursor,
                                                      std::uint32_t rows_max) {
  if (rows_max == 0 || rows_max > metadata::kMaxPageEntries) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  metadata::KeyRange range = metadata::prefix_range(keys::pending_labels_prefix((*bucket)->id));
  range.begin = std::max(range.begin, cursor);
  auto rows = co_await state_->metadata.scan(range, rows_max);
  if (!rows) co_return rows.error();
  PendingPage page;
  for (metadata::Entry& entry : rows->entries) {
    auto parts = keys::pending_parts_of(entry.key);
    if (!parts) co_return Errc::corrupt_record;
    if (parts->name != name) continue;
    records::Annotation row;
    Result<> parsed = parse(entry.value, row);
    if (!parsed) co_return parsed.error();
    auto payload = co_await state_->read_payload(std::move(row));
    if (!payload && payload.error() == Errc::conflict) continue;  // joined or dropped meanwhile
    if (!payload) co_return payload.error();
    page.labels.push_back({std::move(parts->key), std::move(*payload)});
  }
  page.next = std::move(rows->next);
  co_return page;
}

Task<Result<>> ObjectStore::drop_pending_labels(std::string bucket_name, std::string name) {
  auto bucket = co_await state_->find_bucket(std::move(bucket_name));
  if (!bucket) co_return bucket.error();
  co_return co_await state_->drop_pending((*bucket)->id, std::move(name));
}

void ObjectStore::set_annotation_refusal(std::function<bool(const std::string& encryption)> refusal) {
  state_->refuses_annotations = std::move(refusal);
}

}  // namespace storage
