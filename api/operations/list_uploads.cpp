// ListParts, ListMultipartUploads.
#include "api/checksum.h"
#include "api/http_date.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"

namespace api {
namespace {

void write_checksum_wish(XmlWriter& xml, const storage::UploadOptions& options) {
  if (options.algorithm == ChecksumAlgorithm::none) return;
  xml.element("ChecksumAlgorithm", checksum_name(options.algorithm));
  xml.element("ChecksumType", checksum_type_name(options.type));
}

std::string_view storage_class(const storage::UploadOptions& options) {
  const std::string& named = options.attributes.storage_class;
  return named.empty() ? std::string_view("STANDARD") : std::string_view(named);
}

// Whose the object will be.
std::string_view owner_of_upload(const Call& call, const storage::UploadOptions& options) {
  return options.controls.owner_id.empty() ? call.bucket->owner_id : options.controls.owner_id;
}

}  // namespace

Task<Outcome<Response>> list_parts(Call& call) {
  auto id = upload_id_parameter(call);
  if (!id) co_return id.error();
  const auto encoder = ListEncoder::from(call);
  if (!encoder) co_return encoder.error();
  const auto limit = number_parameter(call, "max-parts", storage::kListEntriesMax, storage::kListEntriesMax);
  if (!limit) co_return limit.error();
  const auto marker = number_parameter(call, "part-number-marker", storage::kPartNumberMax, 0);
  if (!marker) co_return marker.error();
  const auto page = co_await call.store.list_parts(call.object_key(), *id, *marker, *limit);
  if (!page) co_return page.error();

  XmlWriter xml;
  xml.open_root("ListPartsResult");
  xml.element("Bucket", call.target.bucket);
  encoder->element(xml, "Key", call.target.key);
  xml.element("UploadId", *id);
  write_owner(xml, "Initiator", call.options, page->upload.options.initiator_id);
  write_owner(xml, "Owner", call.options, owner_of_upload(call, page->upload.options));
  xml.element("StorageClass", storage_class(page->upload.options));
  write_checksum_wish(xml, page->upload.options);
  xml.element("PartNumberMarker", std::uint64_t{*marker});
  if (!page->parts.empty()) xml.element("NextPartNumberMarker", std::uint64_t{page->parts.back().number});
  xml.element("MaxParts", std::uint64_t{*limit});
  encoder->write_type(xml);
  xml.flag("IsTruncated", page->truncated);
  for (const storage::PartInfo& part : page->parts) {
    xml.open("Part");
    xml.element("PartNumber", std::uint64_t{part.number});
    xml.element("LastModified", iso_date(part.modified_ms));
    xml.etag(part.etag);
    xml.element("Size", part.size);
    write_part_checksum(xml, part.checksum);
    xml.close("Part");
  }
  xml.close("ListPartsResult");
  co_return xml_response(xml);
}

Task<Outcome<Response>> list_multipart_uploads(Call& call) {
  const auto encoder = ListEncoder::from(call);
  if (!encoder) co_return encoder.error();
  const auto limit =
      number_parameter(call, "max-uploads", storage::kListEntriesMax, storage::kListEntriesMax);
  if (!limit) co_return limit.error();
  storage::UploadListOptions options;
  options.prefix = call.target.parameter("prefix").value_or("");
  options.delimiter = call.target.parameter("delimiter").value_or("");
  options.key_after = call.target.parameter("key-marker").value_or("");
  // An upload id says nothing without the key it belongs to.
  if (!options.key_after.empty())
    options.upload_id_after = call.target.parameter("upload-id-marker").value_or("");
  options.entries_max = *limit;
  const auto page = co_await call.store.list_uploads(call.target.bucket, options);
  if (!page) co_return page.error();

  XmlWriter xml;
  xml.open_root("ListMultipartUploadsResult");
  xml.element("Bucket", call.target.bucket);
  encoder->element(xml, "KeyMarker", options.key_after);
  xml.element("UploadIdMarker", options.upload_id_after);
  if (page->truncated) {
    encoder->element(xml, "NextKeyMarker", page->next_key);
    xml.element("NextUploadIdMarker", page->next_upload_id);
  }
  encoder->element(xml, "Prefix", options.prefix);
  if (!options.delimiter.empty()) encoder->element(xml, "Delimiter", options.delimiter);
  xml.element("MaxUploads", std::uint64_t{*limit});
  encoder->write_type(xml);
  xml.flag("IsTruncated", page->truncated);
  for (const storage::UploadInfo& upload : page->uploads) {
    xml.open("Upload");
    encoder->element(xml, "Key", upload.key);
    xml.element("UploadId", upload.upload_id);
    write_owner(xml, "Initiator", call.options, upload.options.initiator_id);
    write_owner(xml, "Owner", call.options, owner_of_upload(call, upload.options));
    xml.element("StorageClass", storage_class(upload.options));
    xml.element("Initiated", iso_date(upload.initiated_ms));
    write_checksum_wish(xml, upload.options);
    xml.close("Upload");
  }
  for (const std::string& prefix : page->common_prefixes) {
    xml.open("CommonPrefixes");
    encoder->element(xml, "Prefix", prefix);
    xml.close("CommonPrefixes");
  }
  xml.close("ListMultipartUploadsResult");
  co_return xml_response(xml);
}

}  // namespace api
