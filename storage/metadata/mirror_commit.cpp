// MirrorStore: the committer. Stages waiting transactions into one batch, writes it to every mirror, publishes it.
#include <chrono>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/metadata/mirror_store.h"
#include "storage/metadata/mirror_writer.h"
#include "storage/metadata/row.h"

namespace storage::metadata {
namespace {

constexpr std::size_t kBatchTransactionsMax = 1024;
constexpr std::size_t kBatchBytesMax = 16 * 1024 * 1024;
constexpr std::size_t kTeeBytesMax = 256 * 1024 * 1024;
constexpr unsigned kBatchesPerSizeCheck = 256;
constexpr auto kTick = std::chrono::milliseconds(100);

std::size_t transaction_bytes(const Transaction& transaction) {
  std::size_t bytes = 0;
  for (const auto& put : transaction.puts) bytes += put.key.size() + put.value.size();
  return bytes;
}

std::size_t batch_bytes(const Batch& batch) {
  std::size_t bytes = 0;
  for (const auto& write : batch.writes) bytes += write.key.size() + (write.value ? write.value->size() : 0);
  return bytes;
}

}  // namespace

// The batch being staged, and what its rows are so far: later transactions of the batch see earlier ones.
struct MirrorStore::BatchBuild {
  Batch batch;
  struct Row {
    std::optional<Revision> revision;  // empty: deleted
    Value value;                       // of counters only
  };
  std::unordered_map<Key, Row> rows;
};

void MirrorStore::commit_loop() {
  while (true) {
    std::vector<Pending> pending;
    {
      std::unique_lock lock(queue_mutex_);
      queue_ready_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      std::size_t bytes = 0;
      while (!queue_.empty() && pending.size() < kBatchTransactionsMax && bytes < kBatchBytesMax) {
        bytes += transaction_bytes(queue_.front().transaction);
        pending.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      queue_depth_.set(static_cast<std::int64_t>(queue_.size()));
    }
    commit_batch(std::move(pending));
  }
}

Result<> MirrorStore::check_preconditions(const Transaction& transaction, BatchBuild& build) {
  for (const auto& precondition : transaction.preconditions) {
    std::optional<Revision> revision;
    const auto staged = build.rows.find(precondition.key);
    if (staged != build.rows.end()) {
      revision = staged->second.revision;
    } else {
      Result<std::string> stored = mirrors_.front().engine->latest(precondition.key);
      if (stored) {
        Result<Revision> found = row_revision(*stored);
        if (!found) return found.error();
        revision = *found;
      } else if (stored.error() != Errc::not_found) {
        return stored.error();
      }
    }
    if (revision != precondition.revision) return Errc::conflict;
  }
  return success();
}

// Adds one transaction's rows to the batch, or nothing of it.
Result<Revision> MirrorStore::stage(const Transaction& transaction, BatchBuild& build) {
  for (const auto& put : transaction.puts) {
    if (put.key.front() == kOwnRowByte) return Errc::invalid_argument;
  }
  // Near the bound only what does not grow the store may pass, so that deletes always can.
  if (full_ && !transaction.may_use_reserve && transaction.puts.size() > transaction.removes.size()) return Errc::no_space;
  Result<> allowed = check_preconditions(transaction, build);
  if (!allowed) return allowed.error();

  std::vector<Value> sums;
  for (const auto& add : transaction.adds) {
    std::int64_t value = 0;
    const auto staged = build.rows.find(add.key);
    if (staged != build.rows.end()) {
      if (staged->second.revision) {
        Result<std::int64_t> known = counter_value(staged->second.value);
        if (!known) return known.error();
        value = *known;
      }
    } else {
      Result<std::string> stored = mirrors_.front().engine->latest(add.key);
      if (stored) {
        Result<std::int64_t> known = counter_value(stored->size() >= 8 ? stored->substr(8) : Value());
        if (!known) return known.error();
        value = *known;
      } else if (stored.error() != Errc::not_found) {
        return stored.error();
      }
    }
    Result<std::int64_t> sum = add_within(value, add);
    if (!sum) return sum.error();
    sums.push_back(counter_bytes(*sum));
  }

  const Revision revision = ++revision_;
  for (const Key& key : transaction.removes) {
    build.batch.writes.push_back({key, std::nullopt});
    build.rows[key] = {std::nullopt, {}};
  }
  for (const auto& put : transaction.puts) {
    build.batch.writes.push_back({put.key, pack_row(revision, put.value)});
    // Only counters are ever looked into again; they are 8 bytes.
    build.rows[put.key] = {revision, put.value.size() == 8 ? put.value : Value()};
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    build.batch.writes.push_back({transaction.adds[i].key, pack_row(revision, sums[i])});
    build.rows[transaction.adds[i].key] = {revision, sums[i]};
  }
  return revision;
}

void MirrorStore::commit_batch(std::vector<Pending> pending) {
  std::vector<Result<Revision>> results;
  results.reserve(pending.size());
  {
    std::lock_guard lock(batch_mutex_);
    BatchBuild build;
    for (const Pending& each : pending) {
      results.push_back(poisoned_ ? Result<Revision>(Errc::read_only) : stage(each.transaction, build));
    }
    if (!build.batch.writes.empty()) {
      build.batch.previous = position_;
      build.batch.position = {epoch_, position_.counter + 1};
      const auto batch = std::make_shared<const Batch>(std::move(build.batch));
      Result<> written = write_to_all(batch);
      if (!written) {
        for (auto& result : results) {
          if (result) result = written.error();
        }
      }
    }
  }
  for (std::size_t i = 0; i < pending.size(); ++i) {
    if (results[i]) commits_.add();
    pending[i].done(results[i]);
  }
}

Result<> MirrorStore::write_to_all(const std::shared_ptr<const Batch>& batch) {
  const auto started = std::chrono::steady_clock::now();
  auto progress = std::make_shared<BatchProgress>();
  progress->results.resize(mirrors_.size());
  for (std::size_t i = 0; i < mirrors_.size(); ++i) mirrors_[i].writer->write(batch, progress, i);

  std::set<std::uint32_t> failed;
  {
    std::unique_lock lock(progress->mutex);
    const auto waiting = [&] {
      return std::count_if(progress->results.begin(), progress->results.end(), [](const auto& r) { return !r; });
    };
    // Silence counts in ticks that this thread really waited, and only once another mirror has answered: a stopped
    // process or a machine-wide stall expels nobody.
    unsigned silent_ticks = 0;
    while (waiting() > 0) {
      const auto before = waiting();
      progress->changed.wait_for(lock, kTick, [&] { return waiting() < before; });
      const bool answered = std::any_of(progress->results.begin(), progress->results.end(),
                                        [](const auto& r) { return r.has_value() && r->has_value(); });
      silent_ticks = waiting() < before || !answered ? 0 : silent_ticks + 1;
      if (silent_ticks * kTick >= std::chrono::milliseconds(options_.silent_ms_max)) break;
    }
    for (std::size_t i = 0; i < mirrors_.size(); ++i) {
      if (!progress->results[i]) {
        log_error("metadata_mirror_silent", {{"drive", mirrors_[i].member}});
        mirrors_[i].writer->abandon();
        failed.insert(mirrors_[i].member);
      } else if (!progress->results[i]->has_value()) {
        failed.insert(mirrors_[i].member);
      }
    }
  }
  position_ = batch->position;
  batches_.add();
  sync_seconds_.record_ns(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - started).count()));
  if (!failed.empty()) {
    if (failed.size() == mirrors_.size()) {
      poison("every mirror failed the same batch");
      return Errc::read_only;
    }
    expel(failed);  // the new set is durable before this batch is acknowledged
    if (poisoned_) return Errc::read_only;
  }
  if (tee_) {
    teed_.push_back(batch);
    teed_bytes_ += batch_bytes(*batch);
    if (teed_bytes_ > kTeeBytesMax) {
      tee_ = false;  // the rebuild notices, gives up and starts again later
      teed_.clear();
      teed_bytes_ = 0;
    }
  }
  if (options_.size_max_bytes > 0 && ++batches_since_size_check_ >= kBatchesPerSizeCheck) {
    batches_since_size_check_ = 0;
    const bool full = mirrors_.front().engine->size_bytes() > options_.size_max_bytes / 4 * 3;
    if (full != full_) log_warn(full ? "metadata_full" : "metadata_has_room", {{"bytes_max", options_.size_max_bytes}});
    full_ = full;
  }
  publish_view();
  return success();
}

void MirrorStore::publish_view() {
  std::shared_ptr<View> view = mirrors_.front().engine->view();
  std::lock_guard lock(view_mutex_);
  view_.swap(view);
}

void MirrorStore::poison(const char* reason) {
  if (poisoned_) return;
  poisoned_ = true;
  log_error("metadata_read_only", {{"reason", reason}});
}

void MirrorStore::expel(const std::set<std::uint32_t>& failed) {
  std::vector<Mirror> kept;
  Membership next{epoch_ + 1, {}};
  for (Mirror& mirror : mirrors_) {
    if (failed.contains(mirror.member)) {
      log_warn("metadata_mirror_expelled", {{"drive", mirror.member}, {"epoch", next.epoch}});
      continue;
    }
    next.members.push_back(mirror.member);
    kept.push_back(mirror);
  }
  if (kept.empty()) {
    poison("no mirror is left");
    return;
  }
  Result<> published = options_.publish(next);
  if (!published) {
    poison("the new set of mirrors could not be written to the drives");
    return;
  }
  epoch_ = next.epoch;
  revision_ = epoch_ << kRevisionEpochShift;
  mirrors_ = std::move(kept);
  mirrors_current_.set(static_cast<std::int64_t>(mirrors_.size()));
  publish_view();
  {
    std::lock_guard lock(upkeep_mutex_);
    for (const std::uint32_t member : failed) {
      failed_rebuilds_[member] = std::chrono::steady_clock::now();
    }
    upkeep_wanted_ = true;
  }
  upkeep_ready_.notify_one();
}

}  // namespace storage::metadata
