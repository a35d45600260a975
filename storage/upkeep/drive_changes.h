// DriveChanges: what an operator does with drives while the store runs, and what follows from it: metadata
// mirrors, m, the rebuild.
//
// add       the drive is a member when it returns; mirrors and m follow in the background: m grows as the
// design's table
//           says, but only after there are mirrors for it.
// retire    the drive gets no new zones. The rebuilder empties it, its mirror moves away, then it is retired
// for good. replace   add, then retire the old one, whose shards go to the new one where their segments
// allow. readmit   a drive that was away or suspect is used again. Each step is in the superblocks when it
// returns; what follows is taken up again after a restart.
//
// Threads   one executor, on which no function of MirrorControl may block. Lifetime  all references outlive
// it, and what
//           MirrorControl uses outlives the drives' last change of status or stop(), whichever comes first.
//           stop() comes before destruction. Errors  as DriveSet's, with a sentence in `why`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "storage/base/result.h"
#include "storage/base/task_group.h"
#include "storage/segment/drive_set.h"

namespace storage::upkeep {

class Rebuilder;

// What DriveChanges tells the mirrors of the metadata; they follow in the background, and each new set of
// theirs comes back through DriveSet::write_mirror_set(). All empty: the metadata is not kept on the drives.
struct MirrorControl {
  // A drive that can hold a mirror: a new one, or one that is back.
  std::function<void(std::uint32_t member, std::string directory)> add_location;
  // The drive's mirror is to be given up as soon as enough others hold everything.
  std::function<void(std::uint32_t member)> leave;
  // How many mirrors there should be.
  std::function<void(unsigned copies)> set_copies;
};

class DriveChanges {
 public:
  DriveChanges(segment::DriveSet& drives, MirrorControl mirrors);
  ~DriveChanges();

  // Follows up once a second. The mirror store learns of drives that join or come back from now on.
  void start(Executor executor);
  Task<> stop();

  // `why` is kept by the caller until the call returns.
  Task<Result<std::uint32_t>> add(segment::DriveSpec spec, std::string& why);
  Task<Result<>> retire(std::uint32_t member, std::string& why);
  Task<Result<std::uint32_t>> replace(std::uint32_t old, segment::DriveSpec spec, Rebuilder& rebuilder,
                                      std::string& why);
  Task<Result<>> readmit(std::uint32_t member, std::string path, std::string& why);

  // For Rebuilder::Hooks::emptied: no record names a zone of this retiring member any more.
  Task<Result<>> emptied(std::uint32_t member);

  // One step of what follows.
  Task<> follow_up();

 private:
  struct Link;
  Task<> run();

  segment::DriveSet& drives_;
  const MirrorControl mirrors_;
  std::shared_ptr<Link> link_;
  TaskGroup tasks_;
};

}  // namespace storage::upkeep
