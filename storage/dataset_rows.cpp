#include "storage/dataset_rows.h"

namespace storage::dataset_rows {
namespace {

// One byte a kind of row, none of them used by storage/keys.cpp or storage/labels/rows.cpp.
constexpr char kKeptAnnotation = 'a';
constexpr char kDataset = 'd';
constexpr char kIntent = 'i';
constexpr char kKept = 'k';
constexpr char kReceipt = 'r';
constexpr char kToSweep = 'w';

void append_u64(std::string& row, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) row += static_cast<char>(number >> shift);
}

bool take_u64(std::string_view& row, std::uint64_t& number) {
  if (row.size() < 8) return false;
  number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(row[i]);
  row.remove_prefix(8);
  return true;
}

void append_text(std::string& row, std::string_view text) {
  row += keys::escaped(text);
  row.append("\0\1", 2);
}

std::optional<std::string> take_text(std::string_view& row) {
  std::string text;
  while (true) {
    const std::size_t zero = row.find('\0');
    if (zero == std::string_view::npos || zero + 1 == row.size()) return std::nullopt;
    text.append(row.substr(0, zero));
    const char mark = row[zero + 1];
    row.remove_prefix(zero + 2);
    if (mark == '\1') return text;
    if (mark != '\xff') return std::nullopt;
    text += '\0';
  }
}

std::string of_bucket(char type, keys::BucketId bucket) {
  std::string row(1, type);
  append_u64(row, bucket);
  return row;
}

// The number behind the type, where nothing else follows.
std::optional<keys::BucketId> only_bucket(std::string_view row, char type) {
  if (row.empty() || row.front() != type) return std::nullopt;
  row.remove_prefix(1);
  keys::BucketId bucket = 0;
  if (!take_u64(row, bucket) || !row.empty()) return std::nullopt;
  return bucket;
}

}  // namespace

std::string datasets_prefix(keys::BucketId bucket) { return of_bucket(kDataset, bucket); }

std::string dataset(keys::BucketId bucket, std::string_view name) {
  std::string row = datasets_prefix(bucket);
  append_text(row, name);
  return row;
}

std::optional<std::string> dataset_name(std::string_view row) {
  keys::BucketId bucket = 0;
  if (row.empty() || row.front() != kDataset) return std::nullopt;
  row.remove_prefix(1);
  if (!take_u64(row, bucket)) return std::nullopt;
  return take_text(row);
}

std::string intents_prefix() { return std::string(1, kIntent); }
std::string intent(keys::BucketId bucket) { return of_bucket(kIntent, bucket); }
std::optional<keys::BucketId> intent_bucket(std::string_view row) { return only_bucket(row, kIntent); }

std::string kept_prefix(keys::BucketId bucket) { return of_bucket(kKept, bucket); }

std::string kept(keys::BucketId bucket, std::string_view holder) { return kept_prefix(bucket).append(holder); }

std::string kept_annotations_prefix(keys::BucketId bucket) { return of_bucket(kKeptAnnotation, bucket); }

std::string kept_annotation(keys::BucketId bucket, std::string_view holder, std::string_view name, std::uint64_t revision) {
  std::string row = kept_annotations_prefix(bucket);
  append_text(row, holder);
  append_text(row, name);
  append_u64(row, revision);
  return row;
}

std::optional<KeptAnnotation> kept_annotation_of(std::string_view row) {
  keys::BucketId bucket = 0;
  if (row.empty() || row.front() != kKeptAnnotation) return std::nullopt;
  row.remove_prefix(1);
  if (!take_u64(row, bucket)) return std::nullopt;
  auto holder = take_text(row);
  if (!holder) return std::nullopt;
  auto name = take_text(row);
  KeptAnnotation kept;
  if (!name || !take_u64(row, kept.revision) || !row.empty()) return std::nullopt;
  kept.holder = std::move(*holder);
  kept.name = std::move(*name);
  return kept;
}

std::string to_sweep_prefix() { return std::string(1, kToSweep); }
std::string to_sweep(keys::BucketId bucket) { return of_bucket(kToSweep, bucket); }
std::optional<keys::BucketId> to_sweep_bucket(std::string_view row) { return only_bucket(row, kToSweep); }

std::string receipts_prefix(std::string_view dataset_id) { return std::string(1, kReceipt).append(dataset_id); }

std::string receipt(std::string_view dataset_id, std::uint64_t day, std::string_view user, std::string_view order) {
  std::string row = receipts_prefix(dataset_id);
  append_u64(row, ~day);
  append_text(row, user);
  append_text(row, order);
  return row;
}

std::optional<ReceiptKey> receipt_of(std::string_view row) {
  std::uint64_t day = 0;
  if (row.size() < 17 || row.front() != kReceipt) return std::nullopt;
  row.remove_prefix(17);
  if (!take_u64(row, day)) return std::nullopt;
  auto user = take_text(row);
  if (!user) return std::nullopt;
  auto order = take_text(row);
  if (!order || !row.empty()) return std::nullopt;
  return ReceiptKey{~day, std::move(*user), std::move(*order)};
}

std::string holder(std::string_view dataset_id) { return std::string("D").append(dataset_id); }

std::string bucket_name(std::string_view dataset, std::string_view bucket) {
  return std::string(dataset).append(".").append(bucket);
}

}  // namespace storage::dataset_rows
