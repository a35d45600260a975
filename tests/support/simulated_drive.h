// SimulatedDisks: drives in memory that fail the way real ones do, all decided by one seed.
//
// A test builds one SimulatedDisks, adds disks, opens Drive objects over them, runs the code under test on an
// io_context, and injects faults. After a power cut it runs the context until the code has unwound, destroys
// the Drive objects, calls reboot(), opens the disks again and looks at what survived:
//
//   SimulatedDisks disks(seed);
//   SCOPED_TRACE(disks.describe());            // a failure prints the seed; "<< disks.describe()" at the end
//   of an
//                                              // assertion adds the last operations
//   for (int i = 0; i < 6; ++i) disks.add({.capacity_bytes = 64 << 20});
//   disks.cut_power_at(n);                     // for every n: crash enumeration
//   ... run; remember an acknowledgement only if disks.powered() still holds when it arrives ...
//   disks.reboot();
//   ... recover from disks.open(i); check that everything remembered is there ...
//
// Durability  A write is visible to reads as soon as it was started, and durable once its handler was called
//             with success. At a power cut each write whose handler was not called lands wholly, not at all,
//             or sector by sector at random (512 bytes; torn and reordered). What was durable stays.
// After a cut every operation, pending or new, completes with Errc::drive_lost and changes nothing, so that
// the
//             code under test unwinds. Nothing it says then counts: the machine is off.
// Order       Completions are posted to the operation's executor, never run inside start(). They are
// delivered
//             in the order of start, unless `jitter_turns` or a fault delays some.
// Numbers     Every start() of any disk, and every step(), is one operation: 0, 1, 2, ... since construction;
//             reboot() does not reset the count.
// Determinism With one thread, the same seed and the same calls give the same trace (trace_digest()).
// Threads     Any; with several the trace depends on the scheduler. Hooks are called without a lock, inside
//             start() or step().
// Misuse      A write whose memory changed before its handler ran, misaligned operations: CHECK. Operations
// beyond the
//             capacity: Errc::invalid_argument, as with every Drive.
// Lifetime    SimulatedDisks and its drives may die in any order. Handlers not yet delivered must be run (run
//             the context) before reboot(), which CHECKs it; stuck ones are released by the cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "storage/io/drive.h"
#include "tests/support/seeded_random.h"

namespace tests {

struct SimulatedDiskOptions {
  std::uint64_t capacity_bytes = 0;  // a multiple of 4096
  // Like Drive::prepared_bytes(): bytes at and after it do not exist until they are written, reading them is
  // Errc::io_error. Default: the whole capacity, like a block device; 0: a new file.
  std::uint64_t prepared_bytes = std::numeric_limits<std::uint64_t>::max();
  std::string name;  // default "disk<index>"
};

// Which operations a fault hits: among those that match, `skip` are spared, then each is hit with
// `probability` until `count` were hit.
struct FaultMatch {
  std::optional<std::size_t> disk;                   // default: any
  std::optional<storage::io::Operation::Kind> kind;  // default: reads and writes
  std::uint64_t begin = 0;                           // operations that touch a byte of [begin, end)
  std::uint64_t end = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t skip = 0;
  std::uint64_t count = 1;  // kAlways: no end
  double probability = 1.0;

  static constexpr std::uint64_t kAlways = std::numeric_limits<std::uint64_t>::max();
};

struct Fault {
  enum class Kind : std::uint8_t {
    error,        // completes with `error`; of a write each sector lands or not, at random
    lost,         // a write completes with success and lands nowhere; a read: ignored
    misdirected,  // a write completes with success and lands at `misdirect_to`, or at a random block; a read:
                  // returns the bytes of that place
    stuck,        // completes only at release_stuck() or at a power cut
    slow,         // completes after `delay_operations` more operations were started and `delay_ns` of
                  // virtual time passed (advance()), whichever are not 0; a cut releases it too
    flip,         // one bit of what a read returns (not of the disk) or of what a write leaves on it is wrong
  };
  Kind kind = Kind::error;
  storage::Error error = {};                    // error: default EIO
  std::optional<std::uint64_t> misdirect_to{};  // misdirected: a multiple of 4096
  std::uint64_t delay_operations = 0;
  std::uint64_t delay_ns = 0;
};

// One operation, as the hook sees it before it has any effect.
struct OperationRecord {
  std::uint64_t number;
  std::size_t disk;  // kNoDisk for a step()
  storage::io::Operation::Kind kind;
  std::uint64_t offset;
  std::size_t size;

  static constexpr std::size_t kNoDisk = std::numeric_limits<std::size_t>::max();
};

class SimulatedDisks {
 public:
  explicit SimulatedDisks(std::uint64_t seed);
  ~SimulatedDisks();
  SimulatedDisks(const SimulatedDisks&) = delete;
  SimulatedDisks& operator=(const SimulatedDisks&) = delete;

  // Adds a disk full of zeros; returns its index.
  std::size_t add(SimulatedDiskOptions options);
  std::size_t size() const;

  // A Drive over disk `index`, for the current life of the machine: after reboot() operations of drives
  // opened before it complete with Errc::drive_lost.
  std::unique_ptr<storage::io::Drive> open(std::size_t index);

  // --- Power ---

  // Cuts the power when operation `number` starts: that operation is in flight and may land in part.
  void cut_power_at(std::uint64_t number);
  void cut_power();
  bool powered() const;
  // Starts the machine again after a cut, or after the test has closed everything in order. Faults and a cut
  // that did not happen are forgotten; the hook and the jitter stay.
  void reboot();

  // --- Operations ---

  std::uint64_t operations() const;  // started so far, steps included
  std::size_t pending() const;       // started, handler not yet called
  // Counts something that is not a drive's, such as a commit of a simulated metadata store, so that a cut can
  // fall on it. Returns whether the power is on afterwards.
  bool step();
  // Called for each operation before its effect; may inject faults or cut the power. Empty: none.
  void on_operation(std::function<void(const OperationRecord&)> hook);
  // Each completion waits 0..turns turns of its event loop, at random: completions overtake each other.
  void jitter(std::uint32_t turns_max);

  // --- Faults of operations ---

  void inject(FaultMatch match, Fault fault);
  void clear_faults();
  // Completes every stuck and slow operation (what a stuck write wrote is then durable).
  void release_stuck();
  // Virtual time for Fault::slow; starts at 0.
  void advance(std::uint64_t duration_ns);
  std::uint64_t now_ns() const;

  // --- Faults of disks ---

  // Pulls a disk: present() turns false, its operations complete with Errc::drive_lost; pending writes end as
  // at a power cut. put_back() returns the same disk; a Drive opened before stays lost, as the kernel's
  // would.
  void pull(std::size_t index);
  void put_back(std::size_t index);
  // Flips `bits` random bits at rest in [offset, offset + size).
  void rot(std::size_t index, std::uint64_t offset, std::uint64_t size, unsigned bits = 1);
  // What a read would return now, or an arbitrary overwrite at rest; any alignment.
  void peek(std::size_t index, std::uint64_t offset, std::span<std::byte> into) const;
  void poke(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes);

  // The bytes of a disk at one moment, cheap to keep (blocks are shared). restore() turns the disk into that
  // older self: the stale drive that returns. It needs no pending operation of the disk (CHECKed).
  class Image;
  std::shared_ptr<const Image> image(std::size_t index) const;
  void restore(std::size_t index, const std::shared_ptr<const Image>& image);
  // A brand-new disk of the same size in the same slot, full of zeros; prepared as `prepared_bytes` says.
  void replace(std::size_t index, std::uint64_t prepared_bytes = std::numeric_limits<std::uint64_t>::max());

  // --- For failures and for tests of determinism ---

  std::uint64_t seed() const;
  std::uint64_t trace_digest() const;  // of every operation, fault and outcome so far
  std::string describe() const;        // seed, operation count and the last operations, for SCOPED_TRACE
  SeededRandom& random();              // the generator of everything above; for one-threaded tests

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tests
