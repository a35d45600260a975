#include "api/operations/results.h"

#include "api/ascii.h"
#include "api/checksum.h"
#include "api/encoding.h"

namespace api {

std::size_t parts_count(const storage::ObjectInfo& info) {
  if (!info.parts.empty()) return info.parts.size();
  // A listing does not load the parts; the ETag has their number.
  const std::size_t dash = info.etag.find('-');
  if (dash == std::string::npos) return 0;
  return static_cast<std::size_t>(parse_decimal(std::string_view(info.etag).substr(dash + 1)).value_or(0));
}

void write_checksum(XmlWriter& xml, const storage::ObjectInfo& info) {
  if (info.checksum.algorithm == ChecksumAlgorithm::none) return;
  xml.element(checksum_element(info.checksum.algorithm), checksum_text(info.checksum, parts_count(info)));
  xml.element("ChecksumType", checksum_type_name(info.checksum.type));
}

void write_part_checksum(XmlWriter& xml, const storage::Checksum& checksum) {
  if (checksum.algorithm == ChecksumAlgorithm::none) return;
  xml.element(checksum_element(checksum.algorithm), to_base64(checksum.value));
}

std::string object_url(const Call& call) {
  std::string url = call.request.tls ? "https://" : "http://";
  url += call.request.header("host").value_or("localhost");
  if (!call.target.virtual_hosted) url += "/" + call.target.bucket;
  url += '/';
  append_percent_encoded(url, call.target.key, Slash::keep);
  return url;
}

Failure body_failure(const storage::Error& error, const VerifiedBody& body) {
  if (body.failure() && make_error_code(body.failure()->error()) == error) return *body.failure();
  return Failure(error);
}

Outcome<> refuse_query(const Call& call) {
  const auto query = call.target.parameter("query");
  if (!query) return done();
  return invalid_argument("query", *query, "Only ListObjectsV2 takes a query");
}

Outcome<ListEncoder> ListEncoder::from(const Call& call) {
  ListEncoder encoder;
  const auto type = call.target.parameter("encoding-type");
  if (!type || type->empty()) return encoder;
  if (!equals_caseless(*type, "url"))
    return invalid_argument("encoding-type", *type, "Invalid Encoding Method specified in Request");
  encoder.url_ = true;
  return encoder;
}

void ListEncoder::element(XmlWriter& xml, std::string_view name, std::string_view text) const {
  if (url_) {
    xml.element(name, percent_encode(text, Slash::keep));
  } else {
    xml.element(name, text);
  }
}

void ListEncoder::write_type(XmlWriter& xml) const {
  if (url_) xml.element("EncodingType", "url");
}

}  // namespace api
