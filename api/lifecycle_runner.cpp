#include "api/lifecycle_runner.h"

#include <algorithm>

#include "storage/base/log.h"

namespace api {
namespace {

constexpr std::uint32_t kBucketsPerPage = 1000;

// Removes exactly what was seen.
storage::RemoveRequest removal_of(const storage::ObjectInfo& info, bool by_version) {
  storage::RemoveRequest request;
  request.key = info.key;
  if (by_version) request.version_id = info.version_id;
  if (!info.delete_marker) {
    request.condition.if_match = info.etag;
    request.condition.modified_s = info.modified_ms / 1000;
  }
  return request;
}

bool fits_key_and_size(const LifecycleRule& rule, const storage::ObjectInfo& info) {
  if (!info.key.starts_with(rule.prefix)) return false;
  if (rule.size_above && info.size <= *rule.size_above) return false;
  return !rule.size_below || info.size < *rule.size_below;
}

}  // namespace

Task<> LifecycleRunner::run_once() {
  std::unordered_map<std::uint64_t, BucketPlan> plans;
  std::string after;
  for (;;) {
    const auto page = co_await store_.list_buckets(std::string(), std::string(), after, kBucketsPerPage);
    if (!page) {
      storage::log_warn("lifecycle_failed", {{"error", page.error().message()}});
      co_return;
    }
    for (const storage::BucketInfo& listed : page->buckets) {
      if (!listed.settings.contains(kLifecycleSetting)) continue;
      // The listing does not tell revisions; the bucket itself does.
      const auto bucket = co_await store_.bucket(listed.name);
      if (!bucket || (*bucket)->id != listed.id) continue;
      const auto rules = settings_.lifecycle.get(**bucket);
      if (!rules) continue;
      BucketPlan plan = plans_[listed.id];
      if (plan.revision != (*bucket)->revision || plan.next_ms <= clock_.wall_ms()) {
        plan.revision = (*bucket)->revision;
        plan.next_ms = co_await run_bucket(**bucket, *rules);
      }
      plans[listed.id] = plan;
    }
    if (!page->next) break;
    after = *page->next;
  }
  plans_ = std::move(plans);
}

Task<std::int64_t> LifecycleRunner::run_bucket(const storage::BucketInfo& bucket, const LifecycleRules& rules) {
  std::int64_t next_ms = INT64_MAX;
  for (const LifecycleRule& rule : rules.rules) {
    if (!rule.enabled) continue;
    Walk walk{bucket, rule, clock_.wall_ms(), INT64_MAX, {}};
    const auto done = co_await run_rule(walk);
    if (!done) {
      storage::log_warn("lifecycle_failed",
                        {{"bucket", bucket.name}, {"rule", rule.id}, {"error", done.error().message()}});
      walk.not_before(walk.now_ms);
    }
    next_ms = std::min(next_ms, walk.next_ms);
  }
  const auto moved = co_await mover_.run(bucket, rules);
  if (moved) co_return std::min(next_ms, *moved);
  storage::log_warn("lifecycle_failed", {{"bucket", bucket.name}, {"rule", "transitions"}, {"error", moved.error().message()}});
  co_return clock_.wall_ms() + 1;
}

Task<storage::Result<>> LifecycleRunner::run_rule(Walk& walk) {
  const LifecycleRule& rule = walk.rule;
  // What comes in from now on.
  if (rule.expiration && rule.expiration->date_ms) walk.not_before(std::max(*rule.expiration->date_ms, walk.now_ms));
  if (rule.expiration && !rule.expiration->date_ms) {
    walk.not_before(due_ms(walk.now_ms, rule.expiration->days, options_.day_seconds));
  }
  if (rule.noncurrent_days) walk.not_before(due_ms(walk.now_ms, *rule.noncurrent_days, options_.day_seconds));
  if (rule.abort_days) walk.not_before(due_ms(walk.now_ms, *rule.abort_days, options_.day_seconds));
  if (rule.expired_markers) walk.not_before(walk.now_ms + day_ms());
  // Tags can be put on later.
  if (!rule.tags.empty()) walk.not_before(walk.now_ms + day_ms());

  if (rule.expiration) {
    if (auto done = co_await expire_current(walk); !done) co_return done.error();
  }
  const bool versioned = walk.bucket.versioning != storage::Versioning::off;
  if (versioned && (rule.noncurrent_days || rule.expired_markers || rule.expiration)) {
    if (auto done = co_await expire_versions(walk); !done) co_return done.error();
  }
  if (rule.abort_days) {
    if (auto done = co_await abort_uploads(walk); !done) co_return done.error();
  }
  co_return storage::success();
}

Task<storage::Result<bool>> LifecycleRunner::has_tags(const Walk& walk, const storage::ObjectInfo& info) {
  if (walk.rule.tags.empty()) co_return true;
  // The version seen: an id names it where the bucket has versions.
  const storage::ObjectKey key{walk.bucket.name, info.key};
  const auto whole = co_await store_.head(key, info.version_id);
  if (!whole) {
    const bool gone = whole.error() == storage::Errc::not_found || whole.error() == storage::Errc::version_not_found;
    if (gone) co_return false;
    co_return storage::Result<bool>(boost::system::in_place_error, whole.error());
  }
  co_return rule_meets(walk.rule, info.key, info.size, (*whole)->attributes.tags);
}

Task<storage::Result<>> LifecycleRunner::expire_current(Walk& walk) {
  storage::ListOptions options;
  options.prefix = walk.rule.prefix;
  while (!walk.full()) {
    const auto page = co_await store_.list(walk.bucket.name, options);
    if (!page) co_return page.error();
    for (const storage::ObjectInfoPtr& object : page->objects) {
      if (!fits_key_and_size(walk.rule, *object)) continue;
      const std::int64_t due = due_ms(object->modified_ms, *walk.rule.expiration, options_.day_seconds);
      if (due > walk.now_ms) {
        walk.not_before(due);
        continue;
      }
      const auto meets = co_await has_tags(walk, *object);
      if (meets.has_error()) co_return meets.error();
      if (*meets) walk.removals.push_back(removal_of(*object, false));
    }
    if (!page->truncated) break;
    options.after = page->next_after;
  }
  co_return co_await remove_all(walk);
}

// The versions of one bucket as they come: by key, newest first.
class LifecycleRunner::VersionWalk {
 public:
  VersionWalk(Walk& walk, std::uint32_t day_seconds) : walk_(walk), day_seconds_(day_seconds) {}

  // Whether the version may have to go, but for its tags. Sets `marker()` when one before it turned out to stand alone.
  bool due(const storage::ObjectInfo& info) {
    const bool same_key = key_ == info.key;
    if (!same_key) {
      settle_marker();
      key_ = info.key;
      noncurrent_ = 0;
    } else {
      marker_.reset();  // something is left behind it
    }
    const std::int64_t successor_ms = newer_ms_;
    newer_ms_ = info.modified_ms;
    if (info.current) {
      if (info.delete_marker) marker_ = info;
      return false;
    }
    if (!walk_.rule.noncurrent_days || !same_key || !fits_key_and_size(walk_.rule, info)) return false;
    if (noncurrent_++ < walk_.rule.noncurrent_kept) return false;
    const std::int64_t due = due_ms(successor_ms, *walk_.rule.noncurrent_days, day_seconds_);
    if (due <= walk_.now_ms) return true;
    walk_.not_before(due);
    return false;
  }

  // A marker that is the last of its key goes: at once if the rule says so, else as any current version when its days are
  // over. After the last version, too.
  void settle_marker() {
    if (!marker_) return;
    const storage::ObjectInfo marker = *marker_;
    marker_.reset();
    const LifecycleRule& rule = walk_.rule;
    const bool plain = rule.tags.empty() && !rule.size_above && !rule.size_below;
    if (!plain || !marker.key.starts_with(rule.prefix)) return;
    bool gone = rule.expired_markers;
    if (!gone && rule.expiration) {
      const std::int64_t due = due_ms(marker.modified_ms, *rule.expiration, day_seconds_);
      gone = due <= walk_.now_ms;
      if (!gone) walk_.not_before(due);
    }
    if (gone) walk_.removals.push_back(removal_of(marker, true));
  }

 private:
  Walk& walk_;
  std::uint32_t day_seconds_;
  std::string key_;
  std::uint32_t noncurrent_ = 0;      // of the key, seen so far
  std::int64_t newer_ms_ = 0;         // when the version before this one came: since then this one is noncurrent
  std::optional<storage::ObjectInfo> marker_;
};

Task<storage::Result<>> LifecycleRunner::expire_versions(Walk& walk) {
  VersionWalk versions(walk, options_.day_seconds);
  storage::VersionListOptions options;
  options.prefix = walk.rule.prefix;
  while (!walk.full()) {
    const auto page = co_await store_.list_versions(walk.bucket.name, options);
    if (!page) co_return page.error();
    for (const storage::ObjectInfoPtr& version : page->versions) {
      if (!versions.due(*version)) continue;
      // A noncurrent marker has no tags to ask for.
      if (version->delete_marker && !walk.rule.tags.empty()) continue;
      const auto meets = co_await has_tags(walk, *version);
      if (meets.has_error()) co_return meets.error();
      if (*meets) walk.removals.push_back(removal_of(*version, true));
    }
    if (!page->truncated) {
      versions.settle_marker();
      break;
    }
    options.key_after = page->next_key;
    options.version_id_after = page->next_version_id;
  }
  co_return co_await remove_all(walk);
}

Task<storage::Result<>> LifecycleRunner::abort_uploads(Walk& walk) {
  storage::UploadListOptions options;
  options.prefix = walk.rule.prefix;
  for (;;) {
    const auto page = co_await store_.list_uploads(walk.bucket.name, options);
    if (!page) co_return page.error();
    for (const storage::UploadInfo& upload : page->uploads) {
      const std::int64_t due = due_ms(upload.initiated_ms, *walk.rule.abort_days, options_.day_seconds);
      if (due > walk.now_ms) {
        walk.not_before(due);
        continue;
      }
      const storage::ObjectKey key{walk.bucket.name, upload.key};
      const auto aborted = co_await store_.abort_upload(key, upload.upload_id);
      if (!aborted && aborted.error() != storage::Errc::upload_not_found) co_return aborted.error();
    }
    if (!page->truncated) co_return storage::success();
    options.key_after = page->next_key;
    options.upload_id_after = page->next_upload_id;
  }
}

Task<storage::Result<>> LifecycleRunner::remove_all(Walk& walk) {
  // There is more than one walk takes: the next round goes on at once.
  if (walk.full()) walk.not_before(walk.now_ms);
  const std::vector<storage::RemoveRequest> removals = std::move(walk.removals);
  walk.removals.clear();
  std::size_t removed = 0;
  for (std::size_t begin = 0; begin < removals.size(); begin += storage::kListEntriesMax) {
    const std::size_t end = std::min(removals.size(), begin + storage::kListEntriesMax);
    std::vector<storage::RemoveRequest> batch(removals.begin() + static_cast<std::ptrdiff_t>(begin),
                                              removals.begin() + static_cast<std::ptrdiff_t>(end));
    ManyChangeEvents events;
    for (storage::RemoveRequest& request : batch) {
      events.push_back(std::make_unique<ChangeEvents>(events_, walk.bucket, EventKind::expiration_delete));
      if (request.version_id.empty()) events.back()->or_marker(EventKind::expiration_marker);
      request.companion = events.back()->companion();
    }
    const auto results = co_await store_.remove_many(walk.bucket.name, std::move(batch));
    for (const auto& result : results) {
      removed += result ? 1 : 0;
      if (result || result.error() == storage::Errc::precondition_failed ||
          result.error() == storage::Errc::version_not_found) {
        continue;
      }
      // A lock ends some day; anything else may be over in a moment.
      const bool locked = result.error() == storage::Errc::object_locked;
      walk.not_before(locked ? walk.now_ms + day_ms() : walk.now_ms);
    }
  }
  if (removed > 0) {
    storage::log_info("lifecycle_expired",
                      {{"bucket", walk.bucket.name}, {"rule", walk.rule.id}, {"removed", removed}});
  }
  co_return storage::success();
}

}  // namespace api
