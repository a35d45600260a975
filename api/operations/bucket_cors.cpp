// GetBucketCors, PutBucketCors, DeleteBucketCors.
#include "api/cors.h"
#include "api/operations/operations.h"
#include "api/operations/settings.h"

namespace api {

Task<Outcome<Response>> get_bucket_cors(Call& call) {
  const auto text = find_setting(call, kCorsSetting);
  if (!text) co_return S3Error::no_such_cors_configuration;
  co_return document_response(*text);
}

Task<Outcome<Response>> put_bucket_cors(Call& call) {
  const auto document = co_await read_setting_body(call, "CORSConfiguration");
  if (!document) co_return document.error();
  if (auto parsed = parse_cors(*document); !parsed) co_return parsed.error();
  co_return co_await store_setting(call, std::string(kCorsSetting), document_text(*document), 200);
}

Task<Outcome<Response>> delete_bucket_cors(Call& call) {
  co_return co_await store_setting(call, std::string(kCorsSetting), std::nullopt, 204);
}

}  // namespace api
