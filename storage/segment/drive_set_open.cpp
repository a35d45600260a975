#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/segment/drive_set_state.h"
#include "storage/segment/geometry.h"

namespace storage::segment {

namespace {

// One drive of the configuration, as it was found.
struct Found {
  enum class Condition : std::uint8_t {
    absent,  // not there, or it answers nothing
    blank,   // never formatted, or formatting was cut off at its first write
    member,  // has a superblock
  };
  DriveSpec spec;
  Condition condition = Condition::absent;
  std::unique_ptr<io::Drive> drive;
  Superblock superblock;  // of a member
};

bool is_directory(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// An even share of 80 % of the free space among the directories of `specs` on the same file system; 0 if
// unknown. A directory that does not exist yet is judged by its nearest existing parent.
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

// Reads the block of a superblock copy; what lies behind the end of a new file counts as zeros.
Task<Result<>> read_copy(io::Drive& drive, std::uint64_t offset, std::span<std::byte> into) {
  std::fill(into.begin(), into.end(), std::byte{0});
  const std::uint64_t written =
      std::min(drive.prepared_bytes(), drive.capacity_bytes()) / io::kBlockBytes * io::kBlockBytes;
  if (written <= offset) co_return success();
  const std::size_t there = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), written - offset));
  co_return co_await io::read(drive, offset, into.first(there));
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

bool has_magic(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  return reader.u64() == kSuperblockMagic;
}

// Reads both copies and tells what the drive is.
Task<Result<>> identify(Found& found, std::string& why) {
  const std::string& path = found.spec.path;
  std::vector<std::byte> memory(kSuperblockOffsets.size() * kSuperblockBytesMax + io::kBlockBytes);
  void* aligned = memory.data();
  std::size_t space = memory.size();
  CHECK(std::align(io::kBlockBytes, 2 * kSuperblockBytesMax, aligned, space) != nullptr);
  std::array<std::span<std::byte>, 2> copies;
  std::size_t unreadable = 0;
  bool sound = false;
  for (std::size_t copy = 0; copy < copies.size(); ++copy) {
    copies[copy] = {static_cast<std::byte*>(aligned) + copy * kSuperblockBytesMax, kSuperblockBytesMax};
    Result<> read = co_await read_copy(*found.drive, kSuperblockOffsets[copy], copies[copy]);
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
    if (block && (!sound || block->generation > found.superblock.generation))
      found.superblock = std::move(*block);
    sound = sound || found.superblock.generation > 0;
  }
  if (sound) {
    found.condition = Found::Condition::member;
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

Task<Result<>> find_drives(const DriveSet::Options& options, std::vector<Found>& drives, std::string& why) {
  std::set<std::string> paths;
  for (const DriveSpec& spec : options.drives) {
    if (!paths.insert(spec.path).second) {
      why = fmt::format("{}: given twice; name each drive once", spec.path);
      co_return Errc::invalid_argument;
    }
    Found found;
    found.spec = spec;
    Result<std::unique_ptr<io::Drive>> opened = open_drive(options, spec, false, why);
    if (!opened && !means_absent(opened.error())) co_return opened.error();
    if (opened) {
      found.drive = std::move(*opened);
      Result<> identified = co_await identify(found, why);
      if (!identified) co_return identified;
    }
    drives.push_back(std::move(found));
  }
  why.clear();
  co_return success();
}

// The members' agreement with the newest superblock; `why` says what to do about a stranger.
Result<> check_member(const Found& found, const Superblock& newest, const std::set<Uuid>& seen,
                      std::string& why) {
  const std::string& path = found.spec.path;
  const Superblock& block = found.superblock;
  if (block.store != newest.store) {
    why = fmt::format("{}: belongs to store {}, the other drives to {}; remove it from the configuration",
                      path, uuid_text(block.store), uuid_text(newest.store));
    return Errc::conflict;
  }
  const auto entry =
      std::find_if(newest.members.begin(), newest.members.end(),
                   [&](const Superblock::Member& member) { return member.uuid == block.drive; });
  if (entry == newest.members.end() || entry - newest.members.begin() != block.number) {
    why = fmt::format("{}: drive {} is not in the store's member table; remove it from the configuration",
                      path, uuid_text(block.drive));
    return Errc::conflict;
  }
  if (entry->state == Superblock::Member::State::retired) {
    why = fmt::format("{}: drive {} was retired from the store; wipe its first MiB before using it again",
                      path, uuid_text(block.drive));
    return Errc::conflict;
  }
  if (seen.contains(block.drive)) {
    why = fmt::format("{}: a copy of drive {} that is configured as well; remove one of the two", path,
                      uuid_text(block.drive));
    return Errc::conflict;
  }
  if (block.zone_bytes != newest.zone_bytes || block.parity != newest.parity) {
    why = fmt::format("{}: its superblock contradicts the other drives'; remove it from the configuration",
                      path);
    return Errc::conflict;
  }
  if (found.drive->capacity_bytes() < block.capacity_bytes) {
    why = fmt::format(
        "{}: smaller than when it was formatted ({} bytes, now {}); restore its size or remove it", path,
        block.capacity_bytes, found.drive->capacity_bytes());
    return Errc::invalid_argument;
  }
  return success();
}

// Superblocks of members that a cut kept from becoming active, or that need the newest table.
Task<Result<>> activate(DriveSet::State& state, const std::vector<std::uint32_t>& numbers, std::string& why) {
  std::vector<std::vector<std::byte>> images(state.members.size());
  for (const std::uint32_t number : numbers) images[number] = encode_superblock(state.superblock_of(number));
  const std::vector<Error> errors = co_await state.write_superblocks(std::move(images));
  for (const std::uint32_t number : numbers) {
    if (!errors[number]) continue;
    why = fmt::format("{}: its superblock cannot be written ({}); replace the drive",
                      state.members[number].path, errors[number].message());
    co_return errors[number];
  }
  co_return success();
}

Task<Result<>> join(std::vector<Found> drives, DriveSet::State& state, std::string& why) {
  const Superblock* newest = nullptr;
  MirrorSet mirrors;
  for (const Found& found : drives) {
    if (found.condition != Found::Condition::member) continue;
    const Superblock& block = found.superblock;
    if (block.mirrors.epoch >= mirrors.epoch) mirrors = block.mirrors;
    if (block.state != Superblock::State::active) continue;
    if (newest == nullptr || block.generation > newest->generation) newest = &block;
  }
  CHECK(newest != nullptr);
  state.superblock = *newest;
  state.superblock.mirrors = std::move(mirrors);
  for (const Superblock::Member& entry : state.superblock.members) {
    auto member = std::make_unique<DriveSet::State::Member>();
    member->path = entry.path;
    member->zones = usable_zones(entry.capacity_bytes, state.superblock.zone_bytes);
    member->uuid = entry.uuid;
    member->retiring.store(entry.state == Superblock::Member::State::retiring);
    if (entry.state == Superblock::Member::State::retired) member->status.store(DriveStatus::retired);
    state.members.push_back(std::move(member));
  }
  std::set<Uuid> seen;
  std::vector<std::uint32_t> forming;
  for (Found& found : drives) {
    if (found.condition == Found::Condition::blank) {
      log_warn("drive_left_alone",
               {{"path", found.spec.path}, {"reason", "blank beside members of a store"}});
      continue;
    }
    if (found.condition != Found::Condition::member) continue;
    Result<> fits = check_member(found, state.superblock, seen, why);
    if (!fits) co_return fits;
    seen.insert(found.superblock.drive);
    const std::uint32_t number = found.superblock.number;
    DriveSet::State::Member& member = state.members[number];
    member.path = found.spec.path;
    state.superblock.members[number].path = found.spec.path;
    member.zones = found.superblock.zones;
    member.take_drive(std::move(found.drive));
    member.status.store(DriveStatus::alive);
    if (found.superblock.state == Superblock::State::forming) forming.push_back(number);
  }
  for (std::uint32_t number = 0; number < state.members.size(); ++number) {
    if (state.members[number].status.load() != DriveStatus::missing) continue;
    log_warn("drive_missing", {{"drive", number},
                               {"uuid", uuid_text(state.superblock.members[number].uuid)},
                               {"last_path", state.members[number].path}});
  }
  co_return co_await activate(state, forming, why);
}

// Opens what is absent, decides every drive's capacity and the store's shape.
Result<> plan_store(const DriveSet::Options& options, std::vector<Found>& drives, Superblock& block,
                    std::string& why) {
  std::uint64_t smallest = UINT64_MAX;
  block.store = random_id(options);
  for (Found& found : drives) {
    const std::string& path = found.spec.path;
    if (!found.drive) {
      Result<std::unique_ptr<io::Drive>> opened = open_drive(options, found.spec, true, why);
      if (!opened) return opened.error();
      found.drive = std::move(*opened);
    }
    std::uint64_t capacity = found.spec.capacity_bytes;
    if (capacity == 0 && is_directory(path)) capacity = default_capacity(found.spec, options.drives);
    if (capacity == 0) capacity = found.drive->capacity_bytes();
    capacity = capacity / io::kBlockBytes * io::kBlockBytes;
    if (capacity > found.drive->capacity_bytes()) {
      why = fmt::format("{}: holds only {} bytes, {} are configured", path, found.drive->capacity_bytes(),
                        capacity);
      return Errc::invalid_argument;
    }
    if (capacity < kDriveBytesMin) {
      why = fmt::format("{}: too small with {} bytes; a drive needs at least {}", path, capacity,
                        kDriveBytesMin);
      return Errc::invalid_argument;
    }
    smallest = std::min(smallest, capacity);
    Superblock::Member member;
    member.uuid = random_id(options);
    member.capacity_bytes = capacity;
    member.path = path;
    block.members.push_back(std::move(member));
  }
  block.zone_bytes = zone_bytes_for(smallest);
  block.parity = static_cast<std::uint8_t>(parity_for(static_cast<unsigned>(drives.size())));
  return success();
}

// Two rounds: only when every drive carries a superblock does any of them become active, so that a cut in
// between leaves nothing that looks like a store with members missing.
Task<Result<>> create(DriveSet::Options options, std::vector<Found> drives, DriveSet::State& state,
                      std::string& why) {
  Result<> planned = plan_store(options, drives, state.superblock, why);
  if (!planned) co_return planned;
  std::vector<std::uint32_t> all;
  for (std::uint32_t number = 0; number < drives.size(); ++number) {
    auto member = std::make_unique<DriveSet::State::Member>();
    member->path = drives[number].spec.path;
    member->zones =
        usable_zones(state.superblock.members[number].capacity_bytes, state.superblock.zone_bytes);
    member->uuid = state.superblock.members[number].uuid;
    member->take_drive(std::move(drives[number].drive));
    member->status.store(DriveStatus::alive);
    state.members.push_back(std::move(member));
    all.push_back(number);
  }
  for (const Superblock::State phase : {Superblock::State::forming, Superblock::State::active}) {
    ++state.superblock.generation;
    state.superblock.state = phase;
    Result<> written = co_await activate(state, all, why);
    if (!written) co_return written;
  }
  state.created = true;
  const erasure::Scheme scheme = scheme_of(state.superblock.parity, static_cast<unsigned>(all.size()));
  if (scheme.parity == 0) log_warn("store_without_redundancy", {{"drives", all.size()}});
  log_info("store_created", {{"store", uuid_text(state.superblock.store)},
                             {"drives", all.size()},
                             {"zone_bytes", state.superblock.zone_bytes},
                             {"data_shards", scheme.data},
                             {"parity_shards", scheme.parity}});
  co_return success();
}

}  // namespace

Task<Result<>> open_members(DriveSet::Options options, DriveSet::State& state, std::string& why) {
  if (options.drives.empty() || options.drives.size() > kMembersMax) {
    why = fmt::format("{} drives are configured; a store has 1 to {}", options.drives.size(), kMembersMax);
    co_return Errc::invalid_argument;
  }
  std::vector<Found> drives;
  Result<> looked = co_await find_drives(options, drives, why);
  if (!looked) co_return looked;
  const bool exists = std::any_of(drives.begin(), drives.end(), [](const Found& found) {
    return found.condition == Found::Condition::member && found.superblock.state == Superblock::State::active;
  });
  Result<> opened = success();
  if (exists) {
    opened = co_await join(std::move(drives), state, why);
  } else {
    opened = co_await create(options, std::move(drives), state, why);
  }
  if (!opened) co_return opened;
  state.options = std::move(options);
  state.store_text = uuid_text(state.superblock.store);
  state.parity.store(state.superblock.parity);
  co_return success();
}

}  // namespace storage::segment
