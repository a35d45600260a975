#include "api/object_headers.h"

#include <algorithm>

#include "api/ascii.h"
#include "api/bucket_settings.h"
#include "api/checksum.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/operations/results.h"
#include "api/tags.h"

namespace api {
namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
constexpr std::string_view kDefaultContentType = "binary/octet-stream";

using storage::Attributes;

struct SystemHeader {
  std::string_view name;
  std::string_view override_parameter;  // empty: none
  std::string Attributes::* field;
};

constexpr SystemHeader kSystemHeaders[] = {
    {"Content-Type", "response-content-type", &Attributes::content_type},
    {"Cache-Control", "response-cache-control", &Attributes::cache_control},
    {"Content-Disposition", "response-content-disposition", &Attributes::content_disposition},
    {"Content-Encoding", "response-content-encoding", &Attributes::content_encoding},
    {"Content-Language", "response-content-language", &Attributes::content_language},
    {"Expires", "response-expires", &Attributes::expires},
    {"x-amz-website-redirect-location", "", &Attributes::website_redirect},
};

Outcome<> add_metadata(std::string_view header, std::string_view value, std::size_t& total,
                       Attributes& attributes) {
  std::string name = to_lower(header.substr(kMetadataPrefix.size()));
  if (name.empty() || !is_header_safe(name) || !is_header_safe(value)) {
    return invalid_argument(header, value, "A metadata header is not valid");
  }
  total += name.size() + value.size();
  if (total > kUserMetadataBytesMax) {
    return Failure(S3Error::metadata_too_large)
        .with("Size", to_decimal(total))
        .with("MaxSizeAllowed", to_decimal(kUserMetadataBytesMax));
  }
  for (auto& [known, text] : attributes.user_metadata) {
    if (known != name) continue;
    text.append(",").append(value);  // a repeated header is a list
    return done();
  }
  attributes.user_metadata.emplace_back(std::move(name), value);
  return done();
}

constexpr std::string_view kStorageClasses[] = {
    "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR"};

}  // namespace

Outcome<std::string> read_storage_class(const Call& call) {
  const auto given = call.header("x-amz-storage-class");
  if (!given || *given == "STANDARD") return std::string();
  const auto& own = call.options.storage_classes;
  const bool known = std::find(std::begin(kStorageClasses), std::end(kStorageClasses), *given) != std::end(kStorageClasses) ||
                     std::find(own.begin(), own.end(), *given) != own.end();
  if (!known) return S3Error::invalid_storage_class;
  return std::string(*given);
}

std::string stored_content_encoding(std::string_view header) {
  std::string kept;
  while (!header.empty()) {
    const std::string_view coding = trim(cut(header, ','));
    if (coding.empty() || equals_caseless(coding, "aws-chunked")) continue;
    if (!kept.empty()) kept += ", ";
    kept += coding;
  }
  return kept;
}

Outcome<Attributes> read_attributes(const Call& call) {
  Attributes attributes;
  for (const SystemHeader& header : kSystemHeaders) {
    const auto value = call.header(header.name);
    if (!value) continue;
    if (value->size() > kHeaderValueBytesMax || !is_header_safe(*value)) {
      return invalid_argument(header.name, *value, "A header value is not valid");
    }
    attributes.*header.field = *value;
  }
  auto storage_class = read_storage_class(call);
  if (!storage_class) return storage_class.error();
  attributes.storage_class = std::move(*storage_class);
  attributes.content_encoding = stored_content_encoding(attributes.content_encoding);
  std::size_t total = 0;
  for (const HeaderField& field : call.request.headers) {
    if (!starts_with_caseless(field.name, kMetadataPrefix)) continue;
    if (auto added = add_metadata(field.name, field.value, total, attributes); !added) return added.error();
  }
  for (const QueryParameter& parameter : call.target.query) {
    if (!starts_with_caseless(parameter.name, kMetadataPrefix)) continue;
    if (auto added = add_metadata(parameter.name, parameter.value, total, attributes); !added)
      return added.error();
  }
  if (const auto tagging = call.header("x-amz-tagging")) {
    auto tags = parse_tag_header(*tagging);
    if (!tags) return tags.error();
    attributes.tags = std::move(*tags);
  }
  return attributes;
}

void add_etag(std::string_view etag, Response& response) {
  response.headers.append("ETag: \"").append(etag).append("\"\r\n");
}

Outcome<> add_object_headers(const Call& call, const storage::ObjectInfo& info, Response& response) {
  response.headers.reserve(512);
  add_etag(info.etag, response);
  response.headers += "Last-Modified: ";
  append_http_date(response.headers, info.modified_ms);
  response.headers += "\r\nAccept-Ranges: bytes\r\n";
  const bool overrides = !call.target.query.empty();
  for (const SystemHeader& header : kSystemHeaders) {
    std::string_view value = info.attributes.*header.field;
    if (value.empty() && header.field == &Attributes::content_type) value = kDefaultContentType;
    if (overrides && !header.override_parameter.empty()) {
      if (const auto wanted = call.target.parameter(header.override_parameter)) {
        if (call.anonymous()) {
          return Failure(S3Error::invalid_request,
                         "Request specific response headers cannot be used for anonymous GET requests.");
        }
        if (!is_header_safe(*wanted)) return invalid_argument(header.override_parameter, *wanted);
        value = *wanted;
      }
    }
    if (!value.empty()) response.add_header(header.name, value);
  }
  if (!info.attributes.storage_class.empty()) {
    response.add_header("x-amz-storage-class", info.attributes.storage_class);
  }
  for (const auto& [name, value] : info.attributes.user_metadata) {
    response.headers.append(kMetadataPrefix).append(name).append(": ").append(value).append("\r\n");
  }
  if (!info.attributes.tags.empty()) {
    response.add_header("x-amz-tagging-count", to_decimal(info.attributes.tags.size()));
  }
  return done();
}

void add_expiration(const Call& call, const storage::ObjectInfo& info, Response& response) {
  if (!call.bucket || !info.current || info.delete_marker) return;
  const auto rules = call.settings->lifecycle.get(*call.bucket);
  if (!rules) return;
  add_expiration_header(rules.get(), info.key, info.size, info.attributes.tags, info.modified_ms, response);
}

void add_checksum_header(const storage::Checksum& checksum, Response& response) {
  if (checksum.algorithm == ChecksumAlgorithm::none) return;
  response.add_header(checksum_header(checksum.algorithm), to_base64(checksum.value));
}

void add_checksum_headers(const storage::ObjectInfo& info, Response& response) {
  if (info.checksum.algorithm == ChecksumAlgorithm::none) return;
  response.add_header(checksum_header(info.checksum.algorithm),
                      checksum_text(info.checksum, parts_count(info)));
  response.add_header("x-amz-checksum-type", checksum_type_name(info.checksum.type));
}

}  // namespace api
