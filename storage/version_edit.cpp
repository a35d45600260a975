// ObjectStore: what one commit makes of the versions of a key.
//
// The head row holds the current version, or the delete marker in its place; older ones have rows of their own, newest first.
// Whoever changes which version is current requires the head's revision; whoever takes an older version away requires that of
// its row. So no two commits can both bring the same version back, or bring back one that is gone.
#include <algorithm>

#include "storage/object_store_state.h"
#include "storage/version_id.h"

namespace storage {
namespace {

// An older version's inline body can be found by its blob: the collector knows nothing else of it.
void add_older_inline(VersionEdit& edit, const records::Version& version) {
  if (!version.has_extent()) return;
  edit.transaction.put(keys::older_inline(blob_id(version.blob_id())),
                       metadata::counter_bytes(static_cast<std::int64_t>(version.number())));
}

// Makes the current version of (bucket, key) an older one.
void push_down(VersionEdit& edit, keys::BucketId bucket, const std::string& key, const records::Version& version) {
  const std::string older_row = keys::version(bucket, key, version.number());
  records::OlderVersion row;
  *row.mutable_version() = version;
  edit.transaction.put(older_row, serialize(row));
  add_older_inline(edit, version);
}

std::int64_t bound_of(std::uint64_t quota) {
  if (quota == 0 || quota > static_cast<std::uint64_t>(INT64_MAX)) return INT64_MAX;
  return static_cast<std::int64_t>(quota);
}

}  // namespace

namespace {

void count_pending(VersionEdit& edit, keys::BucketId bucket) {
  if (edit.pending_lines != 0) {
    edit.transaction.add(keys::pending_lines(bucket), edit.pending_lines, INT64_MIN,
                         edit.pending_lines > 0 ? kPendingLinesMax : INT64_MAX);
  }
  if (edit.pending_bytes != 0) {
    edit.transaction.add(keys::pending_bytes(bucket), edit.pending_bytes, INT64_MIN,
                         edit.pending_bytes > 0 ? kPendingBytesMax : INT64_MAX);
  }
}

}  // namespace

void count_versions(VersionEdit& edit, const BucketInfo& bucket, bool within_quota) {
  count_pending(edit, bucket.id);
  if (edit.versions != 0) {
    const bool bounded = within_quota && edit.versions > 0;
    edit.transaction.add(keys::object_count(bucket.id), edit.versions, edit.versions < 0 ? 0 : INT64_MIN,
                         bounded ? bound_of(bucket.quota_objects) : INT64_MAX);
  }
  if (edit.bytes != 0) {
    const bool bounded = within_quota && edit.bytes > 0;
    edit.transaction.add(keys::byte_count(bucket.id), edit.bytes, INT64_MIN,
                         bounded ? bound_of(bucket.quota_bytes) : INT64_MAX);
  }
}

bool is_null_version(const records::Version& version) { return version.version_id().empty(); }

Result<> ObjectStore::State::check_lock(const records::Version& version, bool bypass_governance) const {
  const records::Controls& controls = version.controls();
  if (controls.legal_hold()) return Errc::object_locked;
  if (controls.retain_until_ms() <= clock.wall_ms()) return success();
  switch (static_cast<RetentionMode>(controls.retention_mode())) {
    case RetentionMode::none:
      return success();
    case RetentionMode::governance:
      return bypass_governance ? success() : Result<>(Errc::object_locked);
    case RetentionMode::compliance:
      break;
  }
  return Errc::object_locked;
}

Task<Result<HeadRecordPtr>> ObjectStore::State::find_version(keys::BucketId bucket, std::string key,
                                                             std::string version_id) {
  const std::string head_row = keys::head(bucket, key);
  metadata::Revision seen = 0;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto head = co_await find_head(head_row, key);
    if (!head) {
      const bool absent = head.error() == Errc::not_found && !version_id.empty();
      co_return absent ? Error(Errc::version_not_found) : head.error();
    }
    const bool null_wanted = version_id == "null";
    if (version_id.empty() || (*head)->info->version_id == version_id) co_return head;
    const std::uint64_t number =
        null_wanted ? (*head)->row.older_null() : version_number(version_id).value_or(0);
    if (number == 0) co_return Errc::version_not_found;
    auto entry = co_await metadata.get(keys::version(bucket, key, number));
    if (entry) {
      auto older = decode_older(key, *entry);
      if (older && (*older)->info->version_id != version_id) co_return Errc::version_not_found;
      co_return older;
    }
    if (entry.error() != Errc::not_found) co_return entry.error();
    // It may have become the current one between the two looks: then the head has changed.
    if ((*head)->revision == seen) co_return Errc::version_not_found;
    seen = (*head)->revision;
  }
  co_return Errc::conditional_conflict;
}

Task<Result<>> ObjectStore::State::destroy(VersionEdit& edit, keys::BucketId bucket, std::string key,
                                           HeadRecordPtr version, std::set<segment::BlobId> kept,
                                           bool bypass_governance) {
  const records::Version& row = version->row.current();
  Result<> unlocked = check_lock(row, bypass_governance);
  if (!unlocked) co_return unlocked;
  edit.versions -= 1;
  edit.bytes -= static_cast<std::int64_t>(row.size());
  if (version->older) {
    const std::string older_row = keys::version(bucket, key, row.number());
    edit.transaction.require_revision(older_row, version->revision);
    edit.transaction.remove(older_row);
  }
  co_return co_await release_version(edit, bucket, std::move(key), row, version->older, std::move(kept));
}

Task<Result<>> ObjectStore::State::supersede(VersionEdit& edit, BucketRecordPtr bucket, std::string key,
                                             HeadRecordPtr current, records::Head& head, std::set<segment::BlobId> kept) {
  const std::string head_row = keys::head(bucket->id, key);
  const bool keeps_all = bucket->info.versioning == Versioning::enabled;
  records::Version& next = *head.mutable_current();
  edit.versions += 1;
  edit.bytes += static_cast<std::int64_t>(next.size());
  next.set_number(1);
  if (current == nullptr) {
    edit.transaction.require_absent(head_row);
    next.set_version_id(keeps_all ? new_version_id(next.number()) : std::string());
    co_return co_await change_labels(edit, std::move(bucket), std::move(key), nullptr, &head);
  }
  edit.transaction.require_revision(head_row, current->revision);
  const records::Head& before = current->row;
  head.set_ordinal(before.ordinal());
  head.set_labels_pending(before.labels_pending());
  head.set_older_null(before.older_null());
  next.set_number(std::max(before.highest_number(), before.current().number()) + 1);
  next.set_version_id(keeps_all ? new_version_id(next.number()) : std::string());
  Result<> labelled = co_await change_labels(edit, bucket, key, current, &head);
  if (!labelled) co_return labelled;

  const bool null_before = is_null_version(before.current());
  if (!keeps_all && null_before) {
    co_return co_await destroy(edit, bucket->id, std::move(key), current, std::move(kept), false);
  }
  push_down(edit, bucket->id, key, before.current());
  if (null_before) head.set_older_null(before.current().number());
  if (keeps_all || head.older_null() == 0) co_return success();
  // The new version is the null one, and a key has at most one.
  auto older = co_await find_version(bucket->id, key, "null");
  if (!older) co_return older.error() == Errc::version_not_found ? Error(Errc::corrupt_record) : older.error();
  if (!(*older)->older) co_return Errc::conflict;  // the head is not the one that was looked at
  head.set_older_null(0);
  co_return co_await destroy(edit, bucket->id, std::move(key), *older, std::move(kept), false);
}

Task<Result<HeadFate>> ObjectStore::State::take_away(VersionEdit& edit, BucketRecordPtr bucket, std::string key,
                                                     HeadRecordPtr current, HeadRecordPtr version,
                                                     bool bypass_governance) {
  const std::string head_row = keys::head(bucket->id, key);
  Result<> destroyed = co_await destroy(edit, bucket->id, key, version, {}, bypass_governance);
  if (!destroyed) co_return destroyed.error();
  records::Head head = current->row;
  if (version->older) {
    if (!is_null_version(version->row.current())) co_return HeadFate::untouched;
    edit.transaction.require_revision(head_row, current->revision);
    head.set_older_null(0);
    edit.transaction.put(head_row, serialize(head));
    co_return HeadFate::written;
  }
  edit.transaction.require_revision(head_row, current->revision);
  auto rows = co_await metadata.scan(metadata::prefix_range(keys::versions_of(bucket->id, key)), 1);
  if (!rows) co_return rows.error();
  if (rows->entries.empty()) {
    edit.transaction.remove(head_row);
    Result<> unlabelled = co_await change_labels(edit, bucket, key, current, nullptr);
    if (!unlabelled) co_return unlabelled.error();
    co_return HeadFate::written;
  }
  // The newest of the older ones is the current one again.
  const metadata::Entry& entry = rows->entries.front();
  auto older = decode_older(key, entry);
  if (!older) co_return older.error();
  const records::Version& again = (*older)->row.current();
  edit.transaction.require_revision(entry.key, entry.revision);
  edit.transaction.remove(entry.key);
  if (again.has_extent()) edit.transaction.remove(keys::older_inline(blob_id(again.blob_id())));
  head.set_highest_number(std::max(head.highest_number(), head.current().number()));
  if (head.older_null() == again.number()) head.set_older_null(0);
  *head.mutable_current() = again;
  Result<> labelled = co_await change_labels(edit, bucket, key, current, &head);
  if (!labelled) co_return labelled.error();
  edit.transaction.put(head_row, serialize(head));
  co_return HeadFate::written;
}

Task<Result<ObjectStore::State::Rewritten>> ObjectStore::State::add_rewrite(VersionEdit& edit, BucketRecordPtr bucket,
                                                                            std::string key, HeadRecordPtr version,
                                                                            records::Version next) {
  Rewritten rewritten;
  rewritten.older = version->older;
  if (rewritten.older) {
    rewritten.row = keys::version(bucket->id, key, next.number());
    records::OlderVersion row;
    row.mutable_version()->Swap(&next);
    rewritten.value = serialize(row);
  } else {
    rewritten.row = keys::head(bucket->id, key);
    records::Head head = version->row;
    head.mutable_current()->Swap(&next);
    Result<> labelled = co_await change_labels(edit, std::move(bucket), std::move(key), version, &head);
    if (!labelled) co_return labelled.error();
    rewritten.value = serialize(head);
  }
  edit.transaction.require_revision(rewritten.row, version->revision);
  edit.transaction.put(rewritten.row, rewritten.value);
  co_return rewritten;
}

Task<Result<HeadRecordPtr>> ObjectStore::State::rewrite(VersionEdit edit, BucketRecordPtr bucket, std::string key,
                                                        HeadRecordPtr version, records::Version next) {
  auto rewritten = co_await add_rewrite(edit, bucket, key, std::move(version), std::move(next));
  if (!rewritten) co_return rewritten.error();
  std::optional<RecordCache<HeadRecord>::Write> write;
  if (!rewritten->older) write.emplace(heads, rewritten->row);
  auto revision = co_await metadata.commit(std::move(edit.transaction));
  settle(bucket->id, edit, revision);
  if (!revision) co_return revision.error();
  const metadata::Entry entry{rewritten->row, std::move(rewritten->value), *revision};
  auto record = rewritten->older ? decode_older(key, entry) : decode_head(key, entry);
  if (write && record) write->finish(*record);
  co_return record;
}

}  // namespace storage
