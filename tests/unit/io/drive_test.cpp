#include "storage/io/drive.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstring>

#include "storage/io/buffer.h"
#include "tests/support/run_task.h"
#include "tests/support/simulated_drive.h"

namespace storage::io {
namespace {

Task<> run(std::span<GroupedOperation> operations) { co_await run_all(operations); }

TEST(RunAll, FillsInEveryErrorAndSkipsAbsentDrives) {
  boost::asio::io_context context(1);
  BufferPool pool(1);
  tests::SimulatedDisks disks(1);
  auto good = disks.open(disks.add({.capacity_bytes = 1 << 20}));
  auto bad = disks.open(disks.add({.capacity_bytes = 1 << 20}));
  disks.inject({.disk = 1}, {});
  Buffer a = pool.try_take(4096), b = pool.try_take(4096);
  std::memset(a.data(), 1, a.size());
  std::memset(b.data(), 2, b.size());
  std::array<GroupedOperation, 3> operations{
      GroupedOperation{good.get(), {Operation::Kind::write, 0, a.span()}, Errc::conflict},
      GroupedOperation{nullptr, {Operation::Kind::write, 0, a.span()}, {}},
      GroupedOperation{bad.get(), {Operation::Kind::write, 0, b.span()}, {}},
  };
  tests::run_task(context, run(operations));
  EXPECT_EQ(operations[0].error, Error{});
  EXPECT_EQ(operations[1].error, Errc::drive_lost);
  EXPECT_EQ(operations[2].error.value(), EIO);
}

TEST(RunAll, NothingToDoCompletes) {
  boost::asio::io_context context(1);
  std::array<GroupedOperation, 1> skipped{GroupedOperation{nullptr, {}, {}}};
  tests::run_task(context, run(skipped));
  EXPECT_EQ(skipped[0].error, Errc::drive_lost);
  tests::run_task(context, run({}));
}

}  // namespace
}  // namespace storage::io
