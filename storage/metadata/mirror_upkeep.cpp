// MirrorStore: starting, and rebuilding mirrors in the background.
#include <algorithm>
#include <chrono>
#include <optional>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/metadata/mirror_store.h"
#include "storage/metadata/mirror_writer.h"
#include "storage/metadata/row.h"

namespace storage::metadata {

Result<std::unique_ptr<MirrorStore>> MirrorStore::start(MirrorOptions options, MetricsRegistry& metrics,
                                                        std::string& why) {
  std::unique_ptr<MirrorStore> store(new MirrorStore(std::move(options), metrics));
  Result<> opened = store->options_.newest.epoch == 0 ? store->open_new(why) : store->open_existing(why);
  if (!opened) return opened.error();
  Result<> begun = store->begin_epoch(why);
  if (!begun) return begun.error();
  store->committer_ = std::thread(&MirrorStore::commit_loop, store.get());
  store->upkeep_wanted_ = true;
  store->upkeep_ = std::thread(&MirrorStore::upkeep_loop, store.get());
  return store;
}

Result<> MirrorStore::open_new(std::string& why) {
  if (options_.locations.size() < options_.copies) {
    why = fmt::format("the metadata store needs {} directory drives, but only {} can hold a mirror: give more drives as "
                      "directories",
                      options_.copies, options_.locations.size());
    return Errc::invalid_argument;
  }
  for (const auto& location : options_.locations) {
    if (mirrors_.size() == options_.copies) break;
    Result<std::unique_ptr<Engine>> engine = options_.open(location.directory, true);
    if (!engine) {
      log_warn("metadata_mirror_unusable", {{"directory", location.directory}, {"error", engine.error().message()}});
      continue;
    }
    mirrors_.push_back({location.member, std::move(*engine), nullptr});
  }
  if (mirrors_.size() == options_.copies) return success();
  why = fmt::format("only {} of {} metadata mirrors could be made: look at the drives named in the log", mirrors_.size(),
                    options_.copies);
  return Errc::io_error;
}

Result<> MirrorStore::open_existing(std::string& why) {
  struct Candidate {
    Mirror mirror;
    Position position;
  };
  std::vector<Candidate> candidates;
  for (const auto& location : options_.locations) {
    const auto& members = options_.newest.members;
    if (std::find(members.begin(), members.end(), location.member) == members.end()) continue;
    Result<std::unique_ptr<Engine>> engine = options_.open(location.directory, false);
    Result<Position> position = engine ? (*engine)->position() : Result<Position>(engine.error());
    // A member of the set holds at least the batch that began its epoch; an emptied directory does not.
    if (position && *position == Position{}) position = Errc::not_found;
    if (!position) {
      log_warn("metadata_mirror_unusable", {{"directory", location.directory}, {"error", position.error().message()}});
      continue;
    }
    candidates.push_back({{location.member, std::move(*engine), nullptr}, *position});
  }
  if (candidates.empty()) {
    why = fmt::format("no mirror of the newest set (epoch {}, drives {}) can be read: bring one of these drives back",
                      options_.newest.epoch, fmt::join(options_.newest.members, ", "));
    return Errc::io_error;
  }
  std::sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.position > b.position; });
  const Candidate& winner = candidates.front();
  position_ = winner.position;
  mirrors_.push_back(winner.mirror);
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    Candidate& candidate = candidates[i];
    bool level = candidate.position == winner.position;
    if (!level) {
      Result<std::vector<Batch>> tail = winner.mirror.engine->tail_after(candidate.position);
      level = tail.has_value();
      for (std::size_t b = 0; level && b < tail->size(); ++b) {
        level = candidate.mirror.engine->write((*tail)[b]).has_value();
      }
      log_info(level ? "metadata_mirror_caught_up" : "metadata_mirror_behind",
               {{"drive", candidate.mirror.member}, {"batches", tail ? tail->size() : 0}});
    }
    if (level) mirrors_.push_back(candidate.mirror);
  }
  return success();
}

Result<> MirrorStore::begin_epoch(std::string& why) {
  Membership next{std::max(options_.newest.epoch, position_.epoch) + 1, {}};
  for (const Mirror& mirror : mirrors_) next.members.push_back(mirror.member);
  Result<> published = options_.publish(next);
  if (!published) {
    why = "the set of metadata mirrors could not be written to the drives: " + published.error().message();
    return published.error();
  }
  epoch_ = next.epoch;
  revision_ = epoch_ << kRevisionEpochShift;
  for (Mirror& mirror : mirrors_) mirror.writer = std::make_shared<MirrorWriter>(mirror.engine);
  std::lock_guard lock(batch_mutex_);
  mirrors_current_.set(static_cast<std::int64_t>(mirrors_.size()));
  // The first batch of an epoch holds nothing but its position: it marks every mirror as one of this set.
  auto first = std::make_shared<Batch>();
  first->previous = position_;
  first->position = {epoch_, position_.counter + 1};
  Result<> written = write_to_all(first);
  if (!written) why = "no metadata mirror could be written";
  if (written && mirrors_.size() < options_.copies) {
    log_warn("metadata_degraded", {{"mirrors", mirrors_.size()}, {"wanted", options_.copies}});
  }
  return written;
}

void MirrorStore::upkeep_loop() {
  while (true) {
    std::set<std::uint32_t> lost;
    std::set<std::uint32_t> leaving;
    {
      std::unique_lock lock(upkeep_mutex_);
      upkeep_ready_.wait_for(lock, std::chrono::milliseconds(options_.rebuild_retry_ms),
                             [&] { return upkeep_stopping_ || upkeep_wanted_; });
      if (upkeep_stopping_) return;
      upkeep_wanted_ = false;
      lost = lost_;
      leaving = leaving_;
    }
    bool missing = false;
    {
      std::lock_guard lock(batch_mutex_);
      std::set<std::uint32_t> gone;
      std::set<std::uint32_t> leavers;
      for (const Mirror& mirror : mirrors_) {
        if (lost.contains(mirror.member)) {
          gone.insert(mirror.member);
        } else if (leaving.contains(mirror.member)) {
          leavers.insert(mirror.member);
        }
      }
      // One that leaves goes only when enough others hold everything.
      const std::size_t staying = mirrors_.size() - gone.size() - leavers.size();
      missing = !poisoned_ && staying < copies_.load();
      if (!missing) gone.merge(leavers);
      if (!gone.empty() && !poisoned_) expel(gone);
    }
    if (missing) rebuild_one();
  }
}

void MirrorStore::rebuild_one() {
  const std::vector<std::uint32_t> current = members();
  const auto now = std::chrono::steady_clock::now();
  std::optional<MirrorOptions::Location> chosen;
  {
    std::lock_guard lock(upkeep_mutex_);
    for (const auto& location : options_.locations) {
      const bool taken = std::find(current.begin(), current.end(), location.member) != current.end();
      const auto failed = failed_rebuilds_.find(location.member);
      const bool resting = failed != failed_rebuilds_.end() &&
                           now - failed->second < std::chrono::milliseconds(options_.rebuild_retry_ms);
      const bool going = lost_.contains(location.member) || leaving_.contains(location.member);
      if (taken || resting || going) continue;
      chosen = location;
      break;
    }
  }
  if (!chosen) return;
  log_info("metadata_rebuild_started", {{"drive", chosen->member}});
  Result<std::unique_ptr<Engine>> engine = options_.open(chosen->directory, true);
  bool joined = false;
  if (engine) joined = fill_and_join(*chosen, std::shared_ptr<Engine>(std::move(*engine)));
  log_line(joined ? LogLevel::info : LogLevel::warn, joined ? "metadata_rebuild_done" : "metadata_rebuild_failed",
           {{"drive", chosen->member}});
  std::lock_guard lock(upkeep_mutex_);
  if (!joined) failed_rebuilds_[chosen->member] = std::chrono::steady_clock::now();
  upkeep_wanted_ = true;  // another one may be missing, or another drive may do
}

bool MirrorStore::fill_and_join(const MirrorOptions::Location& location, const std::shared_ptr<Engine>& engine) {
  std::shared_ptr<View> source;
  {
    std::lock_guard lock(batch_mutex_);
    source = mirrors_.front().engine->view();
    tee_ = true;
    teed_.clear();
    teed_bytes_ = 0;
  }
  bool sound = engine->fill_from(*source).has_value();
  source.reset();
  // Catch up without holding up commits; each round is shorter than the one before.
  for (int round = 0; sound; ++round) {
    std::deque<std::shared_ptr<const Batch>> batches;
    std::unique_lock lock(batch_mutex_);
    if (!tee_) sound = false;  // it fell too far behind
    batches.swap(teed_);
    teed_bytes_ = 0;
    const bool last_round = batches.size() <= 2 || round == 16;
    if (!last_round) lock.unlock();
    for (const auto& batch : batches) sound = sound && engine->write(*batch).has_value();
    {
      std::lock_guard upkeep_lock(upkeep_mutex_);
      if (upkeep_stopping_ || lost_.contains(location.member) || leaving_.contains(location.member)) sound = false;
    }
    if (!last_round) continue;
    tee_ = false;
    Result<Position> reached = engine->position();
    if (!sound || poisoned_ || !reached || *reached != position_) return false;
    Membership next{epoch_ + 1, {}};
    for (const Mirror& mirror : mirrors_) next.members.push_back(mirror.member);
    next.members.push_back(location.member);
    if (!options_.publish(next)) {
      poison("the new set of mirrors could not be written to the drives");
      return false;
    }
    epoch_ = next.epoch;
    revision_ = epoch_ << kRevisionEpochShift;
    mirrors_.push_back({location.member, engine, std::make_shared<MirrorWriter>(engine)});
    mirrors_current_.set(static_cast<std::int64_t>(mirrors_.size()));
    return true;
  }
  std::lock_guard lock(batch_mutex_);
  tee_ = false;
  teed_.clear();
  return false;
}

}  // namespace storage::metadata
