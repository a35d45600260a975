#include "tests/support/simulated_drive.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <map>
#include <vector>

#include "storage/io/buffer.h"
#include "storage/io/drive.h"
#include "tests/support/run_task.h"

namespace tests {
namespace {

using storage::Errc;
using storage::Error;
using storage::io::Buffer;
using storage::io::BufferPool;
using storage::io::Drive;
using storage::io::kBlockBytes;
using storage::io::Operation;

class SimulatedDriveTest : public ::testing::Test {
 protected:
  Buffer filled(std::size_t blocks, unsigned char value) {
    Buffer buffer = pool_.try_take(blocks * kBlockBytes);
    std::memset(buffer.data(), value, buffer.size());
    return buffer;
  }

  // Starts a write and runs nothing.
  void start_write(Drive& drive, std::uint64_t offset, Buffer& buffer, Error& seen) {
    drive.start(context_.get_executor(), {Operation::Kind::write, offset, buffer.span()},
                [&seen](Error error) { seen = error; });
  }

  Error write(Drive& drive, std::uint64_t offset, Buffer& buffer) {
    return run_task(context_, storage::io::write(drive, offset, buffer.span())).error();
  }

  Error read(Drive& drive, std::uint64_t offset, Buffer& buffer) {
    return run_task(context_, storage::io::read(drive, offset, buffer.span())).error();
  }

  void run() {
    context_.restart();
    context_.run();
  }

  unsigned char peek(std::size_t disk, std::uint64_t offset) {
    std::byte value{};
    disks_.peek(disk, offset, {&value, 1});
    return static_cast<unsigned char>(value);
  }

  boost::asio::io_context context_{1};
  BufferPool pool_{8 << 20};
  SimulatedDisks disks_{test_seed(7)};
};

const Error kNotCalled = Errc::unsupported;

TEST_F(SimulatedDriveTest, ReadReturnsWhatWasWrittenAndZerosElsewhere) {
  auto drive = disks_.open(disks_.add({.capacity_bytes = 1 << 20}));
  Buffer out = filled(2, 0xab);
  EXPECT_FALSE(write(*drive, 8192, out));
  Buffer in = filled(4, 0xff);
  EXPECT_FALSE(read(*drive, 4096, in));
  EXPECT_EQ(in.data()[0], std::byte{0});
  EXPECT_EQ(in.data()[4096], std::byte{0xab});
  EXPECT_EQ(in.data()[3 * 4096 - 1], std::byte{0xab});
  EXPECT_EQ(in.data()[3 * 4096], std::byte{0});
}

TEST_F(SimulatedDriveTest, HandlersRunLaterNeverInsideStart) {
  auto drive = disks_.open(disks_.add({.capacity_bytes = 1 << 20}));
  Buffer out = filled(1, 1);
  Error seen = kNotCalled;
  start_write(*drive, 0, out, seen);
  EXPECT_EQ(seen, kNotCalled);
  EXPECT_EQ(disks_.pending(), 1u);
  run();
  EXPECT_EQ(seen, Error{});
  EXPECT_EQ(disks_.pending(), 0u);
}

TEST_F(SimulatedDriveTest, ReadBeyondThePreparedPartFails) {
  auto drive = disks_.open(disks_.add({.capacity_bytes = 1 << 20, .prepared_bytes = 0}));
  EXPECT_EQ(drive->prepared_bytes(), 0u);
  Buffer block = filled(1, 3);
  EXPECT_EQ(read(*drive, 0, block), Errc::io_error);
  EXPECT_FALSE(write(*drive, 4096, block));
  EXPECT_EQ(drive->prepared_bytes(), 8192u);
  EXPECT_FALSE(read(*drive, 0, block));
  EXPECT_EQ(read(*drive, 1 << 20, block), Errc::invalid_argument);
}

TEST_F(SimulatedDriveTest, ACutKeepsCompletedWritesAndTearsTheOthersBySector) {
  bool saw_old = false, saw_new = false, saw_torn = false;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    SimulatedDisks disks(seed);
    const std::size_t disk = disks.add({.capacity_bytes = 1 << 20});
    auto drive = disks.open(disk);
    Buffer old = filled(2, 1), fresh = filled(2, 2);
    ASSERT_FALSE(write(*drive, 0, old));
    Error seen = kNotCalled;
    start_write(*drive, 0, fresh, seen);
    disks.cut_power();
    run();
    EXPECT_EQ(seen, Errc::drive_lost);
    EXPECT_FALSE(drive->present());
    disks.reboot();
    std::array<std::byte, 8192> left;
    disks.peek(disk, 0, left);
    std::size_t new_sectors = 0;
    for (std::size_t sector = 0; sector < 16; ++sector) {
      const std::byte first = left[sector * 512];
      ASSERT_TRUE(first == std::byte{1} || first == std::byte{2});
      for (std::size_t i = 0; i < 512; ++i) ASSERT_EQ(left[sector * 512 + i], first) << "seed " << seed;
      new_sectors += first == std::byte{2};
    }
    saw_old |= new_sectors == 0;
    saw_new |= new_sectors == 16;
    saw_torn |= new_sectors > 0 && new_sectors < 16;
  }
  EXPECT_TRUE(saw_old);
  EXPECT_TRUE(saw_new);
  EXPECT_TRUE(saw_torn);
}

TEST_F(SimulatedDriveTest, CutAtAnOperationStopsEverythingAfterIt) {
  const std::size_t disk = disks_.add({.capacity_bytes = 1 << 20});
  auto drive = disks_.open(disk);
  Buffer one = filled(1, 1);
  disks_.cut_power_at(1);
  EXPECT_FALSE(write(*drive, 0, one));
  EXPECT_TRUE(disks_.powered());
  EXPECT_EQ(write(*drive, 4096, one), Errc::drive_lost);
  EXPECT_FALSE(disks_.powered());
  EXPECT_EQ(write(*drive, 8192, one), Errc::drive_lost);
  EXPECT_EQ(peek(disk, 0), 1);
  EXPECT_EQ(peek(disk, 8192), 0);
  disks_.reboot();
  EXPECT_EQ(write(*drive, 8192, one), Errc::drive_lost);  // opened in the earlier life
  auto again = disks_.open(disk);
  EXPECT_TRUE(again->present());
  EXPECT_FALSE(write(*again, 8192, one));
}

TEST_F(SimulatedDriveTest, AStepCanBeTheCut) {
  disks_.add({.capacity_bytes = 1 << 20});
  disks_.cut_power_at(1);
  EXPECT_TRUE(disks_.step());
  EXPECT_FALSE(disks_.step());
}

TEST_F(SimulatedDriveTest, InjectedErrorsHitWhatTheyMatch) {
  const std::size_t first = disks_.add({.capacity_bytes = 1 << 20});
  const std::size_t second = disks_.add({.capacity_bytes = 1 << 20});
  auto a = disks_.open(first);
  auto b = disks_.open(second);
  Buffer block = filled(1, 9);
  const Error no_space(ENOSPC, boost::system::system_category());
  disks_.inject({.disk = second, .kind = Operation::Kind::write, .skip = 1}, {.error = no_space});
  EXPECT_FALSE(write(*a, 0, block));
  EXPECT_FALSE(write(*b, 0, block));
  EXPECT_FALSE(read(*b, 0, block));
  EXPECT_EQ(write(*b, 0, block), no_space);
  EXPECT_FALSE(write(*b, 0, block));
  disks_.inject({.begin = 4096, .end = 8192, .count = FaultMatch::kAlways}, {});
  EXPECT_FALSE(write(*a, 0, block));
  EXPECT_EQ(write(*a, 4096, block).value(), EIO);
  EXPECT_EQ(read(*a, 4096, block).value(), EIO);
}

TEST_F(SimulatedDriveTest, LostAndMisdirectedWritesClaimSuccess) {
  const std::size_t disk = disks_.add({.capacity_bytes = 1 << 20});
  auto drive = disks_.open(disk);
  Buffer block = filled(1, 5);
  disks_.inject({}, {.kind = Fault::Kind::lost});
  EXPECT_FALSE(write(*drive, 0, block));
  EXPECT_EQ(peek(disk, 0), 0);
  disks_.clear_faults();
  disks_.inject({}, {.kind = Fault::Kind::misdirected, .misdirect_to = 40960});
  EXPECT_FALSE(write(*drive, 0, block));
  EXPECT_EQ(peek(disk, 0), 0);
  EXPECT_EQ(peek(disk, 40960), 5);
}

TEST_F(SimulatedDriveTest, FlipAndRotChangeOneBit) {
  const std::size_t disk = disks_.add({.capacity_bytes = 1 << 20});
  auto drive = disks_.open(disk);
  const auto bits_set = [&](std::span<const std::byte> bytes) {
    int count = 0;
    for (std::byte value : bytes) count += std::popcount(static_cast<unsigned char>(value));
    return count;
  };
  Buffer block = filled(1, 0);
  disks_.inject({}, {.kind = Fault::Kind::flip});
  EXPECT_FALSE(read(*drive, 0, block));
  EXPECT_EQ(bits_set(block.span()), 1);
  EXPECT_FALSE(read(*drive, 0, block));
  EXPECT_EQ(bits_set(block.span()), 0);
  disks_.rot(disk, 0, 4096);
  EXPECT_FALSE(read(*drive, 0, block));
  EXPECT_EQ(bits_set(block.span()), 1);
}

TEST_F(SimulatedDriveTest, StuckAndSlowOperationsWaitForTheirRelease) {
  const std::size_t disk = disks_.add({.capacity_bytes = 1 << 20});
  auto drive = disks_.open(disk);
  Buffer block = filled(1, 5);
  std::array<Error, 3> seen{kNotCalled, kNotCalled, kNotCalled};
  disks_.inject({}, {.kind = Fault::Kind::stuck});
  disks_.inject({}, {.kind = Fault::Kind::slow, .delay_operations = 2});
  disks_.inject({}, {.kind = Fault::Kind::slow, .delay_ns = 1000});
  for (std::size_t i = 0; i < 3; ++i) start_write(*drive, i * 4096, block, seen[i]);
  run();
  EXPECT_EQ(disks_.pending(), 3u);
  EXPECT_TRUE(disks_.step());
  run();
  EXPECT_EQ(seen[1], Error{});
  disks_.advance(999);
  run();
  EXPECT_EQ(seen[2], kNotCalled);
  disks_.advance(1);
  run();
  EXPECT_EQ(seen[2], Error{});
  EXPECT_EQ(seen[0], kNotCalled);
  disks_.release_stuck();
  run();
  EXPECT_EQ(seen[0], Error{});
}

TEST_F(SimulatedDriveTest, APulledDiskIsLostAndAStaleOneReturns) {
  const std::size_t disk = disks_.add({.capacity_bytes = 1 << 20});
  auto drive = disks_.open(disk);
  Buffer one = filled(1, 1), two = filled(1, 2);
  ASSERT_FALSE(write(*drive, 0, one));
  const auto before = disks_.image(disk);
  ASSERT_FALSE(write(*drive, 0, two));
  disks_.pull(disk);
  EXPECT_FALSE(drive->present());
  EXPECT_EQ(write(*drive, 4096, one), Errc::drive_lost);
  disks_.put_back(disk);
  EXPECT_FALSE(drive->present());
  drive = disks_.open(disk);
  EXPECT_TRUE(drive->present());
  EXPECT_EQ(peek(disk, 0), 2);
  disks_.restore(disk, before);
  EXPECT_EQ(peek(disk, 0), 1);
  disks_.replace(disk);
  EXPECT_EQ(peek(disk, 0), 0);
}

// A history with every kind of chance in it; returns its digest.
std::uint64_t history(std::uint64_t seed, BufferPool& pool) {
  boost::asio::io_context context(1);
  SimulatedDisks disks(seed);
  disks.jitter(4);
  std::vector<std::unique_ptr<Drive>> drives;
  for (std::size_t i = 0; i < 3; ++i) drives.push_back(disks.open(disks.add({.capacity_bytes = 1 << 20})));
  disks.inject({.count = FaultMatch::kAlways, .probability = 0.1}, {});
  std::vector<Buffer> buffers;
  for (int i = 0; i < 60; ++i) {
    buffers.push_back(pool.try_take(kBlockBytes));
    std::memset(buffers.back().data(), i, kBlockBytes);
    drives[disks.random().below(3)]->start(
        context.get_executor(),
        {disks.random().chance(0.5) ? Operation::Kind::read : Operation::Kind::write,
         disks.random().below(16) * kBlockBytes, buffers.back().span()},
        [](Error) {});
    if (disks.random().chance(0.2)) context.poll();
  }
  disks.cut_power();
  context.restart();
  context.run();
  return disks.trace_digest();
}

TEST_F(SimulatedDriveTest, TheSameSeedGivesTheSameTrace) {
  const std::uint64_t digest = history(11, pool_);
  EXPECT_EQ(digest, history(11, pool_));
  EXPECT_NE(digest, history(12, pool_));
}

TEST_F(SimulatedDriveTest, DescribeNamesTheSeedAndTheLastOperations) {
  const std::size_t disk = disks_.add({.capacity_bytes = 1 << 20, .name = "left"});
  auto drive = disks_.open(disk);
  Buffer block = filled(1, 1);
  ASSERT_FALSE(write(*drive, 4096, block));
  EXPECT_NE(disks_.describe().find("GRANARY_TEST_SEED="), std::string::npos);
  EXPECT_NE(disks_.describe().find("#0 left write at 4096 size 4096: done"), std::string::npos)
      << disks_.describe();
}

}  // namespace
}  // namespace tests
