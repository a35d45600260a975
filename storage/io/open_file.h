// OpenFile: what both engines need to know of an opened file or block device. Private to this folder.
//
// Threads   immutable but for its atomics. Lifetime  outlives its operations (Drive promises the same).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage/base/result.h"
#include "storage/io/drive.h"

namespace storage::io {

// The arenas that rings register; equal lists are one object (intern_arenas), so rings compare pointers.
using Arenas = std::vector<std::span<std::byte>>;
std::shared_ptr<const Arenas> intern_arenas(const Arenas& arenas);

struct OpenFile {
  int descriptor = -1;
  std::shared_ptr<const Arenas> arenas;
  std::atomic<std::uint64_t> prepared_bytes{0};
  std::atomic<bool> lost{false};

  OpenFile() = default;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();  // closes, which gives up the lock

  // Turns the result of a system call (bytes, or a negative errno) into the error of `operation`, and
  // remembers what it teaches about the file.
  Error finish(const Operation& operation, std::int64_t result);
};

}  // namespace storage::io
