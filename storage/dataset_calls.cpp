// ObjectStore: looking datasets up, dropping them.
#include "storage/dataset_rows.h"
#include "storage/dataset_shelf.h"
#include "storage/object_store_state.h"

namespace storage {

ObjectStore::State::~State() = default;

namespace {

struct DatasetRow {
  records::Dataset row;
  metadata::Revision revision = 0;
};

Task<Result<DatasetRow>> load_dataset(ObjectStore::State& state, keys::BucketId bucket, std::string name) {
  auto entry = co_await state.metadata.get(dataset_rows::dataset(bucket, name));
  if (!entry) co_return entry.error();
  DatasetRow loaded;
  Result<> parsed = parse(entry->value, loaded.row);
  if (!parsed) co_return parsed.error();
  loaded.revision = entry->revision;
  co_return loaded;
}

// Receipts go with their dataset; what a crash or an error leaves of them, nobody can ask for any more.
Task<> remove_receipts(ObjectStore::State& state, std::string dataset_id) {
  while (true) {
    auto rows = co_await state.metadata.scan(metadata::prefix_range(dataset_rows::receipts_prefix(dataset_id)), 1000);
    if (!rows || rows->entries.empty()) co_return;
    metadata::Transaction transaction;
    for (const metadata::Entry& entry : rows->entries) transaction.remove(entry.key);
    transaction.may_use_reserve = true;
    const auto revision = co_await state.metadata.commit(std::move(transaction));
    if (!revision) co_return;
  }
}

}  // namespace

Task<Result<SealedDatasetPtr>> ObjectStore::State::open_dataset_bucket(std::string name) {
  auto entry = co_await metadata.get(keys::bucket(name));
  if (!entry) co_return entry.error() == Errc::not_found ? Error(Errc::bucket_not_found) : entry.error();
  records::Bucket alias;
  Result<> parsed = parse(entry->value, alias);
  if (!parsed) co_return parsed.error();
  if (alias.dataset_bucket().empty()) co_return Errc::bucket_not_found;
  auto bucket = co_await find_bucket(alias.dataset_bucket());
  if (!bucket) co_return bucket.error();
  const std::string dataset = name.substr(0, name.find('.'));
  auto loaded = co_await load_dataset(*this, (*bucket)->id, dataset);
  if (!loaded) co_return loaded.error() == Errc::not_found ? Error(Errc::bucket_not_found) : loaded.error();
  co_return open_sealed(*this, (*bucket)->id, alias.dataset_bucket(), dataset, loaded->row);
}

Task<Result<SealedDatasetPtr>> ObjectStore::open_dataset_bucket(std::string bucket_name) {
  co_return co_await state_->open_dataset_bucket(std::move(bucket_name));
}

Task<Result<SealedDatasetPtr>> ObjectStore::open_dataset(std::string bucket_name, std::string name) {
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  auto loaded = co_await load_dataset(*state_, (*bucket)->id, name);
  if (!loaded) co_return loaded.error();
  co_return open_sealed(*state_, (*bucket)->id, bucket_name, name, loaded->row);
}

Task<Result<DatasetInfoPtr>> ObjectStore::dataset(std::string bucket_name, std::string name) {
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  auto loaded = co_await load_dataset(*state_, (*bucket)->id, name);
  if (!loaded) co_return loaded.error();
  co_return std::make_shared<const DatasetInfo>(dataset_info(bucket_name, name, loaded->row));
}

Task<Result<std::vector<DatasetInfoPtr>>> ObjectStore::datasets(std::string bucket_name, std::string after,
                                                                std::uint32_t limit) {
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  std::vector<DatasetInfoPtr> datasets;
  metadata::KeyRange range = metadata::prefix_range(dataset_rows::datasets_prefix((*bucket)->id));
  if (!after.empty()) range.begin = dataset_rows::dataset((*bucket)->id, after) + '\0';
  auto rows = co_await state_->metadata.scan(range, limit);
  if (!rows) co_return rows.error();
  for (const metadata::Entry& entry : rows->entries) {
    const auto name = dataset_rows::dataset_name(entry.key);
    records::Dataset row;
    if (!name) co_return Errc::corrupt_record;
    Result<> parsed = parse(entry.value, row);
    if (!parsed) co_return parsed.error();
    datasets.push_back(std::make_shared<const DatasetInfo>(dataset_info(bucket_name, *name, row)));
  }
  co_return datasets;
}

Task<Result<>> ObjectStore::drop_dataset(std::string bucket_name, std::string name) {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto bucket = co_await state_->find_bucket(bucket_name);
    if (!bucket) co_return bucket.error();
    const keys::BucketId id = (*bucket)->id;
    auto loaded = co_await load_dataset(*state_, id, name);
    if (!loaded) co_return loaded.error();
    const records::Dataset& row = loaded->row;
    metadata::Transaction transaction;
    upkeep::LiveChange change;
    const std::string row_key = dataset_rows::dataset(id, name);
    transaction.require_revision(row_key, loaded->revision);
    transaction.remove(row_key);
    transaction.remove(keys::bucket(dataset_rows::bucket_name(name, bucket_name)));
    transaction.put(dataset_rows::to_sweep(id), bucket_name);
    for (const records::SealedFile* const file : {&row.rows(), &row.records(), &row.index()}) {
      if (file->blob_chunks() == 0) continue;
      Result<> released = co_await state_->release_blob(transaction, blob_id(file->blob_id()), file->blob_chunks(),
                                                        dataset_rows::holder(row.id()), false, change);
      if (!released) co_return released;
    }
    BucketInfo next = (*bucket)->info;
    if (next.datasets > 0) --next.datasets;
    transaction.may_use_reserve = true;
    Result<> dropped = co_await put_bucket_row(*state_, **bucket, next, std::move(transaction));
    if (dropped) {
      state_->live_counters.apply(change);
      co_await remove_receipts(*state_, row.id());
      co_return success();
    }
    if (dropped.error() != Errc::conflict) co_return dropped;
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
