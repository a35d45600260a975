// DriveChanges: what an operator does with drives while the store runs, and what follows from it: metadata mirrors, m,
// the rebuild.
//
// add       the drive is a member when it returns; mirrors and m follow in the background: m grows as the design's table
//           says, but only after there are mirrors for it.
// retire    the drive gets no new zones. The rebuilder empties it, its mirror moves away, then it is retired for good.
// replace   add, then retire the old one, whose shards go to the new one where their segments allow.
// readmit   a drive that was away or suspect is used again.
// Each step is in the superblocks when it returns; what follows is taken up again after a restart.
//
// Threads   any one executor, not that of MirrorStore's publish callback while it blocks. Lifetime  all references outlive
//           it; stop() comes before destruction. Errors  as DriveSet's, with a sentence in `why`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/base/task_group.h"
#include "storage/metadata/mirror_store.h"
#include "storage/segment/drive_set.h"

namespace storage::upkeep {

class Rebuilder;

class DriveChanges {
 public:
  // `mirrors` null: the metadata is not kept on the drives.
  DriveChanges(segment::DriveSet& drives, metadata::MirrorStore* mirrors);
  ~DriveChanges();

  // Follows up once a second. The mirror store learns of drives that join or come back from now on.
  void start(Executor executor);
  Task<> stop();

  // `why` is kept by the caller until the call returns.
  Task<Result<std::uint32_t>> add(segment::DriveSpec spec, std::string& why);
  Task<Result<>> retire(std::uint32_t member, std::string& why);
  Task<Result<std::uint32_t>> replace(std::uint32_t old, segment::DriveSpec spec, Rebuilder& rebuilder, std::string& why);
  Task<Result<>> readmit(std::uint32_t member, std::string path, std::string& why);

  // For Rebuilder::Hooks::emptied: no record names a zone of this retiring member any more.
  Task<Result<>> emptied(std::uint32_t member);

  // One step of what follows.
  Task<> follow_up();

 private:
  struct Link;
  Task<> run();

  segment::DriveSet& drives_;
  metadata::MirrorStore* mirrors_;
  std::shared_ptr<Link> link_;
  TaskGroup tasks_;
};

}  // namespace storage::upkeep
