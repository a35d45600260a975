// GetBucketWebsite, PutBucketWebsite, DeleteBucketWebsite.
#include "api/operations/operations.h"
#include "api/operations/settings.h"
#include "api/website.h"

namespace api {

Task<Outcome<Response>> get_bucket_website(Call& call) {
  const auto text = find_setting(call, kWebsiteSetting);
  if (!text) co_return S3Error::no_such_website_configuration;
  co_return document_response(*text);
}

Task<Outcome<Response>> put_bucket_website(Call& call) {
  const auto document = co_await read_setting_body(call, "WebsiteConfiguration");
  if (!document) co_return document.error();
  if (auto parsed = parse_website(*document); !parsed) co_return parsed.error();
  co_return co_await store_setting(call, std::string(kWebsiteSetting), document_text(*document), 200);
}

Task<Outcome<Response>> delete_bucket_website(Call& call) {
  co_return co_await store_setting(call, std::string(kWebsiteSetting), std::nullopt, 204);
}

}  // namespace api
