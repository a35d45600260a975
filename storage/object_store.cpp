#include "storage/object_store.h"

#include <openssl/rand.h>

#include <stdexcept>

#include "storage/base/log.h"
#include "storage/live_index.h"
#include "storage/object_store_state.h"

namespace storage {

ObjectStore::State::State(metadata::MetadataStore& metadata_store, segment::SegmentStore& segment_store,
                          io::BufferPool& requests, io::BufferPool& cache, Clock& the_clock, MetricsRegistry& metrics,
                          ObjectStoreOptions the_options)
    : metadata(metadata_store),
      segments(segment_store),
      request_pool(requests),
      reader_pool(the_options.reader_pool != nullptr ? *the_options.reader_pool : requests),
      clock(the_clock),
      options(the_options),
      heads(the_options.cached_records_max),
      buckets(4096),
      byte_cache(cache, metrics),
      label_index(metadata_store),
      bitmaps(metadata_store, the_options.bitmap_bytes_max),
      planner(label_index, bitmaps),
      live_index(std::make_unique<StoreLiveIndex>(*this)),
      put_bytes(metrics.counter("storage_put_bytes_total", "Bytes of bodies written.")),
      get_bytes(metrics.counter("storage_get_bytes_total", "Bytes of bodies read.")) {}

ObjectStore::ObjectStore(metadata::MetadataStore& metadata, segment::SegmentStore& segments,
                         io::BufferPool& request_pool, io::BufferPool& cache_pool, Clock& clock,
                         MetricsRegistry& metrics, ObjectStoreOptions options)
    : state_(std::make_unique<State>(metadata, segments, request_pool, cache_pool, clock, metrics, options)) {}

upkeep::LiveIndex& ObjectStore::live_index() { return *state_->live_index; }
upkeep::LiveCounters& ObjectStore::live_counters() { return state_->live_counters; }

ObjectStore::~ObjectStore() = default;

Task<Result<>> ObjectStore::recover() {
  // A format row that this binary does not know stops the start before anything is changed.
  auto format = co_await state_->metadata.get(keys::format_version());
  if (format) {
    auto version = metadata::counter_value(format->value);
    if (!version) co_return version.error();
    if (*version > static_cast<std::int64_t>(kRecordFormat)) co_return Errc::unsupported;
  } else if (format.error() == Errc::not_found) {
    metadata::Transaction transaction;
    transaction.put(keys::format_version(), metadata::counter_bytes(kRecordFormat));
    transaction.put(keys::labels_indexed(), std::string());
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    if (!revision) co_return revision.error();
  } else {
    co_return format.error();
  }
  // Buckets whose removal was cut short.
  auto dead = co_await state_->metadata.scan(metadata::prefix_range(keys::dead_bucket_prefix()), 1000);
  if (!dead) co_return dead.error();
  for (const metadata::Entry& entry : dead->entries) {
    auto bucket = keys::dead_bucket_id(entry.key);
    if (!bucket) co_return Errc::corrupt_record;
    Result<> buried = co_await state_->bury_bucket(*bucket);
    if (!buried) co_return buried.error();
  }
  // A store that takes no writes now must serve reads all the same: the next start tries again.
  const Result<> indexed = co_await state_->index_old_heads();
  if (!indexed) log_warn("labels_not_indexed", {{"why", indexed.error().message()}});
  co_return success();
}

Task<> ObjectStore::stop() { co_await state_->readers.join(); }

io::BufferPool& ObjectStore::request_pool() { return state_->request_pool; }

segment::BlobId random_blob_id() {
  segment::BlobId id{};
  if (RAND_bytes(id.data(), static_cast<int>(id.size())) != 1) throw std::runtime_error("the system gives no random bytes");
  return id;
}

std::string random_bytes16() { return blob_bytes(random_blob_id()); }

std::string version_holder(const records::Version& version) { return 'V' + version.holder(); }

std::string upload_holder(std::string_view upload_id, std::uint32_t part_number) {
  return 'U' + keys::part(upload_id, part_number).substr(1);
}

Task<Result<HeadRecordPtr>> ObjectStore::State::find_head(std::string row_key, std::string key) {
  RecordCache<HeadRecord>::Ticket ticket;
  if (HeadRecordPtr cached = heads.get(row_key, ticket)) co_return cached;
  auto entry = co_await metadata.get(row_key);
  if (!entry) co_return entry.error();
  auto record = decode_head(key, *entry);
  if (!record) co_return record.error();
  heads.insert(row_key, *record, ticket);
  co_return record;
}

const HeadRecord* present(const HeadRecordPtr& current) {
  return current != nullptr && !current->info->delete_marker ? current.get() : nullptr;
}

void ObjectStore::State::settle(keys::BucketId bucket, const VersionEdit& edit,
                                const Result<metadata::Revision>& committed) {
  if (committed) {
    live_counters.apply(edit.change);
    if (posting_listener != nullptr && !edit.postings.empty()) posting_listener->apply(bucket, edit.postings);
    return;
  }
  const Error error = committed.error();
  const bool refused = error == Errc::conflict || error == Errc::bound_exceeded || error == Errc::too_large ||
                       error == Errc::no_space || error == Errc::overloaded;
  if (!refused && posting_listener != nullptr) posting_listener->forget(bucket);
}

Result<> check_condition(const WriteCondition& condition, const HeadRecord* current) {
  if (condition.if_none_match_any && current != nullptr) return Errc::precondition_failed;
  if (condition.if_match) {
    if (current == nullptr) return Errc::not_found;
    if (*condition.if_match != "*" && *condition.if_match != current->info->etag) return Errc::precondition_failed;
  }
  return success();
}

namespace {

// The rows beside the head's that a new current version stands on.
void add_body_rows(VersionEdit& edit, const ObjectStore::State::Replacement& replacement, const std::string& row_key,
                   const records::Version& version) {
  const BucketRecord& bucket = *replacement.bucket;
  edit.transaction.require_revision(keys::bucket(bucket.info.name), bucket.revision);
  if (version.has_extent()) edit.change.born.emplace_back(row_key, decode(version.extent()));
  const std::string holder = version_holder(version);
  for (const segment::BlobId& blob : replacement.blobs) {
    edit.transaction.put(keys::blob_reference(blob, holder), std::string());
  }
  if (replacement.parts) {
    records::Parts parts = *replacement.parts;
    edit.transaction.put(keys::parts(bucket.id, replacement.key, version.number()), serialize(parts));
  }
  if (replacement.finished) {
    records::FinishedUpload finished = replacement.finished->row;
    *finished.mutable_version() = version;
    edit.transaction.put(replacement.finished->row_key, serialize(finished));
  }
  count_versions(edit, bucket.info, true);
}

}  // namespace

Task<Result<ObjectInfoPtr>> ObjectStore::State::replace_current(Replacement replacement) {
  const std::string row_key = keys::head(replacement.bucket->id, replacement.key);
  const KeyLocks::Guard guard = co_await locks.lock(row_key);
  const std::set<segment::BlobId> kept(replacement.blobs.begin(), replacement.blobs.end());
  if (replacement.version.holder().empty()) replacement.version.set_holder(random_bytes16());
  metadata::Revision conflicting = 0;  // the head's revision at the last conflict
  int same_head = 0;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto found = co_await find_head(row_key, replacement.key);
    if (!found && found.error() != Errc::not_found) co_return found.error();
    const HeadRecordPtr current = found ? *found : nullptr;
    Result<> allowed = check_condition(replacement.condition, present(current));
    if (!allowed) co_return allowed.error();

    VersionEdit edit;
    edit.transaction = replacement.extra;
    edit.change = replacement.change;
    records::Head head;
    *head.mutable_current() = replacement.version;
    if (replacement.rules) {
      Result<> judged = co_await set_rules(edit, *head.mutable_current(), replacement.rules);
      if (!judged) co_return judged.error();
    }
    Result<> placed = co_await supersede(edit, replacement.bucket, replacement.key, current, head, kept);
    if (!placed && placed.error() != Errc::conflict) co_return placed.error();
    if (placed) add_body_rows(edit, replacement, row_key, head.current());
    if (placed && replacement.companion != nullptr) {
      add_companion_rows(replacement.companion, object_info(replacement.key, head.current()), edit.transaction);
    }
    std::string value = serialize(head);
    edit.transaction.put(row_key, value);

    RecordCache<HeadRecord>::Write write(heads, row_key);
    Result<metadata::Revision> revision = Errc::conflict;
    if (placed) {
      revision = co_await metadata.commit(std::move(edit.transaction));  // durable, and visible, when this returns
      settle(replacement.bucket->id, edit, revision);
    }
    if (revision) {
      if (replacement.companion != nullptr) replacement.companion->committed();
      auto record = decode_head(replacement.key, metadata::Entry{row_key, std::move(value), *revision});
      if (!record) co_return record.error();
      ObjectInfoPtr info = (*record)->info;
      write.finish(std::move(*record));
      co_return info;
    }
    if (revision.error() != Errc::conflict) co_return revision.error();

    // Somebody else's commit came first: on this key, on the bucket, or on what `extra` stands on. Only the last
    // leaves the head as it was, time after time.
    const metadata::Revision seen = current != nullptr ? current->revision : 0;
    same_head = attempt > 0 && seen == conflicting ? same_head + 1 : 0;
    conflicting = seen;
    if (same_head == 3) co_return Errc::conflict;
    auto bucket = co_await find_bucket(replacement.bucket->info.name);
    if (!bucket) co_return bucket.error();
    if ((*bucket)->id != replacement.bucket->id) co_return Errc::bucket_not_found;
    replacement.bucket = *bucket;
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
