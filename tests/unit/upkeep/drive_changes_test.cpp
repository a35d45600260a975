#include "storage/upkeep/drive_changes.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <future>
#include <thread>

#include "storage/base/log.h"
#include "storage/metadata/mirror_store.h"
#include "storage/upkeep/rebuilder.h"
#include "tests/support/fake_engine.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::upkeep {
namespace {

using segment::DriveStatus;
using segment::MirrorSet;
using tests::StoreRig;
using tests::StoreRigOptions;

Task<Result<>> write_set(segment::DriveSet& drives, MirrorSet set) {
  co_return co_await drives.write_mirror_set(std::move(set));
}
Task<Result<>> retire_one(DriveChanges& changes, std::uint32_t member, std::string& why) {
  co_return co_await changes.retire(member, why);
}
Task<Result<>> empty_one(DriveChanges& changes, std::uint32_t member) {
  co_return co_await changes.emptied(member);
}

// Drives whose superblocks carry the mirror set, and a mirror store that writes it there from threads of its
// own.
class DriveChangesTest : public testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::off);
    control_thread = std::thread([this] { control.run(); });
  }
  void TearDown() override {
    if (mirrors) mirrors->stop();
    changes.reset();
    mirrors.reset();
    keep_running.reset();
    control.stop();
    control_thread.join();
    rig.reset();
    set_log_level(LogLevel::info);
  }

  void boot(std::size_t disks, std::size_t members) {
    StoreRigOptions options;
    options.disks = disks;
    rig = std::make_unique<StoreRig>(options);
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < members; ++i) which.push_back(i);
    ASSERT_TRUE(rig->open_drives(which)) << rig->why;
    ASSERT_TRUE(rig->open_store());
    metadata::MirrorOptions mirror;
    for (std::uint32_t i = 0; i < members; ++i) mirror.locations.push_back({i, std::to_string(i)});
    mirror.copies = rig->drives->parity() + 1;
    mirror.open = tests::fake_engines(engines);
    mirror.publish = [this](metadata::Membership set) { return publish(std::move(set)); };
    mirror.rebuild_retry_ms = 50;
    std::string why;
    auto started = metadata::MirrorStore::start(std::move(mirror), rig->metrics, why);
    ASSERT_TRUE(started) << why;
    mirrors = std::move(*started);
    MirrorControl mirror_control;
    mirror_control.add_location = [this](std::uint32_t member, std::string directory) {
      mirrors->add_location({member, std::move(directory)});
    };
    mirror_control.leave = [this](std::uint32_t member) { mirrors->leave(member); };
    mirror_control.set_copies = [this](unsigned copies) { mirrors->set_copies(copies); };
    changes = std::make_unique<DriveChanges>(*rig->drives, std::move(mirror_control));
  }

  Result<> publish(metadata::Membership set) {
    std::promise<Result<>> promise;
    auto future = promise.get_future();
    MirrorSet mirror_set;
    mirror_set.epoch = set.epoch;
    mirror_set.members = std::move(set.members);
    boost::asio::co_spawn(control.get_executor(), write_set(*rig->drives, std::move(mirror_set)),
                          [&promise](std::exception_ptr, Result<> result) { promise.set_value(result); });
    return future.get();
  }

  void follow_up() { tests::run_task(rig->context, changes->follow_up()); }

  boost::asio::io_context control{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running{
      control.get_executor()};
  std::thread control_thread;
  std::map<std::string, std::shared_ptr<tests::FakeMirrorDisk>> engines;
  std::unique_ptr<StoreRig> rig;
  std::unique_ptr<metadata::MirrorStore> mirrors;
  std::unique_ptr<DriveChanges> changes;
};

TEST_F(DriveChangesTest, ADriveLeavesOnlyAfterItsMirrorMovedAway) {
  boot(5, 5);
  ASSERT_EQ(rig->drives->mirror_set().members, (std::vector<std::uint32_t>{0, 1, 2}));
  std::string why;
  ASSERT_TRUE(tests::run_task(rig->context, retire_one(*changes, 1, why))) << why;
  follow_up();
  while (rig->drives->mirror_set().members != std::vector<std::uint32_t>{0, 2, 3}) std::this_thread::yield();
  ASSERT_TRUE(tests::run_task(rig->context, empty_one(*changes, 1)));
  EXPECT_EQ(rig->drives->status(1), DriveStatus::retired);
  EXPECT_EQ(rig->drives->parity(), 2u);
}

TEST_F(DriveChangesTest, WhileItsMirrorIsThereADriveIsNotRetired) {
  boot(4, 4);
  std::string why;
  mirrors->lose(3);  // nobody could take the mirror over
  ASSERT_TRUE(tests::run_task(rig->context, retire_one(*changes, 0, why))) << why;
  ASSERT_TRUE(tests::run_task(rig->context, empty_one(*changes, 0)));
  EXPECT_EQ(rig->drives->status(0), DriveStatus::alive);
}

TEST_F(DriveChangesTest, ParityGrowsWhenThereAreMirrorsForIt) {
  boot(15, 14);
  ASSERT_TRUE(rig->add_drive(14)) << rig->why;
  EXPECT_EQ(rig->drives->parity(), 2u);
  follow_up();
  while (rig->drives->mirror_set().members.size() < 4) std::this_thread::yield();
  follow_up();
  EXPECT_EQ(rig->drives->parity(), 3u);
}

TEST_F(DriveChangesTest, WithoutAMirrorStoreOnlyTheDrivesChange) {
  boot(7, 6);
  DriveChanges alone(*rig->drives, MirrorControl{});
  std::string why;
  EXPECT_EQ(tests::run_task(rig->context, retire_one(alone, 9, why)).error(), Errc::not_found);
  EXPECT_FALSE(why.empty());
}

}  // namespace
}  // namespace storage::upkeep
