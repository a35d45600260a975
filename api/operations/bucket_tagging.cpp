// GetBucketTagging, PutBucketTagging, DeleteBucketTagging.
#include "api/operations/operations.h"
#include "api/operations/settings.h"
#include "api/tags.h"

namespace api {
namespace {

constexpr std::string_view kSetting = "tagging";  // <Tagging>

}  // namespace

Task<Outcome<Response>> get_bucket_tagging(Call& call) {
  const auto text = find_setting(call, kSetting);
  if (!text) co_return S3Error::no_such_tag_set;
  co_return document_response(*text);
}

Task<Outcome<Response>> put_bucket_tagging(Call& call) {
  const auto document = co_await read_setting_body(call, "Tagging");
  if (!document) co_return document.error();
  if (auto tags = parse_bucket_tagging(*document); !tags) co_return tags.error();
  co_return co_await store_setting(call, std::string(kSetting), document_text(*document), 204);
}

Task<Outcome<Response>> delete_bucket_tagging(Call& call) {
  co_return co_await store_setting(call, std::string(kSetting), std::nullopt, 204);
}

}  // namespace api
