#include "storage/records.h"

#include <cstring>

namespace storage {

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

segment::BlobId blob_id(const std::string& bytes) {
  segment::BlobId id{};
  if (bytes.size() == id.size()) std::memcpy(id.data(), bytes.data(), id.size());
  return id;
}

std::string blob_bytes(const segment::BlobId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

records::Extent encode(const segment::Extent& extent) {
  records::Extent row;
  row.set_segment(extent.segment);
  row.set_stripe_block(extent.stripe_block);
  row.set_header_blocks(extent.header_blocks);
  row.set_shard_blocks(extent.shard_blocks);
  row.set_begin(extent.begin);
  row.set_length(extent.length);
  row.set_crc(extent.crc);
  return row;
}

segment::Extent decode(const records::Extent& row) {
  segment::Extent extent;
  extent.segment = row.segment();
  extent.stripe_block = row.stripe_block();
  extent.header_blocks = static_cast<std::uint16_t>(row.header_blocks());
  extent.shard_blocks = static_cast<std::uint16_t>(row.shard_blocks());
  extent.begin = row.begin();
  extent.length = row.length();
  extent.crc = row.crc();
  return extent;
}

void encode_tags(const NameValues& tags, records::Attributes& row) {
  row.clear_tags();
  for (const auto& [name, value] : tags) {
    auto* tag = row.add_tags();
    tag->set_name(name);
    tag->set_value(value);
  }
}

records::Attributes encode(const Attributes& attributes) {
  records::Attributes row;
  row.set_content_type(attributes.content_type);
  row.set_cache_control(attributes.cache_control);
  row.set_content_disposition(attributes.content_disposition);
  row.set_content_encoding(attributes.content_encoding);
  row.set_content_language(attributes.content_language);
  row.set_expires(attributes.expires);
  row.set_website_redirect(attributes.website_redirect);
  row.set_storage_class(attributes.storage_class);
  for (const auto& [name, value] : attributes.user_metadata) {
    auto* entry = row.add_user_metadata();
    entry->set_name(name);
    entry->set_value(value);
  }
  encode_tags(attributes.tags, row);
  return row;
}

Attributes decode(const records::Attributes& row) {
  Attributes attributes;
  attributes.content_type = row.content_type();
  attributes.cache_control = row.cache_control();
  attributes.content_disposition = row.content_disposition();
  attributes.content_encoding = row.content_encoding();
  attributes.content_language = row.content_language();
  attributes.expires = row.expires();
  attributes.website_redirect = row.website_redirect();
  attributes.storage_class = row.storage_class();
  attributes.user_metadata.reserve(static_cast<std::size_t>(row.user_metadata_size()));
  for (const auto& entry : row.user_metadata()) attributes.user_metadata.emplace_back(entry.name(), entry.value());
  attributes.tags.reserve(static_cast<std::size_t>(row.tags_size()));
  for (const auto& tag : row.tags()) attributes.tags.emplace_back(tag.name(), tag.value());
  return attributes;
}

records::Controls encode(const Controls& controls) {
  records::Controls row;
  row.set_owner_id(controls.owner_id);
  row.set_acl(controls.acl);
  row.set_retention_mode(static_cast<std::uint32_t>(controls.lock.mode));
  row.set_retain_until_ms(controls.lock.retain_until_ms);
  row.set_legal_hold(controls.lock.legal_hold);
  row.set_legal_hold_set(controls.lock.legal_hold_set);
  row.set_encryption(controls.encryption);
  return row;
}

Controls decode(const records::Controls& row) {
  Controls controls;
  controls.owner_id = row.owner_id();
  controls.acl = row.acl();
  controls.lock.mode = static_cast<RetentionMode>(row.retention_mode());
  controls.lock.retain_until_ms = row.retain_until_ms();
  controls.lock.legal_hold = row.legal_hold();
  controls.lock.legal_hold_set = row.legal_hold_set();
  controls.encryption = row.encryption();
  return controls;
}

std::uint64_t stored_size(const records::Version& version) {
  return version.stored_size() > 0 ? version.stored_size() : version.size();
}

std::uint64_t stored_size(const records::Part& part) { return part.stored_size() > 0 ? part.stored_size() : part.size(); }

records::Checksum encode(const Checksum& checksum) {
  records::Checksum row;
  row.set_algorithm(static_cast<std::uint32_t>(checksum.algorithm));
  row.set_type(static_cast<std::uint32_t>(checksum.type));
  row.set_value(checksum.value);
  return row;
}

Checksum decode(const records::Checksum& row) {
  Checksum checksum;
  checksum.algorithm = static_cast<ChecksumAlgorithm>(row.algorithm());
  checksum.type = static_cast<ChecksumType>(row.type());
  checksum.value = row.value();
  return checksum;
}

PartInfo decode(const records::Part& row) {
  PartInfo part;
  part.number = row.number();
  part.size = row.size();
  part.stored_size = stored_size(row);
  part.etag = hex(row.md5());
  part.checksum = decode(row.checksum());
  part.modified_ms = row.modified_ms();
  return part;
}

UploadInfo decode(const std::string& key, const std::string& upload_id, const records::Upload& row) {
  UploadInfo upload;
  upload.key = key;
  upload.upload_id = upload_id;
  upload.initiated_ms = row.initiated_ms();
  upload.options.attributes = decode(row.attributes());
  upload.options.controls = decode(row.controls());
  upload.options.algorithm = static_cast<ChecksumAlgorithm>(row.algorithm());
  upload.options.type = static_cast<ChecksumType>(row.type());
  upload.options.initiator_id = row.initiator_id();
  return upload;
}

void fill_listed(std::string key, const records::Version& version, ObjectInfo& info) {
  info.key = std::move(key);
  info.size = version.size();
  info.stored_size = stored_size(version);
  info.delete_marker = version.delete_marker();
  info.etag = hex(version.md5());
  if (version.part_count() > 0) info.etag += '-' + std::to_string(version.part_count());
  info.modified_ms = version.modified_ms();
  info.version_id = version.version_id().empty() ? "null" : version.version_id();
  info.attributes.storage_class = version.attributes().storage_class();
  info.checksum = decode(version.checksum());
  info.controls.owner_id = version.controls().owner_id();
}

ObjectInfo object_info(const std::string& key, const records::Version& version) {
  ObjectInfo info;
  fill_listed(key, version, info);
  info.attributes = decode(version.attributes());
  info.controls = decode(version.controls());
  return info;
}

Result<HeadRecordPtr> decode_head(const std::string& key, const metadata::Entry& entry) {
  auto record = std::make_shared<HeadRecord>();
  Result<> parsed = parse(entry.value, record->row);
  if (!parsed) return parsed.error();
  record->info = std::make_shared<const ObjectInfo>(object_info(key, record->row.current()));
  record->revision = entry.revision;
  return HeadRecordPtr(std::move(record));
}

Result<HeadRecordPtr> decode_older(const std::string& key, const metadata::Entry& entry) {
  records::OlderVersion row;
  Result<> parsed = parse(entry.value, row);
  if (!parsed) return parsed.error();
  auto record = std::make_shared<HeadRecord>();
  record->row.mutable_current()->Swap(row.mutable_version());
  auto info = std::make_shared<ObjectInfo>(object_info(key, record->row.current()));
  info->current = false;
  record->info = std::move(info);
  record->revision = entry.revision;
  record->older = true;
  return HeadRecordPtr(std::move(record));
}

BucketInfo decode_bucket(const std::string& name, const records::Bucket& row) {
  BucketInfo bucket;
  bucket.name = name;
  bucket.id = row.id();
  bucket.owner_id = row.owner_id();
  bucket.location = row.location();
  bucket.created_ms = row.created_ms();
  bucket.versioning = static_cast<Versioning>(row.versioning());
  bucket.object_lock = row.object_lock();
  bucket.quota_bytes = row.quota_bytes();
  bucket.quota_objects = row.quota_objects();
  for (const auto& [setting, text] : row.settings()) bucket.settings.emplace(setting, text);
  return bucket;
}

void encode_bucket(const BucketInfo& bucket, records::Bucket& row) {
  row.set_id(bucket.id);
  row.set_owner_id(bucket.owner_id);
  row.set_location(bucket.location);
  row.set_created_ms(bucket.created_ms);
  row.set_versioning(static_cast<std::uint32_t>(bucket.versioning));
  row.set_object_lock(bucket.object_lock);
  row.set_quota_bytes(bucket.quota_bytes);
  row.set_quota_objects(bucket.quota_objects);
  for (const auto& [setting, text] : bucket.settings) (*row.mutable_settings())[setting] = text;
}

}  // namespace storage
