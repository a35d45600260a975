#include "storage/segment/zone_allocator.h"

#include <algorithm>
#include <numeric>

#include "storage/base/check.h"

namespace storage::segment {
namespace {

// How many segments of `width` zones on distinct drives fit, at most `limit`, always taking the fullest drives.
unsigned room_for(std::vector<std::uint32_t> free, unsigned width, unsigned limit) {
  if (free.size() < width) return 0;
  for (unsigned i = 0; i < limit; ++i) {
    std::partial_sort(free.begin(), free.begin() + width, free.end(), std::greater<>());
    if (free[width - 1] == 0) return i;
    for (unsigned member = 0; member < width; ++member) --free[member];
  }
  return limit;
}

}  // namespace

ZoneAllocator::ZoneAllocator(std::vector<std::uint32_t> zones) {
  for (const std::uint32_t count : zones) add_member(count);
}

void ZoneAllocator::add_member(std::uint32_t zones) {
  Drive drive;
  drive.free.assign(zones, true);
  drive.prepared.assign(zones, false);
  drive.free_count = zones;
  std::lock_guard lock(mutex_);
  drives_.push_back(std::move(drive));
}

bool ZoneAllocator::claim(SegmentRecord::Member zone) {
  std::lock_guard lock(mutex_);
  if (zone.drive >= drives_.size()) return false;
  Drive& drive = drives_[zone.drive];
  if (zone.zone >= drive.free.size() || !drive.free[zone.zone]) return false;
  drive.free[zone.zone] = false;
  --drive.free_count;
  return true;
}

// Under the mutex; the drive has a free zone.
std::uint32_t ZoneAllocator::take(Drive& drive) {
  const auto zones = static_cast<std::uint32_t>(drive.free.size());
  while (drive.first_free < zones && !drive.free[drive.first_free]) ++drive.first_free;
  CHECK(drive.first_free < zones);
  std::uint32_t chosen = drive.first_free;
  for (std::uint32_t zone = drive.first_free; zone < zones; ++zone) {
    if (drive.free[zone] && drive.is_prepared(zone)) {
      chosen = zone;
      break;
    }
  }
  drive.free[chosen] = false;
  --drive.free_count;
  // Whatever the segment leaves unwritten is at most a stripe at the end: later uses need no preparation.
  drive.prepared[chosen] = true;
  return chosen;
}

Result<std::vector<SegmentRecord::Member>> ZoneAllocator::allocate(
    unsigned width, std::uint64_t rotation, unsigned reserved_segments,
    const std::function<bool(std::uint32_t member)>& usable) {
  std::lock_guard lock(mutex_);
  std::vector<std::uint32_t> members;
  std::vector<std::uint32_t> free;
  for (std::uint32_t member = 0; member < drives_.size(); ++member) {
    if (!usable(member)) continue;
    members.push_back(member);
    // A zone that is being prepared is free again in a moment: to count it as taken would refuse a body at a time when
    // the next one is let in.
    free.push_back(drives_[member].free_count + drives_[member].preparing);
  }
  CHECK(width >= 1);
  if (members.size() < width || room_for(std::move(free), width, 1 + reserved_segments) < 1 + reserved_segments)
    return Errc::no_space;
  std::sort(members.begin(), members.end(), [this](std::uint32_t a, std::uint32_t b) {
    const std::uint32_t free_a = drives_[a].free_count;
    const std::uint32_t free_b = drives_[b].free_count;
    return free_a != free_b ? free_a > free_b : a < b;
  });
  members.resize(width);
  if (drives_[members.back()].free_count == 0) return Errc::no_space;
  std::sort(members.begin(), members.end());
  std::vector<SegmentRecord::Member> zones(width);
  for (unsigned shard = 0; shard < width; ++shard) {
    const std::uint32_t member = members[(shard + rotation) % width];
    zones[shard].drive = member;
    zones[shard].zone = take(drives_[member]);
  }
  return zones;
}

unsigned ZoneAllocator::segments_left(unsigned width, unsigned limit,
                                      const std::function<bool(std::uint32_t member)>& usable) const {
  std::lock_guard lock(mutex_);
  std::vector<std::uint32_t> free;
  for (std::uint32_t member = 0; member < drives_.size(); ++member) {
    if (usable(member)) free.push_back(drives_[member].free_count + drives_[member].preparing);
  }
  return width == 0 ? 0 : room_for(std::move(free), width, limit);
}

std::size_t ZoneAllocator::member_count() const {
  std::lock_guard lock(mutex_);
  return drives_.size();
}

Result<SegmentRecord::Member> ZoneAllocator::allocate_on(std::uint32_t member, std::uint32_t spared) {
  std::lock_guard lock(mutex_);
  if (member >= drives_.size() || drives_[member].free_count <= spared) return Errc::no_space;
  SegmentRecord::Member zone;
  zone.drive = member;
  zone.zone = take(drives_[member]);
  return zone;
}

void ZoneAllocator::release(SegmentRecord::Member zone) {
  std::lock_guard lock(mutex_);
  CHECK(zone.drive < drives_.size());
  Drive& drive = drives_[zone.drive];
  CHECK(zone.zone < drive.free.size());
  CHECK(!drive.free[zone.zone]);
  drive.free[zone.zone] = true;
  ++drive.free_count;
  drive.first_free = std::min(drive.first_free, zone.zone);
}

void ZoneAllocator::set_prepared_below(std::uint32_t member, std::uint32_t zone) {
  std::lock_guard lock(mutex_);
  if (member < drives_.size()) drives_[member].prepared_below = zone;
}

std::optional<std::uint32_t> ZoneAllocator::begin_preparing(std::uint32_t member, std::uint32_t wanted) {
  std::lock_guard lock(mutex_);
  if (member >= drives_.size()) return std::nullopt;  // it joins the allocator in a moment
  Drive& drive = drives_[member];
  std::optional<std::uint32_t> lowest;
  std::uint32_t ready = 0;
  for (std::uint32_t zone = drive.first_free; zone < drive.free.size() && ready < wanted; ++zone) {
    if (!drive.free[zone]) continue;
    if (drive.is_prepared(zone)) {
      ++ready;
    } else if (!lowest) {
      lowest = zone;
    }
  }
  if (ready >= wanted || !lowest) return std::nullopt;
  drive.free[*lowest] = false;
  --drive.free_count;
  ++drive.preparing;
  return lowest;
}

void ZoneAllocator::end_preparing(std::uint32_t member, std::uint32_t zone, bool prepared) {
  {
    std::lock_guard lock(mutex_);
    --drives_[member].preparing;
    if (prepared) drives_[member].prepared[zone] = true;
  }
  SegmentRecord::Member given_back;
  given_back.drive = member;
  given_back.zone = zone;
  release(given_back);
}

std::uint64_t ZoneAllocator::free_zones() const {
  std::lock_guard lock(mutex_);
  return std::accumulate(drives_.begin(), drives_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Drive& drive) { return sum + drive.free_count; });
}

std::uint64_t ZoneAllocator::free_zones(std::uint32_t member) const {
  std::lock_guard lock(mutex_);
  return member < drives_.size() ? drives_[member].free_count : 0;
}

std::uint64_t ZoneAllocator::total_zones() const {
  std::lock_guard lock(mutex_);
  return std::accumulate(drives_.begin(), drives_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Drive& drive) { return sum + drive.free.size(); });
}

bool ZoneAllocator::is_free(SegmentRecord::Member zone) const {
  std::lock_guard lock(mutex_);
  return zone.drive < drives_.size() && zone.zone < drives_[zone.drive].free.size() &&
         drives_[zone.drive].free[zone.zone];
}

}  // namespace storage::segment
