#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "storage/base/check.h"
#include "storage/io/drive.h"
#include "storage/io/open_file.h"
#include "storage/io/ring.h"
#include "storage/io/thread_pool.h"

namespace storage::io {
namespace asio = boost::asio;

namespace {

constexpr const char* kDataFileName = "granary.data";
constexpr std::chrono::milliseconds kLockLimit{3000};
constexpr std::chrono::milliseconds kLockPause{20};

Error system_error(int number) { return Error(number, boost::system::system_category()); }

class FileDrive final : public Drive {
 public:
  FileDrive(std::unique_ptr<OpenFile> file, Engine engine, std::string name, std::string file_path,
            std::uint64_t capacity_bytes, const struct stat& status)
      : file_(std::move(file)),
        engine_(engine),
        name_(std::move(name)),
        file_path_(std::move(file_path)),
        capacity_bytes_(capacity_bytes),
        block_device_(S_ISBLK(status.st_mode)),
        device_(status.st_dev),
        inode_(status.st_ino),
        special_device_(status.st_rdev) {}

  void start(Executor executor, Operation operation, Completion completion) override {
    CHECK(operation.offset % kBlockBytes == 0);
    CHECK(!operation.memory.empty());
    CHECK(operation.memory.size() % kBlockBytes == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(operation.memory.data()) % kBlockBytes == 0);
    Error refusal;
    if (file_->lost.load(std::memory_order_relaxed)) {
      refusal = Errc::drive_lost;
    } else if (operation.memory.size() > capacity_bytes_ ||
               operation.offset > capacity_bytes_ - operation.memory.size() ||
               operation.memory.size() > kTransferBytesMax) {
      refusal = Errc::invalid_argument;
    }
    if (refusal) {
      asio::post(executor, [completion = std::move(completion), refusal] { completion(refusal); });
    } else if (engine_ == Engine::io_uring) {
      auto& ring = asio::use_service<Ring>(asio::query(executor, asio::execution::context));
      ring.start(*file_, operation, std::move(completion));
    } else {
      thread_pool::submit(*file_, executor, operation, std::move(completion));
    }
  }

  std::uint64_t capacity_bytes() const override { return capacity_bytes_; }

  std::uint64_t prepared_bytes() const override {
    return block_device_ ? capacity_bytes_
                         : std::min(capacity_bytes_, file_->prepared_bytes.load(std::memory_order_acquire));
  }

  bool present() const override {
    if (file_->lost.load(std::memory_order_relaxed)) return false;
    const std::uint64_t prepared = file_->prepared_bytes.load(std::memory_order_acquire);
    struct stat status{};
    bool here;
    if (::stat(file_path_.c_str(), &status) != 0) {
      here = errno == EINTR || errno == ENOMEM;  // these say nothing about the drive
    } else if (block_device_) {
      here = S_ISBLK(status.st_mode) && status.st_rdev == special_device_;
    } else {
      here = status.st_dev == device_ && status.st_ino == inode_ && status.st_nlink > 0 &&
             static_cast<std::uint64_t>(status.st_size) >= prepared;
    }
    // A file that comes back later is another one, or has lost bytes: it must be opened anew.
    if (!here) file_->lost.store(true, std::memory_order_relaxed);
    return here;
  }

  void give_up() override {
    file_->lost.store(true, std::memory_order_relaxed);
    ::flock(file_->descriptor, LOCK_UN);
  }

  const std::string& name() const override { return name_; }

 private:
  // The kernel moves at most 2 GiB - 4096 bytes at once and would return short.
  static constexpr std::size_t kTransferBytesMax = std::size_t{1} << 30;

  std::unique_ptr<OpenFile> file_;
  Engine engine_;
  std::string name_;
  std::string file_path_;
  std::uint64_t capacity_bytes_;
  bool block_device_;
  dev_t device_;
  ino_t inode_;
  dev_t special_device_;
};

// Makes the entry of a new file or directory in `directory` durable.
int sync_directory(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  return error;
}

// Makes `path` and its missing parents, each durably. Returns an errno.
int make_directories(const std::filesystem::path& path) {
  std::error_code code;
  if (path.empty() || std::filesystem::exists(path, code)) return code.value();
  const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  if (parent != path) {
    if (const int error = make_directories(parent); error != 0) return error;
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno;
  return sync_directory(parent.string());
}

struct Opening {
  int descriptor = -1;
  int error = 0;
  bool created = false;
};

Opening open_direct(const std::string& path, bool create, bool exclusive_device) {
  const int flags = O_RDWR | O_DIRECT | O_CLOEXEC | (exclusive_device ? O_EXCL : 0);
  Opening result;
  result.descriptor = ::open(path.c_str(), flags);
  if (result.descriptor < 0 && errno == ENOENT && create) {
    result.descriptor = ::open(path.c_str(), flags | O_CREAT | O_EXCL, 0600);
    // The file is made before the flag is judged: leave nothing behind.
    if (result.descriptor < 0 && errno == EINVAL) {
      ::unlink(path.c_str());
      errno = EINVAL;
    }
    result.created = result.descriptor >= 0;
  }
  if (result.descriptor < 0) result.error = errno;
  return result;
}

// Whether the file system says that direct I/O in blocks of kBlockBytes will not work.
bool refuses_direct(int descriptor) {
#ifdef STATX_DIOALIGN
  struct statx status{};
  if (::statx(descriptor, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0) return false;
  if ((status.stx_mask & STATX_DIOALIGN) == 0) return false;  // it does not say
  return status.stx_dio_offset_align == 0 || kBlockBytes % status.stx_dio_offset_align != 0 ||
         status.stx_dio_mem_align == 0 || kBlockBytes % status.stx_dio_mem_align != 0;
#else
  static_cast<void>(descriptor);
  return false;
#endif
}

std::string explain(int error, const std::string& path) {
  switch (error) {
    case EINVAL:
      return fmt::format("{}: the file system refuses O_DIRECT; use ext4, XFS or a raw block device", path);
    case EWOULDBLOCK:
      return fmt::format("{}: in use by another process; stop it, or give this one another drive", path);
    case EBUSY:
      return fmt::format("{}: the block device is mounted or in use; unmount it first", path);
    case ENOENT:
      return fmt::format("{}: not found; mount the drive, or create a new one", path);
    case ENOTSUP:
      return fmt::format("{}: neither a directory, a file nor a block device", path);
    default:
      return fmt::format("{}: {}", path, std::strerror(error));
  }
}

// Finds which file holds the bytes of `options.path`, making directories if asked. Returns an errno.
int locate(const FileDriveOptions& options, std::string& file_path, bool& directory, bool& device) {
  struct stat status{};
  if (::stat(options.path.c_str(), &status) != 0) {
    if (errno != ENOENT || !options.create) return errno;
    if (const int error = make_directories(options.path); error != 0) return error;
    if (::stat(options.path.c_str(), &status) != 0) return errno;
  }
  directory = S_ISDIR(status.st_mode);
  device = S_ISBLK(status.st_mode);
  if (!directory && !device && !S_ISREG(status.st_mode)) return ENOTSUP;
  file_path = directory ? options.path + "/" + kDataFileName : options.path;
  return 0;
}

// The size of the file or device in whole blocks. Returns an errno.
int measure(int descriptor, const struct stat& status, std::uint64_t& size_bytes) {
  size_bytes = static_cast<std::uint64_t>(status.st_size);
  if (S_ISBLK(status.st_mode) && ::ioctl(descriptor, BLKGETSIZE64, &size_bytes) != 0) return errno;
  size_bytes -= size_bytes % kBlockBytes;
  return 0;
}

// Takes the lock that one process at a time may hold. A killed process keeps it until the kernel has ended what its ring
// had in flight, some tenths of a second after the process is gone, so a restart has to wait a little. Returns an errno.
int lock_alone(int descriptor) {
  const auto limit = std::chrono::steady_clock::now() + kLockLimit;
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() >= limit) return errno;
    std::this_thread::sleep_for(kLockPause);
  }
  return 0;
}

}  // namespace

OpenFile::~OpenFile() {
  if (descriptor >= 0) ::close(descriptor);
}

Error OpenFile::finish(const Operation& operation, std::int64_t result) {
  if (result == -ENODEV || result == -ENXIO) {
    lost.store(true, std::memory_order_relaxed);
    return Errc::drive_lost;
  }
  if (result < 0) return system_error(static_cast<int>(-result));
  if (static_cast<std::size_t>(result) != operation.memory.size()) return Errc::io_error;
  if (operation.kind == Operation::Kind::write) {
    const std::uint64_t end = operation.offset + operation.memory.size();
    std::uint64_t seen = prepared_bytes.load(std::memory_order_relaxed);
    while (seen < end && !prepared_bytes.compare_exchange_weak(seen, end, std::memory_order_release)) {
    }
  }
  return {};
}

std::shared_ptr<const Arenas> intern_arenas(const Arenas& arenas) {
  if (arenas.empty()) return nullptr;
  static std::mutex mutex;
  static std::vector<std::weak_ptr<const Arenas>> known;
  const auto same = [](std::span<std::byte> a, std::span<std::byte> b) {
    return a.data() == b.data() && a.size() == b.size();
  };
  std::lock_guard lock(mutex);
  std::erase_if(known, [](const auto& entry) { return entry.expired(); });
  for (const auto& entry : known) {
    auto other = entry.lock();
    if (other && std::ranges::equal(*other, arenas, same)) return other;
  }
  auto interned = std::make_shared<const Arenas>(arenas);
  known.push_back(interned);
  return interned;
}

EngineChoice choose_engine() {
  const char* wish = std::getenv("GRANARY_IO_ENGINE");
  if (wish != nullptr && std::string_view(wish) == "threads") {
    return {Engine::thread_pool, "GRANARY_IO_ENGINE=threads asks for it"};
  }
  std::string features;
  const int error = probe_ring(features);
  if (error == 0) return {Engine::io_uring, features};
  return {Engine::thread_pool,
          fmt::format("the kernel or a container's filter refuses io_uring: {}", std::strerror(error))};
}

Result<std::unique_ptr<Drive>> open_file_drive(const FileDriveOptions& options, std::string& why) {
  const auto refuse = [&](int error) {
    why = explain(error, options.path);
    return system_error(error);
  };
  const auto invalid = [&](std::string sentence) {
    why = std::move(sentence);
    return Error(Errc::invalid_argument);
  };
  std::string file_path;
  bool directory = false;
  bool device = false;
  if (const int error = locate(options, file_path, directory, device); error != 0) return refuse(error);
  if (directory && options.capacity_bytes == 0) {
    return invalid(fmt::format("{}: a directory drive needs a capacity", options.path));
  }

  const Opening opening = open_direct(file_path, options.create && directory, device);
  if (opening.descriptor < 0) return refuse(opening.error);
  auto file = std::make_unique<OpenFile>();
  file->descriptor = opening.descriptor;
  if (const int error = lock_alone(file->descriptor); error != 0) return refuse(error);
  if (refuses_direct(file->descriptor)) {
    if (opening.created) ::unlink(file_path.c_str());
    return refuse(EINVAL);
  }

  struct stat status{};
  std::uint64_t size_bytes = 0;
  if (::fstat(file->descriptor, &status) != 0) return refuse(errno);
  if (const int error = measure(file->descriptor, status, size_bytes); error != 0) return refuse(error);
  const std::uint64_t capacity =
      (options.capacity_bytes == 0 ? size_bytes : options.capacity_bytes) / kBlockBytes * kBlockBytes;
  if (capacity == 0 || (device && capacity > size_bytes)) {
    return invalid(fmt::format("{}: too small, it holds {} bytes", options.path, size_bytes));
  }
  // Records will name bytes in this file: file and entry must survive a power cut first. An empty file may be
  // one whose maker was cut off before this.
  if (directory && size_bytes == 0) {
    if (::fsync(file->descriptor) != 0) return refuse(errno);
    if (const int error = sync_directory(options.path); error != 0) return refuse(error);
  }
  file->prepared_bytes.store(std::min(size_bytes, capacity), std::memory_order_relaxed);
  file->arenas = intern_arenas(options.registered);
  std::unique_ptr<Drive> drive = std::make_unique<FileDrive>(std::move(file), options.engine, options.path,
                                                             std::move(file_path), capacity, status);
  return drive;
}

}  // namespace storage::io
