// Opening, losing and locking drives that are files; and the choice of the engine.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "storage/base/log.h"
#include "storage/io/buffer.h"
#include "storage/io/drive.h"
#include "tests/support/run_task.h"
#include "tests/support/scratch_directory.h"

namespace storage::io {
namespace {

constexpr std::uint64_t kCapacity = 8 << 20;

class FileDriveTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Drive>> open(const std::string& path, std::uint64_t capacity, bool create,
                                      Engine engine = Engine::thread_pool) {
    FileDriveOptions options;
    options.path = path;
    options.capacity_bytes = capacity;
    options.create = create;
    options.engine = engine;
    why_.clear();
    return open_file_drive(options, why_);
  }

  Error write(Drive& drive, std::uint64_t offset) {
    return tests::run_task(context_, io::write(drive, offset, block_.span())).error();
  }
  Error read(Drive& drive, std::uint64_t offset) {
    return tests::run_task(context_, io::read(drive, offset, block_.span())).error();
  }

  tests::ScratchDirectory scratch_;
  BufferPool pool_{1};
  Buffer block_ = pool_.try_take(4096);
  boost::asio::io_context context_{1};
  std::string why_;
};

TEST_F(FileDriveTest, WhatWasGivenUpCanBeOpenedAnew) {
  auto first = open(scratch_.file("drive"), kCapacity, true);
  ASSERT_TRUE(first) << why_;
  ASSERT_FALSE(write(**first, 4096));
  (*first)->give_up();
  auto second = open(scratch_.file("drive"), kCapacity, false);
  ASSERT_TRUE(second) << why_;
  EXPECT_EQ(write(**first, 0), Errc::drive_lost);
  EXPECT_FALSE(write(**second, 0));
  EXPECT_FALSE(read(**second, 4096));
}

TEST_F(FileDriveTest, AnAbsentDriveIsNotFoundUnlessAsked) {
  const std::string path = scratch_.file("a/b/c");
  EXPECT_EQ(open(path, kCapacity, false).error().value(), ENOENT);
  EXPECT_NE(why_.find(path), std::string::npos);
  ASSERT_TRUE(open(path, kCapacity, true)) << why_;
  EXPECT_TRUE(std::filesystem::exists(path + "/granary.data"));
  EXPECT_TRUE(open(path, kCapacity, false)) << why_;
}

TEST_F(FileDriveTest, ADirectoryWithoutItsFileIsNotMadeIntoADrive) {
  // An unmounted mount point looks like this.
  EXPECT_EQ(open(scratch_.path(), kCapacity, false).error().value(), ENOENT);
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("granary.data")));
}

TEST_F(FileDriveTest, ADirectoryNeedsACapacity) {
  EXPECT_EQ(open(scratch_.path(), 0, true).error(), Errc::invalid_argument);
  EXPECT_NE(why_.find("capacity"), std::string::npos);
}

TEST_F(FileDriveTest, AFileGivesItsOwnSize) {
  std::ofstream(scratch_.file("disk.img")) << std::string(10000, 'x');
  auto drive = open(scratch_.file("disk.img"), 0, false);
  ASSERT_TRUE(drive) << why_;
  EXPECT_EQ((*drive)->capacity_bytes(), 8192u);
  EXPECT_EQ((*drive)->prepared_bytes(), 8192u);
  EXPECT_EQ(read(**drive, 4096), Error{});
  EXPECT_EQ(block_.data()[0], std::byte{'x'});
  EXPECT_EQ(read(**drive, 8192), Errc::invalid_argument);
}

TEST_F(FileDriveTest, AnEmptyFileIsTooSmall) {
  std::ofstream(scratch_.file("disk.img")) << "x";
  EXPECT_EQ(open(scratch_.file("disk.img"), 0, false).error(), Errc::invalid_argument);
  EXPECT_NE(why_.find("too small"), std::string::npos) << why_;
}

TEST_F(FileDriveTest, ASecondOpenerIsToldThatTheDriveIsInUse) {
  {
    auto first = open(scratch_.path(), kCapacity, true);
    ASSERT_TRUE(first) << why_;
    EXPECT_EQ(open(scratch_.path(), kCapacity, true).error().value(), EWOULDBLOCK);
    EXPECT_NE(why_.find("in use by another process"), std::string::npos) << why_;
  }
  EXPECT_TRUE(open(scratch_.path(), kCapacity, true)) << why_;
}

TEST_F(FileDriveTest, AFileSystemWithoutDirectAccessIsRefused) {
  EXPECT_EQ(open("/proc/self/comm", kCapacity, false).error().value(), EINVAL);
  EXPECT_NE(why_.find("O_DIRECT"), std::string::npos) << why_;
}

TEST_F(FileDriveTest, OtherKindsOfFilesAreRefused) {
  EXPECT_FALSE(open("/dev/null", kCapacity, false));
  EXPECT_NE(why_.find("block device"), std::string::npos) << why_;
}

TEST_F(FileDriveTest, BytesSurviveReopening) {
  std::memset(block_.data(), 0x42, 4096);
  {
    auto drive = open(scratch_.path(), kCapacity, true);
    ASSERT_TRUE(drive) << why_;
    ASSERT_EQ(write(**drive, 40960), Error{});
  }
  auto drive = open(scratch_.path(), kCapacity, false);
  ASSERT_TRUE(drive) << why_;
  EXPECT_EQ((*drive)->prepared_bytes(), 45056u);
  std::memset(block_.data(), 0, 4096);
  ASSERT_EQ(read(**drive, 40960), Error{});
  EXPECT_EQ(block_.data()[4095], std::byte{0x42});
}

TEST_F(FileDriveTest, ARemovedDriveIsLostForGood) {
  auto drive = open(scratch_.path(), kCapacity, true);
  ASSERT_TRUE(drive) << why_;
  ASSERT_EQ(write(**drive, 0), Error{});
  EXPECT_TRUE((*drive)->present());
  std::filesystem::rename(scratch_.file("granary.data"), scratch_.file("aside"));
  EXPECT_FALSE((*drive)->present());
  std::filesystem::rename(scratch_.file("aside"), scratch_.file("granary.data"));
  EXPECT_FALSE((*drive)->present());
  EXPECT_EQ(write(**drive, 0), Errc::drive_lost);
}

TEST_F(FileDriveTest, AReplacedFileIsAnotherDrive) {
  auto drive = open(scratch_.path(), kCapacity, true);
  ASSERT_TRUE(drive) << why_;
  std::filesystem::remove(scratch_.file("granary.data"));
  std::ofstream(scratch_.file("granary.data")) << std::string(8192, 'x');
  EXPECT_FALSE((*drive)->present());
}

TEST_F(FileDriveTest, ATruncatedFileIsLost) {
  auto drive = open(scratch_.path(), kCapacity, true);
  ASSERT_TRUE(drive) << why_;
  ASSERT_EQ(write(**drive, 4096), Error{});
  std::filesystem::resize_file(scratch_.file("granary.data"), 4096);
  EXPECT_FALSE((*drive)->present());
  EXPECT_EQ(read(**drive, 0), Errc::drive_lost);
}

TEST_F(FileDriveTest, ErrnoOfTheDriveTravelsUnchanged) {
  // Writing past the limit of file sizes is an error that a test can raise on any machine.
  for (Engine engine : {Engine::thread_pool, choose_engine().engine}) {
    auto drive = open(scratch_.path(), std::uint64_t{1} << 62, true, engine);
    ASSERT_TRUE(drive) << why_;
    EXPECT_EQ(write(**drive, (std::uint64_t{1} << 62) - 4096).value(), EFBIG);
  }
}

TEST_F(FileDriveTest, ANewPoolAtAnOldAddressIsRegisteredAnew) {
  if (choose_engine().engine != Engine::io_uring) GTEST_SKIP() << choose_engine().reason;
  // The ring of context_ outlives both pools; pages of the first must not serve for the second.
  for (unsigned round = 1; round <= 4; ++round) {
    BufferPool pool(16 << 20);
    FileDriveOptions options;
    options.path = scratch_.path();
    options.capacity_bytes = kCapacity;
    options.create = true;
    options.registered = {pool.arena()};
    auto drive = open_file_drive(options, why_);
    ASSERT_TRUE(drive) << why_;
    Buffer out = pool.try_take(1 << 20);
    Buffer in = pool.try_take(1 << 20);
    std::memset(out.data(), static_cast<int>(round), out.size());
    ASSERT_TRUE(tests::run_task(context_, io::write(**drive, 0, out.span())));
    std::memset(in.data(), 0, in.size());
    ASSERT_TRUE(tests::run_task(context_, io::read(**drive, 0, in.span())));
    EXPECT_EQ(std::memcmp(in.data(), out.data(), in.size()), 0) << round;
  }
}

TEST(ChooseEngine, TheEnvironmentCanAskForThreads) {
  ASSERT_EQ(::setenv("GRANARY_IO_ENGINE", "threads", 1), 0);
  const EngineChoice choice = choose_engine();
  ::unsetenv("GRANARY_IO_ENGINE");
  EXPECT_EQ(choice.engine, Engine::thread_pool);
  EXPECT_NE(choice.reason.find("GRANARY_IO_ENGINE"), std::string::npos);
}

// Makes `system_call` fail with EPERM for the rest of this process, as container runtimes do.
void forbid(unsigned system_call) {
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, system_call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    std::perror("seccomp");
    ::_exit(2);
  }
}

// In a child: with `system_call` forbidden the choice falls on threads, and drives work with either engine
// asked for.
[[noreturn]] void live_without(unsigned system_call, const std::string& path) {
  forbid(system_call);
  const EngineChoice choice = choose_engine();
  if (choice.engine != Engine::thread_pool || choice.reason.find("not permitted") == std::string::npos) {
    std::fprintf(stderr, "chosen otherwise: %s\n", choice.reason.c_str());
    ::_exit(3);
  }
  for (Engine engine : {Engine::thread_pool, Engine::io_uring}) {
    if (engine == Engine::io_uring && system_call != SYS_io_uring_setup) continue;
    FileDriveOptions options;
    options.path = path;
    options.capacity_bytes = kCapacity;
    options.create = true;
    options.engine = engine;
    std::string why;
    auto drive = open_file_drive(options, why);
    if (!drive) ::_exit(4);
    boost::asio::io_context context(1);
    BufferPool pool(1);
    Buffer out = pool.try_take(4096), in = pool.try_take(4096);
    std::memset(out.data(), 9, 4096);
    if (!tests::run_task(context, write(**drive, 4096, out.span()))) ::_exit(5);
    if (!tests::run_task(context, read(**drive, 4096, in.span()))) ::_exit(6);
    if (std::memcmp(in.data(), out.data(), 4096) != 0) ::_exit(7);
  }
  std::fprintf(stderr, "lived with %s\n", choice.reason.c_str());
  ::_exit(0);
}

// In a child: where the ring may be locked in memory but not the pool, operations go through it unregistered.
[[noreturn]] void live_without_locked_memory(const std::string& path) {
  BufferPool pool(16 << 20);
  FileDriveOptions options;
  options.path = path;
  options.capacity_bytes = kCapacity;
  options.create = true;
  options.registered = {pool.arena()};
  std::string why;
  auto drive = open_file_drive(options, why);
  if (!drive) ::_exit(4);
  const rlimit little{4 << 20, 4 << 20};
  if (::setrlimit(RLIMIT_MEMLOCK, &little) != 0) ::_exit(2);
  // The limit does not bind root.
  if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
  boost::asio::io_context context(1);
  Buffer out = pool.try_take(4096), in = pool.try_take(4096);
  std::memset(out.data(), 9, 4096);
  for (int round = 0; round < 2; ++round) {
    if (!tests::run_task(context, write(**drive, 4096, out.span()))) ::_exit(5);
    if (!tests::run_task(context, read(**drive, 4096, in.span()))) ::_exit(6);
    if (std::memcmp(in.data(), out.data(), 4096) != 0) ::_exit(7);
  }
  ::_exit(0);
}

TEST(LockedMemory, BuffersGoUnregisteredWhereTheLimitForbids) {
  if (choose_engine().engine != Engine::io_uring) GTEST_SKIP() << choose_engine().reason;
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  tests::ScratchDirectory scratch;
  EXPECT_EXIT(live_without_locked_memory(scratch.path()), ::testing::ExitedWithCode(0),
              "io_buffers_not_registered");
}

class WithoutIoUring : public ::testing::TestWithParam<unsigned> {};

TEST_P(WithoutIoUring, ThreadsTakeOverAndTheReasonIsTold) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  tests::ScratchDirectory scratch;
  EXPECT_EXIT(live_without(GetParam(), scratch.path()), ::testing::ExitedWithCode(0),
              "lived with .*not permitted");
}

INSTANTIATE_TEST_SUITE_P(Calls, WithoutIoUring,
                         ::testing::Values(unsigned{SYS_io_uring_setup}, unsigned{SYS_io_uring_enter}),
                         [](const auto& parameter) {
                           return parameter.param == SYS_io_uring_setup ? "setup" : "enter";
                         });

}  // namespace
}  // namespace storage::io
