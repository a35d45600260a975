#include "storage/labels/rows.h"

namespace storage::labels::rows {
namespace {

// One byte a kind of row, none of them used in storage/keys.cpp.
constexpr char kName = 'N';
constexpr char kNameCount = 'n';
constexpr char kNextOrdinal = 'o';
constexpr char kPosting = 'K';
constexpr char kObject = 'O';
constexpr char kNotIndexed = 'M';

template <class Number>
void append(std::string& row, Number number) {
  for (int shift = 8 * (static_cast<int>(sizeof number) - 1); shift >= 0; shift -= 8) {
    row += static_cast<char>(number >> shift);
  }
}

template <class Number>
bool take(std::string_view& row, Number& number) {
  if (row.size() < sizeof number) return false;
  number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) {
    number = static_cast<Number>(number << 8 | static_cast<unsigned char>(row[i]));
  }
  row.remove_prefix(sizeof number);
  return true;
}

void append_text(std::string& row, std::string_view text) {
  for (const char c : text) {
    row += c;
    if (c == '\0') row += '\xff';
  }
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

std::string of_bucket(char type, BucketId bucket) {
  std::string row(1, type);
  append(row, bucket);
  return row;
}

// Takes the type and the bucket off the front.
bool take_bucket(std::string_view& row, char type, BucketId& bucket) {
  if (row.empty() || row.front() != type) return false;
  row.remove_prefix(1);
  return take(row, bucket);
}

}  // namespace

std::string names_prefix(BucketId bucket) { return of_bucket(kName, bucket); }

std::string name(BucketId bucket, std::string_view label) {
  std::string row = names_prefix(bucket);
  append_text(row, label);
  return row;
}

std::optional<std::string> name_of(std::string_view row) {
  BucketId bucket = 0;
  if (!take_bucket(row, kName, bucket)) return std::nullopt;
  auto label = take_text(row);
  if (!row.empty()) return std::nullopt;
  return label;
}

std::string name_count(BucketId bucket) { return of_bucket(kNameCount, bucket); }
std::string next_ordinal(BucketId bucket) { return of_bucket(kNextOrdinal, bucket); }

std::string postings_prefix(BucketId bucket) { return of_bucket(kPosting, bucket); }

std::string postings_prefix(BucketId bucket, NameId name) {
  std::string row = postings_prefix(bucket);
  append(row, name);
  return row;
}

std::string postings_prefix(BucketId bucket, NameId name, std::string_view value) {
  return postings_prefix(bucket, name).append(value);
}

std::string posting(BucketId bucket, NameId name, std::string_view value, Ordinal ordinal) {
  std::string row;
  row.reserve(1 + sizeof bucket + sizeof name + value.size() + sizeof ordinal);
  row += kPosting;
  append(row, bucket);
  append(row, name);
  row += value;
  append(row, ordinal);
  return row;
}

bool is_posting(std::string_view row) { return !row.empty() && row.front() == kPosting; }

std::optional<Posting> posting_of(std::string_view row) {
  Posting posting;
  if (!take_bucket(row, kPosting, posting.bucket) || !take(row, posting.name)) return std::nullopt;
  auto value = decode_ordered(row);
  if (!value) return std::nullopt;
  row.remove_prefix(value->bytes);
  posting.value = std::move(value->value);
  if (!take(row, posting.ordinal) || !row.empty()) return std::nullopt;
  return posting;
}

std::string objects_prefix(BucketId bucket) { return of_bucket(kObject, bucket); }

std::string object(BucketId bucket, Ordinal ordinal) {
  std::string row = objects_prefix(bucket);
  append(row, ordinal);
  return row;
}

bool is_object(std::string_view row) { return !row.empty() && row.front() == kObject; }

std::optional<Object> object_of(std::string_view row) {
  Object object;
  if (!take_bucket(row, kObject, object.bucket) || !take(row, object.ordinal) || !row.empty()) return std::nullopt;
  return object;
}

std::string not_indexed_prefix(BucketId bucket) { return of_bucket(kNotIndexed, bucket); }

std::string not_indexed_prefix(BucketId bucket, std::string_view label) {
  std::string row = not_indexed_prefix(bucket);
  append_text(row, label);
  return row;
}

std::string not_indexed(BucketId bucket, std::string_view label, Ordinal ordinal) {
  std::string row = not_indexed_prefix(bucket, label);
  append(row, ordinal);
  return row;
}

std::optional<NotIndexed> not_indexed_of(std::string_view row) {
  BucketId bucket = 0;
  if (!take_bucket(row, kNotIndexed, bucket)) return std::nullopt;
  auto label = take_text(row);
  NotIndexed result;
  if (!label || !take(row, result.ordinal) || !row.empty()) return std::nullopt;
  result.label = std::move(*label);
  return result;
}

}  // namespace storage::labels::rows
