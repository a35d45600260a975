// ObjectStore: annotations of versions.
//
// A payload lies in a row of its own, or as a blob in segments; all else about it is among the version's label sources, so every
// change writes the version's row under its revision. The payload's row goes by the version's holder and a random revision:
// it stays where it is whatever row the version lies in, and is never written twice.
#include <algorithm>
#include <cstring>

#include "storage/body_reader.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

// Payloads up to here lie in their rows, as long as all of a version's together stay below the second bound: so that a copy of
// them fits into one transaction.
constexpr std::size_t kPayloadInlineMax = 16 * 1024;
constexpr std::size_t kInlineOfVersionMax = 4 * 1024 * 1024;

AnnotationInfo info_of(const labels::Annotation& annotation) {
  AnnotationInfo info;
  info.name = annotation.name;
  info.size = annotation.size;
  info.etag = hex(annotation.md5);
  info.modified_ms = annotation.modified_ms;
  info.checksum.algorithm = static_cast<ChecksumAlgorithm>(annotation.checksum_algorithm);
  return info;
}

Result<> check_annotation(const WriteCondition& condition, const labels::Annotation* current) {
  if (condition.if_none_match_any && current != nullptr) return Errc::precondition_failed;
  if (!condition.if_match) return success();
  if (current == nullptr) return Errc::annotation_not_found;
  const bool matches = *condition.if_match == "*" || *condition.if_match == hex(current->md5);
  return matches ? success() : Result<>(Errc::precondition_failed);
}

// Leaves that were cut come back where there is room again. `fresh` is the annotation that is being put, whose payload lies
// nowhere yet; null: none is.
Task<Result<>> restore_leaves(ObjectStore::State& state, labels::Sources& sources, std::string holder,
                              const labels::Annotation* fresh) {
  sources.fit();
  std::string last;
  while (const labels::Annotation* const cut = sources.restorable()) {
    if (cut->name == last) break;  // it is in as far as it fits
    last = cut->name;
    if (fresh != nullptr && last == fresh->name) {
      sources.put(*fresh);
      sources.fit();
      continue;
    }
    labels::Annotation annotation = *cut;
    auto row = co_await state.load_annotation(holder, annotation);
    if (!row) co_return row.error();
    auto payload = co_await state.read_payload(std::move(*row));
    if (!payload) co_return payload.error();
    ObjectStore::State::describe_payload(annotation, *payload);
    sources.put(std::move(annotation));
    sources.fit();
  }
  co_return success();
}

}  // namespace

std::uint32_t chunks_of(const StoredBody& body) {
  return static_cast<std::uint32_t>((body.extents.size() + kExtentsPerChunk - 1) / kExtentsPerChunk);
}

std::uint64_t random_revision() {
  std::uint64_t revision = 0;
  const segment::BlobId random = random_blob_id();
  std::memcpy(&revision, random.data(), sizeof revision);
  return revision;
}

void ObjectStore::State::describe_payload(labels::Annotation& annotation, std::string_view payload) {
  labels::Payload parsed = labels::parse_payload(annotation.name, payload);
  annotation.json = parsed.json;
  annotation.json_length = parsed.json_length;
  annotation.leaves = std::move(parsed.leaves);
  annotation.not_indexed = std::move(parsed.not_indexed);
  annotation.cut = false;
}

bool ObjectStore::State::fits_inline(const labels::Sources& sources, std::string_view name, std::size_t bytes) {
  if (bytes > kPayloadInlineMax) return false;
  std::size_t total = bytes;
  for (const labels::Annotation& each : sources.annotations) {
    if (each.inlined && each.name != name) total += each.size;
  }
  return total <= kInlineOfVersionMax;
}

Task<Result<records::Annotation>> ObjectStore::State::load_annotation(std::string holder, labels::Annotation annotation) {
  auto entry = co_await metadata.get(keys::annotation(holder, annotation.name, annotation.revision));
  if (!entry) co_return entry.error() == Errc::not_found ? Error(Errc::conflict) : entry.error();
  records::Annotation row;
  Result<> parsed = parse(entry->value, row);
  if (!parsed) co_return parsed.error();
  co_return row;
}

Task<Result<std::string>> ObjectStore::State::read_payload(records::Annotation row) {
  if (row.blob_chunks() == 0) co_return std::move(*row.mutable_payload());
  records::Version body;
  body.set_size(row.size());
  body.set_blob_id(row.blob_id());
  body.set_blob_chunks(row.blob_chunks());
  BodyReader reader(*this, BodyPlan(metadata, segments, body, nullptr, nullptr, 0, row.size()));
  std::string payload;
  payload.reserve(row.size());
  while (true) {
    auto chunk = co_await reader.next();
    if (!chunk) co_return chunk.error() == Errc::not_found ? Error(Errc::conflict) : chunk.error();
    if (chunk->bytes.empty()) co_return payload;
    payload.append(reinterpret_cast<const char*>(chunk->bytes.data()), chunk->bytes.size());
  }
}

Task<Result<>> ObjectStore::State::add_annotation(VersionEdit& edit, AnnotatedKey of, records::Version& next, AnnotationPut put,
                                                  const StoredBody* stored) {
  if (next.holder().empty()) next.set_holder(random_bytes16());
  auto sources = co_await load_sources(next);
  if (!sources) co_return sources.error();
  if (const labels::Annotation* const before = sources->find(put.name)) {
    Result<> released = co_await replace_annotation(edit, of, next.holder(), *before);
    if (!released) co_return released;
  }
  labels::Annotation annotation;
  annotation.name = put.name;
  annotation.md5 = put.md5;
  annotation.size = put.payload.size();
  annotation.revision = random_revision();
  annotation.modified_ms = clock.wall_ms();
  annotation.checksum_algorithm = static_cast<std::uint8_t>(put.checksum.algorithm);
  annotation.inlined = stored == nullptr;
  describe_payload(annotation, put.payload);
  const std::string row_key = keys::annotation(next.holder(), annotation.name, annotation.revision);

  records::Annotation row;
  row.set_md5(put.md5);
  row.set_size(put.payload.size());
  row.set_modified_ms(annotation.modified_ms);
  *row.mutable_checksum() = encode(put.checksum);
  if (stored != nullptr) {
    row.set_blob_id(blob_bytes(stored->blob));
    row.set_blob_chunks(chunks_of(*stored));
    add_blob_rows(edit.transaction, *stored, row_key, edit.change);
  } else {
    row.set_payload(std::move(put.payload));
  }
  edit.transaction.put(row_key, serialize(row));
  sources->put(annotation);
  Result<> restored = co_await restore_leaves(*this, *sources, next.holder(), &annotation);
  if (!restored) co_return restored;
  set_sources(edit.transaction, next, *sources);
  co_return success();
}

Task<Result<>> ObjectStore::State::take_annotation(VersionEdit& edit, AnnotatedKey of, records::Version& next,
                                                   std::string name) {
  auto sources = co_await load_sources(next);
  if (!sources) co_return sources.error();
  const labels::Annotation* const before = sources->find(name);
  if (before == nullptr) co_return success();
  Result<> released = co_await replace_annotation(edit, of, next.holder(), *before);
  if (!released) co_return released;
  sources->remove(name);
  Result<> restored = co_await restore_leaves(*this, *sources, next.holder(), nullptr);
  if (!restored) co_return restored;
  set_sources(edit.transaction, next, *sources);
  co_return success();
}

// Payloads in rows are written again, blobs shared: whoever releases one just now requires its guard to be as it was.
Task<Result<>> ObjectStore::State::copy_annotations(metadata::Transaction& transaction, records::Version from,
                                                    records::Version& to) {
  auto sources = co_await load_sources(from);
  if (!sources) co_return sources.error() == Errc::conflict ? Error(Errc::not_found) : sources.error();
  if (sources->annotations.empty()) co_return success();
  sources->rules.clear();  // they are made anew
  const std::int64_t now_ms = clock.wall_ms();
  for (labels::Annotation& annotation : sources->annotations) {
    auto row = co_await load_annotation(from.holder(), annotation);
    if (!row) co_return row.error() == Errc::conflict ? Error(Errc::not_found) : row.error();
    annotation.modified_ms = now_ms;
    row->set_modified_ms(now_ms);
    const std::string row_key = keys::annotation(to.holder(), annotation.name, annotation.revision);
    if (row->blob_chunks() > 0) {
      const segment::BlobId blob = blob_id(row->blob_id());
      const std::string first_row = keys::blob_chunk(blob, 0);
      auto first = co_await metadata.get(first_row);
      if (!first) co_return first.error();
      transaction.require_revision(first_row, first->revision);
      transaction.put(keys::blob_guard(blob), std::string());
      transaction.put(keys::blob_reference(blob, row_key), std::string());
    }
    transaction.put(row_key, serialize(*row));
  }
  set_sources(transaction, to, *sources);
  co_return success();
}

Task<Result<Annotated>> ObjectStore::put_annotation(ObjectKey key, std::string version_id, AnnotationPut put) {
  const bool bytes_fit = !put.name.empty() && put.name.size() <= kAnnotationNameBytesMax && !put.payload.empty() &&
                         put.payload.size() <= kAnnotationBytesMax;
  if (!bytes_fit) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const KeyLocks::Guard guard = co_await state_->locks.lock(keys::head((*bucket)->id, key.key));
  std::optional<StoredBody> stored;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto version = co_await state_->find_version((*bucket)->id, key.key, version_id);
    if (!version) co_return version.error();
    if ((*version)->info->delete_marker) co_return Errc::not_found;
    Result<> allowed = put.check ? put.check(*(*version)->info) : success();
    if (!allowed) co_return allowed.error();
    records::Version next = (*version)->row.current();
    auto sources = co_await state_->load_sources(next);
    if (!sources && sources.error() == Errc::conflict) continue;
    if (!sources) co_return sources.error();
    const labels::Annotation* const before = sources->find(put.name);
    allowed = check_annotation(put.condition, before);
    if (!allowed) co_return allowed.error();
    if (before == nullptr && sources->annotations.size() >= kAnnotationsMax) co_return Errc::annotation_limit;
    if (!stored && !State::fits_inline(*sources, put.name, put.payload.size())) {
      auto written = co_await state_->store_bytes(key, std::as_bytes(std::span(put.payload)));
      if (!written) co_return written.error();
      stored = std::move(*written);
    }

    VersionEdit edit;
    const State::AnnotatedKey of{*bucket, key.key};
    Result<> added = co_await state_->add_annotation(edit, of, next, put, stored ? &*stored : nullptr);
    if (!added && added.error() != Errc::conflict) co_return added.error();
    Result<HeadRecordPtr> rewritten = Errc::conflict;
    if (added) {
      if (put.companion != nullptr) add_companion_rows(put.companion, object_info(key.key, next), edit.transaction);
      rewritten = co_await state_->rewrite(std::move(edit), *bucket, key.key, std::move(*version), std::move(next));
    }
    if (rewritten) {
      if (put.companion != nullptr) put.companion->committed();
      auto after = co_await state_->load_sources((*rewritten)->row.current());
      if (!after) co_return after.error();
      const labels::Annotation* const annotation = after->find(put.name);
      if (annotation == nullptr) co_return Errc::corrupt_record;
      Annotated result{(*rewritten)->info, info_of(*annotation), {}};
      result.annotation.checksum = put.checksum;
      co_return result;
    }
    if (rewritten.error() != Errc::conflict) co_return rewritten.error();
    bucket = co_await state_->find_bucket(key.bucket);
    if (!bucket) co_return bucket.error();
  }
  co_return Errc::conditional_conflict;
}

Task<Result<>> ObjectStore::relabel(ObjectKey key, RuleJudge rules) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const std::string row_key = keys::head((*bucket)->id, key.key);
  const KeyLocks::Guard guard = co_await state_->locks.lock(row_key);
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto version = co_await state_->find_head(row_key, key.key);
    if (!version) co_return version.error();
    if ((*version)->info->delete_marker) co_return Errc::not_found;
    records::Version next = (*version)->row.current();
    if (next.holder().empty()) next.set_holder(random_bytes16());
    VersionEdit edit;
    Result<> judged = co_await state_->set_rules(edit, next, rules);
    if (!judged && judged.error() != Errc::conflict) co_return judged;
    const records::Version& before = (*version)->row.current();
    const bool same = judged && edit.transaction.puts.empty() && edit.transaction.removes.empty() &&
                      next.labels() == before.labels();
    if (same) co_return success();
    Result<HeadRecordPtr> rewritten = Errc::conflict;
    if (judged) {
      rewritten = co_await state_->rewrite(std::move(edit), *bucket, key.key, std::move(*version), std::move(next));
    }
    if (rewritten) co_return success();
    if (rewritten.error() != Errc::conflict) co_return rewritten.error();
    bucket = co_await state_->find_bucket(key.bucket);
    if (!bucket) co_return bucket.error();
  }
  co_return Errc::conditional_conflict;
}

Task<Result<Annotated>> ObjectStore::annotation(ObjectKey key, std::string version_id, std::string name) {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto version = co_await state_->find_readable(key, version_id);
    if (!version) co_return version.error();
    if ((*version)->info->delete_marker) co_return Errc::not_found;
    const records::Version& row = (*version)->row.current();
    auto sources = co_await state_->load_sources(row);
    if (!sources && sources.error() == Errc::conflict) continue;
    if (!sources) co_return sources.error();
    const labels::Annotation* const found = sources->find(name);
    if (found == nullptr) co_return Errc::annotation_not_found;
    auto annotation = co_await state_->load_annotation(row.holder(), *found);
    if (!annotation && annotation.error() == Errc::conflict) continue;  // it was replaced between the two looks
    if (!annotation) co_return annotation.error();
    Annotated result{(*version)->info, info_of(*found), {}};
    result.annotation.checksum = decode(annotation->checksum());
    auto payload = co_await state_->read_payload(std::move(*annotation));
    if (!payload && payload.error() == Errc::conflict) continue;
    if (!payload) co_return payload.error();
    result.payload = std::move(*payload);
    co_return result;
  }
  co_return Errc::corrupt_record;
}

Task<Result<AnnotationPage>> ObjectStore::list_annotations(ObjectKey key, std::string version_id, std::string prefix,
                                                           std::string after, std::uint32_t limit) {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto version = co_await state_->find_readable(key, version_id);
    if (!version) co_return version.error();
    if ((*version)->info->delete_marker) co_return Errc::not_found;
    auto sources = co_await state_->load_sources((*version)->row.current());
    if (!sources && sources.error() == Errc::conflict) continue;
    if (!sources) co_return sources.error();
    AnnotationPage page;
    page.version = (*version)->info;
    for (const labels::Annotation& annotation : sources->annotations) {
      if (annotation.name <= after && !after.empty()) continue;
      if (!annotation.name.starts_with(prefix)) continue;
      if (page.annotations.size() == limit) {
        page.truncated = true;
        break;
      }
      page.annotations.push_back(info_of(annotation));
    }
    co_return page;
  }
  co_return Errc::corrupt_record;
}

Task<Result<Annotated>> ObjectStore::remove_annotation(ObjectKey key, std::string version_id, AnnotationRemoval removal) {
  auto bucket = co_await state_->find_bucket(key.bucket);
  if (!bucket) co_return bucket.error();
  const KeyLocks::Guard guard = co_await state_->locks.lock(keys::head((*bucket)->id, key.key));
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto version = co_await state_->find_version((*bucket)->id, key.key, version_id);
    if (!version) co_return version.error();
    if ((*version)->info->delete_marker) co_return Errc::not_found;
    Result<> allowed = removal.check ? removal.check(*(*version)->info) : success();
    if (!allowed) co_return allowed.error();
    records::Version next = (*version)->row.current();
    auto sources = co_await state_->load_sources(next);
    if (!sources && sources.error() == Errc::conflict) continue;
    if (!sources) co_return sources.error();
    const labels::Annotation* const before = sources->find(removal.name);
    allowed = check_annotation(removal.condition, before);
    if (!allowed) co_return allowed.error();
    Annotated result{(*version)->info, {}, {}};
    result.annotation.name = removal.name;
    if (before == nullptr) co_return result;
    allowed = state_->check_lock(next, removal.bypass_governance);
    if (!allowed) co_return allowed.error();
    VersionEdit edit;
    const State::AnnotatedKey of{*bucket, key.key};
    Result<> taken = co_await state_->take_annotation(edit, of, next, removal.name);
    if (!taken && taken.error() != Errc::conflict) co_return taken.error();
    Result<HeadRecordPtr> rewritten = Errc::conflict;
    if (taken) {
      if (removal.companion != nullptr) add_companion_rows(removal.companion, object_info(key.key, next), edit.transaction);
      rewritten = co_await state_->rewrite(std::move(edit), *bucket, key.key, std::move(*version), std::move(next));
    }
    if (rewritten) {
      if (removal.companion != nullptr) removal.companion->committed();
      co_return result;
    }
    if (rewritten.error() != Errc::conflict) co_return rewritten.error();
    bucket = co_await state_->find_bucket(key.bucket);
    if (!bucket) co_return bucket.error();
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
