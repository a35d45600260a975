// ObjectStore: renames and appends. Both are about buckets that never kept versions.
#include <algorithm>

#include "storage/multipart_digest.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

using Replacement = ObjectStore::State::Replacement;

struct Renaming {
  BucketRecordPtr bucket;
  std::string from;
  std::string to;
  HeadRecordPtr source;
  HeadRecordPtr target;  // null: absent
};

// The rows of a rename, but for the target's head.
Task<Result<>> add_rename(ObjectStore::State& state, const Renaming& names, VersionEdit& edit, records::Head& head) {
  const keys::BucketId bucket = names.bucket->id;
  const std::string source_row = keys::head(bucket, names.from);
  const records::Version& before = names.source->row.current();
  *head.mutable_current() = before;
  // What a dataset may name stays under the old key; the new version is another holder of the same bytes.
  const bool stays = may_be_sealed(names.bucket->info, before);
  if (stays) {
    head.mutable_current()->set_holder(random_bytes16());
    Result<> copied = co_await state.copy_annotations(edit.transaction, before, *head.mutable_current());
    if (!copied && copied.error() == Errc::not_found) co_return Errc::conflict;
    if (!copied) co_return copied;
  }
  Result<> placed = co_await state.supersede(edit, names.bucket, names.to, names.target, head, {});
  if (!placed) co_return placed;
  edit.transaction.require_revision(keys::bucket(names.bucket->info.name), names.bucket->revision);
  edit.transaction.require_revision(source_row, names.source->revision);
  edit.transaction.remove(source_row);
  Result<> unlabelled = co_await state.change_labels(edit, names.bucket, names.from, names.source, nullptr);
  if (!unlabelled) co_return unlabelled;
  edit.versions -= 1;
  edit.bytes -= static_cast<std::int64_t>(before.size());
  records::Version& after = *head.mutable_current();
  const bool was_inline = after.has_extent();
  std::set<segment::BlobId> blobs;
  if (was_inline) {
    // The drives have the piece under the old key: by its blob it is found under the new one too.
    make_blob(after, source_row, edit.transaction, edit.change);
    if (stays) edit.change.died.pop_back();  // keep_version() counts it
  }
  if (after.part_count() == 0 && after.blob_chunks() > 0) {
    blobs.insert(blob_id(after.blob_id()));
    if (was_inline || stays) {
      edit.transaction.put(keys::blob_reference(blob_id(after.blob_id()), version_holder(after)), std::string());
    }
  }
  if (after.part_count() > 0) {
    auto parts = co_await state.load_parts(bucket, names.from, before.number());
    if (!parts) co_return parts.error();
    for (const records::Part& part : parts->parts()) {
      if (part.blob_chunks() == 0 || !blobs.insert(blob_id(part.blob_id())).second || !stays) continue;
      edit.transaction.put(keys::blob_reference(blob_id(part.blob_id()), version_holder(after)), std::string());
    }
    if (!stays) edit.transaction.remove(keys::parts(bucket, names.from, before.number()));
    edit.transaction.put(keys::parts(bucket, names.to, after.number()), serialize(*parts));
  }
  if (stays) {
    Result<> kept = co_await state.keep_version(edit, names.bucket, names.from, before, false, std::move(blobs));
    if (!kept) co_return kept;
  }
  count_versions(edit, names.bucket->info, true);
  co_return success();
}

Task<Result<HeadRecordPtr>> find_or_null(ObjectStore::State& state, keys::BucketId bucket, std::string key) {
  auto found = co_await state.find_head(keys::head(bucket, key), key);
  if (!found && found.error() == Errc::not_found) co_return HeadRecordPtr();
  co_return found;
}

}  // namespace

Task<Result<ObjectInfoPtr>> ObjectStore::rename(std::string bucket_name, RenameRequest request) {
  const bool keys_fit = !request.to.empty() && request.to.size() <= kKeyBytesMax && request.from != request.to;
  if (!keys_fit) co_return Errc::invalid_argument;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    Renaming names;
    auto bucket = co_await state_->find_bucket(bucket_name);
    if (!bucket) co_return bucket.error();
    if ((*bucket)->info.versioning != Versioning::off) co_return Errc::invalid_argument;
    names.bucket = *bucket;
    names.from = request.from;
    names.to = request.to;
    const std::string target_row = keys::head((*bucket)->id, request.to);
    const std::string source_row = keys::head((*bucket)->id, request.from);
    // In one order everywhere, or two renames could wait for each other.
    const KeyLocks::Guard first = co_await state_->locks.lock(std::min(target_row, source_row));
    const KeyLocks::Guard second = co_await state_->locks.lock(std::max(target_row, source_row));
    auto target = co_await find_or_null(*state_, (*bucket)->id, request.to);
    if (!target) co_return target.error();
    names.target = *target;
    auto source = co_await find_or_null(*state_, (*bucket)->id, request.from);
    if (!source) co_return source.error();
    names.source = *source;
    if (names.source == nullptr) {
      const bool repeated = !request.token.empty() && names.target != nullptr &&
                            names.target->row.current().rename_token() == request.token;
      co_return repeated ? Result<ObjectInfoPtr>(names.target->info) : Result<ObjectInfoPtr>(Errc::not_found);
    }
    Result<> allowed = request.check(*names.source->info, names.target ? names.target->info.get() : nullptr);
    if (!allowed) co_return allowed.error();

    VersionEdit edit;
    records::Head head;
    Result<> added = co_await add_rename(*state_, names, edit, head);
    if (!added && added.error() != Errc::conflict) co_return added.error();
    if (!added) continue;
    head.mutable_current()->set_rename_token(request.token);
    std::string value = serialize(head);
    edit.transaction.put(target_row, value);
    if (request.companion != nullptr) {
      add_companion_rows(request.companion, object_info(request.to, head.current()), edit.transaction);
    }
    RecordCache<HeadRecord>::Write source_write(state_->heads, source_row);
    RecordCache<HeadRecord>::Write target_write(state_->heads, target_row);
    auto revision = co_await state_->metadata.commit(std::move(edit.transaction));
    state_->settle((*bucket)->id, edit, revision);
    if (revision) {
      if (request.companion != nullptr) request.companion->committed();
      auto record = decode_head(request.to, metadata::Entry{target_row, std::move(value), *revision});
      if (!record) co_return record.error();
      ObjectInfoPtr info = (*record)->info;
      target_write.finish(std::move(*record));
      co_return info;
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conditional_conflict;
}

namespace {

records::Part part_of(const StoredBody& body, std::int64_t now_ms) {
  records::Part part;
  part.set_size(body.digests.client_size.value_or(body.size));
  if (part.size() != body.size) part.set_stored_size(body.size);
  part.set_md5(body.digests.md5);
  *part.mutable_checksum() = encode(body.digests.checksum);
  part.set_modified_ms(now_ms);
  if (!body.extents.empty()) {
    part.set_blob_id(blob_bytes(body.blob));
    part.set_blob_chunks(static_cast<std::uint32_t>((body.extents.size() + kExtentsPerChunk - 1) / kExtentsPerChunk));
  }
  return part;
}

// A body that was put whole, as a part.
records::Part part_of(const records::Version& version) {
  records::Part part;
  part.set_number(1);
  part.set_size(version.size());
  part.set_stored_size(version.stored_size());
  part.set_md5(version.md5());
  *part.mutable_checksum() = version.checksum();
  part.set_modified_ms(version.modified_ms());
  part.set_blob_id(version.blob_id());
  part.set_blob_chunks(version.blob_chunks());
  return part;
}

// Parts in order, numbered upwards.
Result<> add_part(records::Parts& parts, records::Part part, bool numbers_fixed) {
  if (parts.parts_size() >= static_cast<int>(kPartNumberMax)) return Errc::too_large;
  const std::uint32_t last = parts.parts_size() > 0 ? parts.parts(parts.parts_size() - 1).number() : 0;
  if (numbers_fixed && last >= kPartNumberMax) return Errc::too_large;
  part.set_number(last + 1);
  *parts.add_parts() = std::move(part);
  if (last < kPartNumberMax) return success();
  for (int i = 0; i < parts.parts_size(); ++i) parts.mutable_parts(i)->set_number(static_cast<std::uint32_t>(i + 1));
  return success();
}

// What the parts make of the whole: digest, checksum, sizes, blobs.
void sum_up(Replacement& replacement) {
  std::vector<const records::Part*> parts;
  std::uint64_t size = 0;
  std::uint64_t stored_bytes = 0;
  for (const records::Part& part : replacement.parts->parts()) {
    parts.push_back(&part);
    size += part.size();
    stored_bytes += stored_size(part);
    if (part.blob_chunks() > 0) replacement.blobs.push_back(blob_id(part.blob_id()));
  }
  records::Version& version = replacement.version;
  version.set_part_count(static_cast<std::uint32_t>(parts.size()));
  version.set_md5(multipart_md5(parts));
  version.set_size(size);
  version.set_stored_size(stored_bytes != size ? stored_bytes : 0);
  version.clear_extent();
  version.clear_blob_id();
  version.clear_blob_chunks();
  // Checksums of the whole can be had of CRCs of one kind; a mixture has none.
  const auto algorithm = static_cast<ChecksumAlgorithm>(parts.front()->checksum().algorithm());
  Result<Checksum> checksum = Checksum{};
  if (algorithm != ChecksumAlgorithm::none) checksum = multipart_checksum(parts, algorithm, ChecksumType::full_object);
  *version.mutable_checksum() = encode(checksum ? *checksum : Checksum{});
}

}  // namespace

// The version before gives its blobs to the new one in the same transaction: no byte is copied.
Task<Result<ObjectInfoPtr>> ObjectStore::append(ObjectKey key, AppendOptions options, BodySource& body) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const std::string row_key = keys::head((*bucket)->id, key.key);
  std::optional<StoredBody> stored;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    if ((*bucket)->info.versioning != Versioning::off) co_return Errc::invalid_argument;
    auto current = co_await state_->find_head(row_key, key.key);
    if (!current) co_return current.error();
    const records::Version& before = (*current)->row.current();
    if (before.size() != options.offset) co_return Errc::size_mismatch;
    if (before.part_count() >= kPartNumberMax) co_return Errc::too_large;
    Result<> allowed = check_condition(options.condition, current->get());
    if (!allowed) co_return allowed.error();
    // A body that is encrypted fits one object and one place in it.
    const std::string& encryption = before.controls().encryption();
    if (encryption != (options.encrypted ? options.encrypted->before : std::string())) co_return Errc::conditional_conflict;
    if (!stored) {
      auto written = co_await state_->store_body(key, body);  // durable on k+m drives when this returns
      if (!written) co_return written.error();
      stored = std::move(*written);
      continue;  // with what became of the object meanwhile
    }

    Replacement replacement;
    replacement.bucket = *bucket;
    replacement.key = key.key;
    replacement.condition = options.condition;
    replacement.companion = options.companion;
    replacement.version = before;
    // What a new body is, nobody has said yet.
    replacement.version.clear_holder();
    replacement.version.clear_labels();
    replacement.version.clear_labels_row();
    replacement.version.set_modified_ms(state_->clock.wall_ms());
    replacement.extra.require_revision(row_key, (*current)->revision);
    replacement.parts.emplace();
    if (before.part_count() > 0) {
      auto parts = co_await state_->load_parts((*bucket)->id, key.key, before.number());
      if (!parts && parts.error() == Errc::not_found) continue;  // replaced between the two looks
      if (!parts) co_return parts.error();
      *replacement.parts = std::move(*parts);
    } else if (before.size() > 0) {
      if (before.has_extent()) make_blob(replacement.version, row_key, replacement.extra, replacement.change);
      *replacement.parts->add_parts() = part_of(replacement.version);
    }
    // supersede() counts the inline extent as dead where the version before goes.
    replacement.change.died.clear();
    Result<> added =
        add_part(*replacement.parts, part_of(*stored, replacement.version.modified_ms()), options.encrypted.has_value());
    if (!added) co_return added.error();
    if (options.encrypted) {
      const records::Part& last = replacement.parts->parts(replacement.parts->parts_size() - 1);
      if (last.number() != options.encrypted->part_number) co_return Errc::conditional_conflict;
      replacement.version.mutable_controls()->set_encryption(options.encrypted->after);
    }
    if (!stored->extents.empty()) {
      state_->add_blob_rows(replacement.extra, *stored, std::string(), replacement.change);
    }
    sum_up(replacement);
    auto info = co_await state_->replace_current(std::move(replacement));
    if (info || info.error() != Errc::conflict) co_return info;
    bucket = co_await state_->find_bucket(key.bucket);
    if (!bucket) co_return bucket.error();
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
