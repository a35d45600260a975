#include "storage/upkeep/drive_changes.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "storage/base/log.h"
#include "storage/upkeep/rebuilder.h"

namespace storage::upkeep {
namespace asio = boost::asio;

using segment::DriveStatus;
using segment::MemberInfo;

namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::chrono::seconds kFollowUp(1);

}  // namespace

// What the drives' listener uses: the drives outlive this object and keep their listeners.
struct DriveChanges::Link {
  segment::DriveSet& drives;
  std::function<void(std::uint32_t member, std::string directory)> add_location;

  void came(std::uint32_t member) {
    std::string directory = drives.metadata_directory(member);
    if (!directory.empty()) add_location(member, std::move(directory));
  }
};

DriveChanges::DriveChanges(segment::DriveSet& drives, MirrorControl mirrors)
    : drives_(drives), mirrors_(std::move(mirrors)) {}

DriveChanges::~DriveChanges() = default;

void DriveChanges::start(Executor executor) {
  if (mirrors_.add_location) {
    link_ = std::make_shared<Link>(Link{drives_, mirrors_.add_location});
    drives_.on_status_change([link = std::weak_ptr<Link>(link_)](std::uint32_t member, DriveStatus status) {
      const auto alive = link.lock();
      if (alive && status == DriveStatus::alive && alive->drives.takes_zones(member)) alive->came(member);
    });
  }
  tasks_.spawn(executor, run());
}

Task<> DriveChanges::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  link_.reset();
}

Task<> DriveChanges::run() {
  Executor executor = co_await asio::this_coro::executor;
  Timer timer(executor);
  while (true) {
    timer.expires_after(kFollowUp);
    auto [ended] = co_await timer.async_wait(asio::as_tuple(use_task));
    if (ended) co_return;
    co_await follow_up();
  }
}

Task<> DriveChanges::follow_up() {
  for (const MemberInfo& member : drives_.members()) {
    if (mirrors_.leave && member.retiring && member.status != DriveStatus::retired)
      mirrors_.leave(member.number);
  }
  const unsigned wanted = drives_.parity_wanted();
  const unsigned parity = drives_.parity();
  if (mirrors_.set_copies) mirrors_.set_copies(std::max(wanted, parity) + 1);
  if (wanted == parity || drives_.mirror_set().members.size() < wanted + 1) co_return;
  Result<> changed = co_await drives_.set_parity(wanted);
  if (!changed && changed.error() != Errc::conflict) {
    log_warn("parity_not_changed", {{"parity_shards", wanted}, {"error", changed.error().message()}});
  }
}

Task<Result<std::uint32_t>> DriveChanges::add(segment::DriveSpec spec, std::string& why) {
  co_return co_await drives_.add(std::move(spec), why);
}

Task<Result<>> DriveChanges::retire(std::uint32_t member, std::string& why) {
  Result<> begun = co_await drives_.begin_retire(member, why);
  if (begun && mirrors_.leave) mirrors_.leave(member);
  co_return begun;
}

Task<Result<std::uint32_t>> DriveChanges::replace(std::uint32_t old, segment::DriveSpec spec,
                                                  Rebuilder& rebuilder, std::string& why) {
  if (old >= drives_.member_count() || drives_.status(old) == DriveStatus::retired) {
    why = fmt::format("the store has no drive {}", old);
    co_return Errc::not_found;
  }
  Result<std::uint32_t> added = co_await add(std::move(spec), why);
  if (!added) co_return added.error();
  rebuilder.prefer(old, *added);
  Result<> retired = co_await retire(old, why);
  if (!retired) co_return retired.error();
  co_return *added;
}

Task<Result<>> DriveChanges::readmit(std::uint32_t member, std::string path, std::string& why) {
  co_return co_await drives_.readmit(member, std::move(path), why);
}

Task<Result<>> DriveChanges::emptied(std::uint32_t member) {
  const std::vector<std::uint32_t> mirrors = drives_.mirror_set().members;
  // Its mirror is still being moved: the rebuilder asks again.
  if (std::find(mirrors.begin(), mirrors.end(), member) != mirrors.end()) co_return success();
  std::string why;
  Result<> finished = co_await drives_.finish_retire(member, why);
  if (!finished) log_warn("drive_not_retired", {{"drive", member}, {"reason", why}});
  co_return finished;
}

}  // namespace storage::upkeep
