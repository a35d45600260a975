// The inside of ObjectStore, shared by the files that implement it: one file for each family of calls.
#pragma once

#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "storage/base/task_group.h"
#include "storage/byte_cache.h"
#include "storage/key_locks.h"
#include "storage/keys.h"
#include "storage/label_index.h"
#include "storage/labels/bitmap_cache.h"
#include "storage/labels/label_sources.h"
#include "storage/labels/posting_listener.h"
#include "storage/metadata/metadata_store.h"
#include "storage/object_store.h"
#include "storage/query_planner.h"
#include "storage/record_cache.h"
#include "storage/records.h"
#include "storage/segment/segment_store.h"
#include "storage/sorted_matches.h"
#include "storage/upkeep/live_counters.h"
#include "storage/upkeep/live_index.h"

namespace storage {

// A bucket as transactions need it: its id, and the revision that a write requires to be still there.
struct BucketRecord {
  keys::BucketId id = 0;
  BucketInfo info;
  metadata::Revision revision = 0;
};
using BucketRecordPtr = std::shared_ptr<const BucketRecord>;

// A body whose bytes are durable and which nothing names yet.
struct StoredBody {
  std::uint64_t size = 0;
  segment::BlobId blob{};
  std::vector<segment::Extent> extents;  // none for an empty body
  bool inline_extent = false;            // small: the one extent goes into the record
  std::vector<segment::SegmentPin> pins; // until the commit returned
  BodyDigests digests;
};

// What one commit makes of the versions of a bucket's keys.
struct VersionEdit {
  metadata::Transaction transaction;
  upkeep::LiveChange change;   // what the counters must learn once the transaction went through
  std::int64_t versions = 0;   // how many more versions the bucket holds, delete markers counted
  std::int64_t bytes = 0;      // how many more bytes, as clients see them
  std::int64_t pending_lines = 0;  // how many more labels without an object, and their payloads' bytes
  std::int64_t pending_bytes = 0;
  std::vector<labels::PostingChange> postings;  // what the transaction does to the index
};

// Adds the edit's balance to the bucket's counters; `within_quota`: what grows stays within its quotas. Once, at the end.
void count_versions(VersionEdit& edit, const BucketInfo& bucket, bool within_quota);

// Whether a removal of a version writes the key's head row.
enum class HeadFate : std::uint8_t { untouched, written };

bool is_null_version(const records::Version& version);

// How often a write starts again after somebody else's commit came in between.
inline constexpr int kCommitAttemptsMax = 64;

struct ObjectStore::State {
  metadata::MetadataStore& metadata;
  segment::SegmentStore& segments;
  io::BufferPool& request_pool;
  io::BufferPool& reader_pool;
  Clock& clock;
  ObjectStoreOptions options;
  RecordCache<HeadRecord> heads;      // by head row key
  RecordCache<BucketRecord> buckets;  // by bucket name
  ByteCache byte_cache;
  KeyLocks locks;
  LabelIndex label_index;
  labels::BitmapCache bitmaps;
  labels::PostingListener* posting_listener = &bitmaps;  // null: nobody derives anything
  QueryPlanner planner;
  SortedMatches sorted;
  std::function<bool(const std::string& encryption)> refuses_annotations;  // empty: nothing does
  upkeep::LiveCounters live_counters;
  std::unique_ptr<upkeep::LiveIndex> live_index;
  TaskGroup readers;  // read-ahead of open readers
  Counter& put_bytes;
  Counter& get_bytes;

  State(metadata::MetadataStore& metadata_store, segment::SegmentStore& segment_store, io::BufferPool& requests,
        io::BufferPool& cache, Clock& the_clock, MetricsRegistry& metrics, ObjectStoreOptions the_options);

  // --- Buckets.
  Task<Result<BucketRecordPtr>> find_bucket(std::string name);
  // Aborts the uploads of a bucket that is gone and clears what its labels left; the last act removes its row among the dead.
  Task<Result<>> bury_bucket(keys::BucketId bucket);

  // --- Heads.
  // The current version, or the delete marker in its place; or not_found. `row_key` is keys::head().
  Task<Result<HeadRecordPtr>> find_head(std::string row_key, std::string key);

  // --- Versions. `edit` and `head` belong to the caller, whose frame outlives the call.
  // What `version_id` names (object_store.h): not_found, version_not_found. Older versions are not cached.
  Task<Result<HeadRecordPtr>> find_version(keys::BucketId bucket, std::string key, std::string version_id);
  // Errc::object_locked if nobody may destroy this version now.
  Result<> check_lock(const records::Version& version, bool bypass_governance) const;
  // Puts head.current() on top of `current` (null: the key is absent): the version before becomes an older one or is
  // destroyed, as the bucket has it. Sets number and id. The head row and what the version holds are left to the caller.
  Task<Result<>> supersede(VersionEdit& edit, BucketRecordPtr bucket, std::string key, HeadRecordPtr current,
                           records::Head& head, std::set<segment::BlobId> kept);
  // Removes one version for good; `current` is the key's head. Of the current one the next older comes back. Whether the
  // head row is written.
  Task<Result<HeadFate>> take_away(VersionEdit& edit, BucketRecordPtr bucket, std::string key, HeadRecordPtr current,
                                   HeadRecordPtr version, bool bypass_governance);
  // A version in other words: the same body, other particulars.
  struct Rewritten {
    std::string row;    // of the head, or of the older version
    std::string value;
    bool older = false;
  };
  // Puts `next` in place of `version`.
  Task<Result<Rewritten>> add_rewrite(VersionEdit& edit, BucketRecordPtr bucket, std::string key, HeadRecordPtr version,
                                      records::Version next);
  // Commits that. Errc::conflict: somebody came first.
  Task<Result<HeadRecordPtr>> rewrite(VersionEdit edit, BucketRecordPtr bucket, std::string key, HeadRecordPtr version,
                                      records::Version next);
  // A version's bytes and, of an older one, its row. Errc::object_locked.
  Task<Result<>> destroy(VersionEdit& edit, keys::BucketId bucket, std::string key, HeadRecordPtr version,
                         std::set<segment::BlobId> kept, bool bypass_governance);

  // --- Labels.
  // The label sources of a version that are not in its attributes. Errc::conflict: the version's row has changed since.
  Task<Result<labels::Sources>> load_sources(records::Version version);
  // Makes `sources` those of `next`, which becomes a version in this transaction.
  void set_sources(metadata::Transaction& transaction, records::Version& next, const labels::Sources& sources);
  // The same where the edit may have put some for it already.
  void reset_sources(VersionEdit& edit, records::Version& next, const labels::Sources& sources);
  // The labels that the index has, or would have if the version was the current one. None of a delete marker.
  Task<Result<labels::Labelled>> labels_of(keys::BucketId bucket, HeadRecordPtr version);
  // What the index must learn when the current version of a key changes from `before` (null: the key is absent, or has no
  // row of the index yet) to head.current() (`after` null: the key goes). Gives the key its ordinal.
  Task<Result<>> change_labels(VersionEdit& edit, BucketRecordPtr bucket, std::string key, HeadRecordPtr before,
                               records::Head* after);
  // Makes the index of a store that was written before there was one: at the start, before any call. Once done it is never
  // looked for again.
  Task<Result<>> index_old_heads();
  // A version's annotations and sources, when it goes for good.
  Task<Result<>> release_labels(VersionEdit& edit, records::Version version);
  // One annotation's payload.
  Task<Result<>> release_annotation(VersionEdit& edit, std::string holder, labels::Annotation annotation);
  // Errc::conflict: the annotation is gone, and its version's row has changed.
  Task<Result<records::Annotation>> load_annotation(std::string holder, labels::Annotation annotation);
  Task<Result<std::string>> read_payload(records::Annotation row);
  // Adds the rows of an annotation on a version to the edit, `next` being that version as it will be. `stored`: the payload
  // if it lies in segments; the caller keeps it until the commit.
  Task<Result<>> add_annotation(VersionEdit& edit, records::Version& next, AnnotationPut put, const StoredBody* stored);
  Task<Result<>> take_annotation(VersionEdit& edit, records::Version& next, std::string name);
  // Puts what the rules say of `next`, a version of this edit, among its sources.
  Task<Result<>> set_rules(VersionEdit& edit, records::Version& next, const RuleJudge& rules);
  // Gives a version that becomes current on an absent key the labels that are pending for it.
  Task<Result<>> join_pending(VersionEdit& edit, keys::BucketId bucket, std::string key, records::Version& next);
  // Takes one pending row away with what it holds.
  Task<Result<>> take_pending(VersionEdit& edit, metadata::Entry entry);
  // All pending labels of a bucket, or those of one name.
  Task<Result<>> drop_pending(keys::BucketId bucket, std::optional<std::string> name);
  // What a payload says, beside which annotation of which version it is.
  static void describe_payload(labels::Annotation& annotation, std::string_view payload);
  // Whether one more payload of this size goes into its row.
  static bool fits_inline(const labels::Sources& sources, std::string_view name, std::size_t bytes);
  // Gives `to`, a new version with a holder, copies of the annotations of `from`. not_found: `from` has changed.
  Task<Result<>> copy_annotations(metadata::Transaction& transaction, records::Version from, records::Version& to);
  Task<Result<labels::Sources>> new_sources(const VersionEdit& edit, records::Version version);

  // --- Bodies.
  Task<Result<StoredBody>> store_body(ObjectKey name, BodySource& body);
  // The same for bytes that are in memory already; no digests.
  Task<Result<StoredBody>> store_bytes(ObjectKey name, std::span<const std::byte> bytes);
  // Rows that make a stored blob exist for `holder`.
  void add_blob_rows(metadata::Transaction& transaction, const StoredBody& body, const std::string& holder,
                     upkeep::LiveChange& change);
  // `change`, here and below: what the counters must learn once the transaction went through; the caller applies it.
  // Removes one holder's claim; the blob's own rows go with the last one. A blob that is `kept` gets a new holder
  // in the same transaction.
  Task<Result<>> release_blob(metadata::Transaction& transaction, segment::BlobId blob, std::uint32_t chunks,
                              std::string holder, bool kept, upkeep::LiveChange& change);
  // Removes everything that `version` of a key holds, but not its own row. `kept`: blobs with a new holder.
  Task<Result<>> release_version(VersionEdit& edit, keys::BucketId bucket, std::string key, records::Version version,
                                 bool older, std::set<segment::BlobId> kept);
  Task<Result<records::Parts>> load_parts(keys::BucketId bucket, std::string key, std::uint64_t number);

  // The version behind an OpenObject of this store.
  static const HeadRecord& opened_record(const OpenObject& object);

  // --- Uploads.
  // The upload's row and revision, or upload_not_found.
  struct UploadRow {
    records::Upload row;
    metadata::Revision revision = 0;
  };
  Task<Result<UploadRow>> find_upload(keys::BucketId bucket, std::string key, std::string upload_id);
  // All part rows of an upload, ascending, with their revisions.
  struct PartRow {
    records::Part row;
    metadata::Revision revision = 0;
  };
  Task<Result<std::vector<PartRow>>> load_upload_parts(std::string upload_id);
  Task<Result<>> abort(keys::BucketId bucket, std::string key, std::string upload_id);

  // --- Commits.
  // After every commit of an edit, whatever came of it: counters and the index's listeners learn what they must.
  void settle(keys::BucketId bucket, const VersionEdit& edit, const Result<metadata::Revision>& committed);
  // Makes `version` the current one of (bucket, key) with whatever `extra` adds, on top of what is there.
  // version.number and its id are set here. `condition` is checked against the state that the commit replaces.
  struct Replacement {
    BucketRecordPtr bucket;
    std::string key;
    records::Version version;                   // with a holder only if rows stand under it already
    WriteCondition condition;
    metadata::Transaction extra;                // preconditions and rows beside the head row
    std::optional<records::Parts> parts;        // the parts row of a multipart version
    // A row that remembers the version as it was made.
    struct Finished {
      std::string row_key;
      records::FinishedUpload row;              // but for the version
    };
    std::optional<Finished> finished;
    upkeep::LiveChange change;                  // what `extra` makes live and kills
    std::vector<segment::BlobId> blobs;         // what the body holds beside an inline extent
    CommitCompanion* companion = nullptr;
    RuleJudge rules;                            // may be empty
  };
  // Errc::conflict when a precondition of `extra` does not hold (any more).
  Task<Result<ObjectInfoPtr>> replace_current(Replacement replacement);
};

// The holder's name in a blob's reference rows.
std::string version_holder(const records::Version& version);
std::string upload_holder(std::string_view upload_id, std::uint32_t part_number);

// 16 unpredictable bytes; throws std::runtime_error if the system gives none.
segment::BlobId random_blob_id();

std::string random_bytes16();

// Adds what the companion, which may be null, wants to be written with `version`.
void add_companion_rows(CommitCompanion* companion, const ObjectInfo& version, metadata::Transaction& transaction);

// Names an annotation's payload row for good.
std::uint64_t random_revision();
// How many chunk rows a stored body has.
std::uint32_t chunks_of(const StoredBody& body);

// Where the body lies, in its version record.
void describe_extents(const StoredBody& body, records::Version& version);

// What all rows about a bucket's labels begin with that outlive its objects.
std::vector<std::string> label_row_prefixes(keys::BucketId bucket);

// The version that conditions are about: null for a delete marker too.
const HeadRecord* present(const HeadRecordPtr& current);
Result<> check_condition(const WriteCondition& condition, const HeadRecord* current);

}  // namespace storage
