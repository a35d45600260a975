// GetObjectAttributes.
#include "api/ascii.h"
#include "api/checksum.h"
#include "api/encryption.h"
#include "api/http_date.h"
#include "api/operations/operations.h"
#include "api/operations/results.h"
#include "api/versions.h"

namespace api {
namespace {

struct Wanted {
  bool etag = false;
  bool checksum = false;
  bool parts = false;
  bool storage_class = false;
  bool size = false;
};

// Errors: InvalidArgument.
Outcome<Wanted> read_wanted(const Call& call) {
  Wanted wanted;
  bool any = false;
  // The list may be one header or several.
  for (const HeaderField& field : call.request.headers) {
    if (!equals_caseless(field.name, "x-amz-object-attributes")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::string_view name = trim(cut(rest, ','));
      if (name == "ETag") {
        wanted.etag = true;
      } else if (name == "Checksum") {
        wanted.checksum = true;
      } else if (name == "ObjectParts") {
        wanted.parts = true;
      } else if (name == "StorageClass") {
        wanted.storage_class = true;
      } else if (name == "ObjectSize") {
        wanted.size = true;
      } else {
        return invalid_argument("x-amz-object-attributes", name, "Invalid attribute name specified.");
      }
      any = true;
    }
  }
  if (!any)
    return invalid_argument("x-amz-object-attributes", "", "The x-amz-object-attributes header is required.");
  return wanted;
}

// A number in a header, at most `max`. Errors: InvalidArgument.
Outcome<std::uint32_t> number_header(const Call& call, std::string_view name, std::uint32_t max,
                                     std::uint32_t fallback) {
  const auto text = call.header(name);
  if (!text) return fallback;
  const auto number = parse_decimal(*text);
  if (!number) return invalid_argument(name, *text);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(*number, max));
}

void write_parts(XmlWriter& xml, const storage::ObjectInfo& info, std::uint32_t marker, std::uint32_t limit) {
  xml.open("ObjectParts");
  xml.element("PartsCount", std::uint64_t{info.parts.size()});
  xml.element("PartNumberMarker", std::uint64_t{marker});
  xml.element("MaxParts", std::uint64_t{limit});
  std::uint32_t last = marker;
  std::uint32_t written = 0;
  bool truncated = false;
  for (const storage::PartInfo& part : info.parts) {
    if (part.number <= marker) continue;
    if (written == limit) {
      truncated = true;
      break;
    }
    xml.open("Part");
    xml.element("PartNumber", std::uint64_t{part.number});
    xml.element("Size", part.size);
    write_part_checksum(xml, part.checksum);
    xml.close("Part");
    last = part.number;
    ++written;
  }
  xml.element("NextPartNumberMarker", std::uint64_t{truncated ? last : 0});
  xml.flag("IsTruncated", truncated);
  xml.close("ObjectParts");
}

}  // namespace

Task<Outcome<Response>> get_object_attributes(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  const auto wanted = read_wanted(call);
  if (!wanted) co_return wanted.error();
  const auto limit =
      number_header(call, "x-amz-max-parts", storage::kListEntriesMax, storage::kListEntriesMax);
  if (!limit) co_return limit.error();
  const auto marker = number_header(call, "x-amz-part-number-marker", storage::kPartNumberMax, 0);
  if (!marker) co_return marker.error();
  const auto found = co_await find_version(call, std::move(*version));
  if (!found) co_return found.error();
  const storage::ObjectInfo& info = **found;
  if (auto allowed = check_reader(call, info); !allowed) co_return allowed.error();

  XmlWriter xml;
  xml.open_root("GetObjectAttributesResponse");
  if (wanted->etag) xml.element("ETag", info.etag);
  if (wanted->checksum && info.checksum.algorithm != ChecksumAlgorithm::none) {
    xml.open("Checksum");
    write_checksum(xml, info);
    xml.close("Checksum");
  }
  if (wanted->parts && !info.parts.empty()) write_parts(xml, info, *marker, *limit);
  if (wanted->storage_class) {
    const std::string& named = info.attributes.storage_class;
    xml.element("StorageClass", named.empty() ? std::string_view("STANDARD") : std::string_view(named));
  }
  if (wanted->size) xml.element("ObjectSize", info.size);
  xml.close("GetObjectAttributesResponse");
  Response response = xml_response(xml);
  response.add_header("Last-Modified", http_date(info.modified_ms));
  add_version_header(call, info, response);
  co_return response;
}

}  // namespace api
