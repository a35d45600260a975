// ObjectStore: the front door of the storage layer. Buckets, objects, multipart uploads, listings, tags.
//
// Durability  a call that changes something returns success only when the bytes are durable on k+m drives and the
//             transaction that names them is durable on m+1 metadata mirrors (invariants 1, 3). Bytes first,
//             name second: a crash in between leaves bytes that nothing names.
// Consistency reads and listings see the latest state committed before they began, or a later one
//             (invariant 10). A reader keeps the version that it opened, whatever happens to the key.
// Threads     any executor of the process may call; each call resumes on its caller's executor.
// Lifetime    arguments are values, or references that the caller keeps until the call returns. The store
//             outlives its calls and its readers: the owner joins its TaskGroup first.
// Errors      storage::Errc (base/result.h) and, from a BodySource, the source's own error unchanged.
// Authority   none is checked here: api/ decides who may call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/byte_source.h"
#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/io/buffer.h"
#include "storage/labels/value.h"
#include "storage/label_query.h"

namespace storage {

namespace metadata {
class MetadataStore;
}
namespace segment {
class SegmentStore;
}
namespace upkeep {
class LiveCounters;
class LiveIndex;
}

inline constexpr std::size_t kKeyBytesMax = 1024;
inline constexpr std::uint32_t kPartNumberMax = 10'000;
inline constexpr std::uint64_t kPartBytesMin = 5ULL * 1024 * 1024;  // but for the last part
inline constexpr std::uint64_t kBodyBytesMax = 5ULL * 1024 * 1024 * 1024;
inline constexpr std::uint32_t kListEntriesMax = 1000;

struct ObjectKey {
  std::string bucket;
  std::string key;  // 1..kKeyBytesMax bytes of UTF-8
};

enum class ChecksumAlgorithm : std::uint8_t {
  none = 0,
  crc32 = 1,
  crc32c = 2,
  crc64nvme = 3,
  sha1 = 4,
  sha256 = 5,
  sha512 = 6,
  md5 = 7,
  xxhash64 = 8,
  xxhash3 = 9,  // its 64-bit form
  xxhash128 = 10,
};
enum class ChecksumType : std::uint8_t { full_object = 0, composite = 1 };

struct Checksum {
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::none;
  ChecksumType type = ChecksumType::full_object;
  std::string value;  // raw big-endian bytes; of a composite without the part count
  friend bool operator==(const Checksum&, const Checksum&) = default;
};

using NameValues = std::vector<std::pair<std::string, std::string>>;

// What a client stores beside the bytes. Empty string: not given.
struct Attributes {
  std::string content_type;
  std::string cache_control;
  std::string content_disposition;
  std::string content_encoding;
  std::string content_language;
  std::string expires;
  std::string website_redirect;
  std::string storage_class;  // empty: STANDARD
  NameValues user_metadata;   // names lower-case, without the x-amz-meta- prefix
  NameValues tags;
};

enum class RetentionMode : std::uint8_t { none = 0, governance = 1, compliance = 2 };

// What keeps a version from being removed, whoever asks (object lock).
struct Lock {
  RetentionMode mode = RetentionMode::none;
  std::int64_t retain_until_ms = 0;
  bool legal_hold = false;
  bool legal_hold_set = false;  // somebody said whether there is one
  friend bool operator==(const Lock&, const Lock&) = default;
};

// What belongs to one version and never to its copies. Texts are opaque here and empty where api/ has nothing to say.
struct Controls {
  std::string owner_id;    // who wrote it
  std::string acl;
  Lock lock;
  std::string encryption;  // how the stored bytes were made of the client's, with the wrapped key
};

struct PartInfo {
  std::uint32_t number = 0;
  std::uint64_t size = 0;         // as clients see it
  std::uint64_t stored_size = 0;  // bytes of its body here: more than `size` if it is encrypted
  std::string etag;  // 32 hex digits
  Checksum checksum;
  std::int64_t modified_ms = 0;
};

// One version of an object as clients see it. Immutable and shared.
struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;         // as clients see it
  std::uint64_t stored_size = 0;  // bytes of its body here, which OpenObject::read() counts in
  std::string etag;  // without quotes: 32 hex digits, of multipart objects followed by -N
  std::int64_t modified_ms = 0;
  std::string version_id;      // "null" for what was written while the bucket had no versioning, or had it suspended
  bool delete_marker = false;  // says that the key is removed: no body, no attributes
  bool current = true;         // no later version of the key exists (listings of versions)
  Attributes attributes;
  Controls controls;
  Checksum checksum;             // algorithm none: no checksum stored
  std::vector<PartInfo> parts;   // ascending; empty unless made by Complete
};
using ObjectInfoPtr = std::shared_ptr<const ObjectInfo>;

// What the body turned out to be; known when its ByteSource has ended.
struct BodyDigests {
  std::string md5;    // 16 raw bytes: the ETag of a single PUT, the part's ETag of a part
  Checksum checksum;  // algorithm none: do not store one
  // What the client sent, where the bytes stored are others (encryption). nullopt: as many as were read.
  std::optional<std::uint64_t> client_size;
};

class BodySource : public ByteSource {
 public:
  // The length that the client declared, if it did; bounds what is reserved, never trusted.
  virtual std::optional<std::uint64_t> declared_length() const = 0;
  // Valid once read() has returned 0.
  virtual BodyDigests digests() const = 0;
};

// Conditions of a write, checked before the body is read and again, atomically, at commit.
// Errors: Errc::precondition_failed; Errc::not_found (if_match on an absent key);
// Errc::conditional_conflict (another conditional write won between the two checks).
struct WriteCondition {
  bool if_none_match_any = false;      // If-None-Match: *
  std::optional<std::string> if_match;  // an ETag without quotes, or "*"
};

// A small row of api/'s own, in the registry (see registry_row()).
struct CompanionRow {
  std::string table;
  std::string name;
  std::string value;
};

// Rows that become durable with a change, in its transaction: who hears success may rely on them, and who hears failure finds
// none of them. The caller owns it and keeps it until the call returns.
class CommitCompanion {
 public:
  virtual ~CommitCompanion() = default;
  // The rows that go with `version` as this attempt would leave it, or the version that it removes. Asked anew before each
  // attempt, on any thread; one name is given once only.
  virtual std::vector<CompanionRow> rows(const ObjectInfo& version) = 0;
  // The transaction went through. Once at most.
  virtual void committed() = 0;
};

class OpenObject;

// What ingest rules make of a new object of this size: labels by their whole names. An error stops the commit and arrives
// unchanged. May be called again after a race, and on any thread.
using RuleLabels = std::vector<std::pair<std::string, labels::Value>>;
using RuleJudge = std::function<Result<RuleLabels>(std::uint64_t size)>;

struct PutOptions {
  RuleJudge rules;  // here and below: may be empty
  const OpenObject* annotations_of = nullptr;  // a version whose annotations the new one gets; the caller keeps it open
  Attributes attributes;
  Controls controls;
  WriteCondition condition;
  CommitCompanion* companion = nullptr;  // here and below: may be null
};

struct RemoveCondition {
  std::optional<std::string> if_match;  // an ETag without quotes, or "*"
  std::optional<std::uint64_t> size;
  std::optional<std::int64_t> modified_s;  // whole seconds
};

struct RemoveRequest {
  std::string key;
  std::string version_id;  // empty: the key. With versioning that leaves a delete marker, without it removes the object
  RemoveCondition condition;
  bool bypass_governance = false;  // governance retention does not stop it
  CommitCompanion* companion = nullptr;  // hears of a removal, or of the marker that is left; not of nothing
};

struct Removed {
  bool delete_marker = false;  // one was left, or the version removed was one
  std::string version_id;      // of the marker left or the version removed; empty in a bucket without versioning
};

// What can be changed of a version that stands.
struct Changeable {
  NameValues tags;
  Controls controls;
  std::string storage_class;
};
// Gets the version as it is, and changes what shall be otherwise; an error leaves all as it was. May be called again after a
// race, and on any thread.
using VersionChange = std::function<Result<>(const ObjectInfo& version, Changeable& next)>;

inline constexpr std::size_t kAnnotationBytesMax = 1024 * 1024;
inline constexpr std::size_t kAnnotationNameBytesMax = 512;
inline constexpr std::uint32_t kAnnotationsMax = 1000;  // of a version

// An annotation as clients see it: a named payload that belongs to one version.
struct AnnotationInfo {
  std::string name;
  std::uint64_t size = 0;
  std::string etag;  // 32 hex digits
  std::int64_t modified_ms = 0;
  Checksum checksum;  // in listings without its value
};

// Judges the version that an annotation is to be put on or taken from, as the commit finds it. An error leaves all as it was.
// May be called again after a race, and on any thread.
using VersionCheck = std::function<Result<>(const ObjectInfo& version)>;

struct AnnotationPut {
  std::string name;     // 1..kAnnotationNameBytesMax bytes
  std::string payload;  // 1..kAnnotationBytesMax bytes of UTF-8
  std::string md5;      // of the payload, 16 raw bytes
  Checksum checksum;
  WriteCondition condition;  // on the annotation; if_match without one: annotation_not_found
  VersionCheck check;        // may be empty
  CommitCompanion* companion = nullptr;
};

struct AnnotationRemoval {
  std::string name;
  WriteCondition condition;  // as above
  VersionCheck check;
  bool bypass_governance = false;
  CommitCompanion* companion = nullptr;
};

// One line of a stream of labels: an annotation for the current version of a key.
struct LabelLine {
  std::string key;
  AnnotationPut put;  // without condition
};
enum class LabelLineFate : std::uint8_t {
  applied,
  pending,       // the key has no current version: kept until it has one
  pending_full,  // it would be pending, and the bucket keeps kPendingLinesMax lines or kPendingBytesMax already
  annotation_limit,
  refused,       // by the check
};
inline constexpr std::int64_t kPendingLinesMax = 10'000'000;  // of a bucket
inline constexpr std::int64_t kPendingBytesMax = 64LL << 30;  // of payloads

// A label without an object.
struct PendingLabel {
  std::string key;
  std::string payload;
};
struct PendingPage {
  std::vector<PendingLabel> labels;  // by key; may be empty although there is more
  std::optional<std::string> next;   // pass as `cursor` for the next page
};

struct Annotated {
  ObjectInfoPtr version;
  AnnotationInfo annotation;  // of a removal the name alone
  std::string payload;        // when it was asked for
};

struct AnnotationPage {
  ObjectInfoPtr version;
  std::vector<AnnotationInfo> annotations;  // in byte order of their names
  bool truncated = false;
};

struct CopyOptions {
  RuleJudge rules;
  bool annotations = true;  // copied, too
  // Replaced wholesale where given, else taken from the source.
  std::optional<Attributes> attributes;  // its tags are ignored
  std::optional<NameValues> tags;
  Controls controls;  // of the copy. `encryption` speaks of the source's bytes, which are shared
  WriteCondition condition;
  CommitCompanion* companion = nullptr;
};

struct RenameRequest {
  std::string from;
  std::string to;
  // Judges both objects as the commit finds them; `target` is null where the new key is free. An error leaves all as it was.
  // May be called again after a race, and on any thread.
  std::function<Result<>(const ObjectInfo& source, const ObjectInfo* target)> check;
  std::string token;  // if not empty: the same request again, once it went through, succeeds
  CommitCompanion* companion = nullptr;  // hears of the object under its new key
};

struct AppendOptions {
  std::uint64_t offset = 0;  // where the body goes: the object's size
  // Of an object whose Controls::encryption is not empty, and needed for it: what the body was made for. Errc::conditional_conflict
  // when the object has become another one.
  struct Encrypted {
    std::string before;              // the object's Controls::encryption
    std::string after;               // what it is from now on
    std::uint32_t part_number = 0;   // of the body among the object's parts
  };
  std::optional<Encrypted> encrypted;
  WriteCondition condition;
  CommitCompanion* companion = nullptr;
};

enum class Versioning : std::uint8_t { off = 0, enabled = 1, suspended = 2 };

inline constexpr std::size_t kBucketSettingsBytesMax = 512 * 1024;  // of all of a bucket together

struct BucketInfo {
  std::string name;
  std::string owner_id;
  std::string location;  // as given at creation; empty for the store's own region
  std::int64_t created_ms = 0;
  Versioning versioning = Versioning::off;
  bool object_lock = false;  // needs versioning, and is never taken back
  // Bounds of what the bucket holds, all versions counted; 0: none. Errc::bound_exceeded for a write that would pass one.
  std::uint64_t quota_bytes = 0;
  std::uint64_t quota_objects = 0;
  // What api/ keeps with a bucket, by name ("policy", "cors", ...). Texts of its own making, opaque here.
  std::map<std::string, std::string, std::less<>> settings;
  // Of seals (storage/README.md). An epoch begins when a seal begins, and when it ends.
  std::uint64_t seal_epoch = 0;
  bool sealing = false;
  std::uint32_t datasets = 0;      // sealed of this bucket
  std::string dataset_bucket;      // not empty: this is no bucket but the dataset of that one, and nothing can be written
  std::uint64_t id = 0;        // never given again, unlike the name
  std::uint64_t revision = 0;  // another one after each change: what caches of parsed settings compare
};
using BucketInfoPtr = std::shared_ptr<const BucketInfo>;

// What the quotas bound.
struct BucketUsage {
  std::uint64_t versions = 0;  // delete markers too
  std::uint64_t bytes = 0;     // as clients see them
};

struct BucketPage {
  std::vector<BucketInfo> buckets;   // by name
  std::optional<std::string> next;   // pass as `after` for the next page
};

struct ListOptions {
  std::string prefix;
  std::string delimiter;           // any string; empty: none
  std::string after;               // list keys > after. A common prefix given here skips all beneath it
  std::uint32_t entries_max = kListEntriesMax;  // keys plus common prefixes, 0..kListEntriesMax
  bool hide_quarantined = false;   // leave out what an ingest rule has set apart
};

struct ObjectPage {
  std::vector<ObjectInfoPtr> objects;        // ascending by key bytes; of attributes the storage class only, no parts
  std::vector<std::string> common_prefixes;  // ascending
  bool truncated = false;
  std::string next_after;  // if truncated: the last key or common prefix of this page
};

struct VersionListOptions {
  std::string prefix;
  std::string delimiter;
  std::string key_after;         // versions of keys > key_after, and of key_after those older than version_after
  std::string version_id_after;  // empty: none of key_after
  std::uint32_t entries_max = kListEntriesMax;  // versions, markers and common prefixes
};

struct VersionPage {
  std::vector<ObjectInfoPtr> versions;  // by key, newest first; markers too. Of attributes the storage class only, no parts
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string next_key;         // if truncated: the last entry of this page
  std::string next_version_id;  // empty when that was a common prefix
};

struct UploadOptions {
  Attributes attributes;
  Controls controls;  // of the object to be
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::none;  // declared at Create
  ChecksumType type = ChecksumType::composite;
  std::string initiator_id;
};

struct UploadInfo {
  std::string key;
  std::string upload_id;
  std::int64_t initiated_ms = 0;
  UploadOptions options;
};

struct UploadListOptions {
  std::string prefix;
  std::string delimiter;
  std::string key_after;        // uploads with key > key_after, or == key_after and a later upload id below
  std::string upload_id_after;  // empty: all uploads of key_after are skipped
  std::uint32_t entries_max = kListEntriesMax;
};

struct UploadPage {
  std::vector<UploadInfo> uploads;  // by key, then time of initiation
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string next_key;
  std::string next_upload_id;  // empty when the page ended with a common prefix
};

struct PartPage {
  UploadInfo upload;
  std::vector<PartInfo> parts;  // ascending by number
  bool truncated = false;
};

struct CompletedPart {
  std::uint32_t number = 0;
  std::string etag;   // without quotes
  Checksum checksum;  // algorithm none: not given. type is ignored
};

struct CompleteOptions {
  RuleJudge rules;
  WriteCondition condition;
  std::optional<std::uint64_t> object_size;  // x-amz-mp-object-size
  Checksum checksum;                         // whole-object value sent with Complete; none: not given
  CommitCompanion* companion = nullptr;      // hears nothing of a repeat
};

// Names the part at fault, for the error answer. Meaningful after part_* errors.
struct CompleteFailure {
  std::uint32_t part_number = 0;
  std::uint64_t proposed_size = 0;
  std::string etag;
};

// Datasets: sealed lists of versions of one bucket. What they are made of and how they are read: sealed_dataset.h.
namespace dataset {
struct OrderParameters;
}
namespace labels {
class LabelSet;
}
struct SealRequest;
struct SealFailure;
struct DatasetInfo;
using DatasetInfoPtr = std::shared_ptr<const DatasetInfo>;
class SealedDataset;
using SealedDatasetPtr = std::shared_ptr<SealedDataset>;
struct TarRequest;
struct Receipt;
enum class ManifestKind : std::uint8_t { json_lines, csv };
class EpochOrder;
using EpochOrderPtr = std::shared_ptr<const EpochOrder>;
// Whether a version is to be a sample.
enum class SampleVerdict : std::uint8_t { take, leave, refuse };
// Judges a version by what it is and by its labels; refuse fails the whole. May be called on any thread.
using SampleJudge = std::function<SampleVerdict(const ObjectInfo& version, const labels::LabelSet& labels)>;

inline constexpr std::size_t kRegistryValueBytesMax = 1024 * 1024;

struct RegistryRow {
  std::string name;
  std::string value;
  std::uint64_t revision = 0;
};

// Bytes of an object, in order, each verified before it is handed out. One piece is at most about 1 MiB.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;

  struct Chunk {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;  // keeps `bytes` alive; may come from the memory cache
  };

  // The next piece; an empty one after the last. Reads ahead within a fixed bound, less for a reader that takes its time
  // between two calls.
  virtual Task<Result<Chunk>> next() = 0;
};

// An opened version: what it is, and the right to read it for as long as this object lives.
class OpenObject {
 public:
  virtual ~OpenObject() = default;
  virtual const ObjectInfoPtr& info() const = 0;
  // Bytes [offset, offset + length), inside the object. The OpenObject outlives the reader.
  virtual std::unique_ptr<ObjectReader> read(std::uint64_t offset, std::uint64_t length) = 0;
};

// A bucket and one of its small objects as they lie in memory.
struct CachedObject {
  BucketInfoPtr bucket;
  ObjectInfoPtr info;
  ObjectReader::Chunk bytes;  // all of the body
};

struct ObjectStoreOptions {
  std::size_t cached_records_max = 65'536;       // head rows kept decoded
  std::uint32_t buffer_wait_ms_max = 5'000;      // longest wait for request memory, then Errc::overloaded
  // Where bodies of more than 128 KiB are read to, kept apart so that slow readers starve nobody else; it outlives the
  // store. Null: the request pool.
  io::BufferPool* reader_pool = nullptr;
  std::uint32_t inline_body_bytes_max = 1024 * 1024;  // up to here a body goes through group commit
  std::size_t bitmap_bytes_max = 64 * 1024 * 1024;  // of bitmaps of labels
  std::int64_t completed_upload_kept_ms = 7LL * 24 * 3600 * 1000;  // a finished Complete is remembered
};

class ObjectStore {
 public:
  // `request_pool` holds bodies in flight, `cache_pool` the memory cache (its budget is the cache's bound).
  ObjectStore(metadata::MetadataStore& metadata, segment::SegmentStore& segments, io::BufferPool& request_pool,
              io::BufferPool& cache_pool, Clock& clock, MetricsRegistry& metrics, ObjectStoreOptions options = {});
  ~ObjectStore();

  // Checks the format and finishes what a crash cut short. Once, after SegmentStore::recover(), before any call.
  Task<Result<>> recover();

  // Waits for reads that abandoned readers left behind. After the last call and the last reader, before destruction.
  Task<> stop();

  // --- Buckets. Errors: bucket_exists, bucket_not_found, bucket_not_empty.
  Task<Result<>> create_bucket(BucketInfo bucket);
  Task<Result<BucketInfoPtr>> bucket(std::string name);
  // Changes what `change` changes; name, owner, location, id and time of creation stay. An error of `change` leaves all as it was.
  // `change` may be called again after a race. Errors: its own, too_large (settings), invalid_argument.
  Task<Result<BucketInfoPtr>> change_bucket(std::string name, std::function<Result<>(BucketInfo&)> change);
  Task<Result<BucketUsage>> bucket_usage(std::string name);
  Task<Result<>> remove_bucket(std::string name);  // open uploads do not stop it; they end with it
  // At most `limit` buckets with name > after, with `prefix`, owned by `owner_id` (empty: any).
  Task<Result<BucketPage>> list_buckets(std::string owner_id, std::string prefix, std::string after,
                                        std::uint32_t limit);

  // --- Objects. Every call that names a bucket may fail with bucket_not_found.
  // `version_id`, here and below: empty for the current version, "null", or an id. Errc::version_not_found for an id that is
  // not there. A version that is a delete marker is returned as such (`info().delete_marker`): what that means is the caller's.
  // The PUT. The body is not read when the bucket is absent or the condition already fails.
  Task<Result<ObjectInfoPtr>> put(ObjectKey key, PutOptions options, BodySource& body);
  Task<Result<ObjectInfoPtr>> head(ObjectKey key, std::string version_id = {});                // not_found
  Task<Result<std::unique_ptr<OpenObject>>> open(ObjectKey key, std::string version_id = {});  // not_found
  // The same for what needs neither the metadata store nor a drive, at once; nullopt says nothing about the key.
  // Current versions only, never a marker.
  std::optional<CachedObject> open_cached(std::string_view bucket, std::string_view key);
  // Succeeds for an absent key or version too, unless a condition is given: if_match on an absent key succeeds (204),
  // a size or time condition on one fails with precondition_failed. Errc::object_locked: the version is protected.
  Task<Result<Removed>> remove(std::string bucket, RemoveRequest request);
  // Up to 1,000 keys in few transactions; one result a request, in order.
  Task<std::vector<Result<Removed>>> remove_many(std::string bucket, std::vector<RemoveRequest> requests);
  // Makes `target` a copy of the opened version. Large bodies are shared, not copied. Errc::not_found: the source was
  // replaced or removed since it was opened; open it again.
  Task<Result<ObjectInfoPtr>> copy(const OpenObject& source, ObjectKey target, CopyOptions options);
  // Gives an object another key, in one transaction; what had that key is replaced. not_found, invalid_argument (one key, or a
  // bucket that keeps versions or kept them), and what the check says.
  Task<Result<ObjectInfoPtr>> rename(std::string bucket, RenameRequest request);
  // Adds a body to the end of an object, as one more part of it. not_found, size_mismatch (the offset is not its size),
  // too_large (it has kPartNumberMax parts; of an encrypted one, the last part's number is that), invalid_argument (a bucket
  // that keeps versions or kept them).
  Task<Result<ObjectInfoPtr>> append(ObjectKey key, AppendOptions options, BodySource& body);
  // Changes a version in place; its modification time stays. not_found, and what `change` says.
  Task<Result<ObjectInfoPtr>> change(ObjectKey key, std::string version_id, VersionChange change,
                                     CommitCompanion* companion = nullptr);
  // --- Annotations of a version. Errors: not_found (also for a delete marker), version_not_found, and those of the check. The
  // object's ETag and time stay. What an annotation says is in the index as soon as the call has returned, if its version is
  // the current one.
  // annotation_limit, annotation_not_found, precondition_failed, invalid_argument (bytes out of bounds).
  Task<Result<Annotated>> put_annotation(ObjectKey key, std::string version_id, AnnotationPut put);
  Task<Result<Annotated>> annotation(ObjectKey key, std::string version_id, std::string name);  // annotation_not_found
  // Those with `prefix` and name > after, at most `limit` of them.
  Task<Result<AnnotationPage>> list_annotations(ObjectKey key, std::string version_id, std::string prefix,
                                                std::string after, std::uint32_t limit);
  // One that is not there is no error, unless if_match is given. precondition_failed, object_locked.
  Task<Result<Annotated>> remove_annotation(ObjectKey key, std::string version_id, AnnotationRemoval removal);
  // Puts many annotations on current versions in one transaction, with the row that `progress` makes of their fates: of the
  // first lines as many as fit, at least one, whose fates it returns. Lines of absent keys become pending; the newest of a key and
  // a name counts. What creates a key takes its pending lines along, in the same transaction.
  Task<Result<std::vector<LabelLineFate>>> put_annotations(
      std::string bucket, std::vector<LabelLine> lines,
      std::function<CompanionRow(const std::vector<LabelLineFate>& fates)> progress);
  // Pending labels of one annotation name, by key, from `cursor` (empty: from the first); reads at most `rows_max` rows.
  Task<Result<PendingPage>> pending_labels(std::string bucket, std::string name, std::string cursor, std::uint32_t rows_max);
  Task<Result<>> drop_pending_labels(std::string bucket, std::string name);
  // Judges a current version anew by rules; its labels of rules become those. not_found: there is none, or a delete marker.
  Task<Result<>> relabel(ObjectKey key, RuleJudge rules);
  // Which versions can have no annotations, by Controls::encryption: what is pending for them stays so. Before the first call.
  void set_annotation_refusal(std::function<bool(const std::string& encryption)> refusal);

  Task<Result<ObjectPage>> list(std::string bucket, ListOptions options);  // current versions that are no markers
  Task<Result<VersionPage>> list_versions(std::string bucket, VersionListOptions options);

  // --- Queries (label_query.h). Errors: overloaded, too_large (more distinct values of a fact than statistics can hold).
  // A page of the matches, as list() has them; `plan`, if not null, gets what it took.
  Task<Result<ObjectPage>> query_page(std::string bucket, LabelQuery query, ListOptions options, std::string* plan);
  // The store outlives the walk.
  Task<Result<std::unique_ptr<QueryWalk>>> query_walk(std::string bucket, LabelQuery query);
  Task<Result<QueryMatches>> query_matches(std::string bucket, LabelQuery query);
  // Of a label, or a fact of objects, among the matches of `query`.
  Task<Result<LabelStatistics>> label_statistics(std::string bucket, std::string name, LabelQuery query);
  // Labels with name > after among `matches`; looks at no more than `limit` names.
  Task<Result<LabelSummaryPage>> label_summaries(std::string bucket, QueryMatches matches, std::string after,
                                                 std::uint32_t limit);

  // --- Multipart uploads. upload_not_found for an id that never was, was aborted or belongs to another key.
  Task<Result<UploadInfo>> create_upload(ObjectKey key, UploadOptions options);
  Task<Result<UploadInfo>> upload(ObjectKey key, std::string upload_id);
  // 1 <= number <= kPartNumberMax. The last put_part of a number to finish counts.
  Task<Result<PartInfo>> put_part(ObjectKey key, std::string upload_id, std::uint32_t number, BodySource& body);
  // Names the parts as the object; copies no byte. A repeat within completed_upload_kept_ms gives the same
  // answer and writes nothing. Errors: part_not_found, part_order, part_too_small (details in `failure` if
  // not null), size_mismatch, checksum_mismatch, checksum_type_mismatch, those of WriteCondition.
  Task<Result<ObjectInfoPtr>> complete_upload(ObjectKey key, std::string upload_id, std::vector<CompletedPart> parts,
                                              CompleteOptions options, CompleteFailure* failure);
  Task<Result<>> abort_upload(ObjectKey key, std::string upload_id);
  // Parts with number > number_after, at most `limit`.
  Task<Result<PartPage>> list_parts(ObjectKey key, std::string upload_id, std::uint32_t number_after,
                                    std::uint32_t limit);
  Task<Result<UploadPage>> list_uploads(std::string bucket, UploadListOptions options);

  // --- Registry: small rows of api/'s own. `table` and `name`: 1..256 bytes; a value: at most kRegistryValueBytesMax.
  Task<Result<RegistryRow>> registry_row(std::string table, std::string name);  // not_found
  // Puts a row. `revision` nullopt: whatever is there; 0: nothing must be there; else exactly that must be there, or the call
  // fails with Errc::conflict and changes nothing. Returns the new revision.
  Task<Result<std::uint64_t>> put_registry_row(std::string table, RegistryRow row, std::optional<std::uint64_t> revision);
  // The same for taking a row away; one that is not there is no error, unless a revision is given.
  Task<Result<>> remove_registry_row(std::string table, std::string name, std::optional<std::uint64_t> revision);
  // Takes 1..1,000 rows away in one transaction, whatever they are.
  Task<Result<>> remove_registry_rows(std::string table, std::vector<std::string> names);
  // At most `limit` (1..1,000) rows with name > after, by name.
  Task<Result<std::vector<RegistryRow>>> registry_rows(std::string table, std::string after, std::uint32_t limit);

  // --- Datasets (sealed_dataset.h). The bucket of a dataset, "D.B", is read by bucket(), head(), open() and list() like any
  // other; every call that would change something in it fails with dataset_bucket.
  // Seals one, and its splits: all or nothing, as the bucket was at one instant. `failure`, if not null, says what is wrong.
  // Errors: conflict (a name is taken), invalid_argument, not_found (the parent), too_large, those of the store.
  Task<Result<DatasetInfoPtr>> seal(std::string bucket, SealRequest request, SealFailure* failure);
  Task<Result<DatasetInfoPtr>> dataset(std::string bucket, std::string name);  // not_found
  // At most `limit` (1..1,000) datasets of the bucket with name > after, by name.
  Task<Result<std::vector<DatasetInfoPtr>>> datasets(std::string bucket, std::string after, std::uint32_t limit);
  Task<Result<>> drop_dataset(std::string bucket, std::string name);  // not_found
  Task<Result<SealedDatasetPtr>> open_dataset(std::string bucket, std::string name);  // not_found
  // The dataset that a bucket's name "D.B" stands for; bucket_not_found where it stands for none.
  Task<Result<SealedDatasetPtr>> open_dataset_bucket(std::string bucket_name);
  // The order that `parameters` name. `judge` is what parameters.query means; empty without a query. Reads all labels once
  // where there is a query, a balance or a weight, and remembers what came of it. Errors: invalid_argument (nothing to draw
  // from), too_large (more samples than draws are made of).
  Task<Result<EpochOrderPtr>> epoch_order(SealedDatasetPtr dataset, dataset::OrderParameters parameters, SampleJudge judge);
  // A virtual tar of the samples at some positions of an order: its info() has the exact size. Errors: those of reading rows.
  Task<Result<std::unique_ptr<OpenObject>>> open_tar(TarRequest request);
  std::unique_ptr<OpenObject> open_manifest(SealedDatasetPtr dataset, ManifestKind kind, std::string etag);
  // Remembers who read what; those of one day, order and user merge.
  Task<Result<>> add_receipts(std::vector<Receipt> receipts);
  // At most `limit` (1..1,000) merged receipts of a dataset, newest day first.
  Task<Result<std::vector<Receipt>>> receipts(std::string dataset_id, std::uint32_t limit);
  // Frees what was kept for datasets and is named by none any more. One task at a time; the caller decides how often. Returns
  // how many versions and payloads went.
  Task<Result<std::uint64_t>> sweep_datasets();

  io::BufferPool& request_pool();

  // For the collector and other upkeep: what records say of the bytes in segments.
  upkeep::LiveIndex& live_index();
  upkeep::LiveCounters& live_counters();

  struct State;  // known to the files that implement this class only

 private:
  std::unique_ptr<State> state_;
};

}  // namespace storage
