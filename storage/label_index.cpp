#include "storage/label_index.h"

#include "storage/object_store_state.h"

namespace storage {

namespace rows = labels::rows;

std::optional<labels::NameId> LabelIndex::cached(const std::string& row) {
  RecordCache<labels::NameId>::Ticket ticket;
  const auto id = names_.get(row, ticket);
  if (!id) return std::nullopt;
  return *id;
}

void LabelIndex::remember(const std::string& row, labels::NameId id) {
  RecordCache<labels::NameId>::Ticket ticket;
  if (names_.get(row, ticket) == nullptr) names_.insert(row, std::make_shared<const labels::NameId>(id), ticket);
}

Task<Result<labels::NameId>> LabelIndex::read_name(std::string row) {
  RecordCache<labels::NameId>::Ticket ticket;
  if (const auto known = names_.get(row, ticket)) co_return *known;
  auto entry = co_await metadata_.get(row);
  if (!entry && entry.error() == Errc::not_found) co_return labels::NameId{0};
  if (!entry) co_return entry.error();
  auto id = metadata::counter_value(entry->value);
  if (!id) co_return id.error();
  if (*id < 1 || *id > kNamesMax) co_return Errc::corrupt_record;
  names_.insert(row, std::make_shared<const labels::NameId>(static_cast<labels::NameId>(*id)), ticket);
  co_return static_cast<labels::NameId>(*id);
}

Task<Result<std::optional<labels::NameId>>> LabelIndex::find_name(labels::BucketId bucket, std::string name) {
  auto id = co_await read_name(rows::name(bucket, name));
  if (!id) co_return id.error();
  if (*id == 0) co_return std::optional<labels::NameId>();
  co_return std::optional<labels::NameId>(*id);
}

Task<Result<std::int64_t>> LabelIndex::names_count(labels::BucketId bucket) {
  auto count = co_await metadata_.get(rows::name_count(bucket));
  if (!count && count.error() == Errc::not_found) co_return 0;
  if (!count) co_return count.error();
  co_return metadata::counter_value(count->value);
}

Task<Result<LabelIndex::NameIds>> LabelIndex::name_ids(BucketRecordPtr bucket, std::vector<std::string> names) {
  NameIds ids;
  std::vector<std::string> unknown;
  for (std::string& name : names) {
    const auto id = cached(rows::name(bucket->id, name));
    if (!id) {
      unknown.push_back(std::move(name));
    } else if (*id != 0) {
      ids.emplace(std::move(name), *id);
    }
  }
  if (!unknown.empty()) {
    Result<> made = co_await make_names(std::move(bucket), std::move(unknown), ids);
    if (!made) co_return made.error();
  }
  co_return ids;
}

// All new names of a call in one commit, which requires the bucket: rows of a bucket that is being removed are never made.
Task<Result<>> LabelIndex::make_names(BucketRecordPtr bucket, std::vector<std::string> names, NameIds& ids) {
  const std::string count_row = rows::name_count(bucket->id);
  const KeyLocks::Guard guard = co_await locks_.lock(count_row);
  std::vector<std::string> absent;
  for (std::string& name : names) {
    auto id = co_await read_name(rows::name(bucket->id, name));
    if (!id) co_return id.error();
    if (*id != 0) {
      ids.emplace(std::move(name), *id);
    } else {
      absent.push_back(std::move(name));
    }
  }
  if (absent.empty()) co_return success();
  metadata::Transaction transaction;
  auto entry = co_await metadata_.get(count_row);
  if (!entry && entry.error() != Errc::not_found) co_return entry.error();
  std::int64_t count = 0;
  if (entry) {
    auto value = metadata::counter_value(entry->value);
    if (!value) co_return value.error();
    count = *value;
    transaction.require_revision(count_row, entry->revision);
  } else {
    transaction.require_absent(count_row);
  }
  std::vector<std::pair<std::string, labels::NameId>> made;  // rows, and their ids
  for (const std::string& name : absent) {
    std::string row = rows::name(bucket->id, name);
    if (count >= kNamesMax) {
      remember(row, 0);
      continue;
    }
    transaction.require_absent(row);
    transaction.put(row, metadata::counter_bytes(++count));
    made.emplace_back(std::move(row), static_cast<labels::NameId>(count));
    ids.emplace(name, static_cast<labels::NameId>(count));
  }
  if (made.empty()) co_return success();
  transaction.put(count_row, metadata::counter_bytes(count));
  transaction.require_revision(keys::bucket(bucket->info.name), bucket->revision);
  auto revision = co_await metadata_.commit(std::move(transaction));
  if (!revision) co_return revision.error();
  for (const auto& [row, id] : made) remember(row, id);
  co_return success();
}

std::optional<labels::Ordinal> LabelIndex::leased_ordinal(labels::BucketId bucket) {
  std::lock_guard lock(mutex_);
  const auto lease = leases_.find(bucket);
  if (lease == leases_.end() || lease->second.next == lease->second.end) return std::nullopt;
  return lease->second.next++;
}

void LabelIndex::lend(labels::BucketId bucket, Lease lease) {
  std::lock_guard lock(mutex_);
  // At the bound the rests of all leases are wasted, which costs the next new key of each bucket one commit.
  if (leases_.size() >= kLeasesMax) leases_.clear();
  leases_[bucket] = lease;
}

void LabelIndex::lend_first(labels::BucketId bucket) { lend(bucket, {1, 1 + kLease}); }

Task<Result<std::int64_t>> LabelIndex::pending_lines(labels::BucketId bucket) {
  {
    std::lock_guard lock(mutex_);
    const auto known = pending_.find(bucket);
    if (known != pending_.end()) co_return known->second ? 1 : 0;
  }
  auto entry = co_await metadata_.get(keys::pending_lines(bucket));
  if (!entry && entry.error() != Errc::not_found) co_return entry.error();
  Result<std::int64_t> lines = std::int64_t{0};
  if (entry) lines = metadata::counter_value(entry->value);
  if (!lines) co_return lines.error();
  std::lock_guard lock(mutex_);
  if (pending_.size() >= kLeasesMax) pending_.clear();
  // Somebody may have noted one since the look.
  bool& known = pending_.try_emplace(bucket, false).first->second;
  known = known || *lines > 0;
  co_return known ? 1 : 0;
}

void LabelIndex::note_pending(labels::BucketId bucket) {
  std::lock_guard lock(mutex_);
  pending_[bucket] = true;
}

void LabelIndex::forget(labels::BucketId bucket) {
  std::lock_guard lock(mutex_);
  leases_.erase(bucket);
  pending_.erase(bucket);
}

Task<Result<labels::Ordinal>> LabelIndex::new_ordinal(BucketRecordPtr bucket) {
  if (const auto ordinal = leased_ordinal(bucket->id)) co_return *ordinal;
  const std::string row = rows::next_ordinal(bucket->id);
  const KeyLocks::Guard guard = co_await locks_.lock(row);
  if (const auto ordinal = leased_ordinal(bucket->id)) co_return *ordinal;
  metadata::Transaction transaction;
  auto entry = co_await metadata_.get(row);
  if (!entry && entry.error() != Errc::not_found) co_return entry.error();
  std::int64_t next = 1;
  if (entry) {
    auto value = metadata::counter_value(entry->value);
    if (!value) co_return value.error();
    next = *value;
    transaction.require_revision(row, entry->revision);
  } else {
    transaction.require_absent(row);
  }
  transaction.put(row, metadata::counter_bytes(next + static_cast<std::int64_t>(kLease)));
  transaction.require_revision(keys::bucket(bucket->info.name), bucket->revision);
  auto revision = co_await metadata_.commit(std::move(transaction));
  if (!revision) co_return revision.error();
  const auto first = static_cast<labels::Ordinal>(next);
  lend(bucket->id, {first + 1, first + kLease});
  co_return first;
}

}  // namespace storage
