// The parsed settings of buckets that requests need on their way. One for the service; any thread.
#pragma once

#include "api/access_log.h"
#include "api/cors.h"
#include "api/events/notification.h"
#include "api/ingest_rules.h"
#include "api/lifecycle.h"
#include "api/settings_cache.h"
#include "api/website.h"

namespace api {

struct BucketSettings {
  SettingsCache<CorsRules> cors{kCorsSetting, &stored_cors};
  SettingsCache<IngestRules> ingest_rules{kIngestRulesSetting, &stored_ingest_rules};
  SettingsCache<LifecycleRules> lifecycle{kLifecycleSetting, &stored_lifecycle};
  SettingsCache<LoggingTarget> logging{kLoggingSetting, &stored_logging};
  SettingsCache<NotificationRules> notification{kNotificationSetting, &stored_notifications};
  SettingsCache<Website> website{kWebsiteSetting, &stored_website};
};

}  // namespace api
