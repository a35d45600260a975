#include "api/operations/settings.h"

#include "api/limits.h"
#include "api/xml_writer.h"

namespace api {

Task<Outcome<XmlElement>> read_setting_body(Call& call, std::string_view root) {
  XmlBodyNeeds needs;
  needs.root = root;
  needs.length_max = kXmlBodyBytesMax;
  auto document = co_await read_xml_body(call, needs);
  co_return document;
}

Task<Outcome<Response>> store_setting(Call& call, std::string name, std::optional<std::string> text,
                                      unsigned status) {
  const std::uint64_t bucket_id = call.bucket->id;
  const std::function<storage::Result<>(storage::BucketInfo&)> change =
      [&name, &text, bucket_id](storage::BucketInfo& next) -> storage::Result<> {
    // Another bucket of the same name, made while the body came, is none of this request's business.
    if (next.id != bucket_id) return storage::Errc::bucket_not_found;
    if (text) {
      next.settings[name] = *text;
    } else {
      next.settings.erase(name);
    }
    return storage::success();
  };
  const auto changed = co_await call.store.change_bucket(call.target.bucket, change);
  if (!changed) co_return changed.error();
  co_return empty_response(status);
}

namespace {

// Recursion is bounded by the depth that the reader lets through.
void write_element(XmlWriter& xml, const XmlElement& element) {
  if (element.name == "Grantee") {
    // The one element of S3 that has attributes: what kind it is, which its children say too.
    std::string kind = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"";
    kind += element.child("URI") != nullptr ? "Group\"" : "CanonicalUser\"";
    xml.open_with(element.name, kind);
  } else {
    xml.open(element.name);
  }
  xml.text(element.text);
  for (const XmlElement& child : element.children) write_element(xml, child);
  xml.close(element.name);
}

}  // namespace

std::string document_text(const XmlElement& root) {
  XmlWriter xml;
  xml.open_root(root.name);
  xml.text(root.text);
  for (const XmlElement& child : root.children) write_element(xml, child);
  xml.close(root.name);
  return xml.take();
}

Response document_response(std::string_view text) {
  Response response;
  response.text = text;
  response.content_length = text.size();
  response.add_header("Content-Type", "application/xml");
  return response;
}

std::optional<std::string_view> find_setting(const Call& call, std::string_view name) {
  const auto found = call.bucket->settings.find(name);
  if (found == call.bucket->settings.end()) return std::nullopt;
  return std::string_view(found->second);
}

}  // namespace api
