// ObjectStore: the calls on buckets.
#include "storage/object_store_state.h"

namespace storage {
namespace {

// The next bucket id; the caller commits with the precondition added here, so that an id is given once.
Task<Result<keys::BucketId>> next_bucket_id(ObjectStore::State& state, metadata::Transaction& transaction);

bool settings_fit(const BucketInfo& bucket) {
  std::size_t bytes = 0;
  for (const auto& [name, text] : bucket.settings) bytes += name.size() + text.size();
  return bytes <= kBucketSettingsBytesMax;
}

}  // namespace

Task<Result<BucketRecordPtr>> ObjectStore::State::find_bucket(std::string name) {
  RecordCache<BucketRecord>::Ticket ticket;
  if (BucketRecordPtr cached = buckets.get(name, ticket)) co_return cached;
  auto entry = co_await metadata.get(keys::bucket(name));
  if (!entry) {
    if (entry.error() == Errc::not_found) co_return Errc::bucket_not_found;
    co_return entry.error();
  }
  records::Bucket row;
  Result<> parsed = parse(entry->value, row);
  if (!parsed) co_return parsed.error();
  auto record = std::make_shared<BucketRecord>();
  record->id = row.id();
  record->info = decode_bucket(name, row);
  record->info.revision = entry->revision;
  record->revision = entry->revision;
  BucketRecordPtr found = std::move(record);
  buckets.insert(name, found, ticket);
  co_return found;
}

Task<Result<>> ObjectStore::create_bucket(BucketInfo bucket) {
  if (bucket.object_lock && bucket.versioning != Versioning::enabled) co_return Errc::invalid_argument;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto existing = co_await state_->find_bucket(bucket.name);
    if (existing) co_return Errc::bucket_exists;
    if (existing.error() != Errc::bucket_not_found) co_return existing.error();

    metadata::Transaction transaction;
    auto id = co_await next_bucket_id(*state_, transaction);
    if (!id) co_return id.error();
    bucket.id = *id;
    bucket.created_ms = state_->clock.wall_ms();
    if (!settings_fit(bucket)) co_return Errc::too_large;
    records::Bucket row;
    encode_bucket(bucket, row);
    transaction.require_absent(keys::bucket(bucket.name));
    transaction.put(keys::bucket(bucket.name), serialize(row));
    transaction.add(keys::object_count(*id), 0);
    transaction.add(keys::byte_count(*id), 0);
    transaction.put(labels::rows::next_ordinal(*id), LabelIndex::first_lease_value());
    RecordCache<BucketRecord>::Write write(state_->buckets, bucket.name);
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    if (revision) {
      state_->label_index.lend_first(*id);
      co_return success();
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conflict;
}

Task<Result<BucketInfoPtr>> ObjectStore::bucket(std::string name) {
  auto record = co_await state_->find_bucket(std::move(name));
  if (!record) co_return record.error();
  const BucketInfo* info = &(*record)->info;
  co_return BucketInfoPtr(std::move(*record), info);
}

// Every write of the bucket requires the row as it saw it: none that began under the old settings commits after this did.
Task<Result<BucketInfoPtr>> ObjectStore::change_bucket(std::string name, std::function<Result<>(BucketInfo&)> change) {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto record = co_await state_->find_bucket(name);
    if (!record) co_return record.error();
    const BucketInfo& before = (*record)->info;
    BucketInfo next = before;
    Result<> changed = change(next);
    if (!changed) co_return changed.error();
    const bool same_bucket = next.name == before.name && next.id == before.id && next.owner_id == before.owner_id &&
                             next.location == before.location && next.created_ms == before.created_ms;
    const bool lock_stands = next.object_lock ? next.versioning == Versioning::enabled : !before.object_lock;
    const bool versions_stand = next.versioning != Versioning::off || before.versioning == Versioning::off;
    if (!same_bucket || !lock_stands || !versions_stand) co_return Errc::invalid_argument;
    if (!settings_fit(next)) co_return Errc::too_large;
    records::Bucket row;
    encode_bucket(next, row);
    metadata::Transaction transaction;
    transaction.require_revision(keys::bucket(name), (*record)->revision);
    transaction.put(keys::bucket(name), serialize(row));
    std::optional<RecordCache<BucketRecord>::Write> write;
    write.emplace(state_->buckets, name);
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    write.reset();
    if (revision) {
      next.revision = *revision;
      co_return std::make_shared<const BucketInfo>(std::move(next));
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conditional_conflict;
}

Task<Result<BucketUsage>> ObjectStore::bucket_usage(std::string name) {
  auto record = co_await state_->find_bucket(std::move(name));
  if (!record) co_return record.error();
  BucketUsage usage;
  for (const auto& [key, into] : {std::pair(keys::object_count((*record)->id), &usage.versions),
                                  std::pair(keys::byte_count((*record)->id), &usage.bytes)}) {
    auto row = co_await state_->metadata.get(key);
    if (!row && row.error() != Errc::not_found) co_return row.error();
    if (!row) continue;
    auto count = metadata::counter_value(row->value);
    if (!count) co_return count.error();
    *into = static_cast<std::uint64_t>(std::max<std::int64_t>(*count, 0));
  }
  co_return usage;
}

Task<Result<>> ObjectStore::remove_bucket(std::string name) {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto record = co_await state_->find_bucket(name);
    if (!record) co_return record.error();
    const keys::BucketId id = (*record)->id;
    // The count row changes with every key that appears or goes: its revision proves that the bucket is still
    // empty at the commit, and a PUT at that moment meets the missing bucket row instead.
    auto count = co_await state_->metadata.get(keys::object_count(id));
    if (!count) co_return count.error() == Errc::not_found ? Error(Errc::corrupt_record) : count.error();
    auto objects = metadata::counter_value(count->value);
    if (!objects) co_return objects.error();
    if (*objects != 0) co_return Errc::bucket_not_empty;

    metadata::Transaction transaction;
    transaction.require_revision(keys::bucket(name), (*record)->revision);
    transaction.require_revision(keys::object_count(id), count->revision);
    transaction.remove(keys::bucket(name));
    transaction.remove(keys::object_count(id));
    transaction.remove(keys::byte_count(id));
    transaction.remove(labels::rows::next_ordinal(id));
    transaction.remove(labels::rows::name_count(id));
    transaction.put(keys::dead_bucket(id), std::string());
    std::optional<RecordCache<BucketRecord>::Write> write;
    write.emplace(state_->buckets, name);
    auto revision = co_await state_->metadata.commit(std::move(transaction));
    write.reset();
    if (revision) {
      state_->label_index.forget(id);
      // The bucket is gone whatever happens to its uploads now: the next start goes on with them.
      [[maybe_unused]] Result<> buried = co_await state_->bury_bucket(id);
      co_return success();
    }
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conflict;
}

Task<Result<BucketPage>> ObjectStore::list_buckets(std::string owner_id, std::string prefix, std::string after,
                                                   std::uint32_t limit) {
  BucketPage page;
  metadata::KeyRange range = metadata::prefix_range(keys::bucket_prefix(prefix));
  // The first key above `after`: no bucket's row lies between its row and that row with a zero byte.
  if (!after.empty()) range.begin = std::max(range.begin, keys::bucket(after) + '\0');
  auto snapshot = co_await state_->metadata.snapshot();
  if (!snapshot) co_return snapshot.error();
  while (true) {
    auto rows = co_await (*snapshot)->scan(range, 1000);
    if (!rows) co_return rows.error();
    for (const metadata::Entry& entry : rows->entries) {
      auto name = keys::bucket_name(entry.key);
      records::Bucket row;
      if (!name) co_return Errc::corrupt_record;
      Result<> parsed = parse(entry.value, row);
      if (!parsed) co_return parsed.error();
      if (!owner_id.empty() && row.owner_id() != owner_id) continue;
      if (page.buckets.size() == limit) {
        if (!page.buckets.empty()) page.next = page.buckets.back().name;
        co_return page;
      }
      page.buckets.push_back(decode_bucket(*name, row));
    }
    if (!rows->next) co_return page;
    range.begin = std::move(*rows->next);
  }
}

namespace {

Task<Result<keys::BucketId>> next_bucket_id(ObjectStore::State& state, metadata::Transaction& transaction) {
  const std::string key = keys::next_bucket_id();
  auto counter = co_await state.metadata.get(key);
  if (!counter && counter.error() != Errc::not_found) co_return counter.error();
  std::int64_t next = 1;
  if (counter) {
    auto value = metadata::counter_value(counter->value);
    if (!value) co_return value.error();
    next = *value;
    transaction.require_revision(key, counter->revision);
  } else {
    transaction.require_absent(key);
  }
  transaction.put(key, metadata::counter_bytes(next + 1));
  co_return static_cast<keys::BucketId>(next);
}

}  // namespace
}  // namespace storage
