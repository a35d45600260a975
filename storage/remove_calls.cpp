// ObjectStore: removals, one by one and many at once.
#include <iterator>
#include <numeric>
#include <utility>

#include "storage/object_store_state.h"

namespace storage {
namespace {

// `version`: what the condition is about; null for an absent one and for a delete marker.
Result<> check_remove(const RemoveCondition& condition, const HeadRecord* version) {
  if (version == nullptr) {
    const bool needs_object = condition.size.has_value() || condition.modified_s.has_value();
    return needs_object ? Result<>(Errc::precondition_failed) : success();
  }
  const ObjectInfo& info = *version->info;
  if (condition.if_match && *condition.if_match != "*" && *condition.if_match != info.etag) {
    return Errc::precondition_failed;
  }
  if (condition.size && *condition.size != info.size) return Errc::precondition_failed;
  if (condition.modified_s && *condition.modified_s != info.modified_ms / 1000) return Errc::precondition_failed;
  return success();
}

// Annotations may hold blobs too.
bool holds_blobs(const records::Version& version) {
  return version.part_count() > 0 || version.blob_chunks() > 0 || version.labels_row() || !version.labels().empty();
}

// What one removal does, worked out but not committed.
struct Plan {
  VersionEdit edit;
  Removed removed;
  bool nothing = false;       // the answer stands as it is
  bool writes_head = false;
  bool blobs = false;         // rows that other keys' removals may touch too: of shared blobs
};

// A plain removal where the bucket keeps versions: a delete marker on top.
Task<Result<Plan>> plan_marker(ObjectStore::State& state, BucketRecordPtr bucket, std::string key, HeadRecordPtr current,
                               CommitCompanion* companion) {
  Plan plan;
  records::Head head;
  head.mutable_current()->set_delete_marker(true);
  head.mutable_current()->set_modified_ms(state.clock.wall_ms());
  // Where versioning is suspended the marker takes the place of the null version, wherever that is.
  const bool destroys = bucket->info.versioning == Versioning::suspended && current != nullptr;
  plan.blobs = destroys && (is_null_version(current->row.current()) ? holds_blobs(current->row.current())
                                                                    : current->row.older_null() != 0);
  Result<> placed = co_await state.supersede(plan.edit, bucket, key, current, head, {});
  if (!placed) co_return placed.error();
  plan.edit.transaction.put(keys::head(bucket->id, key), serialize(head));
  if (companion != nullptr) {
    add_companion_rows(companion, object_info(key, head.current()), plan.edit.transaction);
  }
  plan.removed.delete_marker = true;
  plan.removed.version_id = is_null_version(head.current()) ? "null" : head.current().version_id();
  plan.writes_head = true;
  co_return plan;
}

Task<Result<Plan>> plan_remove(ObjectStore::State& state, BucketRecordPtr bucket, RemoveRequest request) {
  Plan plan;
  const bool versioned = bucket->info.versioning != Versioning::off;
  auto head = co_await state.find_head(keys::head(bucket->id, request.key), request.key);
  if (!head && head.error() != Errc::not_found) co_return head.error();
  const HeadRecordPtr current = head ? *head : nullptr;
  HeadRecordPtr version = current;
  if (!request.version_id.empty()) {
    auto found = co_await state.find_version(bucket->id, request.key, request.version_id);
    if (!found && found.error() != Errc::version_not_found) co_return found.error();
    version = found ? *found : nullptr;
    // The key has changed between the two looks.
    if (version != nullptr && (current == nullptr || (!version->older && version->revision != current->revision))) {
      co_return Errc::conflict;
    }
  }
  Result<> allowed = check_remove(request.condition, present(version));
  if (!allowed) co_return allowed.error();
  if (request.version_id.empty() && versioned) {
    plan.nothing = request.condition.if_match && present(current) == nullptr;
    if (plan.nothing) co_return plan;
    co_return co_await plan_marker(state, bucket, request.key, current, request.companion);
  }
  if (versioned) plan.removed.version_id = request.version_id;
  plan.nothing = version == nullptr;
  if (plan.nothing) co_return plan;
  plan.removed.delete_marker = version->info->delete_marker;
  plan.blobs = holds_blobs(version->row.current());
  auto taken =
      co_await state.take_away(plan.edit, bucket, request.key, current, version, request.bypass_governance);
  if (!taken) co_return taken.error();
  plan.writes_head = *taken == HeadFate::written;
  add_companion_rows(request.companion, *version->info, plan.edit.transaction);
  co_return plan;
}

// The conditions that all removals of a bucket share, and its counters.
void seal(VersionEdit& edit, const BucketRecord& bucket) {
  edit.transaction.require_revision(keys::bucket(bucket.info.name), bucket.revision);
  count_versions(edit, bucket.info, false);
}

template <class T>
void append(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

void merge(VersionEdit& into, VersionEdit& edit) {
  append(into.transaction.preconditions, edit.transaction.preconditions);
  append(into.transaction.puts, edit.transaction.puts);
  append(into.transaction.removes, edit.transaction.removes);
  append(into.change.born, edit.change.born);
  append(into.change.died, edit.change.died);
  append(into.postings, edit.postings);
  into.versions += edit.versions;
  into.bytes += edit.bytes;
  into.pending_lines += edit.pending_lines;
  into.pending_bytes += edit.pending_bytes;
}

std::size_t bytes_of(const metadata::Transaction& transaction) {
  std::size_t bytes = 0;
  for (const auto& put : transaction.puts) bytes += put.key.size() + put.value.size();
  for (const auto& key : transaction.removes) bytes += key.size();
  for (const auto& each : transaction.preconditions) bytes += each.key.size();
  return bytes;
}

}  // namespace

Task<Result<Removed>> ObjectStore::remove(std::string bucket_name, RemoveRequest request) {
  std::optional<KeyLocks::Guard> guard;
  std::string locked;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto bucket = co_await state_->find_bucket(bucket_name);
    if (!bucket) co_return bucket.error();
    const std::string row_key = keys::head((*bucket)->id, request.key);
    if (locked != row_key) {
      guard.reset();
      guard.emplace(co_await state_->locks.lock(row_key));
      locked = row_key;
    }
    auto plan = co_await plan_remove(*state_, *bucket, request);
    if (!plan && plan.error() == Errc::conflict) continue;
    if (!plan) co_return plan.error();
    if (plan->nothing) co_return plan->removed;
    storage::seal(plan->edit, **bucket);
    std::optional<RecordCache<HeadRecord>::Write> write;
    if (plan->writes_head) write.emplace(state_->heads, row_key);
    auto revision = co_await state_->metadata.commit(std::move(plan->edit.transaction));
    write.reset();
    state_->settle((*bucket)->id, plan->edit, revision);
    if (revision) {
      if (request.companion != nullptr) request.companion->committed();
      co_return plan->removed;
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conditional_conflict;
}

namespace {

// Removals of one transaction. Of one key several older versions fit into it, or one change of what is current.
constexpr std::size_t kBatchBytesMax = 4 * 1024 * 1024;

class RemoveBatch {
 public:
  RemoveBatch(ObjectStore::State& state, BucketRecordPtr bucket, const std::vector<RemoveRequest>& requests,
              std::vector<Result<Removed>>& results)
      : state_(state), bucket_(std::move(bucket)), requests_(requests), results_(results) {}

  // Takes the key's lock until the batch is committed, so that what listeners are told of a key keeps its order. Not while
  // somebody else writes the key: waiting for one lock with others in hand could wait for ever.
  bool hold(const std::string& row_key) {
    if (guards_.contains(row_key)) return true;
    auto guard = state_.locks.try_lock(row_key);
    if (guard) guards_.emplace(row_key, std::move(*guard));
    return guard.has_value();
  }

  // Whether the plan of the request at `index` went in; if not, that request goes alone.
  bool add(std::size_t index, const std::string& row_key, Plan& plan) {
    // Each was worked out alone. Who releases a blob stands on its guard row: two holders of one blob cannot both go here, or
    // each would leave its bytes to the other.
    for (const auto& each : plan.edit.transaction.preconditions) {
      if (keys::is_blob_guard(each.key) && shared_.contains(each.key)) return false;
    }
    if (plan.blobs && bytes_of(plan.edit.transaction) > kBatchBytesMax / 4) return false;
    const auto key = keys_.find(row_key);
    if (key != keys_.end() && (key->second || plan.writes_head)) return false;
    for (const auto& removed : plan.edit.transaction.removes) {
      if (!rows_.insert(removed).second) return false;
    }
    for (const auto& each : plan.edit.transaction.preconditions) {
      if (keys::is_blob_guard(each.key)) shared_.insert(each.key);
    }
    keys_[row_key] = plan.writes_head;
    bytes_ += bytes_of(plan.edit.transaction);
    merge(edit_, plan.edit);
    results_[index] = std::move(plan.removed);
    indices_.push_back(index);
    return true;
  }

  bool full() const { return bytes_ >= kBatchBytesMax; }

  // Requests that met a conflict are added to `alone`.
  Task<> commit(std::vector<std::size_t>& alone) {
    if (indices_.empty()) {
      guards_.clear();
      co_return;
    }
    seal(edit_, *bucket_);
    std::vector<RecordCache<HeadRecord>::Write> writes;
    for (const auto& [row_key, writes_head] : keys_) {
      if (writes_head) writes.emplace_back(state_.heads, row_key);
    }
    auto revision = co_await state_.metadata.commit(std::move(edit_.transaction));
    writes.clear();
    state_.settle(bucket_->id, edit_, revision);
    if (revision) {
      for (const std::size_t index : indices_) {
        if (requests_[index].companion != nullptr) requests_[index].companion->committed();
      }
    } else if (revision.error() == Errc::conflict) {
      alone.insert(alone.end(), indices_.begin(), indices_.end());
    } else {
      for (const std::size_t index : indices_) results_[index] = revision.error();
    }
    edit_ = VersionEdit();
    bytes_ = 0;
    indices_.clear();
    keys_.clear();
    rows_.clear();
    shared_.clear();
    guards_.clear();
  }

 private:
  ObjectStore::State& state_;
  BucketRecordPtr bucket_;
  const std::vector<RemoveRequest>& requests_;
  std::vector<Result<Removed>>& results_;
  VersionEdit edit_;
  std::size_t bytes_ = 0;
  std::vector<std::size_t> indices_;
  std::map<std::string, bool> keys_;  // heads, and whether they are written
  std::set<std::string> rows_;        // rows that go
  std::set<std::string> shared_;      // guard rows of the blobs that are released
  std::map<std::string, KeyLocks::Guard> guards_;
};

}  // namespace

// What shares rows with another removal, and batches that meet a conflict, go one by one.
Task<std::vector<Result<Removed>>> ObjectStore::remove_many(std::string bucket_name,
                                                            std::vector<RemoveRequest> requests) {
  std::vector<Result<Removed>> results(requests.size(), Removed{});
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) {
    results.assign(requests.size(), bucket.error());
    co_return results;
  }
  std::map<std::string, std::size_t> of_key;  // how many requests a key has
  for (const RemoveRequest& request : requests) ++of_key[request.key];
  std::vector<std::size_t> pass(requests.size());
  std::iota(pass.begin(), pass.end(), std::size_t{0});
  std::vector<std::size_t> later;
  std::vector<std::size_t> alone;
  std::set<std::string> left;  // keys with a request that goes alone: what follows must follow it
  RemoveBatch batch(*state_, *bucket, requests, results);
  for (bool first = true; !pass.empty(); first = false) {
    for (const std::size_t i : pass) {
      const RemoveRequest& request = requests[i];
      const std::string row_key = keys::head((*bucket)->id, request.key);
      if (!left.contains(request.key) && !batch.hold(row_key)) left.insert(request.key);
      if (left.contains(request.key)) {
        alone.push_back(i);
        continue;
      }
      auto plan = co_await plan_remove(*state_, *bucket, request);
      if (!plan && plan.error() != Errc::conflict) {
        results[i] = plan.error();
        continue;
      }
      if (plan && plan->nothing) {
        results[i] = plan->removed;
        continue;
      }
      // Of a key whose versions all go, the current one goes last: else each of the others would come back first.
      if (first && plan && plan->writes_head && !request.version_id.empty() && of_key[request.key] > 1) {
        later.push_back(i);
        continue;
      }
      if (!plan || !batch.add(i, row_key, *plan)) {
        left.insert(request.key);
        alone.push_back(i);
        continue;
      }
      if (batch.full()) co_await batch.commit(alone);
    }
    co_await batch.commit(alone);
    pass = std::exchange(later, {});
  }
  for (const std::size_t i : alone) {
    results[i] = co_await remove(bucket_name, requests[i]);
  }
  co_return results;
}

}  // namespace storage
