// The inside of DriveSet: its members, their drives and what the superblocks say. Private to this folder.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "storage/segment/drive_set.h"
#include "storage/segment/gate.h"
#include "storage/segment/superblock.h"

namespace storage::segment {

struct DriveSet::State {
  struct Member {
    std::unique_ptr<io::Drive>
        drive;  // null when missing; kept when lost, since operations may be unfinished
    std::atomic<DriveStatus> status{DriveStatus::missing};
    std::atomic<std::uint64_t> read_errors{0};
    std::string path;
    std::uint32_t zones = 0;
  };

  Superblock
      superblock;  // of the newest generation; `drive`, `number`, `zones`, `capacity_bytes` vary by member
  std::string store_text;
  bool created = false;
  std::vector<std::unique_ptr<Member>> members;  // by number; fixed after open()

  AsyncLock writing;         // one change of the superblocks at a time
  mutable std::mutex mutex;  // guards superblock.generation, superblock.mirrors and the listeners
  std::vector<std::function<void(std::uint32_t, DriveStatus)>> listeners;

  // Changes a status for the worse only; logs and tells the listeners once.
  void degrade(std::uint32_t member, DriveStatus to, const std::string& reason);

  // `superblock` as member `number` carries it.
  Superblock superblock_of(std::uint32_t number) const;
  // Writes the images, one a member (empty: skip), to copy A of all and then to copy B of those that took A.
  // Returns by member what went wrong.
  Task<std::vector<Error>> write_superblocks(std::vector<std::vector<std::byte>> images);
};

// What one start makes of its drives: in drive_set_open.cpp.
Task<Result<>> open_members(DriveSet::Options options, DriveSet::State& state, std::string& why);

}  // namespace storage::segment
