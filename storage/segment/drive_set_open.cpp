#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/segment/drive_identity.h"
#include "storage/segment/drive_set_state.h"
#include "storage/segment/geometry.h"

namespace storage::segment {

namespace {

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
    why = fmt::format("{}: drive {} was retired from the store; take it out of the configuration, or wipe its first MiB to use it again",
                      path, uuid_text(block.drive));
    return Errc::conflict;
  }
  if (seen.contains(block.drive)) {
    why = fmt::format("{}: a copy of drive {} that is configured as well; remove one of the two", path,
                      uuid_text(block.drive));
    return Errc::conflict;
  }
  // m changes with the table: only superblocks of one generation must agree on it.
  const bool other_parity = block.generation == newest.generation && block.parity != newest.parity;
  if (block.zone_bytes != newest.zone_bytes || other_parity) {
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

// A change of the table that a cut kept from some members: all get it before anything is built on it. One that cannot be
// written to is lost.
Task<> spread(DriveSet::State& state) {
  ++state.superblock.generation;
  std::vector<std::vector<std::byte>> images(state.members.size());
  for (std::uint32_t number = 0; number < images.size(); ++number) {
    if (state.members[number].status.load() != DriveStatus::alive) continue;
    images[number] = encode_superblock(state.superblock_of(number));
  }
  const std::vector<Error> errors = co_await state.write_superblocks(std::move(images));
  for (std::uint32_t number = 0; number < errors.size(); ++number) {
    if (errors[number]) state.degrade(number, DriveStatus::lost, errors[number].message());
  }
}

// A drive that was about to join when the power went: it is in no table, and holds nothing.
bool never_joined(const Superblock& block, const Superblock& newest) {
  return block.state == Superblock::State::forming && block.store == newest.store &&
         std::none_of(newest.members.begin(), newest.members.end(),
                      [&](const Superblock::Member& member) { return member.uuid == block.drive; });
}

// Adds the members of the table that no drive of the configuration is, if they are where they last were.
Task<> search_last_paths(DriveSet::State& state, std::vector<Found>& drives) {
  for (const Superblock::Member& entry : state.superblock.members) {
    const bool known = std::any_of(drives.begin(), drives.end(), [&](const Found& found) {
      return found.spec.path == entry.path ||
             (found.condition == Found::Condition::member && found.superblock.drive == entry.uuid);
    });
    if (known || entry.state == Superblock::Member::State::retired || entry.path.empty()) continue;
    Found found;
    found.spec.path = entry.path;
    std::string why;
    Result<std::unique_ptr<io::Drive>> opened = open_drive(state.options, found.spec, false, why);
    if (!opened) continue;
    found.drive = std::move(*opened);
    Result<> identified = co_await identify(found, why);
    const bool same = identified && found.condition == Found::Condition::member &&
                      found.superblock.store == state.superblock.store && found.superblock.drive == entry.uuid;
    if (!same) continue;
    log_info("drive_found", {{"path", entry.path}, {"reason", "a member that the configuration does not name"}});
    drives.push_back(std::move(found));
  }
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
  const std::uint64_t newest_generation = newest->generation;
  if (state.options.search_last_paths) co_await search_last_paths(state, drives);
  std::set<Uuid> seen;
  std::vector<std::uint32_t> forming;
  bool stale = false;
  for (Found& found : drives) {
    if (found.condition == Found::Condition::blank) {
      log_warn("drive_left_alone",
               {{"path", found.spec.path}, {"reason", "blank beside members of a store"}});
      continue;
    }
    if (found.condition != Found::Condition::member) continue;
    if (never_joined(found.superblock, state.superblock)) {
      log_warn("drive_left_alone", {{"path", found.spec.path}, {"reason", "its joining the store was cut off"}});
      continue;
    }
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
    if (found.superblock.generation < newest_generation || found.copy_damaged) stale = true;
  }
  for (std::uint32_t number = 0; number < state.members.size(); ++number) {
    if (state.members[number].status.load() != DriveStatus::missing) continue;
    log_warn("drive_missing", {{"drive", number},
                               {"uuid", uuid_text(state.superblock.members[number].uuid)},
                               {"last_path", state.members[number].path}});
  }
  Result<> activated = co_await activate(state, forming, why);
  if (activated && stale) co_await spread(state);
  co_return activated;
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
    Result<std::uint64_t> capacity = capacity_of(found, options.drives, why);
    if (!capacity) return capacity.error();
    smallest = std::min(smallest, *capacity);
    Superblock::Member member;
    member.uuid = random_id(options);
    member.capacity_bytes = *capacity;
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
  for (const std::uint32_t number : all) {
    Result<> marked = co_await mark_drive(*state.members[number].drive.load(), state.options.limit_ms);
    if (marked) continue;
    why = fmt::format("{}: cannot be written ({})", state.members[number].path, marked.error().message());
    co_return marked;
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
  if (!exists && !options.may_format) {
    why = fmt::format("no store is on {}{}; look at the paths, nothing was written", options.drives.front().path,
                      options.drives.size() > 1 ? " or the other drives" : "");
    co_return Errc::not_found;
  }
  Result<> opened = success();
  if (exists) {
    state.options = options;
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
