// ListObjectVersions.
#include "api/access/bucket_access.h"
#include "api/ascii.h"
#include "api/checksum.h"
#include "api/http_date.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/versions.h"

namespace api {
namespace {

struct ListRequest {
  storage::VersionListOptions options;
  ListEncoder encoder;
};

// Errors: InvalidArgument.
Outcome<ListRequest> parse_request(const Call& call) {
  ListRequest request;
  auto encoder = ListEncoder::from(call);
  if (!encoder) return encoder.error();
  request.encoder = *encoder;
  const auto limit = number_parameter(call, "max-keys", storage::kListEntriesMax, storage::kListEntriesMax);
  if (!limit) return limit.error();
  request.options.entries_max = *limit;
  request.options.prefix = call.target.parameter("prefix").value_or("");
  request.options.delimiter = call.target.parameter("delimiter").value_or("");
  request.options.key_after = call.target.parameter("key-marker").value_or("");
  const std::string_view version = call.target.parameter("version-id-marker").value_or("");
  if (version.empty()) return request;
  if (request.options.key_after.empty()) {
    return invalid_argument("version-id-marker", version,
                            "A version-id marker cannot be specified without a key marker.");
  }
  if (!is_version_id(version)) return invalid_version_id("version-id-marker", version);
  request.options.version_id_after = version;
  return request;
}

void write_version(XmlWriter& xml, const Call& call, const ListEncoder& encoder, const storage::ObjectInfo& info) {
  const std::string_view element = info.delete_marker ? "DeleteMarker" : "Version";
  xml.open(element);
  encoder.element(xml, "Key", info.key);
  xml.element("VersionId", info.version_id);
  xml.flag("IsLatest", info.current);
  xml.element("LastModified", iso_date(info.modified_ms));
  if (!info.delete_marker) {
    xml.etag(info.etag);
    if (info.checksum.algorithm != ChecksumAlgorithm::none) {
      xml.element("ChecksumAlgorithm", checksum_name(info.checksum.algorithm));
      xml.element("ChecksumType", checksum_type_name(info.checksum.type));
    }
    xml.element("Size", info.size);
  }
  write_owner(xml, "Owner", call.options, owner_of(*call.bucket, info));
  if (!info.delete_marker) {
    xml.element("StorageClass", info.attributes.storage_class.empty()
                                    ? std::string_view("STANDARD")
                                    : std::string_view(info.attributes.storage_class));
  }
  xml.close(element);
}

}  // namespace

Task<Outcome<Response>> list_object_versions(Call& call) {
  if (auto plain = refuse_query(call); !plain) co_return plain.error();
  const auto request = parse_request(call);
  if (!request) co_return request.error();
  const storage::VersionListOptions& options = request->options;
  const ListEncoder& encoder = request->encoder;
  const auto page = co_await call.store.list_versions(call.target.bucket, options);
  if (!page) co_return page.error();

  XmlWriter xml;
  xml.open_root("ListVersionsResult");
  xml.element("Name", call.target.bucket);
  encoder.element(xml, "Prefix", options.prefix);
  if (!options.delimiter.empty()) encoder.element(xml, "Delimiter", options.delimiter);
  encoder.element(xml, "KeyMarker", options.key_after);
  xml.element("VersionIdMarker", options.version_id_after);
  xml.element("MaxKeys", std::uint64_t{options.entries_max});
  encoder.write_type(xml);
  xml.flag("IsTruncated", page->truncated);
  if (page->truncated) {
    encoder.element(xml, "NextKeyMarker", page->next_key);
    if (!page->next_version_id.empty()) xml.element("NextVersionIdMarker", page->next_version_id);
  }
  for (const auto& version : page->versions) write_version(xml, call, encoder, *version);
  for (const std::string& prefix : page->common_prefixes) {
    xml.open("CommonPrefixes");
    encoder.element(xml, "Prefix", prefix);
    xml.close("CommonPrefixes");
  }
  xml.close("ListVersionsResult");
  co_return xml_response(xml);
}

}  // namespace api
