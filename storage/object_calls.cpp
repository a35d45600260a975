// ObjectStore: put, head and changes in place of single objects.
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
    Result<> allowed = check_condition(options.condition, current ? present(*current) : nullptr);
    if (!allowed) co_return allowed.error();
  }

  auto stored = co_await state_->store_body(key, body);  // durable on k+m drives when this returns
  if (!stored) co_return stored.error();

  State::Replacement replacement;
  replacement.bucket = *bucket;
  replacement.key = key.key;
  replacement.condition = options.condition;
  replacement.companion = options.companion;
  replacement.rules = options.rules;
  describe_body(*stored, replacement.version);
  replacement.version.set_modified_ms(state_->clock.wall_ms());
  *replacement.version.mutable_attributes() = encode(options.attributes);
  *replacement.version.mutable_controls() = encode(options.controls);
  if (!stored->inline_extent && !stored->extents.empty()) {
    state_->add_blob_rows(replacement.extra, *stored, std::string(), replacement.change);
    replacement.blobs.push_back(stored->blob);
  }
  if (options.annotations_of == nullptr) co_return co_await state_->replace_current(std::move(replacement));
  replacement.version.set_holder(random_bytes16());
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    State::Replacement copying = replacement;
    Result<> annotated = co_await state_->copy_annotations(
        copying.extra, State::opened_record(*options.annotations_of).row.current(), copying.version);
    if (!annotated) co_return annotated.error();
    auto info = co_await state_->replace_current(std::move(copying));
    if (info || info.error() != Errc::conflict) co_return info;
    // An annotation's blob was moved, or somebody released it.
  }
  co_return Errc::conditional_conflict;
}

Task<Result<ObjectInfoPtr>> ObjectStore::head(ObjectKey key, std::string version_id) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket && bucket.error() == Errc::dataset_bucket) {
    auto found = co_await find_sealed(*state_, std::move(key), std::move(version_id));
    if (!found) co_return found.error();
    if (!is_multipart(*found->sample)) co_return found->sample->info;
    auto opened = co_await found->dataset->open(std::move(found->sample));  // which knows its parts
    if (!opened) co_return opened.error();
    co_return (*opened)->info();
  }
  if (!bucket) co_return bucket.error();
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto record = co_await state_->find_version((*bucket)->id, key.key, version_id);
    if (!record) co_return record.error();
    const records::Version& version = (*record)->row.current();
    if (version.part_count() == 0) co_return (*record)->info;

    auto parts = co_await state_->load_parts((*bucket)->id, key.key, version.number());
    if (!parts && parts.error() == Errc::not_found) continue;  // the version was removed between the two looks
    if (!parts) co_return parts.error();
    auto info = std::make_shared<ObjectInfo>(*(*record)->info);
    for (const records::Part& part : parts->parts()) info->parts.push_back(decode(part));
    co_return ObjectInfoPtr(std::move(info));
  }
  co_return Errc::conflict;
}

Task<Result<ObjectInfoPtr>> ObjectStore::change(ObjectKey key, std::string version_id, VersionChange change,
                                                 CommitCompanion* companion) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const std::string head_row = keys::head((*bucket)->id, key.key);
  const KeyLocks::Guard guard = co_await state_->locks.lock(head_row);
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto version = co_await state_->find_version((*bucket)->id, key.key, version_id);
    if (!version) co_return version.error();
    const ObjectInfo& info = *(*version)->info;
    if (info.delete_marker) co_return Errc::not_found;
    Changeable changed{info.attributes.tags, info.controls, info.attributes.storage_class};
    Result<> allowed = change(info, changed);
    if (!allowed) co_return allowed.error();
    records::Version next = (*version)->row.current();
    encode_tags(changed.tags, *next.mutable_attributes());
    *next.mutable_controls() = encode(changed.controls);
    next.mutable_attributes()->set_storage_class(changed.storage_class);
    VersionEdit edit;
    if (companion != nullptr) add_companion_rows(companion, object_info(key.key, next), edit.transaction);
    auto rewritten =
        co_await state_->rewrite(std::move(edit), *bucket, key.key, std::move(*version), std::move(next));
    if (rewritten) {
      if (companion != nullptr) companion->committed();
      co_return (*rewritten)->info;
    }
    if (rewritten.error() != Errc::conflict) co_return rewritten.error();
    bucket = co_await state_->find_bucket(key.bucket);
    if (!bucket) co_return bucket.error();
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
