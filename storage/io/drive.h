// Drive: a flat array of bytes that survives a power cut; the seam between the store and its hardware.
//
// Durability  a write completes only when its bytes are on stable storage (RWF_DSYNC, i.e. FUA or
//             write + flush of exactly this write). No write is acknowledged from a cache.
// Alignment   offset, size and memory address are multiples of kBlockBytes. Violations are the caller's bug
//             (CHECK).
// Threads     start() from any thread that runs an io_context (found through the caller's executor); the
//             handler runs on that same io_context, never inside start(). Any number may be in flight.
//             One thread runs a context for all of its operations (CHECKed with io_uring).
// Lifetime    memory of an operation belongs to the drive until its handler runs; cancellation does not
//             reach operations. The drive outlives its operations: the owner waits for handlers first.
// Errors      the system category (EIO, ENOSPC, ...), Errc::io_error for a short transfer,
//             Errc::drive_lost once the drive is known to be gone, Errc::invalid_argument for a range beyond
//             the capacity. Reading bytes that were never written may be a short transfer (prepared_bytes()).
// After an error of a write the bytes of its range are undefined (old, new or a mixture, by 512-byte
// sectors). Nothing is retried here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/io/buffer.h"

namespace storage::io {

struct Operation {
  enum class Kind : std::uint8_t { read, write };
  Kind kind;
  std::uint64_t offset;       // bytes from the start of the drive
  std::span<std::byte> memory;  // where to read to, or what to write (not modified)
};

using Completion = std::function<void(Error)>;

class Drive {
 public:
  virtual ~Drive() = default;

  virtual void start(Executor executor, Operation operation, Completion completion) = 0;

  // Bytes that can be addressed: [0, capacity_bytes()).
  virtual std::uint64_t capacity_bytes() const = 0;

  // Bytes [0, prepared_bytes()) have been written once, so that making a write there durable costs no
  // allocation in the file system. Equal to the capacity where that does not matter (block devices).
  virtual std::uint64_t prepared_bytes() const = 0;

  // Whether the drive is still where it was opened: false once its file was removed, replaced or made
  // shorter than what it must hold. Cheap enough to be called once a second; may block for a stat().
  virtual bool present() const = 0;

  // Lets go of the exclusive lock, so that the same drive can be opened anew while operations of this object are still
  // unfinished; every later operation ends with Errc::drive_lost.
  virtual void give_up() {}

  // For logs and errors: the path.
  virtual const std::string& name() const = 0;
};

// Awaitable forms.
Task<Result<>> read(Drive& drive, std::uint64_t offset, std::span<std::byte> into);
Task<Result<>> write(Drive& drive, std::uint64_t offset, std::span<std::byte> from);

// One operation of a group. `drive` null means "skip": its error is Errc::drive_lost.
struct GroupedOperation {
  Drive* drive;
  Operation operation;
  Error error;  // filled in
};

// Starts all of `operations` at once and completes when the last has. Errors are in the elements.
Task<> run_all(std::span<GroupedOperation> operations);

enum class Engine : std::uint8_t { io_uring, thread_pool };

struct EngineChoice {
  Engine engine;
  std::string reason;  // for the log: why not io_uring, or its features
};

// Tries io_uring once; thread_pool where the kernel or a seccomp filter refuses it, or where the
// environment variable GRANARY_IO_ENGINE=threads asks for it (an operator's way round a kernel bug).
EngineChoice choose_engine();

struct FileDriveOptions {
  std::string path;             // a directory (its file `granary.data` is used), a file or a block device
  std::uint64_t capacity_bytes = 0;  // 0: a block device's or existing file's size; directories must say
  Engine engine = Engine::io_uring;
  bool create = false;          // make the directory and the file if absent
  // Arenas to register with each thread's ring; mapped as long as the drive is open. Give every drive the same list:
  // a ring registers that of the first drive it meets, others are used unregistered.
  std::vector<std::span<std::byte>> registered;
};

// Opens a drive with O_DIRECT and an exclusive lock (flock). Failures, each with a sentence in `why`: absent
// (ENOENT), in use by another process (EWOULDBLOCK), file system refuses O_DIRECT (EINVAL), too small. Blocks for up to
// three seconds while another process holds the lock: a killed one lets go only after the kernel has ended its writes.
// A thread's ring is made at its first operation and dies with its io_context.
Result<std::unique_ptr<Drive>> open_file_drive(const FileDriveOptions& options, std::string& why);

}  // namespace storage::io
