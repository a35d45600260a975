// ObjectStore: open() and copy().
#include "storage/body_plan.h"
#include "storage/body_reader.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

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
    co_return success();
  }

  const ObjectInfoPtr& info() const override { return info_; }

  std::unique_ptr<ObjectReader> read(std::uint64_t offset, std::uint64_t length) override {
    return std::make_unique<BodyReader>(state_, plan(offset, length));
  }

  BodyPlan plan(std::uint64_t offset, std::uint64_t length) const {
    return BodyPlan(state_.metadata, record_->row.current(), parts_ ? &*parts_ : nullptr, offset, length);
  }

  const HeadRecord& record() const { return *record_; }
  keys::BucketId bucket() const { return bucket_; }
  const std::optional<records::Parts>& parts() const { return parts_; }

 private:
  ObjectStore::State& state_;
  keys::BucketId bucket_;
  HeadRecordPtr record_;
  ObjectInfoPtr info_;
  std::optional<records::Parts> parts_;
  segment::SegmentPin pin_;
};

}  // namespace

Task<Result<std::unique_ptr<OpenObject>>> ObjectStore::open(ObjectKey key) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const std::string row_key = keys::head((*bucket)->id, key.key);
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto record = co_await state_->find_head(row_key, key.key);
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

// A copy shares blobs by reference rows; a small inline body is written again, since its one extent is held by the
// record itself.
Task<Result<ObjectInfoPtr>> ObjectStore::copy(const OpenObject& source, ObjectKey target, CopyOptions options) {
  if (target.key.empty() || target.key.size() > kKeyBytesMax) co_return Errc::invalid_argument;
  const auto& opened = static_cast<const OpenVersion&>(source);
  auto bucket = co_await state_->find_bucket(target.bucket);
  if (!bucket) co_return bucket.error();

  const records::Version& from = opened.record().row.current();
  State::Replacement replacement;
  replacement.bucket = *bucket;
  replacement.key = target.key;
  replacement.condition = options.condition;
  records::Version& to = replacement.version;
  to = from;
  to.clear_version_id();
  to.set_modified_ms(state_->clock.wall_ms());
  if (options.attributes) {
    const records::Attributes old = to.attributes();
    *to.mutable_attributes() = encode(*options.attributes);
    *to.mutable_attributes()->mutable_tags() = old.tags();
  }
  if (options.tags) encode_tags(*options.tags, *to.mutable_attributes());

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
      state_->add_blob_rows(replacement.extra, *stored, std::string());
      replacement.blobs.push_back(stored->blob);
    }
    pins = std::move(stored->pins);
  } else {
    Result<> shared = co_await share_body(*state_, opened.parts(), from, replacement);
    if (!shared) co_return shared.error();
  }
  auto info = co_await state_->replace_current(std::move(replacement));
  // A blob lost its last holder between open() and here.
  if (!info && info.error() == Errc::conflict) co_return Errc::not_found;
  co_return info;
}

}  // namespace storage
