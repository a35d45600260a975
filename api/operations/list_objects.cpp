// ListObjects, ListObjectsV2. One page is one walk of the store's map.
#include "api/access/bucket_access.h"
#include "api/ascii.h"
#include "api/checksum.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/virtual/answers.h"
#include "api/virtual/virtual_object.h"
#include "erasure/codec.h"

namespace api {
namespace {

// Of an entry with a key of usual length.
constexpr std::size_t kEntryBytes = 384;

// A continuation token is where the last page ended, with a CRC so that a token of somewhere else is refused.
std::string make_token(std::string_view after) {
  const std::uint32_t crc = erasure::crc32c(bytes_of(after));
  std::string raw;
  for (int shift = 24; shift >= 0; shift -= 8) raw += static_cast<char>(crc >> shift & 0xff);
  raw += after;
  return to_base64url(raw);
}

std::optional<std::string> read_token(std::string_view token) {
  const auto raw = from_base64url(token);
  if (!raw || raw->size() < 4) return std::nullopt;
  std::string after = raw->substr(4);
  if (make_token(after) != token) return std::nullopt;
  return after;
}

struct ListRequest {
  storage::ListOptions options;
  ListEncoder encoder;
};

// What the listings have in common. Errors: InvalidArgument.
Outcome<ListRequest> parse_list(const Call& call) {
  ListRequest request;
  auto encoder = ListEncoder::from(call);
  if (!encoder) return encoder.error();
  request.encoder = *encoder;
  const auto limit = number_parameter(call, "max-keys", storage::kListEntriesMax, storage::kListEntriesMax);
  if (!limit) return limit.error();
  request.options.entries_max = *limit;
  request.options.prefix = call.target.parameter("prefix").value_or("");
  request.options.delimiter = call.target.parameter("delimiter").value_or("");
  return request;
}

void write_object(XmlWriter& xml, const Call& call, const ListEncoder& encoder,
                  const storage::ObjectInfo& info, bool owner) {
  xml.open("Contents");
  encoder.element(xml, "Key", info.key);
  xml.element("LastModified", iso_date(info.modified_ms));
  xml.etag(info.etag);
  if (info.checksum.algorithm != ChecksumAlgorithm::none) {
    xml.element("ChecksumAlgorithm", checksum_name(info.checksum.algorithm));
    xml.element("ChecksumType", checksum_type_name(info.checksum.type));
  }
  xml.element("Size", info.size);
  if (owner) write_owner(xml, "Owner", call.options, owner_of(*call.bucket, info));
  xml.element("StorageClass", info.attributes.storage_class.empty()
                                  ? std::string_view("STANDARD")
                                  : std::string_view(info.attributes.storage_class));
  xml.close("Contents");
}

void write_prefixes(XmlWriter& xml, const ListEncoder& encoder, const storage::ObjectPage& page) {
  for (const std::string& prefix : page.common_prefixes) {
    xml.open("CommonPrefixes");
    encoder.element(xml, "Prefix", prefix);
    xml.close("CommonPrefixes");
  }
}

// The page that a listing is about: of objects, of those that a query finds, or of virtual objects. `headers` gets what goes
// with it.
Task<Outcome<storage::ObjectPage>> find_page(Call& call, storage::ListOptions options, std::string& headers) {
  if (const auto text = call.target.parameter("query")) {
    auto query = parse_label_query(call, *text);
    if (!query) co_return query.error();
    std::string plan;
    auto found = co_await call.store.query_page(call.target.bucket, std::move(*query), std::move(options), &plan);
    if (!found) co_return found.error();
    headers = plan_header(plan);
    co_return std::move(*found);
  }
  if (is_virtual_key(options.prefix)) co_return co_await list_virtual(call, std::move(options));
  options.hide_quarantined = true;
  auto page = co_await call.store.list(call.target.bucket, std::move(options));
  if (!page) co_return page.error();
  co_return std::move(*page);
}

Task<Outcome<Response>> list_v1(Call& call) {
  if (auto plain = refuse_query(call); !plain) co_return plain.error();
  auto request = parse_list(call);
  if (!request) co_return request.error();
  const std::string marker(call.target.parameter("marker").value_or(""));
  request->options.after = marker;
  std::string headers;
  const auto page = co_await find_page(call, request->options, headers);
  if (!page) co_return page.error();

  const ListEncoder& encoder = request->encoder;
  XmlWriter xml;
  xml.reserve(1024 + page->objects.size() * kEntryBytes);
  xml.open_root("ListBucketResult");
  xml.element("Name", call.target.bucket);
  encoder.element(xml, "Prefix", request->options.prefix);
  encoder.element(xml, "Marker", marker);
  if (!request->options.delimiter.empty()) {
    encoder.element(xml, "Delimiter", request->options.delimiter);
    if (page->truncated) encoder.element(xml, "NextMarker", page->next_after);
  }
  xml.element("MaxKeys", std::uint64_t{request->options.entries_max});
  encoder.write_type(xml);
  xml.flag("IsTruncated", page->truncated);
  for (const auto& object : page->objects) write_object(xml, call, encoder, *object, true);
  write_prefixes(xml, encoder, *page);
  xml.close("ListBucketResult");
  co_return xml_response(xml);
}

Task<Outcome<Response>> list_v2(Call& call) {
  auto request = parse_list(call);
  if (!request) co_return request.error();
  const auto token = call.target.parameter("continuation-token");
  const auto start_after = call.target.parameter("start-after");
  if (token && !token->empty()) {
    auto after = read_token(*token);
    if (!after) {
      co_return invalid_argument("continuation-token", *token,
                                 "The continuation token provided is incorrect");
    }
    request->options.after = std::move(*after);
  } else if (start_after) {
    request->options.after = *start_after;
  }
  std::string headers;
  const auto page = co_await find_page(call, request->options, headers);
  if (!page) co_return page.error();

  const ListEncoder& encoder = request->encoder;
  const bool owner = equals_caseless(call.target.parameter("fetch-owner").value_or(""), "true");
  XmlWriter xml;
  xml.reserve(1024 + page->objects.size() * kEntryBytes);
  xml.open_root("ListBucketResult");
  xml.element("Name", call.target.bucket);
  encoder.element(xml, "Prefix", request->options.prefix);
  if (!request->options.delimiter.empty()) encoder.element(xml, "Delimiter", request->options.delimiter);
  xml.element("MaxKeys", std::uint64_t{request->options.entries_max});
  encoder.write_type(xml);
  xml.element("KeyCount", std::uint64_t{page->objects.size() + page->common_prefixes.size()});
  xml.flag("IsTruncated", page->truncated);
  if (token) xml.element("ContinuationToken", *token);
  if (page->truncated) xml.element("NextContinuationToken", make_token(page->next_after));
  if (start_after) encoder.element(xml, "StartAfter", *start_after);
  for (const auto& object : page->objects) write_object(xml, call, encoder, *object, owner);
  write_prefixes(xml, encoder, *page);
  xml.close("ListBucketResult");
  Response response = xml_response(xml);
  response.headers += headers;
  co_return response;
}

}  // namespace

Task<Outcome<Response>> list_objects(Call& call) {
  const auto type = call.target.parameter("list-type");
  if (!type || type->empty() || *type == "1") co_return co_await list_v1(call);
  if (*type != "2") co_return invalid_argument("list-type", *type, "Invalid List Type specified in Request");
  co_return co_await list_v2(call);
}

}  // namespace api
