// ObjectStore: open() and copy().
#include "storage/body_plan.h"
#include "storage/body_reader.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

constexpr std::size_t kChunksHeldMax = 8;

class OpenVersion final : public OpenObject {
 public:
  OpenVersion(ObjectStore::State& state, keys::BucketId bucket, HeadRecordPtr record)
      : state_(state), bucket_(bucket), record_(std::move(record)), info_(record_->info) {}

  Task<Result<>> load() {
    const records::Version& version = record_->row.current();
    if (version.part_count() > 0) {
      auto parts = co_await state_.load_parts(bucket_, info_->key, version.number());
      if (!parts) co_return parts.error();
      parts_ = std::move(*parts);
      auto info = std::make_shared<ObjectInfo>(*record_->info);
      for (const records::Part& part : parts_->parts()) info->parts.push_back(decode(part));
      info_ = std::move(info);
    }
    if (version.has_extent()) {
      auto pin = state_.segments.pin(version.extent().segment());
      if (!pin) co_return pin.error();
      pin_ = std::move(*pin);
    }
    co_return co_await hold_chunks();
  }

  const ObjectInfoPtr& info() const override { return info_; }

  std::unique_ptr<ObjectReader> read(std::uint64_t offset, std::uint64_t length) override {
    return std::make_unique<BodyReader>(state_, plan(offset, length));
  }

  BodyPlan plan(std::uint64_t offset, std::uint64_t length) const {
    return BodyPlan(state_.metadata, state_.segments, record_->row.current(), parts_ ? &*parts_ : nullptr, held_, offset,
                    length);
  }

  const HeadRecord& record() const { return *record_; }
  keys::BucketId bucket() const { return bucket_; }
  const std::optional<records::Parts>& parts() const { return parts_; }

 private:
  // The rows of a version of few chunks are fetched now, and their segments pinned: it is read to the end whatever happens
  // to the key. Of a version with more (many parts, or several GiB) each reader fetches those of its range.
  Task<Result<>> hold_chunks() {
    std::vector<std::pair<segment::BlobId, std::uint32_t>> blobs;
    const records::Version& version = record_->row.current();
    if (parts_) {
      for (const records::Part& part : parts_->parts()) {
        if (part.blob_chunks() > 0) blobs.emplace_back(blob_id(part.blob_id()), part.blob_chunks());
      }
    } else if (version.blob_chunks() > 0) {
      blobs.emplace_back(blob_id(version.blob_id()), version.blob_chunks());
    }
    std::size_t chunks = 0;
    for (const auto& [blob, count] : blobs) chunks += count;
    if (chunks == 0 || chunks > kChunksHeldMax) co_return success();
    auto held = std::make_shared<HeldChunks>();
    for (const auto& [blob, count] : blobs) {
      for (std::uint32_t chunk = 0; chunk < count; ++chunk) {
        auto fetched = co_await fetch_chunk(state_.metadata, state_.segments, blob, chunk);
        if (!fetched) co_return fetched.error();
        held->emplace(std::pair(blob, chunk), std::move(*fetched));
      }
    }
    held_ = std::move(held);
    co_return success();
  }

  ObjectStore::State& state_;
  keys::BucketId bucket_;
  HeadRecordPtr record_;
  ObjectInfoPtr info_;
  std::optional<records::Parts> parts_;
  segment::SegmentPin pin_;
  std::shared_ptr<const HeldChunks> held_;
};

}  // namespace

std::optional<CachedObject> ObjectStore::open_cached(std::string_view bucket, std::string_view key) {
  RecordCache<BucketRecord>::Ticket bucket_ticket;
  BucketRecordPtr found = state_->buckets.get(bucket, bucket_ticket);
  if (!found) return std::nullopt;
  RecordCache<HeadRecord>::Ticket ticket;
  const HeadRecordPtr head = state_->heads.get(keys::head(found->id, key), ticket);
  if (!head || !head->row.current().has_extent()) return std::nullopt;
  ByteCache::Pointer bytes = state_->byte_cache.get_if_cached(decode(head->row.current().extent()));
  if (!bytes) return std::nullopt;
  CachedObject object;
  const BucketInfo* info = &found->info;
  object.bucket = std::shared_ptr<const BucketInfo>(std::move(found), info);
  object.info = head->info;
  object.bytes.bytes = bytes->span();
  object.bytes.owner = std::move(bytes);
  state_->get_bytes.add(object.bytes.bytes.size());
  return object;
}

Task<Result<std::unique_ptr<OpenObject>>> ObjectStore::open(ObjectKey key, std::string version_id) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto record = co_await state_->find_version((*bucket)->id, key.key, version_id);
    if (!record) co_return record.error();
    auto opened = std::make_unique<OpenVersion>(*state_, (*bucket)->id, *record);
    Result<> loaded = co_await opened->load();
    if (loaded) co_return std::unique_ptr<OpenObject>(std::move(opened));
    // The version was replaced, and its rows removed, between the two looks: the key has a newer one, or none.
    if (loaded.error() != Errc::not_found) co_return loaded.error();
  }
  co_return Errc::corrupt_record;
}

namespace {

// Makes the new version a holder of the source's blobs. Safe while each blob's first row stands, and against those
// who are just releasing it: they require the guard row to be as they saw it, and this transaction writes it.
Task<Result<>> share_body(ObjectStore::State& state, const std::optional<records::Parts>& parts,
                          const records::Version& from, ObjectStore::State::Replacement& replacement) {
  std::vector<segment::BlobId> blobs;
  if (parts) {
    replacement.parts = *parts;
    for (const records::Part& part : parts->parts()) {
      if (part.blob_chunks() > 0) blobs.push_back(blob_id(part.blob_id()));
    }
  } else if (from.blob_chunks() > 0) {
    blobs.push_back(blob_id(from.blob_id()));
  }
  for (const segment::BlobId& blob : blobs) {
    const std::string first_row = keys::blob_chunk(blob, 0);
    auto row = co_await state.metadata.get(first_row);
    if (!row) co_return row.error();
    replacement.extra.require_revision(first_row, row->revision);
    replacement.extra.put(keys::blob_guard(blob), std::string());
    replacement.blobs.push_back(blob);
  }
  co_return success();
}

}  // namespace

const HeadRecord& ObjectStore::State::opened_record(const OpenObject& object) {
  return static_cast<const OpenVersion&>(object).record();
}

// A copy shares blobs by reference rows; a small inline body is written again, since its one extent is held by the
// record itself.
Task<Result<ObjectInfoPtr>> ObjectStore::copy(const OpenObject& source, ObjectKey target, CopyOptions options) {
  if (target.key.empty() || target.key.size() > kKeyBytesMax) co_return Errc::invalid_argument;
  const auto& opened = static_cast<const OpenVersion&>(source);
  auto bucket = co_await state_->find_bucket(target.bucket);
  if (!bucket) co_return bucket.error();

  const records::Version& from = opened.record().row.current();
  if (from.delete_marker()) co_return Errc::invalid_argument;
  State::Replacement replacement;
  replacement.bucket = *bucket;
  replacement.key = target.key;
  replacement.condition = options.condition;
  replacement.companion = options.companion;
  replacement.rules = options.rules;
  records::Version& to = replacement.version;
  to = from;
  to.clear_version_id();
  to.clear_rename_token();
  to.clear_labels();
  to.clear_labels_row();
  to.set_holder(random_bytes16());
  to.set_modified_ms(state_->clock.wall_ms());
  if (options.attributes) {
    const records::Attributes old = to.attributes();
    *to.mutable_attributes() = encode(*options.attributes);
    *to.mutable_attributes()->mutable_tags() = old.tags();
  }
  if (options.tags) encode_tags(*options.tags, *to.mutable_attributes());
  *to.mutable_controls() = encode(options.controls);

  std::vector<segment::SegmentPin> pins;
  if (from.has_extent()) {
    const segment::Extent extent = decode(from.extent());
    auto bytes = co_await state_->segments.read(extent, 0, extent.length, state_->request_pool);
    if (!bytes) co_return bytes.error();
    auto stored = co_await state_->store_bytes(target, bytes->bytes());
    if (!stored) co_return stored.error();
    to.clear_extent();
    describe_extents(*stored, to);
    if (!stored->inline_extent) {
      state_->add_blob_rows(replacement.extra, *stored, std::string(), replacement.change);
      replacement.blobs.push_back(stored->blob);
    }
    pins = std::move(stored->pins);
  }
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    State::Replacement sharing = replacement;
    // Errc::not_found: a blob lost its last holder since open(), or the version another annotation.
    if (options.annotations) {
      Result<> annotated = co_await state_->copy_annotations(sharing.extra, from, sharing.version);
      if (!annotated) co_return annotated.error();
    }
    if (!from.has_extent()) {
      Result<> shared = co_await share_body(*state_, opened.parts(), from, sharing);
      if (!shared) co_return shared.error();
    }
    auto info = co_await state_->replace_current(std::move(sharing));
    if (info || info.error() != Errc::conflict) co_return info;
    // A first row of a blob has changed or gone: its extents were moved, or somebody released the blob.
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
