// ObjectStore: multipart uploads up to, but not including, Complete.
#include <cstdio>

#include "storage/object_store_state.h"

namespace storage {
namespace {

// Ids sort by time of initiation: 12 hex digits of milliseconds, then 32 random ones.
std::string new_upload_id(std::int64_t now_ms) {
  char time[16];
  std::snprintf(time, sizeof time, "%012llx", static_cast<unsigned long long>(now_ms));
  return std::string(time) + hex(random_bytes16());
}

}  // namespace

Task<Result<ObjectStore::State::UploadRow>> ObjectStore::State::find_upload(keys::BucketId bucket, std::string key,
                                                                            std::string upload_id) {
  auto entry = co_await metadata.get(keys::upload(bucket, key, upload_id));
  if (!entry) co_return entry.error() == Errc::not_found ? Error(Errc::upload_not_found) : entry.error();
  UploadRow found;
  Result<> parsed = parse(entry->value, found.row);
  if (!parsed) co_return parsed.error();
  found.revision = entry->revision;
  co_return found;
}

Task<Result<std::vector<ObjectStore::State::PartRow>>> ObjectStore::State::load_upload_parts(std::string upload_id) {
  std::vector<PartRow> parts;
  metadata::KeyRange range = metadata::prefix_range(keys::part_prefix(upload_id));
  while (true) {
    auto page = co_await metadata.scan(range, 1000);
    if (!page) co_return page.error();
    for (const metadata::Entry& entry : page->entries) {
      PartRow& part = parts.emplace_back();
      if (!part.row.ParseFromString(entry.value)) co_return Errc::corrupt_record;
      part.revision = entry.revision;
    }
    if (!page->next) co_return parts;
    range.begin = std::move(*page->next);
  }
}

Task<Result<UploadInfo>> ObjectStore::create_upload(ObjectKey key, UploadOptions options) {
  if (key.key.empty() || key.key.size() > kKeyBytesMax) co_return Errc::invalid_argument;
  UploadInfo upload;
  upload.key = key.key;
  upload.initiated_ms = state_->clock.wall_ms();
  upload.upload_id = new_upload_id(upload.initiated_ms);
  upload.options = options;
  records::Upload row;
  row.set_initiated_ms(upload.initiated_ms);
  *row.mutable_attributes() = encode(options.attributes);
  *row.mutable_controls() = encode(options.controls);
  row.set_algorithm(static_cast<std::uint32_t>(options.algorithm));
  row.set_type(static_cast<std::uint32_t>(options.type));
  row.set_initiator_id(options.initiator_id);
  const std::string value = serialize(row);
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto bucket = co_await state_->find_bucket(key.bucket);
    if (!bucket) co_return bucket.error();
    metadata::Transaction transaction;
    transaction.require_revision(keys::bucket(key.bucket), (*bucket)->revision);
    transaction.put(keys::upload((*bucket)->id, key.key, upload.upload_id), value);
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    if (revision) co_return upload;
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conditional_conflict;
}

Task<Result<UploadInfo>> ObjectStore::upload(ObjectKey key, std::string upload_id) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  auto found = co_await state_->find_upload((*bucket)->id, key.key, upload_id);
  if (!found) co_return found.error();
  co_return decode(key.key, upload_id, found->row);
}

Task<Result<PartInfo>> ObjectStore::put_part(ObjectKey key, std::string upload_id, std::uint32_t number,
                                             BodySource& body) {
  if (number == 0 || number > kPartNumberMax) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const std::string upload_key = keys::upload((*bucket)->id, key.key, upload_id);
  auto upload = co_await state_->find_upload((*bucket)->id, key.key, upload_id);
  if (!upload) co_return upload.error();

  auto stored = co_await state_->store_body(key, body);  // durable on k+m drives when this returns
  if (!stored) co_return stored.error();

  records::Part part;
  part.set_number(number);
  part.set_size(stored->digests.client_size.value_or(stored->size));
  if (part.size() != stored->size) part.set_stored_size(stored->size);
  part.set_md5(stored->digests.md5);
  *part.mutable_checksum() = encode(stored->digests.checksum);
  if (!stored->extents.empty()) {
    part.set_blob_id(blob_bytes(stored->blob));
    part.set_blob_chunks(static_cast<std::uint32_t>((stored->extents.size() + kExtentsPerChunk - 1) / kExtentsPerChunk));
  }
  const std::string part_key = keys::part(upload_id, number);
  const std::string holder = upload_holder(upload_id, number);
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    part.set_modified_ms(state_->clock.wall_ms());
    metadata::Transaction transaction;
    upkeep::LiveChange change;
    transaction.require_revision(upload_key, upload->revision);
    auto existing = co_await state_->metadata.get(part_key);
    if (existing) {
      // Uploaded before: the last one to finish counts, and the first one's bytes lose their holder.
      records::Part old;
      if (!old.ParseFromString(existing->value)) co_return Errc::corrupt_record;
      transaction.require_revision(part_key, existing->revision);
      if (old.blob_chunks() > 0) {
        Result<> released =
            co_await state_->release_blob(transaction, blob_id(old.blob_id()), old.blob_chunks(), holder, false, change);
        if (!released) co_return released.error();
      }
    } else if (existing.error() == Errc::not_found) {
      transaction.require_absent(part_key);
    } else {
      co_return existing.error();
    }
    transaction.put(part_key, part.SerializeAsString());
    if (!stored->extents.empty()) state_->add_blob_rows(transaction, *stored, holder, change);
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    if (revision) {
      state_->live_counters.apply(change);
      co_return decode(part);
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
    // The upload is over, or another copy of this part came first.
    auto again = co_await state_->find_upload((*bucket)->id, key.key, upload_id);
    if (!again) co_return again.error();
    upload = std::move(again);
  }
  co_return Errc::conditional_conflict;
}

Task<Result<>> ObjectStore::State::abort(keys::BucketId bucket, std::string key, std::string upload_id) {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto upload = co_await find_upload(bucket, key, upload_id);
    if (!upload) co_return upload.error();
    auto parts = co_await load_upload_parts(upload_id);
    if (!parts) co_return parts.error();
    metadata::Transaction transaction;
    upkeep::LiveChange change;
    const std::string row_key = keys::upload(bucket, key, upload_id);
    transaction.require_revision(row_key, upload->revision);
    transaction.remove(row_key);
    for (const PartRow& part : *parts) {
      const std::string part_key = keys::part(upload_id, part.row.number());
      transaction.require_revision(part_key, part.revision);
      transaction.remove(part_key);
      if (part.row.blob_chunks() == 0) continue;
      Result<> released = co_await release_blob(transaction, blob_id(part.row.blob_id()), part.row.blob_chunks(),
                                                upload_holder(upload_id, part.row.number()), false, change);
      if (!released) co_return released.error();
    }
    auto revision = co_await metadata.commit(std::move(transaction));
    if (revision) {
      live_counters.apply(change);
      co_return success();
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conditional_conflict;
}

Task<Result<>> ObjectStore::abort_upload(ObjectKey key, std::string upload_id) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  co_return co_await state_->abort((*bucket)->id, key.key, upload_id);
}

Task<Result<PartPage>> ObjectStore::list_parts(ObjectKey key, std::string upload_id, std::uint32_t number_after,
                                               std::uint32_t limit) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  auto upload = co_await state_->find_upload((*bucket)->id, key.key, upload_id);
  if (!upload) co_return upload.error();
  PartPage page;
  page.upload = decode(key.key, upload_id, upload->row);
  if (limit == 0 || number_after >= kPartNumberMax) co_return page;
  metadata::KeyRange range = metadata::prefix_range(keys::part_prefix(upload_id));
  range.begin = keys::part(upload_id, number_after + 1);
  auto rows = co_await state_->metadata.scan(range, std::min(limit, kListEntriesMax));
  if (!rows) co_return rows.error();
  for (const metadata::Entry& entry : rows->entries) {
    records::Part part;
    if (!part.ParseFromString(entry.value)) co_return Errc::corrupt_record;
    page.parts.push_back(decode(part));
  }
  page.truncated = rows->next.has_value();
  co_return page;
}

Task<Result<UploadPage>> ObjectStore::list_uploads(std::string bucket_name, UploadListOptions options) {
  if (options.entries_max > kListEntriesMax) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  UploadPage page;
  if (options.entries_max == 0) co_return page;
  const keys::BucketId id = (*bucket)->id;
  metadata::KeyRange range = metadata::prefix_range(keys::upload_prefix(id, options.prefix));
  if (!options.key_after.empty()) {
    range.begin = std::max(range.begin,
                           options.upload_id_after.empty()
                               ? metadata::prefix_range(keys::upload_key_prefix(id, options.key_after)).end
                               : keys::upload(id, options.key_after, options.upload_id_after) + '\0');
  }
  auto snapshot = co_await state_->metadata.snapshot();
  if (!snapshot) co_return snapshot.error();
  while (range.end.empty() || range.begin < range.end) {
    auto rows = co_await (*snapshot)->scan(range, options.entries_max + 1);
    if (!rows) co_return rows.error();
    for (const metadata::Entry& entry : rows->entries) {
      auto name = keys::upload_parts_of(entry.key);
      if (!name) co_return Errc::corrupt_record;
      std::string common;
      if (!options.delimiter.empty()) {
        const std::size_t at = name->key.find(options.delimiter, options.prefix.size());
        if (at != std::string::npos) common = name->key.substr(0, at + options.delimiter.size());
      }
      if (!common.empty() &&
          (common <= options.key_after || (!page.common_prefixes.empty() && page.common_prefixes.back() == common))) {
        continue;
      }
      if (page.uploads.size() + page.common_prefixes.size() == options.entries_max) {
        page.truncated = true;
        co_return page;
      }
      if (!common.empty()) {
        page.next_key = common;
        page.next_upload_id.clear();
        page.common_prefixes.push_back(std::move(common));
        continue;
      }
      records::Upload row;
      Result<> parsed = parse(entry.value, row);
      if (!parsed) co_return parsed.error();
      page.next_key = name->key;
      page.next_upload_id = name->upload_id;
      page.uploads.push_back(decode(name->key, name->upload_id, row));
    }
    if (!rows->next) break;
    range.begin = std::move(*rows->next);
  }
  page.next_key.clear();
  page.next_upload_id.clear();
  co_return page;
}

// Each step may be repeated after a crash: the dead bucket's row goes last.
Task<Result<>> ObjectStore::State::bury_bucket(keys::BucketId bucket) {
  while (true) {
    auto uploads = co_await metadata.scan(metadata::prefix_range(keys::upload_prefix(bucket, {})), 100);
    if (!uploads) co_return uploads.error();
    if (uploads->entries.empty()) break;
    for (const metadata::Entry& entry : uploads->entries) {
      auto name = keys::upload_parts_of(entry.key);
      if (!name) co_return Errc::corrupt_record;
      Result<> aborted = co_await abort(bucket, name->key, name->upload_id);
      if (!aborted && aborted.error() != Errc::upload_not_found) co_return aborted.error();
    }
  }
  Result<> dropped = co_await drop_pending(bucket, std::nullopt);
  if (!dropped) co_return dropped;
  for (std::string prefix : label_row_prefixes(bucket)) {
    while (true) {
      auto rows = co_await metadata.scan(metadata::prefix_range(prefix), 1000);
      if (!rows) co_return rows.error();
      if (rows->entries.empty()) break;
      metadata::Transaction transaction;
      for (const metadata::Entry& entry : rows->entries) transaction.remove(entry.key);
      auto revision = co_await metadata.commit(std::move(transaction));
      if (!revision) co_return revision.error();
    }
  }
  while (true) {
    auto finished = co_await metadata.scan(metadata::prefix_range(keys::finished_prefix(bucket)), 1000);
    if (!finished) co_return finished.error();
    metadata::Transaction transaction;
    for (const metadata::Entry& entry : finished->entries) transaction.remove(entry.key);
    if (!finished->next) transaction.remove(keys::dead_bucket(bucket));
    auto revision = co_await metadata.commit(std::move(transaction));
    if (!revision) co_return revision.error();
    if (!finished->next) co_return success();
  }
}

}  // namespace storage
