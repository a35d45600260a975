// GetObjectTagging, PutObjectTagging, DeleteObjectTagging.
#include "api/events/change_events.h"
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/tags.h"
#include "api/versions.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

Task<Outcome<Response>> set_tags(Call& call, std::string version_id, storage::NameValues tags, unsigned status) {
  ChangeEvents events(call, status == 204 ? EventKind::tagging_delete : EventKind::tagging_put);
  const storage::VersionChange change = [&tags](const storage::ObjectInfo&, storage::Changeable& next) {
    next.tags = tags;
    return storage::success();
  };
  const auto changed = co_await change_version(call, std::move(version_id), change, events.companion());
  if (!changed) co_return changed.error();
  Response response = empty_response(status);
  add_version_header(call, **changed, response);
  co_return response;
}

}  // namespace

Task<Outcome<Response>> get_object_tagging(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  const auto info = co_await find_version(call, std::move(*version));
  if (!info) co_return info.error();
  XmlWriter xml;
  write_tagging(xml, (*info)->attributes.tags);
  Response response = xml_response(xml);
  add_version_header(call, **info, response);
  co_return response;
}

Task<Outcome<Response>> put_object_tagging(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  XmlBodyNeeds needs;
  needs.root = "Tagging";
  needs.length_max = kXmlBodyBytesMax;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  auto tags = parse_tagging(*document);
  if (!tags) co_return tags.error();
  if (auto allowed = call.authorizer.check_tags(call, *tags); !allowed) co_return allowed.error();
  co_return co_await set_tags(call, std::move(*version), std::move(*tags), 200);
}

Task<Outcome<Response>> delete_object_tagging(Call& call) {
  auto version = version_parameter(call);
  if (!version) co_return version.error();
  co_return co_await set_tags(call, std::move(*version), storage::NameValues(), 204);
}

}  // namespace api
