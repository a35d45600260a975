// ObjectStore: freeing what was kept for datasets and is named by none any more.
//
// A bucket is looked through when a dataset of it was dropped, or a seal came to nothing. Whether a kept version is named is looked
// up in the manifests. Each commit requires the bucket's row as it was: a seal that begins meanwhile, which may come to name what
// its parent names, makes it fail.
#include <algorithm>

#include "storage/dataset_rows.h"
#include "storage/dataset_shelf.h"
#include "storage/labels/label_sources.h"
#include "storage/object_store_state.h"
#include "storage/records.h"

namespace storage {
namespace {

constexpr std::uint32_t kRowsPerScan = 100;

// Adds to the edit that a kept payload goes, with its mark.
Task<Result<>> release_kept_annotation(ObjectStore::State& state, VersionEdit& edit, const metadata::Entry& entry) {
  const auto kept = dataset_rows::kept_annotation_of(entry.key);
  if (!kept) co_return Errc::corrupt_record;
  edit.transaction.require_revision(entry.key, entry.revision);
  edit.transaction.remove(entry.key);
  edit.transaction.may_use_reserve = true;
  labels::Annotation annotation;
  annotation.name = kept->name;
  annotation.revision = kept->revision;
  auto row = co_await state.load_annotation(kept->holder, annotation);
  if (!row && row.error() == Errc::conflict) co_return success();  // it went with its version
  if (!row) co_return row.error();
  annotation.inlined = row->blob_chunks() == 0;
  co_return co_await state.release_annotation(edit, kept->holder, std::move(annotation));
}

// Of a Result<bool> an error is no value, although it converts to bool.
Result<bool> failed(const Error& error) { return Result<bool>(boost::system::in_place_error, error); }

class BucketSweep {
 public:
  BucketSweep(ObjectStore::State& state, BucketRecordPtr bucket) : state_(state), bucket_(std::move(bucket)) {}

  // Errc::conflict: the bucket has changed.
  Task<Result<std::uint64_t>> run() {
    Result<> loaded = co_await load_datasets();
    if (!loaded) co_return loaded.error();
    std::uint64_t freed = 0;
    metadata::KeyRange range = metadata::prefix_range(dataset_rows::kept_prefix(bucket_->id));
    while (true) {
      auto rows = co_await state_.metadata.scan(range, kRowsPerScan);
      if (!rows) co_return rows.error();
      for (const metadata::Entry& entry : rows->entries) {
        auto gone = co_await judge_version(entry);
        if (!gone) co_return gone.error();
        if (*gone) ++freed;
      }
      if (!rows->next) break;
      range.begin = std::move(*rows->next);
    }
    range = metadata::prefix_range(dataset_rows::kept_annotations_prefix(bucket_->id));
    while (true) {
      auto rows = co_await state_.metadata.scan(range, kRowsPerScan);
      if (!rows) co_return rows.error();
      for (const metadata::Entry& entry : rows->entries) {
        auto gone = co_await judge_annotation(entry);
        if (!gone) co_return gone.error();
        if (*gone) ++freed;
      }
      if (!rows->next) co_return freed;
      range.begin = std::move(*rows->next);
    }
  }

 private:
  Task<Result<>> load_datasets() {
    metadata::KeyRange range = metadata::prefix_range(dataset_rows::datasets_prefix(bucket_->id));
    while (true) {
      auto rows = co_await state_.metadata.scan(range, kRowsPerScan);
      if (!rows) co_return rows.error();
      for (const metadata::Entry& entry : rows->entries) {
        records::Dataset row;
        const auto name = dataset_rows::dataset_name(entry.key);
        if (!name) co_return Errc::corrupt_record;
        Result<> parsed = parse(entry.value, row);
        if (!parsed) co_return parsed;
        datasets_.push_back(open_sealed(state_, bucket_->id, bucket_->info.name, *name, row));
      }
      if (!rows->next) co_return success();
      range.begin = std::move(*rows->next);
    }
  }

  // Whether a dataset has this very version of the key.
  Task<Result<bool>> named(const std::string& key, const std::string& holder) {
    for (const SealedDatasetPtr& each : datasets_) {
      auto sample = co_await each->find(key);
      if (!sample && sample.error() == Errc::not_found) continue;
      if (!sample) co_return failed(sample.error());
      if ((*sample)->record->version().holder() == holder) co_return true;
    }
    co_return false;
  }

  // Whether it was freed.
  Task<Result<bool>> judge_version(const metadata::Entry& entry) {
    records::KeptVersion kept;
    Result<> parsed = parse(entry.value, kept);
    if (!parsed) co_return failed(parsed.error());
    auto is_named = co_await named(kept.key(), kept.version().holder());
    if (!is_named) co_return failed(is_named.error());
    if (*is_named) co_return false;
    VersionEdit edit;
    edit.transaction.require_revision(keys::bucket(bucket_->info.name), bucket_->revision);
    edit.transaction.require_revision(entry.key, entry.revision);
    edit.transaction.remove(entry.key);
    Result<> released = co_await release_kept(state_, edit, kept);
    if (!released) co_return failed(released.error());
    edit.transaction.may_use_reserve = true;
    auto revision = co_await state_.metadata.commit(std::move(edit.transaction));
    if (!revision) co_return failed(revision.error());
    state_.live_counters.apply(edit.change);
    co_return true;
  }

  // Whether a dataset has this very payload. `key`: of the object that had it.
  Task<Result<bool>> named(const std::string& key, const dataset_rows::KeptAnnotation& kept) {
    for (const SealedDatasetPtr& each : datasets_) {
      auto sample = co_await each->find(key);
      if (!sample && sample.error() == Errc::not_found) continue;
      if (!sample) co_return failed(sample.error());
      if ((*sample)->record->version().holder() != kept.holder) continue;
      auto sources = labels::decode_sources((*sample)->record->labels());
      if (!sources) co_return failed(sources.error());
      const labels::Annotation* const annotation = sources->find(kept.name);
      if (annotation != nullptr && annotation->revision == kept.revision) co_return true;
    }
    co_return false;
  }

  // Whether it was freed.
  Task<Result<bool>> judge_annotation(const metadata::Entry& entry) {
    auto kept = dataset_rows::kept_annotation_of(entry.key);
    if (!kept) co_return failed(Errc::corrupt_record);
    auto is_named = co_await named(entry.value, *kept);
    if (!is_named) co_return failed(is_named.error());
    if (*is_named) co_return false;
    VersionEdit edit;
    edit.transaction.require_revision(keys::bucket(bucket_->info.name), bucket_->revision);
    Result<> released = co_await release_kept_annotation(state_, edit, entry);
    if (!released) co_return failed(released.error());
    auto revision = co_await state_.metadata.commit(std::move(edit.transaction));
    if (!revision) co_return failed(revision.error());
    state_.live_counters.apply(edit.change);
    co_return true;
  }

  ObjectStore::State& state_;
  BucketRecordPtr bucket_;
  std::vector<SealedDatasetPtr> datasets_;
};

}  // namespace

Task<Result<>> release_kept(ObjectStore::State& state, VersionEdit& edit, records::KeptVersion kept) {
  const std::string holder = version_holder(kept.version());
  for (const records::Part& part : kept.parts().parts()) {
    if (part.blob_chunks() == 0) continue;
    Result<> released = co_await state.release_blob(edit.transaction, blob_id(part.blob_id()), part.blob_chunks(), holder,
                                                    false, edit.change);
    if (!released) co_return released;
  }
  if (!kept.has_parts() && kept.version().blob_chunks() > 0) {
    Result<> released = co_await state.release_blob(edit.transaction, blob_id(kept.version().blob_id()),
                                                    kept.version().blob_chunks(), holder, false, edit.change);
    if (!released) co_return released;
  }
  co_return co_await state.release_labels(edit, kept.version());
}

Task<Result<>> bury_kept(ObjectStore::State& state, keys::BucketId bucket) {
  while (true) {
    auto rows = co_await state.metadata.scan(metadata::prefix_range(dataset_rows::kept_prefix(bucket)), kRowsPerScan);
    if (!rows) co_return rows.error();
    for (const metadata::Entry& entry : rows->entries) {
      records::KeptVersion kept;
      Result<> parsed = parse(entry.value, kept);
      if (!parsed) co_return parsed;
      VersionEdit edit;
      edit.transaction.require_revision(entry.key, entry.revision);
      edit.transaction.remove(entry.key);
      Result<> released = co_await release_kept(state, edit, kept);
      if (!released) co_return released;
      edit.transaction.may_use_reserve = true;
      auto revision = co_await state.metadata.commit(std::move(edit.transaction));
      if (!revision && revision.error() != Errc::conflict) co_return revision.error();
      if (revision) state.live_counters.apply(edit.change);
    }
    if (rows->entries.empty()) break;
  }
  while (true) {
    auto rows = co_await state.metadata.scan(metadata::prefix_range(dataset_rows::kept_annotations_prefix(bucket)), kRowsPerScan);
    if (!rows) co_return rows.error();
    for (const metadata::Entry& entry : rows->entries) {
      VersionEdit edit;
      Result<> released = co_await release_kept_annotation(state, edit, entry);
      if (!released) co_return released;
      auto revision = co_await state.metadata.commit(std::move(edit.transaction));
      if (!revision && revision.error() != Errc::conflict) co_return revision.error();
      if (revision) state.live_counters.apply(edit.change);
    }
    if (rows->entries.empty()) break;
  }
  metadata::Transaction transaction;
  transaction.remove(dataset_rows::to_sweep(bucket));
  auto revision = co_await state.metadata.commit(std::move(transaction));
  if (!revision) co_return revision.error();
  co_return success();
}

Task<Result<std::uint64_t>> ObjectStore::sweep_datasets() {
  std::uint64_t freed = 0;
  metadata::KeyRange range = metadata::prefix_range(dataset_rows::to_sweep_prefix());
  while (true) {
    auto marks = co_await state_->metadata.scan(range, kRowsPerScan);
    if (!marks) co_return marks.error();
    for (const metadata::Entry& mark : marks->entries) {
      const auto id = dataset_rows::to_sweep_bucket(mark.key);
      if (!id) co_return Errc::corrupt_record;
      auto bucket = co_await state_->find_bucket(mark.value);
      if (!bucket && bucket.error() != Errc::bucket_not_found) co_return bucket.error();
      const bool there = bucket && (*bucket)->id == *id;
      if (there && (*bucket)->info.sealing) continue;  // looked at again when that has ended
      if (there) {
        BucketSweep sweep(*state_, *bucket);
        auto swept = co_await sweep.run();
        if (!swept && swept.error() == Errc::conflict) continue;
        if (!swept) co_return swept.error();
        freed += *swept;
      }
      // Whoever drops another dataset meanwhile writes the mark again.
      metadata::Transaction transaction;
      transaction.require_revision(mark.key, mark.revision);
      transaction.remove(mark.key);
      auto revision = co_await state_->metadata.commit(std::move(transaction));
      if (!revision && revision.error() != Errc::conflict) co_return revision.error();
    }
    if (!marks->next) co_return freed;
    range.begin = std::move(*marks->next);
  }
}

}  // namespace storage
