// ObjectStore: Complete, the commit that turns parts into an object.
#include <openssl/sha.h>

#include "storage/multipart_digest.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

// How many rows of long finished uploads one Complete clears away: more than one, so that they cannot pile up.
constexpr std::uint32_t kExpiredPerComplete = 4;

// Tells a repeat of a Complete from another request with the same upload id.
std::string request_digest(const std::vector<CompletedPart>& parts) {
  std::string text;
  for (const CompletedPart& part : parts) text += std::to_string(part.number) + ':' + part.etag + ';';
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// The stored parts that the request names, in its order.
Result<std::vector<const records::Part*>> choose_parts(const std::vector<ObjectStore::State::PartRow>& stored,
                                                       const std::vector<CompletedPart>& wanted,
                                                       CompleteFailure& failure) {
  std::map<std::uint32_t, const records::Part*> by_number;
  for (const auto& part : stored) by_number[part.row.number()] = &part.row;
  for (std::size_t i = 1; i < wanted.size(); ++i) {
    failure.part_number = wanted[i].number;
    if (wanted[i].number <= wanted[i - 1].number) return Errc::part_order;
  }
  std::vector<const records::Part*> chosen;
  for (const CompletedPart& part : wanted) {
    failure = {part.number, 0, part.etag};
    const auto found = by_number.find(part.number);
    if (found == by_number.end() || hex(found->second->md5()) != part.etag) return Errc::part_not_found;
    if (part.checksum.algorithm != ChecksumAlgorithm::none) {
      const Checksum known = decode(found->second->checksum());
      if (known.algorithm != part.checksum.algorithm || known.value != part.checksum.value) {
        return Errc::part_not_found;
      }
    }
    chosen.push_back(found->second);
  }
  for (std::size_t i = 0; i + 1 < chosen.size(); ++i) {
    if (chosen[i]->size() >= kPartBytesMin) continue;
    failure = {chosen[i]->number(), chosen[i]->size(), hex(chosen[i]->md5())};
    return Errc::part_too_small;
  }
  return chosen;
}

// What Create declared; else what all parts have in common, with the type that is S3's default for it.
Result<Checksum> object_checksum(const records::Upload& upload, const std::vector<const records::Part*>& parts) {
  auto algorithm = static_cast<ChecksumAlgorithm>(upload.algorithm());
  auto type = static_cast<ChecksumType>(upload.type());
  if (algorithm != ChecksumAlgorithm::none) return multipart_checksum(parts, algorithm, type);
  algorithm = static_cast<ChecksumAlgorithm>(parts.front()->checksum().algorithm());
  type = algorithm == ChecksumAlgorithm::crc64nvme ? ChecksumType::full_object : ChecksumType::composite;
  auto checksum = multipart_checksum(parts, algorithm, type);
  if (!checksum && checksum.error() == Errc::checksum_type_mismatch) return Checksum{};  // a mixture: none
  return checksum;
}

Result<> check_totals(const CompleteOptions& options, std::uint64_t size, const Checksum& checksum) {
  if (options.object_size && *options.object_size != size) return Errc::size_mismatch;
  if (options.checksum.algorithm == ChecksumAlgorithm::none) return success();
  if (options.checksum.algorithm != checksum.algorithm) return Errc::checksum_type_mismatch;
  if (options.checksum.value != checksum.value) return Errc::checksum_mismatch;
  return success();
}

// The answer of a Complete that was made before, if this is its repeat.
Task<Result<ObjectInfoPtr>> finished_answer(ObjectStore::State& state, keys::BucketId bucket, std::string key,
                                            std::string upload_id, std::string digest) {
  auto entry = co_await state.metadata.get(keys::finished_upload(bucket, key, upload_id));
  if (!entry) co_return entry.error() == Errc::not_found ? Error(Errc::upload_not_found) : entry.error();
  records::FinishedUpload finished;
  Result<> parsed = parse(entry->value, finished);
  if (!parsed) co_return parsed.error();
  const bool expired = finished.finished_ms() + state.options.completed_upload_kept_ms < state.clock.wall_ms();
  if (expired || finished.request_digest() != digest) co_return Errc::upload_not_found;
  co_return std::make_shared<const ObjectInfo>(object_info(key, finished.version()));
}

Task<Result<>> forget_expired(ObjectStore::State& state, metadata::Transaction& transaction) {
  auto oldest = co_await state.metadata.scan(metadata::prefix_range(keys::finished_by_time_prefix()),
                                             kExpiredPerComplete);
  if (!oldest) co_return oldest.error();
  for (const metadata::Entry& entry : oldest->entries) {
    auto row = keys::finished_by_time_parts(entry.key);
    if (!row) co_return Errc::corrupt_record;
    if (row->finished_ms + state.options.completed_upload_kept_ms >= state.clock.wall_ms()) break;
    transaction.remove(row->row_key);
    transaction.remove(entry.key);
  }
  co_return success();
}

// Rows of the upload that go with it: its own, its parts', and the holders of parts that the object does not take.
Task<Result<>> dissolve_upload(ObjectStore::State& state, metadata::Transaction& transaction, std::string upload_key,
                               metadata::Revision upload_revision, std::string upload_id,
                               std::vector<ObjectStore::State::PartRow> stored,
                               std::set<segment::BlobId> kept, upkeep::LiveChange& change) {
  transaction.require_revision(upload_key, upload_revision);
  transaction.remove(upload_key);
  for (const auto& part : stored) {
    const std::string part_key = keys::part(upload_id, part.row.number());
    transaction.require_revision(part_key, part.revision);
    transaction.remove(part_key);
    if (part.row.blob_chunks() == 0) continue;
    const segment::BlobId blob = blob_id(part.row.blob_id());
    Result<> released = co_await state.release_blob(transaction, blob, part.row.blob_chunks(),
                                                    upload_holder(upload_id, part.row.number()), kept.contains(blob),
                                                    change);
    if (!released) co_return released.error();
  }
  co_return success();
}

}  // namespace

Task<Result<ObjectInfoPtr>> ObjectStore::complete_upload(ObjectKey key, std::string upload_id,
                                                         std::vector<CompletedPart> parts, CompleteOptions options,
                                                         CompleteFailure* failure) {
  if (parts.empty()) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const keys::BucketId id = (*bucket)->id;
  const std::string upload_key = keys::upload(id, key.key, upload_id);
  const std::string digest = request_digest(parts);
  CompleteFailure ignored;
  CompleteFailure& fault = failure != nullptr ? *failure : ignored;

  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto upload = co_await state_->find_upload(id, key.key, upload_id);
    if (!upload && upload.error() == Errc::upload_not_found) {
      co_return co_await finished_answer(*state_, id, key.key, upload_id, digest);
    }
    if (!upload) co_return upload.error();
    auto stored = co_await state_->load_upload_parts(upload_id);
    if (!stored) co_return stored.error();
    auto chosen = choose_parts(*stored, parts, fault);
    if (!chosen) co_return chosen.error();

    State::Replacement replacement;
    replacement.bucket = *bucket;
    replacement.key = key.key;
    replacement.condition = options.condition;
    replacement.companion = options.companion;
    replacement.rules = options.rules;
    records::Version& version = replacement.version;
    *version.mutable_attributes() = upload->row.attributes();
    *version.mutable_controls() = upload->row.controls();
    version.set_part_count(static_cast<std::uint32_t>(chosen->size()));
    version.set_md5(multipart_md5(*chosen));
    version.set_modified_ms(state_->clock.wall_ms());
    auto checksum = object_checksum(upload->row, *chosen);
    if (!checksum) co_return checksum.error();
    *version.mutable_checksum() = encode(*checksum);
    replacement.parts.emplace();
    std::uint64_t size = 0;
    std::uint64_t stored_bytes = 0;
    for (const records::Part* part : *chosen) {
      size += part->size();
      stored_bytes += stored_size(*part);
      *replacement.parts->add_parts() = *part;
      if (part->blob_chunks() > 0) replacement.blobs.push_back(blob_id(part->blob_id()));
    }
    version.set_size(size);
    if (stored_bytes != size) version.set_stored_size(stored_bytes);
    Result<> totals = check_totals(options, size, *checksum);
    if (!totals) co_return totals.error();

    const std::set<segment::BlobId> kept(replacement.blobs.begin(), replacement.blobs.end());
    Result<> dissolved = co_await dissolve_upload(*state_, replacement.extra, upload_key, upload->revision, upload_id,
                                                  std::move(*stored), kept, replacement.change);
    if (!dissolved) co_return dissolved.error();
    Result<> forgotten = co_await forget_expired(*state_, replacement.extra);
    if (!forgotten) co_return forgotten.error();
    State::Replacement::Finished& finished = replacement.finished.emplace();
    finished.row_key = keys::finished_upload(id, key.key, upload_id);
    finished.row.set_finished_ms(version.modified_ms());
    finished.row.set_request_digest(digest);
    replacement.extra.put(keys::finished_by_time(finished.row.finished_ms(), finished.row_key), std::string());

    auto info = co_await state_->replace_current(std::move(replacement));
    if (info || info.error() != Errc::conflict) co_return info;
    // A part came in or the upload ended between the look and the commit: look again.
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
