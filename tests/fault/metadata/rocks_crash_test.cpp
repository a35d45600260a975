// The real RocksDB mirrors over a file system that loses what was not synced: power is cut at every so many appends and syncs,
// and each commit that was acknowledged must be there after the restart, on all mirrors together and on each alone.
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include "storage/base/log.h"
#include "storage/metadata/mirror_store.h"
#include "storage/metadata/rocks_engine.h"
#include "tests/support/losing_file_system.h"
#include "tests/support/run_task.h"
#include "tests/support/scratch_directory.h"

namespace storage::metadata {
namespace {

constexpr int kCommits = 30;

class RocksCrashTest : public testing::Test {
 protected:
  RocksCrashTest() { set_log_level(LogLevel::off); }
  ~RocksCrashTest() override {
    stop();
    set_log_level(LogLevel::info);
  }

  bool start(std::vector<std::uint32_t> drives) {
    files_ = std::make_shared<tests::LosingFileSystem>(rocksdb::FileSystem::Default());
    env_ = rocksdb::NewCompositeEnv(files_);
    rocks_ = std::make_unique<RocksShared>(8 << 20, env_.get());
    MirrorOptions options;
    for (const std::uint32_t drive : drives) options.locations.push_back({drive, directory_->file(std::to_string(drive))});
    options.newest = newest_;
    options.copies = 3;
    options.open = [this](const std::string& path, bool wipe) { return rocks_->open(path, wipe); };
    options.publish = [this](Membership set) {
      newest_ = std::move(set);
      return success();
    };
    options.rebuild_retry_ms = 3'600'000;  // no rebuild: each mirror is judged by what it held itself
    std::string why;
    auto started = MirrorStore::start(std::move(options), metrics_, why);
    if (!started) return false;
    store_ = std::move(*started);
    return true;
  }
  // `keep`: the process alone died, and what the system had taken from it is there.
  void stop(bool keep = false) {
    if (store_) store_->stop();
    store_.reset();
    rocks_.reset();
    if (files_ && !keep) files_->lose_unsynced();
  }
  bool put(int number) {
    Transaction transaction;
    transaction.put("k" + std::to_string(number), std::string(2000, static_cast<char>('a' + number % 26)));
    transaction.put("twin" + std::to_string(number), "of the same transaction");
    return run(store_->commit(std::move(transaction))).has_value();
  }
  bool holds(int number) {
    auto entry = run(store_->get("k" + std::to_string(number)));
    return entry && entry->value == std::string(2000, static_cast<char>('a' + number % 26));
  }
  // Both rows of a transaction, or neither (invariant 2).
  bool whole(int number) {
    const bool row = run(store_->get("k" + std::to_string(number))).has_value();
    return row == run(store_->get("twin" + std::to_string(number))).has_value();
  }
  template <class T>
  T run(Task<T> task) {
    return tests::run_task(context_, std::move(task));
  }

  boost::asio::io_context context_{1};
  std::unique_ptr<tests::ScratchDirectory> directory_;
  std::shared_ptr<tests::LosingFileSystem> files_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<RocksShared> rocks_;
  MetricsRegistry metrics_;
  Membership newest_;
  std::unique_ptr<MirrorStore> store_;
};

TEST_F(RocksCrashTest, AcknowledgedCommitsSurviveEveryCut) {
  // How many operations the commits take without a cut.
  directory_ = std::make_unique<tests::ScratchDirectory>();
  ASSERT_TRUE(start({0, 1, 2}));
  const std::uint64_t before = files_->operations();
  for (int i = 0; i < kCommits; ++i) ASSERT_TRUE(put(i));
  const std::uint64_t operations = files_->operations() - before;
  stop();
  ASSERT_GE(operations, 3u * kCommits * 2u);  // three mirrors, an append and a sync each: nothing was skipped

  int cut_short = 0;
  for (std::uint64_t cut = 1; cut < operations; cut += 7) {
    directory_ = std::make_unique<tests::ScratchDirectory>();
    newest_ = {};
    ASSERT_TRUE(start({0, 1, 2}));
    files_->cut_after(cut);
    int acknowledged = 0;
    while (acknowledged < kCommits && put(acknowledged)) ++acknowledged;
    if (acknowledged < kCommits) ++cut_short;
    stop(cut % 2 == 0);
    const std::vector<std::uint32_t> members = newest_.members;
    const Membership newest = newest_;
    for (const std::uint32_t member : members) {
      newest_ = newest;
      ASSERT_TRUE(start({member})) << "cut " << cut;
      for (int i = 0; i < acknowledged; ++i) ASSERT_TRUE(holds(i)) << "cut " << cut << " mirror " << member << " row " << i;
      for (int i = 0; i < kCommits; ++i) ASSERT_TRUE(whole(i)) << "cut " << cut << " mirror " << member << " row " << i;
      // One mirror of the old set has begun a new epoch alone; the others start from the old set again.
      stop();
    }
  }
  EXPECT_GT(cut_short, 10);
}

}  // namespace
}  // namespace storage::metadata
