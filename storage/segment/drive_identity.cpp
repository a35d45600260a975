#include "storage/segment/drive_identity.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/segment/drive_set_state.h"
#include "storage/segment/geometry.h"
#include "storage/segment/little_endian.h"

namespace storage::segment {

bool is_directory(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::uint64_t default_capacity(const DriveSpec& spec, const std::vector<DriveSpec>& specs) {
  const auto device_of = [](std::string path, dev_t& device, std::string& existing) {
    struct stat status{};
    while (::stat(path.c_str(), &status) != 0) {
      const std::size_t slash = path.find_last_of('/');
      if (slash == std::string::npos || path.size() == 1) return false;
      path.resize(slash == 0 ? 1 : slash);
    }
    device = status.st_dev;
    existing = path;
    return S_ISDIR(status.st_mode);
  };
  dev_t own = 0;
  std::string existing;
  if (!device_of(spec.path, own, existing)) return 0;
  struct statvfs space{};
  if (::statvfs(existing.c_str(), &space) != 0) return 0;
  std::uint64_t sharers = 0;
  for (const DriveSpec& other : specs) {
    dev_t device = 0;
    std::string ignored;
    if (other.capacity_bytes == 0 && device_of(other.path, device, ignored) && device == own) ++sharers;
  }
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  return free_bytes / 5 * 4 / std::max<std::uint64_t>(sharers, 1) / io::kBlockBytes * io::kBlockBytes;
}

namespace {

Result<std::unique_ptr<io::Drive>> open_file(const DriveSet::Options& options, const DriveSpec& spec,
                                             bool create, std::string& why) {
  io::FileDriveOptions file;
  file.path = spec.path;
  // How much of a directory belongs to the store stands in its superblock, which is yet to be read.
  const bool directory = create || is_directory(spec.path);
  file.capacity_bytes = directory ? std::uint64_t{1} << 62 : 0;
  file.engine = options.engine;
  file.create = create;
  file.registered = options.registered;
  return io::open_file_drive(file, why);
}

}  // namespace

Result<std::unique_ptr<io::Drive>> open_drive(const DriveSet::Options& options, const DriveSpec& spec,
                                              bool create, std::string& why) {
  return options.opener ? options.opener(spec, create, why) : open_file(options, spec, create, why);
}

std::array<std::uint8_t, 16> random_id(const DriveSet::Options& options) {
  if (options.random_id) return options.random_id();
  std::array<std::uint8_t, 16> id{};
  std::size_t filled = 0;
  while (filled < id.size()) {
    const ssize_t got = ::getrandom(id.data() + filled, id.size() - filled, 0);
    if (got < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return id;
}

bool means_absent(Error error) {
  using boost::system::errc::errc_t;
  return error == errc_t::no_such_file_or_directory || error == errc_t::no_such_device ||
         error == errc_t::no_such_device_or_address || error == errc_t::io_error || error == Errc::io_error ||
         error == Errc::drive_lost;
}

namespace {

// How long a drive may take to say who it is; one that takes longer is absent.
constexpr std::uint32_t kIdentifyMs = 5000;

// What the reads of an unknown drive need, the drive itself included: it is closed when a stuck read has ended.
struct Reading {
  explicit Reading(std::unique_ptr<io::Drive> found) : drive(std::move(found)) {}
  std::unique_ptr<io::Drive> drive;
  OwnedBytes memory{kSuperblockOffsets.size() * kSuperblockBytesMax};
};

// Reads the block of a superblock copy; what lies behind the end of a new file counts as zeros. Whether it is late.
Task<Result<>> read_copy(std::shared_ptr<Reading> reading, std::uint64_t offset, std::span<std::byte> into, bool& late) {
  std::fill(into.begin(), into.end(), std::byte{0});
  io::Drive& drive = *reading->drive;
  const std::uint64_t written =
      std::min(drive.prepared_bytes(), drive.capacity_bytes()) / io::kBlockBytes * io::kBlockBytes;
  if (written <= offset) co_return success();
  const std::size_t there = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), written - offset));
  io::PatientOperation read;
  read.drive = &drive;
  read.operation = {io::Operation::Kind::read, offset, into.first(there)};
  io::Patience patience;
  patience.in_all_ms = kIdentifyMs;
  co_await io::run_patiently(std::span<io::PatientOperation>(&read, 1), patience, std::move(reading));
  late = read.late;
  if (read.error) co_return read.error;
  co_return success();
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

bool has_magic(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  return reader.u64() == kSuperblockMagic;
}

}  // namespace

// Reads both copies and tells what the drive is.
Task<Result<>> identify(Found& found, std::string& why) {
  const std::string& path = found.spec.path;
  const auto reading = std::make_shared<Reading>(std::move(found.drive));
  std::array<std::span<std::byte>, 2> copies;
  std::size_t unreadable = 0;
  bool sound = false;
  std::size_t sound_copies = 0;
  for (std::size_t copy = 0; copy < copies.size(); ++copy) {
    copies[copy] = reading->memory.span().subspan(copy * kSuperblockBytesMax, kSuperblockBytesMax);
    bool late = false;
    Result<> read = co_await read_copy(reading, kSuperblockOffsets[copy], copies[copy], late);
    if (late) {
      log_error("drive_does_not_answer", {{"path", path}});
      reading->drive->give_up();
      co_return success();  // absent
    }
    if (!read) {
      ++unreadable;
      copies[copy] = copies[copy].first(0);
      continue;
    }
    Result<Superblock> block = decode_superblock(copies[copy]);
    if (!block && block.error() == Errc::unsupported) {
      why = fmt::format("{}: formatted by a newer version of this program; run that version", path);
      co_return Errc::unsupported;
    }
    if (!block) continue;
    ++sound_copies;
    if (!sound || block->generation > found.superblock.generation) found.superblock = std::move(*block);
    sound = sound || found.superblock.generation > 0;
  }
  found.drive = std::move(reading->drive);
  if (sound) {
    found.condition = Found::Condition::member;
    found.copy_damaged = sound_copies < copies.size();
    co_return success();
  }
  if (unreadable > 0) {
    log_error("drive_unreadable", {{"path", path}});
    found.drive.reset();
    co_return success();  // absent: it stays so until somebody replaces it
  }
  // A copy B without a byte was never written: copy A is what a cut left of the very first format.
  if (all_zero(copies[1]) && (all_zero(copies[0]) || has_magic(copies[0]))) {
    found.condition = Found::Condition::blank;
    co_return success();
  }
  why = fmt::format(
      "{}: holds other data, or both copies of its superblock are damaged; "
      "wipe its first MiB to let it be formatted, or remove it from the configuration",
      path);
  co_return Errc::corrupt_data;
}

Task<Result<>> mark_drive(io::Drive& drive, std::uint32_t limit_ms) {
  const auto block = std::make_shared<OwnedBytes>(io::kBlockBytes);
  ByteWriter out(block->span());
  out.u64(kSuperblockMagic);
  co_return co_await transfer_within(drive, io::Operation::Kind::write, kSuperblockOffsets[0], block, nullptr, limit_ms);
}

Result<std::uint64_t> capacity_of(const Found& found, const std::vector<DriveSpec>& specs, std::string& why) {
  const std::string& path = found.spec.path;
  std::uint64_t capacity = found.spec.capacity_bytes;
  if (capacity == 0 && is_directory(path)) capacity = default_capacity(found.spec, specs);
  if (capacity == 0) capacity = found.drive->capacity_bytes();
  capacity = capacity / io::kBlockBytes * io::kBlockBytes;
  if (capacity > found.drive->capacity_bytes()) {
    why = fmt::format("{}: holds only {} bytes, {} are configured", path, found.drive->capacity_bytes(),
                      capacity);
    return Errc::invalid_argument;
  }
  if (capacity < kDriveBytesMin) {
    why =
        fmt::format("{}: too small with {} bytes; a drive needs at least {}", path, capacity, kDriveBytesMin);
    return Errc::invalid_argument;
  }
  return capacity;
}

}  // namespace storage::segment
