// Keys of the metadata store: the one place that builds and takes them apart. Layout in storage/README.md.
//
// A key is a type byte, then components. Numbers are 8 or 4 bytes big-endian. Text is escaped (00 -> 00 FF) and
// ended by 00 01, so that the order of keys is the order of the texts and no text is a prefix of another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/segment/segment_store.h"

namespace storage::keys {

using BucketId = std::uint64_t;

// Escaped without the end mark: what all keys of texts beginning with `text` share.
std::string escaped(std::string_view text);

std::string format_version();
std::string next_bucket_id();
std::string labels_indexed();  // there once every head that needs an ordinal has one

std::string bucket(std::string_view name);
std::string bucket_prefix(std::string_view name_prefix);
std::optional<std::string> bucket_name(std::string_view key);
std::string object_count(BucketId bucket);
std::string byte_count(BucketId bucket);
std::string dead_bucket(BucketId bucket);
std::string dead_bucket_prefix();
std::optional<BucketId> dead_bucket_id(std::string_view key);

std::string head(BucketId bucket, std::string_view key);
std::string heads_prefix();  // all heads of all buckets
bool is_head(std::string_view key);
std::optional<BucketId> head_bucket(std::string_view key);
std::string head_prefix(BucketId bucket, std::string_view key_prefix);
std::optional<std::string> head_object(std::string_view key);  // the object's key
std::string parts(BucketId bucket, std::string_view key, std::uint64_t version_number);

// Older versions: by key, newest first.
std::string version(BucketId bucket, std::string_view key, std::uint64_t number);
std::string versions_prefix();                                             // of all buckets
std::string versions_prefix(BucketId bucket, std::string_view key_prefix);  // of keys that begin so
std::string versions_of(BucketId bucket, std::string_view key);             // of exactly this key
std::string versions_of_head(std::string_view head_row);                    // of the key of that row
bool is_version(std::string_view key);
struct VersionKey {
  BucketId bucket;
  std::string key;
  std::uint64_t number;
};
std::optional<VersionKey> version_parts_of(std::string_view key);
std::string head_of(const VersionKey& version);
// A place between the head of a key and that of the next one, for walks that stop among the older versions of one key.
std::string within_key(const VersionKey& version);
std::optional<VersionKey> within_key_parts(std::string_view place);
// Which older version holds the inline body of this blob.
std::string older_inline(const segment::BlobId& blob);

// Rows of a version that stay when it is pushed down, comes back or is renamed: they go by its holder's 16 bytes.
std::string annotation(std::string_view holder, std::string_view name, std::uint64_t revision);
std::string annotations_prefix(std::string_view holder);
std::string label_sources(std::string_view holder);

// Labels that wait for their object.
std::string pending_label(BucketId bucket, std::string_view key, std::string_view name);
std::string pending_labels_prefix(BucketId bucket);
std::string pending_labels_of(BucketId bucket, std::string_view key);
std::string pending_lines(BucketId bucket);  // counters
std::string pending_bytes(BucketId bucket);
struct PendingKey {
  std::string key;
  std::string name;
};
std::optional<PendingKey> pending_parts_of(std::string_view row);

std::string blob_chunk(const segment::BlobId& blob, std::uint32_t chunk);
std::string blob_chunk_prefix(const segment::BlobId& blob);
std::string blob_chunks_prefix();  // of all blobs
std::string blob_guard(const segment::BlobId& blob);
bool is_blob_guard(std::string_view key);
std::string blob_reference(const segment::BlobId& blob, std::string_view holder);
std::string blob_reference_prefix(const segment::BlobId& blob);

std::string upload(BucketId bucket, std::string_view key, std::string_view upload_id);
std::string upload_prefix(BucketId bucket, std::string_view key_prefix);
std::string upload_key_prefix(BucketId bucket, std::string_view key);  // all uploads of exactly this key
std::string finished_prefix(BucketId bucket);
struct UploadKey {
  std::string key;
  std::string upload_id;
};
std::optional<UploadKey> upload_parts_of(std::string_view key);
std::string part(std::string_view upload_id, std::uint32_t number);
std::string part_prefix(std::string_view upload_id);
std::string finished_upload(BucketId bucket, std::string_view key, std::string_view upload_id);
std::string finished_by_time(std::int64_t finished_ms, std::string_view row_key);
std::string finished_by_time_prefix();
struct FinishedByTime {
  std::int64_t finished_ms;
  std::string row_key;
};
std::optional<FinishedByTime> finished_by_time_parts(std::string_view key);

std::string registry(std::string_view table, std::string_view name);
std::string registry_prefix(std::string_view table);  // all rows of exactly this table
std::optional<std::string> registry_name(std::string_view key);  // of the row

std::string segment(segment::SegmentId id);
std::string segment_prefix();
std::optional<segment::SegmentId> segment_id(std::string_view key);
std::string segment_highest();

}  // namespace storage::keys
