// What a drive turns out to be: blank, absent, or a member of some store. Private to this folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/segment/drive_set.h"
#include "storage/segment/superblock.h"

namespace storage::segment {

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
  Superblock superblock;      // of a member
  bool copy_damaged = false;  // of a member: one of the copies is unsound
};

bool is_directory(const std::string& path);

// What a new drive gives to the store where its spec does not say: an even share of 80 % of the free space
// among the directories of `specs` on the same file system; 0 if unknown. A directory that does not exist yet
// is judged by its nearest existing parent.
std::uint64_t default_capacity(const DriveSpec& spec, const std::vector<DriveSpec>& specs);

// Opens with options.opener, or as a file.
Result<std::unique_ptr<io::Drive>> open_drive(const DriveSet::Options& options, const DriveSpec& spec,
                                              bool create, std::string& why);
// 16 random bytes.
std::array<std::uint8_t, 16> random_id(const DriveSet::Options& options);
// Whether an error of opening says that the drive is simply not there.
bool means_absent(Error error);

// Reads both superblock copies of found.drive and tells what it is. Errors, with a sentence in `why`: the
// drive carries neither a store nor nothing.
Task<Result<>> identify(Found& found, std::string& why);

// Writes the magic of a superblock, alone, where a blank drive will have its first. A superblock longer than a sector may be
// torn by a power cut: without its first sector it would look like somebody else's data, which is never overwritten.
Task<Result<>> mark_drive(io::Drive& drive, std::uint32_t limit_ms);

// The capacity that a blank drive joins a store with; a sentence in `why` where it cannot.
Result<std::uint64_t> capacity_of(const Found& found, const std::vector<DriveSpec>& specs, std::string& why);

}  // namespace storage::segment
