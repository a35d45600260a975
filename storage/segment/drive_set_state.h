// The inside of DriveSet: its members, their drives and what the superblocks say. Private to this folder.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "storage/segment/drive_set.h"
#include "storage/segment/gate.h"
#include "storage/segment/superblock.h"

namespace storage::segment {

struct DriveSet::State {
  struct Member {
    std::atomic<io::Drive*> drive{nullptr};  // the last one opened; null when missing or retired
    std::atomic<DriveStatus> status{DriveStatus::missing};
    std::atomic<bool> retiring{false};
    std::atomic<std::uint64_t> read_errors{0};
    std::atomic<bool> slow{false};  // suspect for being stuck or slow
    std::atomic<std::uint32_t> late_reads{0};  // since look() found no new ones
    std::uint32_t late_reads_seen = 0;         // by look() only, like the next two
    std::array<io::DriveLoad::Answers, 2> answers{};  // by kind, not yet judged
    std::uint32_t slow_looks = 0;  // in a row
    const std::shared_ptr<io::DriveLoad> load = std::make_shared<io::DriveLoad>();
    std::string path;  // under the state's mutex
    std::uint32_t zones = 0;
    Uuid uuid{};
    // When look() tries it again, and the pause after that. By look() only.
    std::int64_t retry_at_ns = 0;
    std::int64_t retry_pause_ns = 0;
    // All that were opened, since operations of earlier ones may be unfinished. Under `writing`.
    std::vector<std::unique_ptr<io::Drive>> opened;

    void take_drive(std::unique_ptr<io::Drive> found) {
      opened.push_back(std::move(found));
      drive.store(opened.back().get(), std::memory_order_release);
    }
  };

  // The members by number. It grows while others read: an entry is whole before size() says that it is there, and stays
  // where it is.
  class Members {
   public:
    std::size_t size() const { return size_.load(std::memory_order_acquire); }
    Member& operator[](std::size_t number) const { return *entries_[number]; }
    // Under `writing`; at most kMembersMax.
    void push_back(std::unique_ptr<Member> member) {
      const std::size_t number = size_.load(std::memory_order_relaxed);
      entries_.at(number) = std::move(member);
      size_.store(number + 1, std::memory_order_release);
    }

   private:
    std::array<std::unique_ptr<Member>, kMembersMax> entries_;
    std::atomic<std::size_t> size_{0};
  };

  // Of the newest generation; `drive`, `number`, `zones`, `capacity_bytes` vary by member. Store uuid and zone size never
  // change after open(); the rest is under `mutex`.
  Superblock superblock;
  std::string store_text;
  bool created = false;
  std::atomic<unsigned> parity{0};  // superblock.parity, for those who do not hold the mutex
  Members members;

  Options options;           // of open(), for drives that are opened later
  // Drives that failed before they were members, closed but for operations that may be unfinished. Under `writing`.
  std::vector<std::unique_ptr<io::Drive>> parked;
  AsyncLock writing;         // one change of the superblocks at a time
  mutable std::mutex mutex;  // guards superblock, the members' paths and the listeners
  std::vector<std::function<void(std::uint32_t, DriveStatus)>> listeners;

  // Changes a status for the worse only; logs and tells the listeners once.
  void degrade(std::uint32_t member, DriveStatus to, const std::string& reason);
  // Tells the listeners.
  void tell(std::uint32_t member, DriveStatus now);
  std::string path_of(std::uint32_t member) const;

  // `superblock` as member `number` carries it.
  Superblock superblock_of(std::uint32_t number) const;
  // Writes `next` under a new generation to the live members but `except`; it is `superblock` when this succeeds. Members
  // that did not take it are lost. Under `writing`.
  Task<Result<>> publish(Superblock next, std::optional<std::uint32_t> except = std::nullopt);
  // Counts the members that are slow or were late of late, for all_late().
  void count_late();
  std::atomic<std::uint32_t> late_members{0};
  // Suspect, and read from last.
  void suspect_slow(std::uint32_t member, const std::string& reason);
  // Compares how long the members took to answer since the last call.
  void judge_speed();
  // Writes the images, one a member (empty: skip), to copy A of all and then to copy B of those that took A.
  // Returns by member what went wrong. A stuck drive is waited for no longer than the limit.
  Task<std::vector<Error>> write_superblocks(std::vector<std::vector<std::byte>> images);
};

// Bytes for O_DIRECT transfers that a drive may hold longer than anybody waits for them.
class OwnedBytes {
 public:
  explicit OwnedBytes(std::size_t size);
  std::span<std::byte> span() const { return bytes_; }

 private:
  std::vector<std::byte> memory_;
  std::span<std::byte> bytes_;
};

// One transfer of `bytes`, which are kept until it has ended. Errc::io_error when the drive did not answer in time.
Task<Result<>> transfer_within(io::Drive& drive, io::Operation::Kind kind, std::uint64_t offset,
                               std::shared_ptr<OwnedBytes> bytes, std::shared_ptr<io::DriveLoad> load,
                               std::uint32_t limit_ms);

// What one start makes of its drives: in drive_set_open.cpp.
Task<Result<>> open_members(DriveSet::Options options, DriveSet::State& state, std::string& why);

}  // namespace storage::segment
