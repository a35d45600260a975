#include "api/operations/settings.h"

#include "api/limits.h"

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

std::optional<std::string_view> find_setting(const Call& call, std::string_view name) {
  const auto found = call.bucket->settings.find(name);
  if (found == call.bucket->settings.end()) return std::nullopt;
  return std::string_view(found->second);
}

}  // namespace api
