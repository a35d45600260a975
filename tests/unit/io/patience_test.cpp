#include "storage/io/patience.h"

#include <gtest/gtest.h>

#include "storage/base/task_group.h"
#include "tests/support/run_task.h"
#include "tests/support/simulated_drive.h"

namespace storage::io {
namespace {

using tests::Fault;
using tests::FaultMatch;
using tests::run_task;

Task<> run(std::vector<PatientOperation>& operations, Patience patience, std::shared_ptr<const void> keeps) {
  co_await run_patiently(operations, patience, std::move(keeps));
}

class PatienceTest : public testing::Test {
 protected:
  PatienceTest() {
    for (int i = 0; i < 3; ++i) {
      disks.add({.capacity_bytes = 1 << 20});
      drives.push_back(disks.open(static_cast<std::size_t>(i)));
      loads.push_back(std::make_shared<DriveLoad>());
    }
    patience.after_first_ms = kTickMs;
    patience.in_all_ms = 4 * kTickMs;
  }

  void stick(std::size_t disk) {
    FaultMatch match;
    match.disk = disk;
    disks.inject(match, Fault{Fault::Kind::stuck});
  }
  // One write to each disk, from memory that `kept` owns.
  std::vector<PatientOperation> writes() {
    kept = std::make_shared<Buffer>(pool.try_take(3 * kBlockBytes));
    std::vector<PatientOperation> operations(3);
    for (std::size_t i = 0; i < 3; ++i) {
      operations[i].drive = drives[i].get();
      operations[i].operation = {Operation::Kind::write, 0, kept->span().subspan(i * kBlockBytes, kBlockBytes)};
      operations[i].load = loads[i];
    }
    return operations;
  }
  void release() {
    disks.release_stuck();
    context.restart();
    context.poll();
  }

  BufferPool pool{16 << 20};
  tests::SimulatedDisks disks{1};
  boost::asio::io_context context{1};
  std::vector<std::unique_ptr<Drive>> drives;
  std::vector<std::shared_ptr<DriveLoad>> loads;
  std::shared_ptr<Buffer> kept;
  Patience patience;
};

TEST_F(PatienceTest, AllThatEndsInTimeIsTold) {
  FaultMatch match;
  match.disk = 1;
  disks.inject(match, Fault{});
  auto operations = writes();
  operations[2].drive = nullptr;
  run_task(context, run(operations, patience, kept));
  EXPECT_FALSE(operations[0].error);
  EXPECT_EQ(operations[1].error, Error(EIO, boost::system::system_category()));
  EXPECT_EQ(operations[2].error, Errc::drive_lost);
  for (const PatientOperation& operation : operations) EXPECT_FALSE(operation.late);
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_EQ(loads[0]->take_answers(Operation::Kind::write).count, 1U);
  EXPECT_EQ(loads[0]->take_answers(Operation::Kind::write).count, 0U);
}

TEST_F(PatienceTest, NothingToDoCompletes) {
  std::vector<PatientOperation> none;
  run_task(context, run(none, patience, nullptr));
}

TEST_F(PatienceTest, ALateOperationKeepsItsMemoryUntilItEnds) {
  stick(1);
  auto operations = writes();
  run_task(context, run(operations, patience, kept));
  EXPECT_FALSE(operations[0].error);
  EXPECT_TRUE(operations[1].late);
  EXPECT_EQ(operations[1].error, Errc::io_error);
  EXPECT_FALSE(operations[2].late);
  EXPECT_EQ(abandoned_operations(), 1U);
  EXPECT_EQ(loads[1]->abandoned(), 1U);
  kept.reset();
  EXPECT_GT(pool.used_bytes(), 0U);
  release();
  EXPECT_EQ(pool.used_bytes(), 0U);
  EXPECT_EQ(loads[1]->abandoned(), 0U);
  EXPECT_EQ(abandoned_operations(), 0U);
}

TEST_F(PatienceTest, WithoutAFirstTheWholeLimitCounts) {
  for (std::size_t disk = 0; disk < 3; ++disk) stick(disk);
  auto operations = writes();
  run_task(context, run(operations, patience, kept));
  for (const PatientOperation& operation : operations) EXPECT_TRUE(operation.late);
  EXPECT_EQ(abandoned_operations(), 3U);
  release();
  EXPECT_EQ(abandoned_operations(), 0U);
  EXPECT_EQ(kept.use_count(), 1);
}

TEST_F(PatienceTest, GroupsAreJudgedOneByOne) {
  stick(0);
  auto late = writes();
  auto keep_late = kept;
  run_task(context, run(late, patience, keep_late));
  auto fine = writes();
  run_task(context, run(fine, patience, kept));
  for (const PatientOperation& operation : fine) EXPECT_FALSE(operation.error);
  EXPECT_EQ(abandoned_operations(), 1U);
  release();
}

TEST_F(PatienceTest, APowerCutEndsWhatWasAbandoned) {
  stick(2);
  auto operations = writes();
  run_task(context, run(operations, patience, kept));
  EXPECT_TRUE(operations[2].late);
  disks.cut_power();
  context.restart();
  context.poll();
  EXPECT_EQ(abandoned_operations(), 0U);
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace storage::io
