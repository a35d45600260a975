#include "storage/segment/drive_set.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/segment/drive_set_state.h"
#include "storage/segment/geometry.h"

namespace storage::segment {
namespace asio = boost::asio;

namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

bool means_gone(Error error) {
  return error == Errc::drive_lost || error == boost::system::errc::no_such_device ||
         error == boost::system::errc::no_such_device_or_address;
}

}  // namespace

const char* status_name(DriveStatus status) {
  switch (status) {
    case DriveStatus::alive:
      return "alive";
    case DriveStatus::suspect:
      return "suspect";
    case DriveStatus::lost:
      return "lost";
    case DriveStatus::missing:
      return "missing";
    case DriveStatus::retired:
      return "retired";
  }
  return "unknown";
}

DriveSet::DriveSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
DriveSet::~DriveSet() = default;

Task<Result<std::unique_ptr<DriveSet>>> DriveSet::open(Options options, std::string& why) {
  auto state = std::make_unique<State>();
  Result<> opened = co_await open_members(std::move(options), *state, why);
  if (!opened) co_return opened.error();
  co_return std::unique_ptr<DriveSet>(new DriveSet(std::move(state)));
}

void DriveSet::State::degrade(std::uint32_t number, DriveStatus to, const std::string& reason) {
  Member& member = members[number];
  DriveStatus before = member.status.load();
  do {
    if (before >= to) return;
  } while (!member.status.compare_exchange_weak(before, to));
  log_error("drive_state",
            {{"drive", number}, {"path", path_of(number)}, {"state", status_name(to)}, {"reason", reason}});
  tell(number, to);
}

void DriveSet::State::tell(std::uint32_t number, DriveStatus now) {
  std::vector<std::function<void(std::uint32_t, DriveStatus)>> told;
  {
    std::lock_guard lock(mutex);
    told = listeners;
  }
  for (const auto& listener : told) listener(number, now);
}

std::string DriveSet::State::path_of(std::uint32_t number) const {
  std::lock_guard lock(mutex);
  return members[number].path;
}

Superblock DriveSet::State::superblock_of(std::uint32_t number) const {
  std::lock_guard lock(mutex);
  Superblock block = superblock;
  block.number = number;
  block.drive = block.members[number].uuid;
  block.capacity_bytes = block.members[number].capacity_bytes;
  block.zones = members[number].zones;
  return block;
}

Task<std::vector<Error>> DriveSet::State::write_superblocks(std::vector<std::vector<std::byte>> images) {
  std::vector<Error> errors(members.size());
  for (const std::uint64_t offset : kSuperblockOffsets) {
    for (std::size_t number = 0; number < images.size(); ++number) {
      if (images[number].empty() || errors[number]) continue;
      // Superblocks are written too seldom to take memory from the pool of the data path.
      const auto bytes = std::make_shared<OwnedBytes>(images[number].size());
      std::memcpy(bytes->span().data(), images[number].data(), images[number].size());
      Result<> written = co_await transfer_within(*members[number].drive.load(), io::Operation::Kind::write, offset,
                                                  bytes, members[number].load, options.limit_ms);
      if (!written) errors[number] = written.error();
    }
  }
  co_return errors;
}

const std::string& DriveSet::store_uuid() const { return state_->store_text; }
std::array<std::uint8_t, 16> DriveSet::store_id() const { return state_->superblock.store; }
std::array<std::uint8_t, 16> DriveSet::member_id(std::uint32_t member) const {
  CHECK(member < state_->members.size());
  return state_->members[member].uuid;
}
unsigned DriveSet::parity() const { return state_->parity.load(std::memory_order_relaxed); }
bool DriveSet::created() const { return state_->created; }
erasure::Scheme DriveSet::scheme_for(unsigned alive) const { return scheme_of(parity(), alive); }
std::uint64_t DriveSet::zone_bytes() const { return state_->superblock.zone_bytes; }

std::vector<MemberInfo> DriveSet::members() const {
  std::vector<MemberInfo> infos;
  std::lock_guard lock(state_->mutex);
  for (std::uint32_t number = 0; number < state_->members.size(); ++number) {
    const State::Member& member = state_->members[number];
    MemberInfo info;
    info.number = number;
    info.uuid = uuid_text(member.uuid);
    info.path = member.path;
    info.status = member.status.load();
    info.capacity_bytes = state_->superblock.members[number].capacity_bytes;
    info.zone_bytes = zone_bytes();
    info.zones = member.zones;
    info.retiring = member.retiring.load();
    infos.push_back(std::move(info));
  }
  return infos;
}

io::Drive* DriveSet::drive(std::uint32_t member) const {
  if (member >= state_->members.size()) return nullptr;
  const State::Member& found = state_->members[member];
  const DriveStatus now = found.status.load();
  if (now != DriveStatus::alive && now != DriveStatus::suspect) return nullptr;
  if (found.load->abandoned() >= (found.slow.load(std::memory_order_relaxed) ? kAbandonedMax : kOwedMax)) return nullptr;
  return found.drive.load(std::memory_order_acquire);
}

DriveStatus DriveSet::status(std::uint32_t member) const {
  return member < state_->members.size() ? state_->members[member].status.load() : DriveStatus::missing;
}

unsigned DriveSet::alive_count() const {
  unsigned alive = 0;
  const std::size_t members = state_->members.size();
  for (std::uint32_t number = 0; number < members; ++number) {
    if (takes_zones(number)) ++alive;
  }
  return alive;
}

bool DriveSet::takes_zones(std::uint32_t member) const {
  if (member >= state_->members.size()) return false;
  const State::Member& found = state_->members[member];
  return found.status.load() == DriveStatus::alive && !found.retiring.load(std::memory_order_relaxed);
}

std::uint32_t DriveSet::member_count() const { return static_cast<std::uint32_t>(state_->members.size()); }

std::uint32_t DriveSet::zones(std::uint32_t member) const {
  return member < state_->members.size() ? state_->members[member].zones : 0;
}

std::uint64_t DriveSet::zone_offset(std::uint32_t zone) const { return kReservedBytes + zone * zone_bytes(); }

void DriveSet::report_error(std::uint32_t member, io::Operation::Kind kind, Error error) {
  if (member >= state_->members.size() || !error) return;
  if (means_gone(error)) {
    state_->degrade(member, DriveStatus::lost, error.message());
  } else if (kind == io::Operation::Kind::write) {
    state_->degrade(member, DriveStatus::suspect, error.message());
  } else if (state_->members[member].read_errors.fetch_add(1) == 0) {
    log_warn("drive_read_error",
             {{"drive", member}, {"path", state_->path_of(member)}, {"error", error.message()}});
  }
}

Task<> DriveSet::watch() {
  Executor executor = co_await asio::this_coro::executor;
  Timer timer(executor);
  while (true) {
    timer.expires_after(std::chrono::seconds(1));
    auto [ended] = co_await timer.async_wait(asio::as_tuple(use_task));
    if (ended) co_return;
    co_await look(system_clock().monotonic_ns());
  }
}

void DriveSet::on_status_change(std::function<void(std::uint32_t member, DriveStatus)> listener) {
  std::lock_guard lock(state_->mutex);
  state_->listeners.push_back(std::move(listener));
}

MirrorSet DriveSet::mirror_set() const {
  std::lock_guard lock(state_->mutex);
  return state_->superblock.mirrors;
}

Task<Result<>> DriveSet::write_mirror_set(MirrorSet set) {
  AsyncLock::Hold hold = co_await state_->writing.lock();
  const bool known = std::all_of(set.members.begin(), set.members.end(),
                                 [this](std::uint32_t member) { return member < state_->members.size(); });
  if (!known || set.members.size() > state_->members.size()) co_return Errc::invalid_argument;
  {
    std::lock_guard lock(state_->mutex);
    if (set.epoch <= state_->superblock.mirrors.epoch) co_return Errc::invalid_argument;
    // Even if every write fails now, no later attempt may use this generation for other contents.
    ++state_->superblock.generation;
  }
  std::vector<std::vector<std::byte>> images(state_->members.size());
  for (std::uint32_t number = 0; number < images.size(); ++number) {
    if (status(number) != DriveStatus::alive) continue;
    Superblock block = state_->superblock_of(number);
    block.mirrors = set;
    images[number] = encode_superblock(block);
  }
  const std::vector<Error> errors = co_await state_->write_superblocks(images);
  std::size_t taken = 0;
  Error failed = Errc::read_only;
  for (std::uint32_t number = 0; number < images.size(); ++number) {
    if (images[number].empty()) continue;
    if (!errors[number]) {
      ++taken;
      continue;
    }
    failed = errors[number];
    state_->degrade(number, DriveStatus::lost, errors[number].message());
  }
  if (taken == 0) co_return failed;
  std::lock_guard lock(state_->mutex);
  state_->superblock.mirrors = std::move(set);
  co_return success();
}

std::string DriveSet::metadata_directory(std::uint32_t member) const {
  if (member >= state_->members.size()) return {};
  const std::string path = state_->path_of(member);
  struct stat status_of{};
  if (::stat(path.c_str(), &status_of) != 0 || !S_ISDIR(status_of.st_mode)) return {};
  return path + "/metadata";
}

}  // namespace storage::segment
