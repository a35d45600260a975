#include "api/lifecycle_mover.h"

#include <algorithm>
#include <array>
#include <optional>

#include "storage/base/log.h"

namespace api {
namespace {

constexpr std::uint64_t kSizeMin = 128 * 1024;

// From the dearest to the cheapest.
constexpr std::array<std::string_view, 7> kLadder{"STANDARD",     "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA",
                                                  "GLACIER_IR", "GLACIER",     "DEEP_ARCHIVE"};

// Those that hold small objects as cheaply as any, as S3 sees it.
bool takes_small(std::string_view storage_class, std::string_view size_setting) {
  if (size_setting.empty()) return true;
  return size_setting == "varies_by_storage_class" && (storage_class == "GLACIER" || storage_class == "DEEP_ARCHIVE");
}

bool goes_down(std::string_view from, std::string_view to) {
  const auto at = [](std::string_view name) {
    return std::find(kLadder.begin(), kLadder.end(), name.empty() ? "STANDARD" : name);
  };
  if (from == to || (from.empty() && to == "STANDARD")) return false;
  if (at(from) == kLadder.end() || at(to) == kLadder.end()) return true;
  return at(from) < at(to);
}

bool has_transitions(const LifecycleRule& rule) {
  return rule.enabled && (!rule.transitions.empty() || !rule.noncurrent_transitions.empty());
}

std::string common_prefix(const LifecycleRules& rules) {
  std::optional<std::string> common;
  for (const LifecycleRule& rule : rules.rules) {
    if (!has_transitions(rule)) continue;
    if (!common) common = rule.prefix;
    const auto differ = std::mismatch(common->begin(), common->end(), rule.prefix.begin(), rule.prefix.end());
    common->erase(differ.first, common->end());
  }
  return common.value_or(std::string());
}

}  // namespace

struct LifecycleMover::Walk {
  const storage::BucketInfo& bucket;
  const LifecycleRules& rules;
  std::string_view size_setting;
  std::int64_t now_ms = 0;
  std::int64_t next_ms = INT64_MAX;
  std::size_t changes = 0;

  void not_before(std::int64_t time_ms) { next_ms = std::min(next_ms, std::max(time_ms, now_ms + 1)); }
};

// Where a version stands among those of its key.
struct LifecycleMover::Place {
  bool current = false;
  std::int64_t since_ms = 0;     // when it was written, or became noncurrent
  std::uint32_t newer = 0;       // noncurrent versions that are newer
};

Task<storage::Result<storage::NameValues>> LifecycleMover::tags_of(const Walk& walk, const storage::ObjectInfo& info) {
  const bool asked = std::any_of(walk.rules.rules.begin(), walk.rules.rules.end(), [&](const LifecycleRule& rule) {
    return has_transitions(rule) && !rule.tags.empty() && info.key.starts_with(rule.prefix);
  });
  if (!asked) co_return storage::NameValues();
  storage::ObjectKey key{walk.bucket.name, info.key};
  const auto whole = co_await store_.head(std::move(key), info.version_id);
  if (whole) co_return (*whole)->attributes.tags;
  const bool gone = whole.error() == storage::Errc::not_found || whole.error() == storage::Errc::version_not_found;
  if (gone) co_return storage::NameValues();
  co_return whole.error();
}

Task<storage::Result<>> LifecycleMover::move(Walk& walk, const storage::ObjectInfo& info, Place place) {
  const auto tags = co_await tags_of(walk, info);
  if (!tags) co_return tags.error();
  std::string wanted;
  std::int64_t wanted_ms = INT64_MIN;
  const auto consider = [&](const LifecycleRule& rule, std::int64_t due, const std::string& storage_class) {
    const bool sized = rule.size_above || rule.size_below;
    if (!sized && info.size < kSizeMin && !takes_small(storage_class, walk.size_setting)) return;
    if (due > walk.now_ms) return walk.not_before(due);
    if (due < wanted_ms) return;
    wanted = storage_class;
    wanted_ms = due;
  };
  for (const LifecycleRule& rule : walk.rules.rules) {
    if (!has_transitions(rule) || !rule_meets(rule, info.key, info.size, *tags)) continue;
    if (place.current) {
      for (const LifecycleTransition& each : rule.transitions) {
        consider(rule, due_ms(place.since_ms, each.time, day_seconds_), each.storage_class);
      }
      continue;
    }
    for (const NoncurrentTransition& each : rule.noncurrent_transitions) {
      if (place.newer >= each.kept) consider(rule, due_ms(place.since_ms, each.days, day_seconds_), each.storage_class);
    }
  }
  if (wanted.empty() || !goes_down(info.attributes.storage_class, wanted)) co_return storage::success();
  // The version that was seen, and none that took its place.
  const storage::VersionChange change = [&info, &wanted](const storage::ObjectInfo& now, storage::Changeable& next) {
    if (now.etag != info.etag || now.modified_ms != info.modified_ms) return storage::Result<>(storage::Errc::precondition_failed);
    next.storage_class = wanted;
    return storage::success();
  };
  ChangeEvents events(events_, walk.bucket, EventKind::lifecycle_transition);
  storage::ObjectKey key{walk.bucket.name, info.key};
  const auto changed = co_await store_.change(std::move(key), info.version_id, change, events.companion());
  ++walk.changes;
  if (changed) co_return storage::success();
  const storage::Error error = changed.error();
  const bool gone = error == storage::Errc::not_found || error == storage::Errc::version_not_found ||
                    error == storage::Errc::precondition_failed;
  if (gone) co_return storage::success();
  co_return error;
}

Task<storage::Result<std::int64_t>> LifecycleMover::run(const storage::BucketInfo& bucket, const LifecycleRules& rules) {
  const bool any = std::any_of(rules.rules.begin(), rules.rules.end(), has_transitions);
  if (!any) co_return INT64_MAX;
  Walk walk{bucket, rules, {}, clock_.wall_ms()};
  if (const auto size = bucket.settings.find(kTransitionSizeSetting); size != bucket.settings.end()) walk.size_setting = size->second;
  for (const LifecycleRule& rule : rules.rules) {
    if (!has_transitions(rule)) continue;
    // What comes in from now on, and tags that are put on later.
    for (const LifecycleTransition& each : rule.transitions) walk.not_before(due_ms(walk.now_ms, each.time, day_seconds_));
    for (const NoncurrentTransition& each : rule.noncurrent_transitions) {
      walk.not_before(due_ms(walk.now_ms, each.days, day_seconds_));
    }
    if (!rule.tags.empty()) walk.not_before(walk.now_ms + std::int64_t{day_seconds_} * 1000);
  }
  storage::VersionListOptions options;
  options.prefix = common_prefix(rules);
  std::string key;
  std::int64_t newer_ms = 0;
  std::uint32_t noncurrent = 0;
  for (;;) {
    const auto page = co_await store_.list_versions(bucket.name, options);
    if (!page) co_return page.error();
    for (const storage::ObjectInfoPtr& version : page->versions) {
      if (version->key != key) noncurrent = 0;
      key = version->key;
      Place place;
      place.current = version->current;
      place.since_ms = version->current ? version->modified_ms : newer_ms;
      place.newer = version->current ? 0 : noncurrent++;
      newer_ms = version->modified_ms;
      if (version->delete_marker) continue;
      const auto moved = co_await move(walk, *version, place);
      if (!moved) co_return moved.error();
    }
    if (walk.changes >= kChangesPerWalk) walk.not_before(walk.now_ms);
    if (!page->truncated || walk.changes >= kChangesPerWalk) break;
    options.key_after = page->next_key;
    options.version_id_after = page->next_version_id;
  }
  if (walk.changes > 0) storage::log_info("lifecycle_moved", {{"bucket", bucket.name}, {"versions", walk.changes}});
  co_return walk.next_ms;
}

}  // namespace api
