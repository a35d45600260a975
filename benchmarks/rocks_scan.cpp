// The yardstick for listings: pages of 1,000 rows from raw RocksDB. 1 M keys of the bench's form with values as large as a
// head row's; seek to a random key and read 1,000 rows, for one second. rocks_scan DIRECTORY prints pages per second.
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <string>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(256 << 20);
  table.block_size = 8 * 1024;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::Open(options, argv[1], &opened).ok()) return 1;
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::mt19937 random(1);
  std::string value(130, 'v');
  for (int i = 0; i < 1'000'000; ++i) {
    char key[32];
    std::snprintf(key, sizeof key, "H00000001%08d", i);
    for (int j = 0; j < 40; ++j) value[static_cast<std::size_t>(j)] = static_cast<char>(random());
    if (!db->Put(rocksdb::WriteOptions(), key, value).ok()) return 1;
  }
  db->Flush(rocksdb::FlushOptions());
  db->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr);
  const auto start = std::chrono::steady_clock::now();
  std::size_t pages = 0;
  std::size_t bytes = 0;
  double elapsed = 0;
  while (elapsed < 1) {
    char key[32];
    std::snprintf(key, sizeof key, "H00000001%08u", static_cast<unsigned>(random() % 999'000));
    const std::unique_ptr<rocksdb::Iterator> row(db->NewIterator(rocksdb::ReadOptions()));
    row->Seek(key);
    for (int i = 0; i < 1000 && row->Valid(); ++i, row->Next()) bytes += row->key().size() + row->value().size();
    ++pages;
    elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  std::printf("%.1f %zu\n", static_cast<double>(pages) / elapsed, bytes);
}
