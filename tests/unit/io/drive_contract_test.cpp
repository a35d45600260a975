// What every Drive promises, on all engines and in the simulation.
#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "storage/base/task_group.h"
#include "storage/io/buffer.h"
#include "storage/io/drive.h"
#include "tests/support/run_task.h"
#include "tests/support/scratch_directory.h"
#include "tests/support/simulated_drive.h"

namespace storage::io {
namespace {

enum class Kind { simulated, io_uring, thread_pool };

constexpr std::uint64_t kCapacity = 32 << 20;

const Error kNotCalled = Errc::unsupported;

class DriveContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::simulated) {
      const std::size_t disk = disks_.add({.capacity_bytes = kCapacity, .prepared_bytes = 0});
      drive_ = disks_.open(disk);
      return;
    }
    if (GetParam() == Kind::io_uring && choose_engine().engine != Engine::io_uring) {
      GTEST_SKIP() << "io_uring is refused here: " << choose_engine().reason;
    }
    FileDriveOptions options;
    options.path = scratch_.path();
    options.capacity_bytes = kCapacity;
    options.create = true;
    options.engine = GetParam() == Kind::io_uring ? Engine::io_uring : Engine::thread_pool;
    options.registered = {pool_.arena()};
    std::string why;
    auto opened = open_file_drive(options, why);
    ASSERT_TRUE(opened.has_value()) << why;
    drive_ = std::move(*opened);
  }

  Buffer filled(BufferPool& pool, std::size_t bytes, unsigned value) {
    Buffer buffer = pool.try_take(bytes);
    std::memset(buffer.data(), static_cast<int>(value), buffer.size());
    return buffer;
  }

  Error write(std::uint64_t offset, const Buffer& buffer) {
    return tests::run_task(context_, io::write(*drive_, offset, buffer.span())).error();
  }
  Error read(std::uint64_t offset, const Buffer& buffer) {
    return tests::run_task(context_, io::read(*drive_, offset, buffer.span())).error();
  }

  tests::ScratchDirectory scratch_;
  tests::SimulatedDisks disks_{tests::test_seed(1)};
  BufferPool pool_{32 << 20};
  BufferPool unregistered_{32 << 20};
  std::unique_ptr<Drive> drive_;
  boost::asio::io_context context_{1};
};

TEST_P(DriveContract, ReadsBackWhatWasWrittenInEverySize) {
  unsigned value = 1;
  for (BufferPool* pool : {&pool_, &unregistered_}) {
    for (std::size_t bytes : {4096u, 8192u, 53248u, 1u << 20, 8u << 20}) {
      Buffer out = filled(*pool, bytes, value);
      Buffer in = filled(*pool, bytes, 0);
      ASSERT_EQ(out.size(), in.size());
      const std::uint64_t offset = value * 4096;
      ASSERT_EQ(write(offset, out), Error{});
      ASSERT_EQ(read(offset, in), Error{});
      ASSERT_EQ(std::memcmp(out.data(), in.data(), in.size()), 0);
      ++value;
    }
  }
}

TEST_P(DriveContract, HandlersRunLaterOnTheContextOfTheCaller) {
  Buffer block = filled(pool_, 4096, 1);
  Error seen = kNotCalled;
  std::thread::id where;
  drive_->start(context_.get_executor(), {Operation::Kind::write, 0, block.span()}, [&](Error error) {
    seen = error;
    where = std::this_thread::get_id();
  });
  EXPECT_EQ(seen, kNotCalled);
  context_.run();  // ends by itself once the last operation has completed
  EXPECT_EQ(seen, Error{});
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_P(DriveContract, PreparedBytesFollowTheWrites) {
  Buffer block = filled(pool_, 4096, 1);
  EXPECT_EQ(drive_->capacity_bytes(), kCapacity);
  EXPECT_EQ(drive_->prepared_bytes(), 0u);
  EXPECT_EQ(read(0, block), Errc::io_error);
  EXPECT_EQ(write(8192, block), Error{});
  EXPECT_EQ(drive_->prepared_bytes(), 12288u);
  EXPECT_EQ(write(0, block), Error{});
  EXPECT_EQ(drive_->prepared_bytes(), 12288u);
  EXPECT_EQ(read(4096, block), Error{});
  EXPECT_EQ(block.data()[0], std::byte{0});
  Buffer two = filled(pool_, 8192, 1);
  EXPECT_EQ(read(8192, two), Errc::io_error);  // half of it is beyond the end
}

TEST_P(DriveContract, RangesBeyondTheCapacityAreRefused) {
  Buffer two = filled(pool_, 8192, 1);
  EXPECT_EQ(write(kCapacity, two), Errc::invalid_argument);
  EXPECT_EQ(write(kCapacity - 4096, two), Errc::invalid_argument);
  EXPECT_EQ(read(~std::uint64_t{4095}, two), Errc::invalid_argument);
  EXPECT_EQ(write(kCapacity - 8192, two), Error{});
  EXPECT_EQ(drive_->prepared_bytes(), kCapacity);
}

TEST_P(DriveContract, IsPresentAndHasAName) {
  EXPECT_TRUE(drive_->present());
  EXPECT_FALSE(drive_->name().empty());
}

TEST_P(DriveContract, ManyMoreOperationsThanTheRingHolds) {
  constexpr unsigned kOperations = 2000;
  std::vector<Buffer> buffers;
  unsigned done = 0;
  for (unsigned i = 0; i < kOperations; ++i) {
    buffers.push_back(filled(pool_, 4096, i));
    drive_->start(context_.get_executor(), {Operation::Kind::write, i * 4096ull, buffers[i].span()},
                  [&done](Error error) { done += error ? 0 : 1; });
  }
  context_.run();
  EXPECT_EQ(done, kOperations);
  for (Buffer& buffer : buffers) std::memset(buffer.data(), 0xee, buffer.size());
  for (unsigned i = 0; i < kOperations; ++i) {
    drive_->start(context_.get_executor(), {Operation::Kind::read, i * 4096ull, buffers[i].span()},
                  [&done](Error error) { done += error ? 0 : 1; });
  }
  context_.restart();
  context_.run();
  EXPECT_EQ(done, 2 * kOperations);
  for (unsigned i = 0; i < kOperations; ++i) {
    ASSERT_EQ(buffers[i].data()[0], static_cast<std::byte>(i));
    ASSERT_EQ(buffers[i].data()[4095], static_cast<std::byte>(i));
  }
}

TEST_P(DriveContract, ARandomHistoryAgreesWithAModel) {
  const std::uint64_t seed = tests::test_seed(21);
  SCOPED_TRACE(seed);
  tests::SeededRandom random(seed);
  constexpr std::size_t kBlocks = 64;
  std::array<unsigned, kBlocks> model{};
  Buffer whole = filled(pool_, kBlocks * 4096, 0);
  ASSERT_EQ(write(0, whole), Error{});
  for (int round = 0; round < 60; ++round) {
    // Operations of one round touch different blocks, so their order does not matter.
    std::vector<Buffer> buffers;
    std::vector<GroupedOperation> operations;
    std::vector<std::pair<std::size_t, unsigned>> reads;
    for (std::size_t block = 0; block < kBlocks;) {
      const std::size_t count = 1 + random.below(std::min<std::size_t>(8, kBlocks - block));
      const bool writing = random.chance(0.5);
      const auto value = static_cast<unsigned>(random.below(256));
      for (std::size_t i = 0; i < count; ++i) {
        buffers.push_back(filled(random.chance(0.5) ? pool_ : unregistered_, 4096, writing ? value : 0xee));
        operations.push_back({drive_.get(),
                              {writing ? Operation::Kind::write : Operation::Kind::read, (block + i) * 4096,
                               buffers.back().span()},
                              {}});
        if (writing) model[block + i] = value;
      }
      block += count;
    }
    tests::run_task(context_, run_all(operations));
    for (std::size_t block = 0; block < kBlocks; ++block) {
      ASSERT_EQ(operations[block].error, Error{});
      ASSERT_EQ(buffers[block].data()[0], static_cast<std::byte>(model[block])) << block;
      ASSERT_EQ(buffers[block].data()[4095], static_cast<std::byte>(model[block])) << block;
    }
  }
}

Task<> write_and_read(Drive& drive, BufferPool& pool, std::uint64_t offset, unsigned value, unsigned& good) {
  for (unsigned round = 0; round < 20; ++round) {
    Buffer out = pool.try_take(4096);
    Buffer in = pool.try_take(4096);
    std::memset(out.data(), static_cast<int>(value + round), out.size());
    auto written = co_await write(drive, offset, out.span());
    auto got = co_await read(drive, offset, in.span());
    if (written && got && std::memcmp(out.data(), in.data(), in.size()) == 0) ++good;
  }
}

Task<> join(TaskGroup& group) { co_await group.join(); }

TEST_P(DriveContract, ThreadsWithTheirOwnContextsShareADrive) {
  Buffer block = filled(pool_, 1 << 20, 0);
  ASSERT_EQ(write(0, block), Error{});
  std::array<unsigned, 3> good{};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      boost::asio::io_context context(1);
      TaskGroup group;
      for (unsigned i = 0; i < 8; ++i) {
        group.spawn(context.get_executor(), write_and_read(*drive_, pool_, (t * 8 + i) * 4096, i, good[t]));
      }
      tests::run_task(context, join(group));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (unsigned count : good) EXPECT_EQ(count, 160u);
}

// A simulated drive has no device that could write late.
class RealDriveContract : public DriveContract {};

TEST_P(RealDriveContract, AContextThatDiesWaitsForItsOperations) {
  Buffer big = filled(pool_, 8 << 20, 7);
  bool called = false;
  auto witness = std::make_shared<int>(0);
  for (int turns : {0, 1, 2}) {
    {
      boost::asio::io_context context(1);
      for (unsigned i = 0; i < 3; ++i) {
        drive_->start(context.get_executor(), {Operation::Kind::write, i * (8ull << 20), big.span()},
                      [&called, witness](Error) { called = true; });
      }
      for (int i = 0; i < turns; ++i) context.poll_one();
    }
    EXPECT_EQ(witness.use_count(), 1);  // every handler was run or dropped
  }
  // Memory is free for others, and the drive still works.
  std::memset(big.data(), 8, big.size());
  EXPECT_EQ(write(0, big), Error{});
  static_cast<void>(called);
}

const char* kind_name(const ::testing::TestParamInfo<Kind>& parameter) {
  switch (parameter.param) {
    case Kind::simulated:
      return "simulated";
    case Kind::io_uring:
      return "io_uring";
    case Kind::thread_pool:
      return "thread_pool";
  }
  return "unknown";
}

INSTANTIATE_TEST_SUITE_P(Engines, DriveContract,
                         ::testing::Values(Kind::simulated, Kind::io_uring, Kind::thread_pool), kind_name);
INSTANTIATE_TEST_SUITE_P(Engines, RealDriveContract, ::testing::Values(Kind::io_uring, Kind::thread_pool), kind_name);

}  // namespace
}  // namespace storage::io
