// The mirror's logic over deterministic fakes: who may win, who is expelled, what is never lost.
#include "storage/metadata/mirror_store.h"

#include <gtest/gtest.h>

#include "storage/base/log.h"
#include "tests/support/fake_engine.h"
#include "tests/support/run_task.h"

namespace storage::metadata {
namespace {

using tests::FakeMirrorDisk;
using tests::run_task;

class MirrorTest : public testing::Test {
 protected:
  MirrorTest() { set_log_level(LogLevel::off); }
  ~MirrorTest() override {
    stop();
    set_log_level(LogLevel::info);
  }

  // Starts over the drives given; false, with why_ set, if the store refuses.
  bool start(std::vector<std::uint32_t> drives, unsigned copies = 3) {
    MirrorOptions options;
    for (const std::uint32_t drive : drives) options.locations.push_back({drive, std::to_string(drive)});
    options.newest = newest_;
    options.copies = copies;
    options.open = tests::fake_engines(disks_);
    options.publish = [this](Membership set) -> Result<> {
      if (fail_publish_) return Errc::io_error;
      std::lock_guard lock(newest_mutex_);
      newest_ = std::move(set);
      return success();
    };
    options.silent_ms_max = 200;
    options.rebuild_retry_ms = 50;
    auto started = MirrorStore::start(std::move(options), metrics_, why_);
    if (!started) return false;
    store_ = std::move(*started);
    return true;
  }

  void stop() {
    if (store_) store_->stop();
    store_.reset();
  }

  Result<Revision> put(Key key, Value value) {
    Transaction transaction;
    transaction.put(std::move(key), std::move(value));
    return run_task(context_, store_->commit(std::move(transaction)));
  }
  std::string get(Key key) {
    auto entry = run_task(context_, store_->get(std::move(key)));
    return entry ? entry->value : entry.error().message();
  }
  // Upkeep works in the background: what it ends with is awaited, never timed.
  void wait_for_members(std::size_t count) {
    while (store_->members().size() != count) std::this_thread::yield();
  }
  FakeMirrorDisk& disk(std::uint32_t drive) {
    auto& found = disks_[std::to_string(drive)];
    if (found == nullptr) found = std::make_shared<FakeMirrorDisk>();
    return *found;
  }
  void set(std::uint32_t drive, bool FakeMirrorDisk::* flag, bool value) {
    FakeMirrorDisk& target = disk(drive);
    {
      std::lock_guard lock(target.mutex);
      target.*flag = value;
    }
    target.changed.notify_all();
  }

  boost::asio::io_context context_{1};
  std::map<std::string, std::shared_ptr<FakeMirrorDisk>> disks_;
  std::mutex newest_mutex_;
  Membership newest_;
  bool fail_publish_ = false;
  MetricsRegistry metrics_;
  std::string why_;
  std::unique_ptr<MirrorStore> store_;
};

TEST_F(MirrorTest, ANewStoreNeedsAsManyDrivesAsCopies) {
  EXPECT_FALSE(start({0, 1}));
  EXPECT_NE(why_.find("3 directory drives"), std::string::npos) << why_;
}

TEST_F(MirrorTest, EveryStartHasANewEpochAndLaterRevisions) {
  ASSERT_TRUE(start({0, 1, 2}));
  const std::uint64_t first_epoch = store_->epoch();
  const Revision first = put("a", "1").value();
  stop();
  ASSERT_TRUE(start({0, 1, 2}));
  EXPECT_GT(store_->epoch(), first_epoch);
  EXPECT_EQ(newest_.epoch, store_->epoch());
  EXPECT_GT(put("b", "2").value(), first);
  EXPECT_EQ(get("a"), "1");
}

TEST_F(MirrorTest, LosingAnyTwoOfThreeMirrorsLosesNothing) {
  for (std::uint32_t survivor = 0; survivor < 3; ++survivor) {
    disks_.clear();
    newest_ = {};
    ASSERT_TRUE(start({0, 1, 2}));
    ASSERT_TRUE(put("a", "1").has_value());
    stop();
    ASSERT_TRUE(start({survivor})) << why_;
    EXPECT_EQ(get("a"), "1");
    ASSERT_TRUE(put("b", "2").has_value());
    stop();
  }
}

TEST_F(MirrorTest, AFailingMirrorIsExpelledBeforeTheAcknowledgement) {
  ASSERT_TRUE(start({0, 1, 2}));
  set(0, &FakeMirrorDisk::fail_writes, true);  // the one that answers reads
  EXPECT_TRUE(put("a", "1").has_value());
  EXPECT_EQ(newest_.members, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(get("a"), "1");
}

TEST_F(MirrorTest, ASilentMirrorIsExpelledAndHoldsUpNobody) {
  ASSERT_TRUE(start({0, 1, 2}));
  set(1, &FakeMirrorDisk::hang_writes, true);
  EXPECT_TRUE(put("a", "1").has_value());
  EXPECT_EQ(store_->members(), (std::vector<std::uint32_t>{0, 2}));
  EXPECT_TRUE(put("b", "2").has_value());
  set(1, &FakeMirrorDisk::hang_writes, false);
}

TEST_F(MirrorTest, AStaleMirrorNeverWinsAStart) {
  ASSERT_TRUE(start({0, 1, 2}));
  ASSERT_TRUE(put("a", "old").has_value());
  set(2, &FakeMirrorDisk::fail_writes, true);
  ASSERT_TRUE(put("a", "new").has_value());
  stop();
  set(2, &FakeMirrorDisk::fail_writes, false);
  // Only the expelled mirror is reachable: its state is from before an acknowledged commit.
  EXPECT_FALSE(start({2}));
  EXPECT_NE(why_.find("bring one of these drives back"), std::string::npos) << why_;
  ASSERT_TRUE(start({0, 1, 2}));
  EXPECT_EQ(get("a"), "new");
  wait_for_members(3);  // and the returned one is filled again
  ASSERT_TRUE(put("b", "1").has_value());
  stop();
  ASSERT_TRUE(start({2}));
  EXPECT_EQ(get("a"), "new");
  EXPECT_EQ(get("b"), "1");
}

TEST_F(MirrorTest, AnUnacknowledgedTailOfTheNewestSetMayWinButNothingAcknowledgedIsLost) {
  ASSERT_TRUE(start({0, 1, 2}));
  ASSERT_TRUE(put("a", "1").has_value());
  // Power goes while the second commit is being written: it lands on mirror 1 alone.
  for (const std::uint32_t drive : {0u, 1u, 2u}) {
    std::lock_guard lock(disk(drive).mutex);
    disk(drive).power_cut_after = disk(drive).writes;
    disk(drive).land_the_cut_write = drive == 1;
  }
  EXPECT_EQ(put("a", "2").error(), Errc::read_only);
  stop();
  for (const std::uint32_t drive : {0u, 1u, 2u}) disk(drive).power_cut_after.reset();
  ASSERT_TRUE(start({0, 1, 2}));
  EXPECT_EQ(get("a"), "2");  // longest of the newest set; the others caught up from its log
  EXPECT_EQ(store_->members().size(), 3u);
  stop();
  ASSERT_TRUE(start({2}));
  EXPECT_EQ(get("a"), "2");
}

TEST_F(MirrorTest, AMirrorBehindWhatTheLogReachesIsFilledAnewBeforeItCounts) {
  ASSERT_TRUE(start({0, 1, 2}));
  ASSERT_TRUE(put("a", "1").has_value());
  for (const std::uint32_t drive : {0u, 1u, 2u}) {
    std::lock_guard lock(disk(drive).mutex);
    disk(drive).power_cut_after = disk(drive).writes;
    disk(drive).land_the_cut_write = drive == 1;
  }
  EXPECT_EQ(put("a", "2").error(), Errc::read_only);
  stop();
  for (const std::uint32_t drive : {0u, 1u, 2u}) disk(drive).power_cut_after.reset();
  disk(1).log.clear();  // what the others missed cannot be read back
  ASSERT_TRUE(start({0, 1, 2}));
  wait_for_members(3);
  stop();
  for (const std::uint32_t drive : {0u, 2u}) {
    ASSERT_TRUE(start({drive}));
    EXPECT_EQ(get("a"), "2");
    stop();
    std::lock_guard lock(newest_mutex_);
    newest_.members = {0, 1, 2};
  }
}

TEST_F(MirrorTest, WhatIsCommittedWhileAMirrorIsFilledReachesItWithoutAGap) {
  ASSERT_TRUE(start({0, 1, 2}));
  ASSERT_TRUE(put("before", "1").has_value());
  set(3, &FakeMirrorDisk::hang_writes, true);
  store_->lose(0);
  store_->add_location({3, "3"});
  const auto filling = [&] {
    std::lock_guard lock(disk(3).mutex);
    return disk(3).filling;
  };
  while (!filling()) std::this_thread::yield();
  for (const char* key : {"a", "b", "c", "d", "e", "f"}) ASSERT_TRUE(put(key, key).has_value());
  set(3, &FakeMirrorDisk::hang_writes, false);
  while (store_->members() != std::vector<std::uint32_t>{1, 2, 3}) std::this_thread::yield();
  stop();
  ASSERT_TRUE(start({3}));
  EXPECT_EQ(get("before"), "1");
  for (const char* key : {"a", "b", "c", "d", "e", "f"}) EXPECT_EQ(get(key), key);
}

TEST_F(MirrorTest, ALostDriveIsReplacedOnAnother) {
  ASSERT_TRUE(start({0, 1, 2, 3}));
  ASSERT_TRUE(put("a", "1").has_value());
  store_->lose(0);
  while (store_->members() != std::vector<std::uint32_t>{1, 2, 3}) std::this_thread::yield();
  ASSERT_TRUE(put("b", "2").has_value());
  stop();
  ASSERT_TRUE(start({3}));
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("b"), "2");
}

TEST_F(MirrorTest, ADriveThatJoinsGetsTheMirrorThatIsMissing) {
  ASSERT_TRUE(start({0, 1, 2}));
  ASSERT_TRUE(put("a", "1").has_value());
  store_->lose(1);
  while (store_->members() != std::vector<std::uint32_t>{0, 2}) std::this_thread::yield();
  store_->add_location({7, "7"});
  while (store_->members() != std::vector<std::uint32_t>{0, 2, 7}) std::this_thread::yield();
  ASSERT_TRUE(put("b", "2").has_value());
  stop();
  ASSERT_TRUE(start({7}));
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("b"), "2");
}

TEST_F(MirrorTest, ADriveThatIsBackCountsAgain) {
  ASSERT_TRUE(start({0, 1, 2}));
  ASSERT_TRUE(put("a", "1").has_value());
  store_->lose(2);
  while (store_->members() != std::vector<std::uint32_t>{0, 1}) std::this_thread::yield();
  ASSERT_TRUE(put("a", "2").has_value());
  store_->add_location({2, "2"});
  wait_for_members(3);
  stop();
  ASSERT_TRUE(start({2}));
  EXPECT_EQ(get("a"), "2");
}

TEST_F(MirrorTest, MoreCopiesAreMadeWhenTheyAreAskedFor) {
  ASSERT_TRUE(start({0, 1, 2, 3, 4}));
  ASSERT_TRUE(put("a", "1").has_value());
  store_->set_copies(5);
  wait_for_members(5);
  store_->set_copies(3);  // none is given up for there being too many
  ASSERT_TRUE(put("b", "2").has_value());
  EXPECT_EQ(store_->members().size(), 5u);
}

TEST_F(MirrorTest, AMirrorThatLeavesGoesOnlyWhenEnoughOthersHoldEverything) {
  ASSERT_TRUE(start({0, 1, 2}));
  ASSERT_TRUE(put("a", "1").has_value());
  store_->leave(0);
  // There is nobody to take its place: it stays, and serves.
  ASSERT_TRUE(put("b", "2").has_value());
  EXPECT_EQ(store_->members().size(), 3u);
  store_->add_location({5, "5"});
  while (store_->members() != std::vector<std::uint32_t>{1, 2, 5}) std::this_thread::yield();
  EXPECT_EQ(newest_.members, (std::vector<std::uint32_t>{1, 2, 5}));
  EXPECT_EQ(get("a"), "1");
  stop();
  ASSERT_TRUE(start({5}));
  EXPECT_EQ(get("b"), "2");
}

TEST_F(MirrorTest, WhenTheNewSetCannotBeWrittenNothingIsAcknowledgedAnyMore) {
  ASSERT_TRUE(start({0, 1, 2}));
  fail_publish_ = true;
  set(0, &FakeMirrorDisk::fail_writes, true);
  EXPECT_EQ(put("a", "1").error(), Errc::read_only);
  EXPECT_EQ(put("b", "1").error(), Errc::read_only);
}

// A commit is cut at every write of every mirror, with the write at the cut landed or not: whatever was acknowledged is
// there after the restart, on whichever of the mirrors of the newest set are left.
TEST_F(MirrorTest, EveryCutKeepsWhatWasAcknowledged) {
  for (std::uint64_t cut = 1; cut <= 6; ++cut) {
    for (int landed = 0; landed < 8; ++landed) {
      disks_.clear();
      newest_ = {};
      ASSERT_TRUE(start({0, 1, 2}));
      for (const std::uint32_t drive : {0u, 1u, 2u}) {
        std::lock_guard lock(disk(drive).mutex);
        disk(drive).power_cut_after = cut;
        disk(drive).land_the_cut_write = ((landed >> drive) & 1) != 0;
      }
      int acknowledged = 0;
      for (int i = 0; i < 6 && put("k", std::to_string(i)).has_value(); ++i) acknowledged = i + 1;
      stop();
      for (auto& [name, each] : disks_) each->power_cut_after.reset();
      const std::vector<std::uint32_t> members = newest_.members;
      for (const std::uint32_t survivor : members) {
        const Membership newest = newest_;
        ASSERT_TRUE(start({survivor})) << why_;
        const std::string value = get("k");
        if (acknowledged > 0) {
          EXPECT_GE(std::stoi(value), acknowledged - 1) << "cut " << cut << " landed " << landed;
        }
        stop();
        newest_ = newest;
      }
    }
  }
}

}  // namespace
}  // namespace storage::metadata
