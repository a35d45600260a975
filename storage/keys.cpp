#include "storage/keys.h"

namespace storage::keys {
namespace {

// One byte a kind of row; a kind keeps its byte for ever.
constexpr char kMeta = 'A';
constexpr char kBucket = 'B';
constexpr char kObjectCount = 'C';
constexpr char kDeadBucket = 'D';
constexpr char kByteCount = 'E';
constexpr char kFinishedUpload = 'F';
constexpr char kBlobGuard = 'G';
constexpr char kHead = 'H';
constexpr char kOlderInline = 'I';
constexpr char kAnnotation = 'J';
constexpr char kBlobChunk = 'L';
constexpr char kPart = 'P';
constexpr char kBlobReference = 'R';
constexpr char kSegment = 'S';
constexpr char kFinishedByTime = 'T';
constexpr char kUpload = 'U';
constexpr char kVersion = 'V';
constexpr char kParts = 'W';
constexpr char kLabelSources = 'X';
constexpr char kPendingLabel = 'q';
constexpr char kPendingLines = 'p';
constexpr char kPendingBytes = 'b';
constexpr char kRegistry = 'Y';
// K, M, N, O, n, o: rows of the index (storage/labels/rows.cpp).

constexpr char kEscape = '\x00';
constexpr char kEscapedZero = '\xff';
constexpr char kEndMark = '\x01';

void append_u64(std::string& key, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(number >> shift);
}

void append_u32(std::string& key, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) key += static_cast<char>(number >> shift);
}

void append_escaped(std::string& key, std::string_view text) {
  for (const char c : text) {
    key += c;
    if (c == kEscape) key += kEscapedZero;
  }
}

void append_text(std::string& key, std::string_view text) {
  append_escaped(key, text);
  key += kEscape;
  key += kEndMark;
}

std::optional<std::uint64_t> take_u64(std::string_view& key) {
  if (key.size() < 8) return std::nullopt;
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = (number << 8) | static_cast<unsigned char>(key[static_cast<std::size_t>(i)]);
  key.remove_prefix(8);
  return number;
}

std::optional<std::string> take_text(std::string_view& key) {
  std::string text;
  while (true) {
    const std::size_t escape = key.find(kEscape);
    if (escape == std::string_view::npos || escape + 1 == key.size()) return std::nullopt;
    text.append(key.substr(0, escape));
    const char next = key[escape + 1];
    key.remove_prefix(escape + 2);
    if (next == kEndMark) return text;
    if (next != kEscapedZero) return std::nullopt;
    text += kEscape;
  }
}

bool take_type(std::string_view& key, char type) {
  if (key.empty() || key.front() != type) return false;
  key.remove_prefix(1);
  return true;
}

std::string typed(char type) { return std::string(1, type); }

std::string numbered(char type, std::uint64_t number) {
  std::string key = typed(type);
  append_u64(key, number);
  return key;
}

void append_blob(std::string& key, const segment::BlobId& blob) {
  key.append(reinterpret_cast<const char*>(blob.data()), blob.size());
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  append_escaped(result, text);
  return result;
}

std::string format_version() { return typed(kMeta) + "format"; }
std::string next_bucket_id() { return typed(kMeta) + "next_bucket_id"; }
std::string labels_indexed() { return typed(kMeta) + "labels_indexed"; }
std::string segment_highest() { return typed(kMeta) + "segment_highest"; }

std::string bucket(std::string_view name) {
  std::string key = typed(kBucket);
  append_text(key, name);
  return key;
}

std::string bucket_prefix(std::string_view name_prefix) { return typed(kBucket) + escaped(name_prefix); }

std::string registry_prefix(std::string_view table) {
  std::string key = typed(kRegistry);
  append_text(key, table);
  return key;
}

std::string registry(std::string_view table, std::string_view name) {
  std::string key = registry_prefix(table);
  append_text(key, name);
  return key;
}

std::optional<std::string> registry_name(std::string_view key) {
  if (!take_type(key, kRegistry) || !take_text(key)) return std::nullopt;
  auto name = take_text(key);
  if (!key.empty()) return std::nullopt;
  return name;
}

std::optional<std::string> bucket_name(std::string_view key) {
  if (!take_type(key, kBucket)) return std::nullopt;
  return take_text(key);
}

std::string object_count(BucketId bucket) { return numbered(kObjectCount, bucket); }
std::string byte_count(BucketId bucket) { return numbered(kByteCount, bucket); }
std::string dead_bucket(BucketId bucket) { return numbered(kDeadBucket, bucket); }
std::string dead_bucket_prefix() { return typed(kDeadBucket); }

std::optional<BucketId> dead_bucket_id(std::string_view key) {
  if (!take_type(key, kDeadBucket)) return std::nullopt;
  return take_u64(key);
}

std::string head(BucketId bucket, std::string_view key) {
  std::string row = numbered(kHead, bucket);
  row.reserve(row.size() + key.size() + 2);
  append_text(row, key);
  return row;
}

std::string head_prefix(BucketId bucket, std::string_view key_prefix) {
  return numbered(kHead, bucket) + escaped(key_prefix);
}

std::optional<BucketId> head_bucket(std::string_view key) {
  if (!take_type(key, kHead)) return std::nullopt;
  return take_u64(key);
}

std::optional<std::string> head_object(std::string_view key) {
  if (!take_type(key, kHead) || !take_u64(key)) return std::nullopt;
  return take_text(key);
}

std::string parts(BucketId bucket, std::string_view key, std::uint64_t version_number) {
  std::string row = numbered(kParts, bucket);
  append_text(row, key);
  append_u64(row, ~version_number);  // newest first
  return row;
}

std::string version(BucketId bucket, std::string_view key, std::uint64_t number) {
  std::string row = versions_of(bucket, key);
  append_u64(row, ~number);  // newest first
  return row;
}

std::string versions_prefix() { return typed(kVersion); }

std::string versions_prefix(BucketId bucket, std::string_view key_prefix) {
  return numbered(kVersion, bucket) + escaped(key_prefix);
}

std::string versions_of(BucketId bucket, std::string_view key) {
  std::string row = numbered(kVersion, bucket);
  row.reserve(row.size() + key.size() + 10);
  append_text(row, key);
  return row;
}

// Both kinds of rows begin alike: type, bucket, key.
std::string versions_of_head(std::string_view head_row) { return typed(kVersion).append(head_row.substr(1)); }

bool is_version(std::string_view key) { return !key.empty() && key.front() == kVersion; }

std::optional<VersionKey> version_parts_of(std::string_view key) {
  if (!take_type(key, kVersion)) return std::nullopt;
  const auto bucket = take_u64(key);
  if (!bucket) return std::nullopt;
  auto object = take_text(key);
  if (!object) return std::nullopt;
  const auto number = take_u64(key);
  if (!number || !key.empty()) return std::nullopt;
  return VersionKey{*bucket, std::move(*object), ~*number};
}

std::string head_of(const VersionKey& version) { return head(version.bucket, version.key); }

std::string within_key(const VersionKey& version) {
  std::string place = head_of(version);
  place += '\0';  // sorts behind the head, and before the head of any other key
  append_u64(place, ~version.number);
  return place;
}

std::optional<VersionKey> within_key_parts(std::string_view place) {
  if (!take_type(place, kHead)) return std::nullopt;
  const auto bucket = take_u64(place);
  if (!bucket) return std::nullopt;
  auto object = take_text(place);
  if (!object || place.size() != 1 + sizeof(std::uint64_t)) return std::nullopt;
  place.remove_prefix(1);
  const auto number = take_u64(place);
  if (!number) return std::nullopt;
  return VersionKey{*bucket, std::move(*object), ~*number};
}

std::string older_inline(const segment::BlobId& blob) {
  std::string row = typed(kOlderInline);
  append_blob(row, blob);
  return row;
}

std::string annotations_prefix(std::string_view holder) {
  std::string row = typed(kAnnotation);
  append_text(row, holder);
  return row;
}

std::string annotation(std::string_view holder, std::string_view name, std::uint64_t revision) {
  std::string row = annotations_prefix(holder);
  append_text(row, name);
  append_u64(row, revision);
  return row;
}

std::string pending_labels_prefix(BucketId bucket) { return numbered(kPendingLabel, bucket); }
std::string pending_lines(BucketId bucket) { return numbered(kPendingLines, bucket); }
std::string pending_bytes(BucketId bucket) { return numbered(kPendingBytes, bucket); }

std::string pending_labels_of(BucketId bucket, std::string_view key) {
  std::string row = pending_labels_prefix(bucket);
  append_text(row, key);
  return row;
}

std::string pending_label(BucketId bucket, std::string_view key, std::string_view name) {
  std::string row = pending_labels_of(bucket, key);
  append_text(row, name);
  return row;
}

std::optional<PendingKey> pending_parts_of(std::string_view row) {
  if (!take_type(row, kPendingLabel) || !take_u64(row)) return std::nullopt;
  auto key = take_text(row);
  if (!key) return std::nullopt;
  auto name = take_text(row);
  if (!name || !row.empty()) return std::nullopt;
  return PendingKey{std::move(*key), std::move(*name)};
}

std::string label_sources(std::string_view holder) {
  std::string row = typed(kLabelSources);
  append_text(row, holder);
  return row;
}

std::string blob_chunk(const segment::BlobId& blob, std::uint32_t chunk) {
  std::string row = typed(kBlobChunk);
  append_blob(row, blob);
  append_u32(row, chunk);
  return row;
}

bool is_blob_guard(std::string_view key) { return !key.empty() && key.front() == kBlobGuard; }

std::string blob_guard(const segment::BlobId& blob) {
  std::string row = typed(kBlobGuard);
  append_blob(row, blob);
  return row;
}

std::string blob_reference_prefix(const segment::BlobId& blob) {
  std::string row = typed(kBlobReference);
  append_blob(row, blob);
  return row;
}

std::string blob_reference(const segment::BlobId& blob, std::string_view holder) {
  return blob_reference_prefix(blob).append(holder);
}

std::string upload(BucketId bucket, std::string_view key, std::string_view upload_id) {
  std::string row = numbered(kUpload, bucket);
  append_text(row, key);
  append_text(row, upload_id);
  return row;
}

std::string upload_prefix(BucketId bucket, std::string_view key_prefix) {
  return numbered(kUpload, bucket) + escaped(key_prefix);
}

std::string upload_key_prefix(BucketId bucket, std::string_view key) {
  std::string row = numbered(kUpload, bucket);
  append_text(row, key);
  return row;
}

std::string finished_prefix(BucketId bucket) { return numbered(kFinishedUpload, bucket); }

std::optional<UploadKey> upload_parts_of(std::string_view key) {
  if (!take_type(key, kUpload) || !take_u64(key)) return std::nullopt;
  auto object = take_text(key);
  if (!object) return std::nullopt;
  auto upload_id = take_text(key);
  if (!upload_id) return std::nullopt;
  return UploadKey{std::move(*object), std::move(*upload_id)};
}

std::string part_prefix(std::string_view upload_id) {
  std::string row = typed(kPart);
  append_text(row, upload_id);
  return row;
}

std::string part(std::string_view upload_id, std::uint32_t number) {
  std::string row = part_prefix(upload_id);
  append_u32(row, number);
  return row;
}

std::string finished_upload(BucketId bucket, std::string_view key, std::string_view upload_id) {
  std::string row = numbered(kFinishedUpload, bucket);
  append_text(row, key);
  append_text(row, upload_id);
  return row;
}

std::string finished_by_time(std::int64_t finished_ms, std::string_view row_key) {
  return numbered(kFinishedByTime, static_cast<std::uint64_t>(finished_ms)).append(row_key);
}

std::string finished_by_time_prefix() { return typed(kFinishedByTime); }

std::optional<FinishedByTime> finished_by_time_parts(std::string_view key) {
  if (!take_type(key, kFinishedByTime)) return std::nullopt;
  const auto time = take_u64(key);
  if (!time) return std::nullopt;
  return FinishedByTime{static_cast<std::int64_t>(*time), std::string(key)};
}

std::string segment(segment::SegmentId id) { return numbered(kSegment, id); }
std::string segment_prefix() { return typed(kSegment); }

std::optional<segment::SegmentId> segment_id(std::string_view key) {
  if (!take_type(key, kSegment)) return std::nullopt;
  const auto id = take_u64(key);
  if (!id || !key.empty()) return std::nullopt;
  return id;
}

std::string heads_prefix() { return std::string(1, kHead); }

bool is_head(std::string_view key) { return !key.empty() && key.front() == kHead; }

std::string blob_chunks_prefix() { return std::string(1, kBlobChunk); }

std::string blob_chunk_prefix(const segment::BlobId& blob) {
  std::string key = blob_chunk(blob, 0);
  key.resize(key.size() - sizeof(std::uint32_t));
  return key;
}

}  // namespace storage::keys
