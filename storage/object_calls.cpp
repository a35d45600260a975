// ObjectStore: put, head, remove, copy and tags of single objects.
#include <cstring>

#include "storage/object_store_state.h"

namespace storage {
namespace {

// The stored form of a body inside its version record.
void describe_body(const StoredBody& body, records::Version& version) {
  version.set_size(body.digests.client_size.value_or(body.size));
  if (version.size() != body.size) version.set_stored_size(body.size);
  version.set_md5(body.digests.md5);
  *version.mutable_checksum() = encode(body.digests.checksum);
  describe_extents(body, version);
}

Result<> check_remove(const RemoveCondition& condition, const HeadRecord* current) {
  if (current == nullptr) {
    const bool needs_object = condition.size.has_value() || condition.modified_s.has_value();
    return needs_object ? Result<>(Errc::precondition_failed) : success();
  }
  const ObjectInfo& info = *current->info;
  if (condition.if_match && *condition.if_match != "*" && *condition.if_match != info.etag) {
    return Errc::precondition_failed;
  }
  if (condition.size && *condition.size != info.size) return Errc::precondition_failed;
  if (condition.modified_s && *condition.modified_s != info.modified_ms / 1000) return Errc::precondition_failed;
  return success();
}

}  // namespace

// PUT: bytes first, name second. A crash between the two leaves shards that nothing names, which the collector
// frees; the other order could name bytes that were never written.
Task<Result<ObjectInfoPtr>> ObjectStore::put(ObjectKey key, PutOptions options, BodySource& body) {
  if (key.key.empty() || key.key.size() > kKeyBytesMax) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  if (options.condition.if_none_match_any || options.condition.if_match) {
    // Spares the body where the answer is clear already; replace_current() checks again at the commit.
    auto current = co_await state_->find_head(keys::head((*bucket)->id, key.key), key.key);
    if (!current && current.error() != Errc::not_found) co_return current.error();
    Result<> allowed = check_condition(options.condition, current ? current->get() : nullptr);
    if (!allowed) co_return allowed.error();
  }

  auto stored = co_await state_->store_body(key, body);  // durable on k+m drives when this returns
  if (!stored) co_return stored.error();

  State::Replacement replacement;
  replacement.bucket = *bucket;
  replacement.key = key.key;
  replacement.condition = options.condition;
  describe_body(*stored, replacement.version);
  replacement.version.set_modified_ms(state_->clock.wall_ms());
  *replacement.version.mutable_attributes() = encode(options.attributes);
  *replacement.version.mutable_controls() = encode(options.controls);
  if (!stored->inline_extent && !stored->extents.empty()) {
    state_->add_blob_rows(replacement.extra, *stored, std::string(), replacement.change);
    replacement.blobs.push_back(stored->blob);
  }
  co_return co_await state_->replace_current(std::move(replacement));
}

Task<Result<ObjectInfoPtr>> ObjectStore::head(ObjectKey key, std::string version_id) {
  if (!version_id.empty() && version_id != "null") co_return Errc::version_not_found;
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  auto record = co_await state_->find_head(keys::head((*bucket)->id, key.key), key.key);
  if (!record) co_return record.error();
  const records::Version& version = (*record)->row.current();
  if (version.part_count() == 0) co_return (*record)->info;

  auto parts = co_await state_->load_parts((*bucket)->id, key.key, version.number());
  if (!parts) co_return parts.error();
  auto info = std::make_shared<ObjectInfo>(*(*record)->info);
  for (const records::Part& part : parts->parts()) info->parts.push_back(decode(part));
  co_return ObjectInfoPtr(std::move(info));
}

Task<Result<Removed>> ObjectStore::remove(std::string bucket_name, RemoveRequest request) {
  if (!request.version_id.empty() && request.version_id != "null") co_return Removed{};
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  const std::string row_key = keys::head((*bucket)->id, request.key);
  const KeyLocks::Guard guard = co_await state_->locks.lock(row_key);
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto current = co_await state_->find_head(row_key, request.key);
    if (!current && current.error() != Errc::not_found) co_return current.error();
    Result<> allowed = check_remove(request.condition, current ? current->get() : nullptr);
    if (!allowed) co_return allowed.error();
    if (!current) co_return Removed{};

    metadata::Transaction transaction;
    transaction.require_revision(row_key, (*current)->revision);
    transaction.remove(row_key);
    transaction.add(keys::object_count((*bucket)->id), -1, 0);
    upkeep::LiveChange change;
    Result<> released =
        co_await state_->release_version(transaction, (*bucket)->id, request.key, (*current)->row.current(), {}, change);
    if (!released) co_return released.error();
    std::optional<RecordCache<HeadRecord>::Write> write;
    write.emplace(state_->heads, row_key);
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    write.reset();
    if (revision) {
      state_->live_counters.apply(change);
      co_return Removed{};
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conditional_conflict;
}

namespace {

// One key of a bulk delete, prepared: what goes into the shared transaction.
struct PreparedRemove {
  std::size_t index;
  std::string row_key;
};

}  // namespace

Task<std::vector<Result<Removed>>> ObjectStore::remove_many(std::string bucket_name,
                                                            std::vector<RemoveRequest> requests) {
  std::vector<Result<Removed>> results(requests.size(), Removed{});
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) {
    results.assign(requests.size(), bucket.error());
    co_return results;
  }
  // Multipart and shared bodies need reads of their own: those, and a batch that meets a conflict, go one by one.
  metadata::Transaction transaction;
  upkeep::LiveChange change;
  std::vector<PreparedRemove> prepared;
  std::vector<std::size_t> alone;
  std::vector<RecordCache<HeadRecord>::Write> writes;
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const std::string row_key = keys::head((*bucket)->id, requests[i].key);
    if (!seen.emplace(row_key, i).second) {
      alone.push_back(i);
      continue;
    }
    auto current = co_await state_->find_head(row_key, requests[i].key);
    if (!current && current.error() != Errc::not_found) {
      results[i] = current.error();
      continue;
    }
    Result<> allowed = check_remove(requests[i].condition, current ? current->get() : nullptr);
    if (!allowed) {
      results[i] = allowed.error();
      continue;
    }
    if (!current) continue;
    const records::Version& version = (*current)->row.current();
    if (version.part_count() > 0 || version.blob_chunks() > 0) {
      alone.push_back(i);
      continue;
    }
    transaction.require_revision(row_key, (*current)->revision);
    transaction.remove(row_key);
    if (version.has_extent()) change.died.emplace_back(row_key, decode(version.extent()));
    prepared.push_back({i, row_key});
  }
  if (!prepared.empty()) {
    transaction.add(keys::object_count((*bucket)->id), -static_cast<std::int64_t>(prepared.size()), 0);
    for (const PreparedRemove& each : prepared) writes.emplace_back(state_->heads, each.row_key);
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    writes.clear();
    if (revision) {
      state_->live_counters.apply(change);
    } else {
      for (const PreparedRemove& each : prepared) {
        if (revision.error() == Errc::conflict) {
          alone.push_back(each.index);
        } else {
          results[each.index] = revision.error();
        }
      }
    }
  }
  for (const std::size_t i : alone) {
    results[i] = co_await remove(bucket_name, requests[i]);
  }
  co_return results;
}

Task<Result<ObjectInfoPtr>> ObjectStore::change(ObjectKey key, std::string version_id, VersionChange change) {
  if (!version_id.empty() && version_id != "null") co_return Errc::version_not_found;
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const std::string row_key = keys::head((*bucket)->id, key.key);
  const KeyLocks::Guard guard = co_await state_->locks.lock(row_key);
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto current = co_await state_->find_head(row_key, key.key);
    if (!current) co_return current.error();
    const ObjectInfo& info = *(*current)->info;
    Changeable next{info.attributes.tags, info.controls};
    Result<> changed = change(info, next);
    if (!changed) co_return changed.error();
    records::Head head = (*current)->row;
    encode_tags(next.tags, *head.mutable_current()->mutable_attributes());
    *head.mutable_current()->mutable_controls() = encode(next.controls);
    metadata::Transaction transaction;
    transaction.require_revision(row_key, (*current)->revision);
    std::string value = serialize(head);
    transaction.put(row_key, value);
    RecordCache<HeadRecord>::Write write(state_->heads, row_key);
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    if (revision) {
      auto record = decode_head(key.key, metadata::Entry{row_key, std::move(value), *revision});
      if (!record) co_return record.error();
      ObjectInfoPtr after = (*record)->info;
      write.finish(std::move(*record));
      co_return after;
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
