// Records: the decoded forms of the metadata values that object_store works with, and their translation.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/metadata/metadata_store.h"
#include "storage/object_store.h"
#include "storage/records.pb.h"
#include "storage/segment/segment_store.h"

namespace storage {

// Written into field 15 of every row of this version; a reader refuses higher ones (Errc::unsupported).
inline constexpr std::uint32_t kRecordFormat = 1;
inline constexpr std::size_t kExtentsPerChunk = 1000;

// A decoded head row: what readers cache. Or an older version's row in the same clothes, which is never cached. Immutable.
struct HeadRecord {
  ObjectInfoPtr info;         // without `parts`
  records::Head row;          // as stored; of an older version `current` alone
  metadata::Revision revision = 0;
  bool older = false;         // the row is one of older versions
};
using HeadRecordPtr = std::shared_ptr<const HeadRecord>;

Result<HeadRecordPtr> decode_head(const std::string& key, const metadata::Entry& entry);
Result<HeadRecordPtr> decode_older(const std::string& key, const metadata::Entry& entry);

// What clients see of a version.
ObjectInfo object_info(const std::string& key, const records::Version& version);
// The same without its attributes but the storage class: what a listing shows. `info` is as made.
void fill_listed(std::string key, const records::Version& version, ObjectInfo& info);

BucketInfo decode_bucket(const std::string& name, const records::Bucket& row);
// All but the name; `id` too.
void encode_bucket(const BucketInfo& bucket, records::Bucket& row);

records::Extent encode(const segment::Extent& extent);
segment::Extent decode(const records::Extent& row);
records::Attributes encode(const Attributes& attributes);
Attributes decode(const records::Attributes& row);
records::Checksum encode(const Checksum& checksum);
Checksum decode(const records::Checksum& row);
PartInfo decode(const records::Part& row);
UploadInfo decode(const std::string& key, const std::string& upload_id, const records::Upload& row);
records::Controls encode(const Controls& controls);
Controls decode(const records::Controls& row);
// Bytes of the body as stored.
std::uint64_t stored_size(const records::Version& version);
std::uint64_t stored_size(const records::Part& part);
void encode_tags(const NameValues& tags, records::Attributes& row);

segment::BlobId blob_id(const std::string& bytes);  // 16 bytes, else all zero
std::string blob_bytes(const segment::BlobId& id);

std::string hex(std::string_view bytes);  // lower case

// Parses a protobuf row and checks its format number.
template <class Row>
Result<> parse(const std::string& bytes, Row& row) {
  if (!row.ParseFromString(bytes)) return Errc::corrupt_record;
  if (row.format() == 0) return Errc::corrupt_record;
  if (row.format() > kRecordFormat) return Errc::unsupported;
  return success();
}

template <class Row>
std::string serialize(Row& row) {
  row.set_format(kRecordFormat);
  return row.SerializeAsString();
}

}  // namespace storage
