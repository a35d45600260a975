// ObjectStore: sealing a dataset.
//
// A seal commits an intent first, which raises the bucket's seal epoch: every write takes the bucket's row as a precondition, so
// none that began before commits after it unseen. While the intent stands, whatever is replaced or removed is kept. Then it takes
// a snapshot, writes the manifests from it, and commits the datasets, raising the epoch again: what is born from then on is in
// none of them. A crash leaves an intent that the next start takes away, and bytes that nothing names.
#include <algorithm>
#include <set>

#include "storage/base/log.h"
#include "storage/dataset/splits.h"
#include "storage/dataset_rows.h"
#include "storage/dataset_shelf.h"
#include "storage/manifest_writer.h"
#include "storage/object_store_state.h"
#include "storage/sealed_sample.h"

namespace storage {
namespace {

constexpr std::size_t kBucketNameBytesMax = 63;
constexpr std::uint32_t kHeadsPerScan = 1000;
// Where many splits are written side by side each has less memory.
constexpr std::size_t kSplitChunkBytes = 256 * 1024;
// Seals at once, in all buckets: each holds up to some tens of MiB.
constexpr std::size_t kSealsMax = 4;

// One dataset that a seal makes: the whole, or a split of it.
struct Target {
  std::string name;
  std::string split;  // empty: the whole
  std::unique_ptr<ManifestWriter> writer;
  records::Dataset row;
};

class Seal {
 public:
  Seal(ObjectStore::State& state, std::string bucket, SealRequest request, SealFailure& failure)
      : state_(state), bucket_name_(std::move(bucket)), request_(std::move(request)), failure_(failure) {}

  Task<Result<DatasetInfoPtr>> run();

 private:
  Result<> check_request();
  Task<Result<>> check_names();
  Task<Result<>> begin();
  Task<Result<>> collect();
  Task<Result<>> collect_bucket(metadata::Snapshot& snapshot);
  Task<Result<>> collect_keys(metadata::Snapshot& snapshot);
  Task<Result<>> collect_parent();
  Task<Result<>> take(metadata::Snapshot& snapshot, const std::string& key, const records::Version& version);
  Task<Result<>> add(const ObjectInfo& info, const dataset::SampleFacts& facts, const std::string& record);
  Task<Result<std::optional<std::size_t>>> split_of(const ObjectInfo& info, const dataset::SampleFacts& facts);
  Task<Result<>> finish();
  Task<Result<>> commit();
  Task<> abandon();
  Error fail(SealFailure::What what, std::string text = {});
  void describe(Target& target) const;

  ObjectStore::State& state_;
  const std::string bucket_name_;
  SealRequest request_;
  SealFailure& failure_;
  keys::BucketId bucket_ = 0;
  std::string owner_;  // of the bucket
  std::uint64_t epoch_ = 0;
  SealedDatasetPtr parent_;
  std::string parent_row_;
  metadata::Revision parent_revision_ = 0;
  std::optional<dataset::Splits> splits_;
  std::vector<Target> targets_;  // the whole first, then the splits by name
};

Error Seal::fail(SealFailure::What what, std::string text) {
  failure_.what = what;
  failure_.text = std::move(text);
  if (what == SealFailure::What::name_taken) return Errc::conflict;
  return what == SealFailure::What::no_parent ? Errc::not_found : Errc::invalid_argument;
}

Result<> Seal::check_request() {
  if (!dataset::Splits::valid(request_.splits)) return Errc::invalid_argument;
  targets_.emplace_back().name = request_.name;
  for (const auto& [split, fraction] : request_.splits) {
    Target& target = targets_.emplace_back();
    target.name = request_.name + '-' + split;
    target.split = split;
  }
  for (const Target& target : targets_) {
    const bool fits = dataset_rows::bucket_name(target.name, bucket_name_).size() <= kBucketNameBytesMax;
    if (!fits || !dataset::is_dataset_name(target.name)) return Errc::invalid_argument;
  }
  if (!request_.splits.empty()) splits_.emplace(request_.splits, request_.split_seed);
  return success();
}

// Asked again by the commit; here it spares the work.
Task<Result<>> Seal::check_names() {
  for (const Target& target : targets_) {
    const std::string alias = dataset_rows::bucket_name(target.name, bucket_name_);
    auto dataset = co_await state_.metadata.get(dataset_rows::dataset(bucket_, target.name));
    if (dataset) co_return fail(SealFailure::What::name_taken, target.name);
    if (dataset.error() != Errc::not_found) co_return dataset.error();
    auto bucket = co_await state_.metadata.get(keys::bucket(alias));
    if (bucket) co_return fail(SealFailure::What::name_taken, alias);
    if (bucket.error() != Errc::not_found) co_return bucket.error();
  }
  if (request_.parent.empty()) co_return success();
  parent_row_ = dataset_rows::dataset(bucket_, request_.parent);
  auto parent = co_await state_.metadata.get(parent_row_);
  if (!parent && parent.error() == Errc::not_found) co_return fail(SealFailure::What::no_parent, request_.parent);
  if (!parent) co_return parent.error();
  records::Dataset row;
  Result<> parsed = parse(parent->value, row);
  if (!parsed) co_return parsed;
  parent_revision_ = parent->revision;
  parent_ = open_sealed(state_, bucket_, bucket_name_, request_.parent, row);
  co_return success();
}

Task<Result<>> Seal::begin() {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto bucket = co_await state_.find_bucket(bucket_name_);
    if (!bucket) co_return bucket.error();
    bucket_ = (*bucket)->id;
    owner_ = (*bucket)->info.owner_id;
    if (attempt == 0) {
      Result<> free = co_await check_names();
      if (!free) co_return free;
    }
    BucketInfo next = (*bucket)->info;
    next.sealing = true;
    epoch_ = ++next.seal_epoch;
    records::SealIntent intent;
    intent.set_name(bucket_name_);
    intent.set_began_ms(state_.clock.wall_ms());
    metadata::Transaction transaction;
    transaction.put(dataset_rows::intent(bucket_), serialize(intent));
    auto begun = co_await put_bucket_row(state_, **bucket, next, std::move(transaction));
    if (begun) co_return success();
    if (begun.error() != Errc::conflict) co_return begun.error();
  }
  co_return Errc::conditional_conflict;
}

Task<Result<std::optional<std::size_t>>> Seal::split_of(const ObjectInfo& info, const dataset::SampleFacts& facts) {
  if (!splits_) co_return std::nullopt;
  std::string group = info.key;
  if (!request_.group_by.empty()) {
    std::vector<std::string> groups = request_.groups(info, facts.labels);
    if (groups.size() > 1) co_return fail(SealFailure::What::several_groups, info.key);
    if (!groups.empty()) group = std::move(groups.front());
  }
  co_return splits_->of(group);
}

Task<Result<>> Seal::add(const ObjectInfo& info, const dataset::SampleFacts& facts, const std::string& record) {
  auto split = co_await split_of(info, facts);
  if (!split) co_return split.error();
  const std::string& owner = info.controls.owner_id;
  if (!info.controls.acl.empty() || (!owner.empty() && owner != owner_)) {
    targets_.front().row.set_mixed_access(true);
    if (*split) targets_[**split + 1].row.set_mixed_access(true);
  }
  Result<> added = co_await targets_.front().writer->add(facts, record);
  if (added && *split) added = co_await targets_[**split + 1].writer->add(facts, record);
  co_return added;
}

// A version of the snapshot.
Task<Result<>> Seal::take(metadata::Snapshot& snapshot, const std::string& key, const records::Version& version) {
  std::string sources = version.labels();
  if (version.labels_row()) {
    auto row = co_await snapshot.get(keys::label_sources(version.holder()));
    if (!row) co_return row.error() == Errc::not_found ? Error(Errc::corrupt_record) : row.error();
    sources = std::move(row->value);
  }
  auto facts = sample_facts(key, version, sources);
  if (!facts) co_return facts.error();
  const ObjectInfo info = object_info(key, version);
  const SampleVerdict verdict = request_.judge ? request_.judge(info, facts->labels) : SampleVerdict::take;
  if (verdict == SampleVerdict::refuse) co_return fail(SealFailure::What::refused_key, key);
  if (verdict == SampleVerdict::leave) {
    if (request_.keys) co_return fail(SealFailure::What::missing_key, key);
    co_return success();
  }
  const std::string record = sealed_record(key, version, sources).SerializeAsString();
  co_return co_await add(info, *facts, record);
}

Task<Result<>> Seal::collect_bucket(metadata::Snapshot& snapshot) {
  metadata::KeyRange range = metadata::prefix_range(keys::head_prefix(bucket_, {}));
  records::Head head;
  while (true) {
    auto rows = co_await snapshot.scan(range, kHeadsPerScan);
    if (!rows) co_return rows.error();
    for (const metadata::Entry& entry : rows->entries) {
      auto key = keys::head_object(entry.key);
      if (!key) co_return Errc::corrupt_record;
      Result<> parsed = parse(entry.value, head);
      if (!parsed) co_return parsed;
      if (head.current().delete_marker()) continue;
      Result<> taken = co_await take(snapshot, *key, head.current());
      if (!taken) co_return taken;
    }
    if (!rows->next) co_return success();
    range.begin = std::move(*rows->next);
  }
}

Task<Result<>> Seal::collect_keys(metadata::Snapshot& snapshot) {
  std::set<std::string_view> seen;
  for (const std::string& key : *request_.keys) {
    if (!seen.insert(key).second) co_return fail(SealFailure::What::repeated_key, key);
    auto entry = co_await snapshot.get(keys::head(bucket_, key));
    if (!entry && entry.error() == Errc::not_found) co_return fail(SealFailure::What::missing_key, key);
    if (!entry) co_return entry.error();
    records::Head head;
    Result<> parsed = parse(entry->value, head);
    if (!parsed) co_return parsed;
    if (head.current().delete_marker()) co_return fail(SealFailure::What::missing_key, key);
    Result<> taken = co_await take(snapshot, key, head.current());
    if (!taken) co_return taken;
  }
  co_return success();
}

// A parent's samples as they were sealed, in its order.
Task<Result<>> Seal::collect_parent() {
  for (std::uint64_t at = 0; at < parent_->info().count;) {
    auto samples = co_await parent_->samples(at, SealedDataset::kSamplesPerPageMax);
    if (!samples) co_return samples.error();
    at += samples->size();
    for (const SealedSamplePtr& sample : *samples) {
      const SampleVerdict verdict = request_.judge ? request_.judge(*sample->info, sample->facts.labels) : SampleVerdict::take;
      if (verdict == SampleVerdict::refuse) co_return fail(SealFailure::What::refused_key, sample->info->key);
      if (verdict == SampleVerdict::leave) continue;
      Result<> added = co_await add(*sample->info, sample->facts, sample->record->SerializeAsString());
      if (!added) co_return added;
    }
  }
  co_return success();
}

Task<Result<>> Seal::collect() {
  const bool own_order = request_.keys ? !std::is_sorted(request_.keys->begin(), request_.keys->end())
                                       : parent_ != nullptr && !parent_->in_key_order();
  for (Target& target : targets_) {
    ManifestWriter::Options options;
    options.bucket = bucket_name_;
    options.dataset = target.name;
    options.own_order = own_order;
    if (targets_.size() > 4) options.chunk_bytes = kSplitChunkBytes;
    target.writer = std::make_unique<ManifestWriter>(state_, std::move(options));
  }
  auto snapshot = co_await state_.metadata.snapshot();
  if (!snapshot) co_return snapshot.error();
  Result<> collected = success();
  if (request_.keys) {
    collected = co_await collect_keys(**snapshot);
  } else if (parent_ != nullptr) {
    collected = co_await collect_parent();
  } else {
    collected = co_await collect_bucket(**snapshot);
  }
  if (!collected) co_return collected;
  if (targets_.front().writer->count() == 0) co_return fail(SealFailure::What::no_samples);
  co_return success();
}

void Seal::describe(Target& target) const {
  records::Dataset& row = target.row;
  row.set_id(random_bytes16());
  row.set_query(request_.query);
  row.set_sealed_by(request_.sealed_by);
  row.set_sealed_ms(state_.clock.wall_ms());
  row.set_seal_epoch(epoch_);
  if (!target.split.empty()) {
    row.add_parents(request_.name);
    return;
  }
  if (!request_.parent.empty()) row.add_parents(request_.parent);
  row.set_group_by(request_.group_by);
  row.set_split_seed(request_.split_seed);
}

Task<Result<>> Seal::finish() {
  for (Target& target : targets_) {
    describe(target);
    Result<> finished = co_await target.writer->finish(target.row);
    if (!finished) co_return finished;
  }
  for (std::size_t i = 1; i < targets_.size(); ++i) {
    records::DatasetSplit& split = *targets_.front().row.add_splits();
    split.set_name(targets_[i].split);
    split.set_dataset(targets_[i].name);
    split.set_count(targets_[i].row.count());
  }
  co_return success();
}

// All datasets and their buckets' names, or none.
Task<Result<>> Seal::commit() {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto bucket = co_await state_.find_bucket(bucket_name_);
    if (!bucket) co_return bucket.error();
    if ((*bucket)->id != bucket_) co_return Errc::bucket_not_found;
    Result<> free = co_await check_names();
    if (!free) co_return free;
    metadata::Transaction transaction;
    upkeep::LiveChange change;
    for (Target& target : targets_) {
      const std::string alias = keys::bucket(dataset_rows::bucket_name(target.name, bucket_name_));
      records::Bucket name;
      name.set_dataset_bucket(bucket_name_);
      transaction.require_absent(alias);
      transaction.put(alias, serialize(name));
      const std::string row = dataset_rows::dataset(bucket_, target.name);
      transaction.require_absent(row);
      transaction.put(row, serialize(target.row));
      target.writer->add_rows(target.row, transaction, change);
    }
    if (parent_ != nullptr) transaction.require_revision(parent_row_, parent_revision_);
    transaction.remove(dataset_rows::intent(bucket_));
    BucketInfo next = (*bucket)->info;
    next.sealing = false;
    ++next.seal_epoch;
    next.datasets += static_cast<std::uint32_t>(targets_.size());
    auto committed = co_await put_bucket_row(state_, **bucket, next, std::move(transaction));
    if (committed) {
      state_.live_counters.apply(change);
      co_return success();
    }
    if (committed.error() != Errc::conflict) co_return committed.error();
  }
  co_return Errc::conditional_conflict;
}

// What was kept for a seal that came to nothing is swept away later. If this fails too, the next seal or the next start ends it.
Task<> Seal::abandon() {
  Result<> ended = co_await end_seal(state_, bucket_name_, bucket_);
  if (!ended) log_warn("seal_not_ended", {{"bucket", bucket_name_}, {"error", ended.error().message()}});
}

Task<Result<DatasetInfoPtr>> Seal::run() {
  Result<> valid = check_request();
  if (!valid) co_return valid.error();
  const KeyLocks::Guard alone = co_await state_.locks.lock("seal " + bucket_name_);
  const std::size_t slot = std::hash<std::string>{}(bucket_name_) % kSealsMax;
  const KeyLocks::Guard one_of_few = co_await state_.locks.lock("seal slot " + std::to_string(slot));
  Result<> done = co_await begin();
  if (!done) co_return done.error();
  done = co_await collect();
  if (done) done = co_await finish();
  if (done) done = co_await commit();
  if (!done) {
    co_await abandon();
    co_return done.error();
  }
  const Target& whole = targets_.front();
  log_info("dataset_sealed", {{"bucket", bucket_name_}, {"dataset", whole.name}, {"samples", whole.row.count()}});
  co_return std::make_shared<const DatasetInfo>(dataset_info(bucket_name_, whole.name, whole.row));
}

}  // namespace

Task<Result<>> put_bucket_row(ObjectStore::State& state, const BucketRecord& before, BucketInfo next,
                              metadata::Transaction transaction) {
  records::Bucket row;
  encode_bucket(next, row);
  const std::string name = before.info.name;
  transaction.require_revision(keys::bucket(name), before.revision);
  transaction.put(keys::bucket(name), serialize(row));
  RecordCache<BucketRecord>::Write write(state.buckets, name);
  auto revision = co_await state.metadata.commit(std::move(transaction));
  if (!revision) co_return revision.error();
  co_return success();
}

Task<Result<>> end_seal(ObjectStore::State& state, std::string bucket_name, keys::BucketId id) {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    metadata::Transaction transaction;
    transaction.remove(dataset_rows::intent(id));
    auto bucket = co_await state.find_bucket(bucket_name);
    if (!bucket && bucket.error() != Errc::bucket_not_found) co_return bucket.error();
    Result<> ended = success();
    if (!bucket || (*bucket)->id != id) {
      auto revision = co_await state.metadata.commit(std::move(transaction));
      if (!revision) ended = revision.error();
    } else {
      transaction.put(dataset_rows::to_sweep(id), bucket_name);
      BucketInfo next = (*bucket)->info;
      next.sealing = false;
      ++next.seal_epoch;
      ended = co_await put_bucket_row(state, **bucket, next, std::move(transaction));
    }
    if (ended || ended.error() != Errc::conflict) co_return ended;
  }
  co_return Errc::conditional_conflict;
}

Task<Result<>> end_dead_seals(ObjectStore::State& state) {
  while (true) {
    auto intents = co_await state.metadata.scan(metadata::prefix_range(dataset_rows::intents_prefix()), 1000);
    if (!intents) co_return intents.error();
    if (intents->entries.empty()) co_return success();
    for (const metadata::Entry& entry : intents->entries) {
      const auto bucket = dataset_rows::intent_bucket(entry.key);
      if (!bucket) co_return Errc::corrupt_record;
      records::SealIntent intent;
      Result<> parsed = parse(entry.value, intent);
      if (!parsed) co_return parsed;
      Result<> ended = co_await end_seal(state, intent.name(), *bucket);
      if (!ended) co_return ended;
    }
  }
}

Task<Result<DatasetInfoPtr>> ObjectStore::seal(std::string bucket, SealRequest request, SealFailure* failure) {
  SealFailure unsaid;
  Seal seal(*state_, std::move(bucket), std::move(request), failure != nullptr ? *failure : unsaid);
  co_return co_await seal.run();
}

}  // namespace storage
