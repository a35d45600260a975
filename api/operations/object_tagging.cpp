// GetObjectTagging, PutObjectTagging, DeleteObjectTagging.
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/tags.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

Task<Outcome<Response>> set_tags(Call& call, storage::NameValues tags, unsigned status) {
  const storage::VersionChange change = [&tags](const storage::ObjectInfo&, storage::Changeable& next) {
    next.tags = tags;
    return storage::success();
  };
  const auto changed = co_await call.store.change(call.object_key(), {}, change);
  if (!changed) co_return changed.error();
  co_return empty_response(status);
}

}  // namespace

Task<Outcome<Response>> get_object_tagging(Call& call) {
  if (auto version = check_version(call); !version) co_return version.error();
  const auto info = co_await call.store.head(call.object_key());
  if (!info) co_return info.error();
  XmlWriter xml;
  write_tagging(xml, (*info)->attributes.tags);
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_object_tagging(Call& call) {
  if (auto version = check_version(call); !version) co_return version.error();
  XmlBodyNeeds needs;
  needs.root = "Tagging";
  needs.length_max = kXmlBodyBytesMax;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  auto tags = parse_tagging(*document);
  if (!tags) co_return tags.error();
  co_return co_await set_tags(call, std::move(*tags), 200);
}

Task<Outcome<Response>> delete_object_tagging(Call& call) {
  if (auto version = check_version(call); !version) co_return version.error();
  co_return co_await set_tags(call, storage::NameValues(), 204);
}

}  // namespace api
