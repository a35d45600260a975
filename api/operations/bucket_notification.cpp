// GetBucketNotificationConfiguration, PutBucketNotificationConfiguration.
#include <set>

#include "api/ascii.h"
#include "api/events/event_queue.h"
#include "api/events/event_record.h"
#include "api/events/notification.h"
#include "api/operations/operations.h"
#include "api/operations/settings.h"
#include "api/xml_writer.h"

namespace api {
namespace {

// Every target hears once that it is named, as S3 does it; a configuration whose targets cannot take that is refused.
Task<Outcome<>> send_tests(Call& call, const NotificationRules& rules) {
  EventFacts facts;
  facts.bucket = call.bucket->name;
  facts.request_id = call.request.request_id;
  facts.time_ms = call.clock.wall_ms();
  std::set<std::size_t> told;
  for (const NotificationRule& rule : rules.rules) {
    const auto target = find_target(call.events->targets(), rule.arn);
    if (!target || !told.insert(*target).second) continue;
    const auto put = co_await call.events->put(*target, event_test_message(facts));
    if (put.has_error()) co_return put.error();
    if (*put) continue;
    co_return Failure(S3Error::invalid_argument, "Unable to validate the following destination configurations")
        .with("ArgumentName", rule.arn)
        .with("ArgumentValue", "Too many events are waiting for the destination");
  }
  co_return done();
}

}  // namespace

Task<Outcome<Response>> get_bucket_notification(Call& call) {
  const auto text = find_setting(call, kNotificationSetting);
  if (text) co_return document_response(*text);
  XmlWriter xml;
  xml.open_root("NotificationConfiguration");
  xml.close("NotificationConfiguration");
  co_return xml_response(xml);
}

Task<Outcome<Response>> put_bucket_notification(Call& call) {
  constexpr std::string_view kSkipHeader = "x-amz-skip-destination-validation";
  const std::string_view skip = call.header(kSkipHeader).value_or("false");
  if (!equals_caseless(skip, "true") && !equals_caseless(skip, "false")) co_return invalid_argument(kSkipHeader, skip);
  auto document = co_await read_setting_body(call, "NotificationConfiguration");
  if (!document) co_return document.error();
  const NotificationScope scope{call.events->targets(), call.region(), call.bucket->location,
                                equals_caseless(skip, "true")};
  const auto rules = read_notifications(*document, scope);
  if (!rules) co_return rules.error();
  if (!scope.skip_validation) {
    if (auto told = co_await send_tests(call, *rules); !told) co_return told.error();
  }
  std::optional<std::string> text;
  if (!document->children.empty()) text = document_text(*document);
  co_return co_await store_setting(call, std::string(kNotificationSetting), std::move(text), 200);
}

}  // namespace api
