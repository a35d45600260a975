// GetBucketLifecycleConfiguration, PutBucketLifecycleConfiguration, DeleteBucketLifecycle.
#include "api/lifecycle.h"
#include "api/operations/operations.h"
#include "api/operations/settings.h"

namespace api {
namespace {

constexpr std::string_view kSizeHeader = "x-amz-transition-default-minimum-object-size";
constexpr std::string_view kAllClasses = "all_storage_classes_128K";

}  // namespace

Task<Outcome<Response>> get_bucket_lifecycle(Call& call) {
  const auto text = find_setting(call, kLifecycleSetting);
  if (!text) co_return S3Error::no_such_lifecycle_configuration;
  Response response = document_response(*text);
  response.add_header(kSizeHeader, find_setting(call, kTransitionSizeSetting).value_or(kAllClasses));
  co_return response;
}

Task<Outcome<Response>> put_bucket_lifecycle(Call& call) {
  std::optional<std::string> said;
  if (const auto size = call.header(kSizeHeader)) said = *size;
  const std::string size = said.value_or(std::string(kAllClasses));
  if (size != kAllClasses && size != "varies_by_storage_class") co_return invalid_argument(kSizeHeader, size);
  auto document = co_await read_setting_body(call, "LifecycleConfiguration");
  if (!document) co_return document.error();
  const auto rules = parse_lifecycle(*document, call.options.storage_classes);
  if (!rules) co_return rules.error();
  name_rules(*document);
  auto stored = co_await store_setting(call, std::string(kTransitionSizeSetting), said, 200);
  if (!stored) co_return stored.error();
  stored = co_await store_setting(call, std::string(kLifecycleSetting), document_text(*document), 200);
  if (!stored) co_return stored.error();
  stored->add_header(kSizeHeader, size);
  co_return stored;
}

Task<Outcome<Response>> delete_bucket_lifecycle(Call& call) {
  co_return co_await store_setting(call, std::string(kLifecycleSetting), std::nullopt, 204);
}

}  // namespace api
