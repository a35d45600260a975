#include "storage/metadata/rocks_engine.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include <filesystem>

#include "storage/base/log.h"
#include "storage/metadata/row.h"

namespace storage::metadata {
namespace {

// How far back in a mirror's log another one may be caught up from, in RocksDB sequence numbers (rows).
constexpr std::uint64_t kTailRowsMax = 1'000'000;
constexpr std::size_t kTailBytesMax = 256 * 1024 * 1024;
constexpr std::size_t kFillBatchBytes = 4 * 1024 * 1024;

Error to_error(const rocksdb::Status& status) {
  if (status.ok()) return {};
  if (status.IsNotFound()) return Errc::not_found;
  if (status.IsIncomplete()) return boost::system::errc::make_error_code(boost::system::errc::operation_would_block);
  if (status.IsCorruption()) return Errc::corrupt_record;
  if (status.IsNoSpace()) return Errc::no_space;
  return Errc::io_error;
}

// Rows of a scan whose place is made ahead: a page of a listing.
constexpr std::uint32_t kRowsReserved = 1024;

class RocksView final : public View {
 public:
  RocksView(std::shared_ptr<rocksdb::DB> db) : db_(std::move(db)), snapshot_(db_->GetSnapshot()) {}
  ~RocksView() override { db_->ReleaseSnapshot(snapshot_); }

  Result<std::string> get(const Key& key, ReadMode mode) override {
    std::string stored;
    const rocksdb::Status status = db_->Get(options(mode), key, &stored);
    if (!status.ok()) return to_error(status);
    return stored;
  }

  Result<Rows> scan(const KeyRange& range, std::uint32_t limit, ReadMode mode) override {
    rocksdb::ReadOptions read = options(mode);
    rocksdb::Slice end(range.end);
    if (!range.end.empty()) read.iterate_upper_bound = &end;
    const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(read));
    Rows result;
    result.rows.reserve(std::min(limit, kRowsReserved));
    for (row->Seek(range.begin); row->Valid(); row->Next()) {
      if (result.rows.size() == limit) {
        result.next = row->key().ToString();
        break;
      }
      result.rows.emplace_back(row->key().ToString(), row->value().ToString());
    }
    if (!row->status().ok()) return to_error(row->status());
    return result;
  }

  const rocksdb::Snapshot* snapshot() const { return snapshot_; }
  rocksdb::DB& db() const { return *db_; }

 private:
  rocksdb::ReadOptions options(ReadMode mode) const {
    rocksdb::ReadOptions read;
    read.snapshot = snapshot_;
    if (mode == ReadMode::cached) read.read_tier = rocksdb::kBlockCacheTier;
    return read;
  }

  std::shared_ptr<rocksdb::DB> db_;
  const rocksdb::Snapshot* snapshot_;
};

// Turns a batch of RocksDB's log back into one of ours.
class BatchReader final : public rocksdb::WriteBatch::Handler {
 public:
  rocksdb::Status PutCF(std::uint32_t, const rocksdb::Slice& key, const rocksdb::Slice& value) override {
    batch.writes.push_back({key.ToString(), value.ToString()});
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(std::uint32_t, const rocksdb::Slice& key) override {
    batch.writes.push_back({key.ToString(), std::nullopt});
    return rocksdb::Status::OK();
  }
  Batch batch;
};

class RocksEngine final : public Engine {
 public:
  explicit RocksEngine(std::shared_ptr<rocksdb::DB> db) : db_(std::move(db)) {}

  Result<Position> position() override {
    auto stored = latest(position_key());
    if (!stored && stored.error() == Errc::not_found) return Position{};
    if (!stored) return stored.error();
    auto positions = unpack_position(*stored);
    if (!positions) return positions.error();
    return positions->position;
  }

  Result<> write(const Batch& batch) override {
    rocksdb::WriteBatch rows;
    for (const Batch::Write& each : batch.writes) {
      const rocksdb::Status status = each.value ? rows.Put(each.key, *each.value) : rows.Delete(each.key);
      if (!status.ok()) return to_error(status);
    }
    const rocksdb::Status marked = rows.Put(position_key(), pack_position(batch));
    if (!marked.ok()) return to_error(marked);
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = db_->Write(options, &rows);
    if (status.ok()) return success();
    log_error("metadata_write_failed", {{"directory", db_->GetName()}, {"error", status.ToString()}});
    return to_error(status);
  }

  std::shared_ptr<View> view() override { return std::make_shared<RocksView>(db_); }

  Result<std::string> latest(const Key& key) override {
    std::string stored;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), key, &stored);
    if (!status.ok()) return to_error(status);
    return stored;
  }

  Result<std::vector<Batch>> tail_after(Position position) override {
    const std::uint64_t newest = db_->GetLatestSequenceNumber();
    std::unique_ptr<rocksdb::TransactionLogIterator> log;
    rocksdb::Status status = db_->GetUpdatesSince(newest > kTailRowsMax ? newest - kTailRowsMax : 1, &log);
    if (!status.ok() || log == nullptr) {
      // The oldest log kept may begin later: start from its first number.
      rocksdb::VectorLogPtr files;
      if (!db_->GetSortedWalFiles(files).ok() || files.empty()) return Errc::not_found;
      status = db_->GetUpdatesSince(files.front()->StartSequence(), &log);
      if (!status.ok() || log == nullptr) return Errc::not_found;
    }
    std::vector<Batch> batches;
    std::size_t bytes = 0;
    for (; log->Valid(); log->Next()) {
      rocksdb::BatchResult found = log->GetBatch();
      bytes += found.writeBatchPtr->GetDataSize();
      BatchReader reader;
      if (!found.writeBatchPtr->Iterate(&reader).ok()) return Errc::not_found;
      Batch batch = std::move(reader.batch);
      if (batch.writes.empty() || batch.writes.back().key != position_key() || !batch.writes.back().value) continue;
      auto positions = unpack_position(*batch.writes.back().value);
      if (!positions) return positions.error();
      batch.previous = positions->previous;
      batch.position = positions->position;
      batch.writes.pop_back();
      if (batch.position <= position) {
        bytes = 0;
        continue;
      }
      if (bytes > kTailBytesMax) return Errc::not_found;
      const Position expected = batches.empty() ? position : batches.back().position;
      if (batch.previous != expected) return Errc::not_found;  // not in our history, or a gap
      batches.push_back(std::move(batch));
    }
    auto own = this->position();
    if (!own) return own.error();
    const Position reached = batches.empty() ? position : batches.back().position;
    if (reached != *own) return Errc::not_found;
    return batches;
  }

  Result<> fill_from(View& source) override {
    auto& view = static_cast<RocksView&>(source);
    rocksdb::ReadOptions read;
    read.snapshot = view.snapshot();
    read.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> row(view.db().NewIterator(read));
    rocksdb::WriteBatch rows;
    // Nothing counts before the synced batch that follows, so the log is left out and one flush ends the copy.
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    for (row->SeekToFirst(); row->Valid(); row->Next()) {
      rocksdb::Status status = rows.Put(row->key(), row->value());
      if (status.ok() && rows.GetDataSize() >= kFillBatchBytes) {
        status = db_->Write(options, &rows);
        rows.Clear();
      }
      if (!status.ok()) return to_error(status);
    }
    if (!row->status().ok()) return to_error(row->status());
    rocksdb::Status status = db_->Write(options, &rows);
    if (status.ok()) status = db_->Flush(rocksdb::FlushOptions());
    if (!status.ok()) return to_error(status);
    return success();
  }

  std::uint64_t size_bytes() override {
    std::uint64_t tables = 0;
    std::uint64_t buffers = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &tables);
    db_->GetIntProperty(rocksdb::DB::Properties::kSizeAllMemTables, &buffers);
    return tables + buffers;
  }

 private:
  std::shared_ptr<rocksdb::DB> db_;
};

}  // namespace

struct RocksShared::State {
  rocksdb::Options options;
};

RocksShared::RocksShared(std::size_t budget_bytes, rocksdb::Env* env) : state_(std::make_shared<State>()) {
  const std::size_t buffer_bytes = budget_bytes / 3;
  auto cache = rocksdb::NewLRUCache(budget_bytes);
  rocksdb::Options& options = state_->options;
  options.create_if_missing = true;
  if (env != nullptr) options.env = env;
  // Write buffers are charged to the cache, so that the budget bounds both.
  options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(buffer_bytes, cache);
  options.write_buffer_size = std::min<std::size_t>(buffer_bytes / 6 + 1, 64 * 1024 * 1024);
  options.max_background_jobs = 2;
  options.enable_pipelined_write = true;
  options.level_compaction_dynamic_level_bytes = true;
  options.bytes_per_sync = 1024 * 1024;
  options.use_direct_reads = true;
  options.use_direct_io_for_flush_and_compaction = true;
  options.max_open_files = 256;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 4 * 1024 * 1024;
  options.info_log_level = rocksdb::WARN_LEVEL;
  // Kept logs let a mirror that missed a little catch up without a full copy.
  options.WAL_ttl_seconds = 3600;
  options.WAL_size_limit_MB = 64;
  options.max_total_wal_size = 128 * 1024 * 1024;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 8 * 1024;
  table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(10));
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
}

RocksShared::~RocksShared() = default;

Result<std::unique_ptr<Engine>> RocksShared::open(const std::string& directory, bool wipe) {
  std::error_code failed;
  if (wipe) std::filesystem::remove_all(directory, failed);
  if (!failed) std::filesystem::create_directories(directory, failed);
  if (failed) {
    log_error("metadata_open_failed", {{"directory", directory}, {"error", failed.message()}});
    return Error(failed.value(), boost::system::system_category());
  }
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(state_->options, directory, &db);
  if (!status.ok()) {
    log_error("metadata_open_failed", {{"directory", directory}, {"error", status.ToString()}});
    return to_error(status);
  }
  std::unique_ptr<Engine> engine = std::make_unique<RocksEngine>(std::shared_ptr<rocksdb::DB>(db));
  return engine;
}

}  // namespace storage::metadata
