// DriveSet: members that join, leave and come back while the store runs.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/segment/drive_identity.h"
#include "storage/segment/drive_set_state.h"
#include "storage/segment/geometry.h"

namespace storage::segment {
namespace {

using MemberState = Superblock::Member::State;

// Each return keeps a file open until the process ends, since its earlier operations may be unfinished.
constexpr std::size_t kReturnsMax = 256;
constexpr std::uint32_t kZonesMin = 8;  // on a drive that joins a store of larger ones

// Copy A durably, then copy B.
Task<Result<>> write_superblock(io::Drive& drive, const Superblock& block, std::shared_ptr<io::DriveLoad> load,
                                std::uint32_t limit_ms) {
  const std::vector<std::byte> image = encode_superblock(block);
  const auto memory = std::make_shared<OwnedBytes>(image.size());
  std::memcpy(memory->span().data(), image.data(), image.size());
  for (const std::uint64_t offset : kSuperblockOffsets) {
    Result<> written =
        co_await transfer_within(drive, io::Operation::Kind::write, offset, memory, load, limit_ms);
    if (!written) co_return written;
  }
  co_return success();
}

void park(DriveSet::State& state, std::unique_ptr<io::Drive> drive) {
  drive->give_up();
  state.parked.push_back(std::move(drive));
}

// `block` as member `number` with `zones` carries it.
Superblock carried_by(Superblock block, std::uint32_t number, std::uint32_t zones) {
  block.number = number;
  block.drive = block.members[number].uuid;
  block.capacity_bytes = block.members[number].capacity_bytes;
  block.zones = zones;
  return block;
}

// Whether a drive may become a member: blank, or left by an attempt to join that was cut off.
Result<> may_join(const Found& found, const Superblock& table, std::string& why) {
  const std::string& path = found.spec.path;
  if (found.condition == Found::Condition::absent) {
    why = fmt::format("{}: cannot be read; look at the drive", path);
    return Errc::io_error;
  }
  if (found.condition == Found::Condition::blank) return success();
  const Superblock& block = found.superblock;
  if (block.store != table.store) {
    why = fmt::format("{}: belongs to store {}; wipe its first MiB if nothing on it is needed", path,
                      uuid_text(block.store));
    return Errc::conflict;
  }
  const auto entry =
      std::find_if(table.members.begin(), table.members.end(),
                   [&](const Superblock::Member& member) { return member.uuid == block.drive; });
  if (entry == table.members.end() && block.state == Superblock::State::forming) return success();
  if (entry != table.members.end() && entry->state != MemberState::retired) {
    why = fmt::format("{}: is drive {} of this store already", path, entry - table.members.begin());
  } else {
    why = fmt::format("{}: was a drive of this store once; wipe its first MiB before using it again", path);
  }
  return Errc::conflict;
}

}  // namespace

Task<Result<>> DriveSet::State::publish(Superblock next, std::optional<std::uint32_t> except) {
  {
    std::lock_guard lock(mutex);
    // Even if every write fails now, no later attempt may use this generation for other contents.
    next.generation = ++superblock.generation;
  }
  std::vector<std::vector<std::byte>> images(members.size());
  for (std::uint32_t number = 0; number < images.size(); ++number) {
    if (number == except || members[number].status.load() != DriveStatus::alive) continue;
    images[number] = encode_superblock(carried_by(next, number, members[number].zones));
  }
  const std::vector<Error> errors = co_await write_superblocks(images);
  std::size_t taken = 0;
  Error failed = Errc::read_only;
  for (std::uint32_t number = 0; number < images.size(); ++number) {
    if (images[number].empty()) continue;
    if (!errors[number]) {
      ++taken;
      continue;
    }
    failed = errors[number];
    degrade(number, DriveStatus::lost, errors[number].message());
  }
  if (taken == 0) co_return failed;
  std::lock_guard lock(mutex);
  superblock = std::move(next);
  co_return success();
}

namespace {

// A drive that may join, open and looked at.
struct Joining {
  Found found;
  std::uint64_t capacity_bytes = 0;
  std::uint32_t zones = 0;
};

// Under `writing`.
Task<Result<Joining>> open_for_joining(DriveSet::State& state, DriveSpec spec, std::string& why) {
  Joining joining;
  Found& found = joining.found;
  found.spec = spec;
  Result<std::unique_ptr<io::Drive>> opened = open_drive(state.options, spec, true, why);
  if (!opened) {
    if (why.empty()) why = fmt::format("{}: cannot be opened ({})", spec.path, opened.error().message());
    co_return opened.error();
  }
  found.drive = std::move(*opened);
  Result<> identified = co_await identify(found, why);
  if (!identified) co_return identified.error();
  Result<> allowed = may_join(found, state.superblock, why);
  if (!allowed) co_return allowed.error();
  Result<std::uint64_t> capacity = capacity_of(found, std::vector<DriveSpec>(1, spec), why);
  if (!capacity) co_return capacity.error();
  joining.capacity_bytes = *capacity;
  joining.zones = usable_zones(*capacity, state.superblock.zone_bytes);
  if (joining.zones < kZonesMin) {
    why = fmt::format("{}: too small with {} bytes for a store with zones of {} bytes", spec.path, *capacity,
                      state.superblock.zone_bytes);
    co_return Errc::invalid_argument;
  }
  co_return joining;
}

}  // namespace

Task<Result<std::uint32_t>> DriveSet::add(DriveSpec spec, std::string& why) {
  AsyncLock::Hold hold = co_await state_->writing.lock();
  const auto number = static_cast<std::uint32_t>(state_->members.size());
  if (state_->parked.size() >= kReturnsMax) {
    why = "too many drives failed while they joined; restart the program to add one";
    co_return Errc::overloaded;
  }
  if (number == kMembersMax) {
    why = fmt::format("a store has at most {} drives in its life, retired ones included", kMembersMax);
    co_return Errc::no_space;
  }
  for (std::uint32_t other = 0; other < number; ++other) {
    // Opening it would wait for its own lock.
    if (drive(other) == nullptr || state_->path_of(other) != spec.path) continue;
    why = fmt::format("{}: is drive {} of this store already", spec.path, other);
    co_return Errc::conflict;
  }
  Result<Joining> joining = co_await open_for_joining(*state_, spec, why);
  if (!joining) co_return joining.error();
  io::Drive& opened = *joining->found.drive;

  Superblock next = state_->superblock;
  Superblock::Member entry;
  entry.uuid = random_id(state_->options);
  entry.capacity_bytes = joining->capacity_bytes;
  entry.path = spec.path;
  next.members.push_back(std::move(entry));
  // The new drive first, not yet active: from the moment that a table names it, it can be recognised. Until
  // then it holds nothing, and a start leaves it alone.
  Superblock own = carried_by(next, number, joining->zones);
  own.state = Superblock::State::forming;
  own.generation = state_->superblock.generation + 1;
  Result<> formed = co_await mark_drive(opened, state_->options.limit_ms);
  if (formed) formed = co_await write_superblock(opened, own, nullptr, state_->options.limit_ms);
  if (!formed) {
    park(*state_, std::move(joining->found.drive));
    why = fmt::format("{}: cannot be written ({})", spec.path, formed.error().message());
    co_return formed.error();
  }
  Result<> published = co_await state_->publish(std::move(next));
  if (!published) {
    why = "the drives of the store do not take the new member table";
    co_return published.error();
  }
  own = carried_by(state_->superblock, number, joining->zones);
  Result<> activated = co_await write_superblock(opened, own, nullptr, state_->options.limit_ms);

  auto member = std::make_unique<State::Member>();
  member->path = spec.path;
  member->zones = joining->zones;
  member->uuid = own.drive;
  member->take_drive(std::move(joining->found.drive));
  member->status.store(activated ? DriveStatus::alive : DriveStatus::lost);
  {
    std::lock_guard lock(state_->mutex);
    state_->members.push_back(std::move(member));
  }
  log_info("drive_added", {{"drive", number}, {"path", spec.path}, {"zones", joining->zones}});
  state_->tell(number, status(number));
  if (!activated) {
    why = fmt::format("{}: is drive {} now, but failed at once ({})", spec.path, number,
                      activated.error().message());
    co_return activated.error();
  }
  co_return number;
}

Task<Result<>> DriveSet::begin_retire(std::uint32_t member, std::string& why) {
  AsyncLock::Hold hold = co_await state_->writing.lock();
  if (member >= state_->members.size() || status(member) == DriveStatus::retired) {
    why = fmt::format("the store has no drive {}", member);
    co_return Errc::not_found;
  }
  if (state_->members[member].retiring.load()) co_return success();
  const unsigned others = alive_count() - (takes_zones(member) ? 1 : 0);
  if (others < parity() + 1) {
    why = fmt::format("without drive {} only {} would take writes, and the store needs {}: add a drive first",
                      member, others, parity() + 1);
    co_return Errc::conflict;
  }
  Superblock next = state_->superblock;
  next.members[member].state = MemberState::retiring;
  Result<> published = co_await state_->publish(std::move(next));
  if (!published) {
    why = "the drives of the store do not take the new member table";
    co_return published;
  }
  state_->members[member].retiring.store(true);
  log_info("drive_retiring", {{"drive", member}, {"path", state_->path_of(member)}});
  state_->tell(member, status(member));
  co_return success();
}

Task<Result<>> DriveSet::finish_retire(std::uint32_t member, std::string& why) {
  AsyncLock::Hold hold = co_await state_->writing.lock();
  if (member >= state_->members.size() || !state_->members[member].retiring.load()) {
    why = fmt::format("drive {} is not being retired", member);
    co_return Errc::invalid_argument;
  }
  if (status(member) == DriveStatus::retired) co_return success();
  Superblock next = state_->superblock;
  const std::vector<std::uint32_t>& mirrors = next.mirrors.members;
  if (std::find(mirrors.begin(), mirrors.end(), member) != mirrors.end()) {
    why = fmt::format("drive {} still holds a mirror of the metadata", member);
    co_return Errc::conflict;
  }
  next.members[member].state = MemberState::retired;
  // The drive itself last: what it says of itself alone decides nothing.
  Result<> published = co_await state_->publish(std::move(next), member);
  if (!published) {
    why = "the drives of the store do not take the new member table";
    co_return published;
  }
  State::Member& left = state_->members[member];
  io::Drive* drive = left.drive.load();
  if (drive != nullptr && status(member) == DriveStatus::alive) {
    Result<> told = co_await write_superblock(*drive, carried_by(state_->superblock, member, left.zones), left.load,
                                              state_->options.limit_ms);
    if (!told) log_warn("drive_superblock_old", {{"drive", member}, {"error", told.error().message()}});
  }
  left.status.store(DriveStatus::retired);
  if (drive != nullptr) drive->give_up();
  log_info("drive_retired", {{"drive", member}, {"path", state_->path_of(member)}});
  state_->tell(member, DriveStatus::retired);
  co_return success();
}

unsigned DriveSet::parity_wanted() const {
  unsigned active = 0;
  for (std::uint32_t number = 0; number < member_count(); ++number) {
    if (status(number) != DriveStatus::retired) ++active;
  }
  return parity_for(active);
}

Task<Result<>> DriveSet::set_parity(unsigned parity) {
  AsyncLock::Hold hold = co_await state_->writing.lock();
  if (parity == state_->parity.load()) co_return success();
  if (parity > erasure::kParityShardsMax) co_return Errc::invalid_argument;
  Superblock next = state_->superblock;
  if (next.mirrors.members.size() < parity + 1) co_return Errc::conflict;
  next.parity = static_cast<std::uint8_t>(parity);
  Result<> published = co_await state_->publish(std::move(next));
  if (!published) co_return published;
  state_->parity.store(parity);
  log_info("parity_changed", {{"parity_shards", parity}});
  co_return success();
}

namespace {

// Opens found.spec and checks that it is this member.
Task<Result<>> open_known(DriveSet::State& state, std::uint32_t number, Found& found, std::string& why) {
  Result<std::unique_ptr<io::Drive>> opened = open_drive(state.options, found.spec, false, why);
  if (!opened) co_return opened.error();
  found.drive = std::move(*opened);
  Result<> identified = co_await identify(found, why);
  if (!identified) co_return identified;
  const DriveSet::State::Member& member = state.members[number];
  const Superblock& block = found.superblock;
  const bool same = found.condition == Found::Condition::member && block.store == state.superblock.store &&
                    block.drive == member.uuid && block.number == number && block.zones == member.zones &&
                    block.capacity_bytes <= found.drive->capacity_bytes();
  if (same) co_return success();
  why = fmt::format("{}: is not drive {} of this store", found.spec.path, number);
  co_return Errc::conflict;
}

}  // namespace

Task<Result<>> DriveSet::readmit(std::uint32_t member, std::string path, std::string& why) {
  AsyncLock::Hold hold = co_await state_->writing.lock();
  if (member >= state_->members.size() || status(member) == DriveStatus::retired) {
    why = fmt::format("the store has no drive {}", member);
    co_return Errc::not_found;
  }
  State::Member& back = state_->members[member];
  if (status(member) == DriveStatus::alive) co_return success();
  if (back.load->abandoned() > 0) {
    why = fmt::format("drive {} has not ended operations of before; look at the drive", member);
    co_return Errc::io_error;
  }
  if (back.opened.size() >= kReturnsMax || state_->parked.size() >= kReturnsMax) {
    why = fmt::format("drive {} came back too often; restart the program to use it again", member);
    co_return Errc::overloaded;
  }
  Found found;
  found.spec.path = path.empty() ? state_->path_of(member) : path;
  io::Drive* before = back.drive.load();
  const bool same = status(member) == DriveStatus::suspect && path.empty();  // it was never away
  if (!same) {
    if (before != nullptr) before->give_up();
    Result<> known = co_await open_known(*state_, member, found, why);
    if (!known) co_return known;
  }
  io::Drive* drive = same ? before : found.drive.get();
  Superblock own;
  {
    std::lock_guard lock(state_->mutex);
    ++state_->superblock.generation;
    state_->superblock.members[member].path = found.spec.path;
    own = carried_by(state_->superblock, member, back.zones);
  }
  Result<> written = co_await write_superblock(*drive, own, back.load, state_->options.limit_ms);
  if (!written) {
    if (found.drive) park(*state_, std::move(found.drive));
    why = fmt::format("{}: cannot be written ({})", found.spec.path, written.error().message());
    co_return written;
  }
  {
    std::lock_guard lock(state_->mutex);
    back.path = found.spec.path;
  }
  if (found.drive) back.take_drive(std::move(found.drive));
  back.read_errors.store(0);
  back.late_reads.store(0);
  back.slow.store(false);
  back.status.store(DriveStatus::alive);
  log_info("drive_readmitted", {{"drive", member}, {"path", found.spec.path}});
  state_->tell(member, DriveStatus::alive);
  co_return success();
}

Task<Result<std::uint64_t>> DriveSet::scrub_superblocks() {
  AsyncLock::Hold hold = co_await state_->writing.lock();
  std::uint64_t bad = 0;
  for (std::uint32_t number = 0; number < member_count(); ++number) {
    io::Drive* found = drive(number);
    if (found == nullptr || status(number) != DriveStatus::alive) continue;
    const std::vector<std::byte> wanted =
        encode_superblock(carried_by(state_->superblock, number, state_->members[number].zones));
    for (const std::uint64_t offset : kSuperblockOffsets) {
      const auto memory = std::make_shared<OwnedBytes>(wanted.size());
      Result<> read = co_await transfer_within(*found, io::Operation::Kind::read, offset, memory,
                                               state_->members[number].load, state_->options.limit_ms);
      if (!read) report_error(number, io::Operation::Kind::read, read.error());
      // A readmitted drive has a generation of its own: whatever is sound and of this drive is good.
      Result<Superblock> block = read ? decode_superblock(memory->span()) : Result<Superblock>(read.error());
      if (block && block->store == state_->superblock.store && block->drive == state_->members[number].uuid)
        continue;
      ++bad;
      log_error("superblock_damaged", {{"drive", number}, {"offset", offset}});
    }
  }
  if (bad == 0) co_return bad;
  Superblock next = state_->superblock;
  Result<> published = co_await state_->publish(std::move(next));
  if (!published) co_return published.error();
  co_return bad;
}

}  // namespace storage::segment
