// The keys of the index's rows in the metadata store: their one place. Layout in storage/labels/README.md.
//
// Numbers are big-endian, texts escaped (00 -> 00 FF) and ended by 00 01, as in all keys of the store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/labels/value.h"

namespace storage::labels {

using BucketId = std::uint64_t;
using NameId = std::uint32_t;    // of a label's name within its bucket, from 1
using Ordinal = std::uint64_t;   // of a key within its bucket, from 1; never given again

namespace rows {

// The names of a bucket's labels, by name; never removed while the bucket lives. The value is a counter: the id.
std::string name(BucketId bucket, std::string_view label);
std::string names_prefix(BucketId bucket);
std::optional<std::string> name_of(std::string_view row);  // the label's

// How many names the bucket has, which is the highest id given. A counter.
std::string name_count(BucketId bucket);
// The first ordinal that nobody has leased. A counter.
std::string next_ordinal(BucketId bucket);

// One posting: the current version of the key with this ordinal carries the label. `value` is encode_ordered() or
// encode_no_value(). No value in the row.
std::string posting(BucketId bucket, NameId name, std::string_view value, Ordinal ordinal);
std::string postings_prefix(BucketId bucket);
std::string postings_prefix(BucketId bucket, NameId name);
std::string postings_prefix(BucketId bucket, NameId name, std::string_view value);
bool is_posting(std::string_view row);
struct Posting {
  BucketId bucket = 0;
  NameId name = 0;
  std::optional<Value> value;  // none: the label has no value
  Ordinal ordinal = 0;
};
std::optional<Posting> posting_of(std::string_view row);

// The key that an ordinal stands for; the row exists while the key has a current version that is no delete marker.
std::string object(BucketId bucket, Ordinal ordinal);
std::string objects_prefix(BucketId bucket);
bool is_object(std::string_view row);
struct Object {
  BucketId bucket = 0;
  Ordinal ordinal = 0;
};
std::optional<Object> object_of(std::string_view row);

// What the index leaves out of the current version of a key, by the name that it would have had. A counter: how many values.
std::string not_indexed(BucketId bucket, std::string_view label, Ordinal ordinal);
std::string not_indexed_prefix(BucketId bucket);
std::string not_indexed_prefix(BucketId bucket, std::string_view label);
struct NotIndexed {
  std::string label;
  Ordinal ordinal = 0;
};
std::optional<NotIndexed> not_indexed_of(std::string_view row);

}  // namespace rows
}  // namespace storage::labels
