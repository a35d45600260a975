// DriveSet: the drives of one store, their superblocks and their states.
//
// A store's first start on blank drives formats them: one store uuid, one uuid and member number a drive, the
// member table in every superblock, m by the number of members. Later starts read the table from any member:
// a member that is absent is `missing`, and the store serves without it. Blank drives beside members of an
// existing store are left alone (logged).
//
// Refused, each with a sentence in `why` that says what to do: a drive of another store, a retired uuid, two
// drives with one uuid, a drive in use by another process, an unknown incompatible feature bit, drives too
// small, a superblock of which no copy is sound, fewer than k members of any segment's geometry... (see .cpp).
//
// Threads    state queries from any thread. open() and write_mirror_set() are tasks.
// Lifetime   outlives the SegmentStore, the metadata mirror and every operation on its drives, abandoned ones included
//            (io::abandoned_operations()).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "erasure/codec.h"
#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/io/drive.h"
#include "storage/io/patience.h"

namespace storage::segment {

struct DriveSpec {
  std::string path;
  std::uint64_t capacity_bytes = 0;  // 0: for a directory, an even share of 80 % of its file system's free space
};

enum class DriveStatus : std::uint8_t {
  alive,    // takes reads and writes
  suspect,  // a write failed, or it is stuck or slow: not written to, read from last
  lost,     // gone while running
  missing,  // a member that was not there at start
  retired,  // left the store for good: nothing lies on it
};

// As logs, metrics and commands call it.
const char* status_name(DriveStatus status);

struct MemberInfo {
  std::uint32_t number;  // stable, 0-based, in the member table
  std::string uuid;      // 32 hex digits
  std::string path;      // as given, or as last known when missing
  DriveStatus status;
  std::uint64_t capacity_bytes;
  std::uint64_t zone_bytes;
  std::uint32_t zones;
  bool retiring = false;  // gets no new zones; what lies on it is being moved away
};

// Which members hold mirrors of the metadata store, as of `epoch` (design: only mirrors of the newest set may
// win). Persisted in every superblock.
struct MirrorSet {
  std::uint64_t epoch = 0;
  std::vector<std::uint32_t> members;
};

class DriveSet {
 public:
  struct Options {
    std::vector<DriveSpec> drives;
    io::Engine engine = io::Engine::io_uring;
    std::vector<std::span<std::byte>> registered;  // arenas for io_uring registration
    // Members that `drives` does not name are looked for where they last were, as those are that joined a running store.
    bool search_last_paths = false;
    // Drives on which no store is found are made one. Off: they are left as they are, Errc::not_found.
    bool may_format = true;
    // Opens one drive; a seam for simulated drives. Default: io::open_file_drive with capacity and create.
    std::function<Result<std::unique_ptr<io::Drive>>(const DriveSpec&, bool create, std::string& why)> opener;
    // Longest wait for one write or read of a superblock or a probe. Whoever takes longer does not answer.
    std::uint32_t limit_ms = 2000;
    // Randomness for uuids; default: the system's. 16 bytes a call.
    std::function<std::array<std::uint8_t, 16>()> random_id;
  };

  static Task<Result<std::unique_ptr<DriveSet>>> open(Options options, std::string& why);
  ~DriveSet();

  const std::string& store_uuid() const;
  // The same, and a member's, as the bytes that zone headers carry.
  std::array<std::uint8_t, 16> store_id() const;
  std::array<std::uint8_t, 16> member_id(std::uint32_t member) const;
  unsigned parity() const;  // m of the store
  bool created() const;     // open() formatted the drives

  // k for `alive` domains under this store's m: the largest of the design's table that fits; 0 when fewer than
  // m + 1 are alive (read-only).
  erasure::Scheme scheme_for(unsigned alive) const;

  std::vector<MemberInfo> members() const;
  // How many numbers are given, retired members included; it only grows.
  std::uint32_t member_count() const;
  std::uint32_t zones(std::uint32_t member) const;
  std::uint64_t zone_bytes() const;  // one for all drives of the store

  // Null unless the member is alive or suspect, and null when it owes too much (kAbandonedMax). The drive stays valid as long as the set, whatever becomes of the member.
  io::Drive* drive(std::uint32_t member) const;
  DriveStatus status(std::uint32_t member) const;
  // Whether new zones may be taken on the member: it is alive and not retiring.
  bool takes_zones(std::uint32_t member) const;
  // Members that take new zones: they decide the geometry of new segments.
  unsigned alive_count() const;

  // The byte on the drive where zone `zone` starts.
  std::uint64_t zone_offset(std::uint32_t zone) const;

  // How the member answers: to be given to the operations on it that count, so that stuck and slow drives are noticed.
  std::shared_ptr<io::DriveLoad> load(std::uint32_t member) const;
  // Whether reads go round the member where they can: it is suspect for being stuck or slow, or has left too many
  // operations unanswered.
  bool read_last(std::uint32_t member) const;
  // Whether more drives are late, or suspect for it, than could be blamed: the load is too much for all of them. Nobody is
  // suspected for late reads then, and reads are waited for longer.
  bool all_late() const;
  // Operations that a slow member may owe, and any other; from here on it is not asked for anything.
  static constexpr std::uint32_t kAbandonedMax = 8;
  static constexpr std::uint32_t kOwedMax = 256;

  // An operation was abandoned. A late write makes a drive suspect at once; late reads do when kAbandonedMax of them are
  // unfinished, or when as many came late between two calls of look(), unless all_late().
  void report_late(std::uint32_t member, io::Operation::Kind kind);

  // A failed write makes a drive suspect, a failed read is only counted; ENODEV, ENXIO and drive_lost make it lost.
  // Logged once per change of state.
  void report_error(std::uint32_t member, io::Operation::Kind kind, Error error);

  // look() once a second until cancelled.
  Task<> watch();

  // --- Members that join, leave and come back. One change at a time; each is in the superblocks of all live drives when it
  // returns, and a cut at any write leaves drives that start with the table of before or of after. A change that is refused
  // has a sentence in `why`, which the caller keeps until the call returns. A live drive that does not take the new
  // superblock is lost.

  // Formats a blank drive and makes it a member; returns its number. New segments use it at once.
  Task<Result<std::uint32_t>> add(DriveSpec spec, std::string& why);

  // The member gets no new zones from now on. Refused where fewer than m + 1 others take zones.
  Task<Result<>> begin_retire(std::uint32_t member, std::string& why);
  // The retiring member is none any more. The caller knows that no record names a zone there; refused while the mirror set
  // names it.
  Task<Result<>> finish_retire(std::uint32_t member, std::string& why);

  // m by the design's table for the members there are; it becomes parity() only through set_parity().
  unsigned parity_wanted() const;
  // Errc::conflict unless the mirror set has parity + 1 members.
  Task<Result<>> set_parity(unsigned parity);

  // A member that is lost, missing or suspect and is well again: looked for at `path`, or where it last was. Its identity
  // is checked and its superblock written anew. What lies in its zones is as it left; what was moved away meanwhile is free.
  Task<Result<>> readmit(std::uint32_t member, std::string path, std::string& why);

  // Reads both superblock copies of every live drive; if one is not what it should be all are written anew. Returns how
  // many were bad.
  Task<Result<std::uint64_t>> scrub_superblocks();

  // What watch() does at one moment of a monotonic clock: notices drives that are gone, and those that are much slower than
  // the others; readmits lost and missing ones that are back, and suspect ones that take kProbes probes in a row (a write
  // and a read of a reserved block) in about the time that a healthy drive takes, and owe no operation. Each is tried
  // again after pauses that grow from five seconds to five minutes.
  Task<> look(std::int64_t now_ns);

  // Called, on any thread, after a member's status changed.
  void on_status_change(std::function<void(std::uint32_t member, DriveStatus)> listener);

  // The newest mirror set found in any superblock at open(), or as last written.
  MirrorSet mirror_set() const;
  // Writes `set` durably to both superblock copies of every live drive; fails if fewer than all of the live
  // drives took it and those that failed could not be marked lost.
  Task<Result<>> write_mirror_set(MirrorSet set);

  // Directory for a metadata mirror on this member: `<drive>/metadata`; empty if the drive is no directory.
  std::string metadata_directory(std::uint32_t member) const;

  struct State;  // private to this folder: drive_set_state.h

 private:
  explicit DriveSet(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace storage::segment
