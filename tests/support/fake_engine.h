// A deterministic metadata mirror in memory: what it holds survives a "power cut" of the process (the disk is the
// FakeMirrorDisk), and writes can be made to fail, to hang, or to land without being acknowledged.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "storage/metadata/engine.h"

namespace tests {

// One directory's durable content, shared by the engines that are opened on it one after another.
struct FakeMirrorDisk {
  using Rows = std::map<storage::metadata::Key, std::string>;

  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<Rows> rows = std::make_shared<Rows>();
  std::vector<storage::metadata::Batch> log;  // what tail_after() can reach
  std::uint64_t writes = 0;
  std::optional<std::uint64_t> power_cut_after;  // writes that still land; later ones fail
  bool land_the_cut_write = false;               // the write at the cut lands all the same: an unacknowledged tail
  bool fail_writes = false;
  bool hang_writes = false;                      // fills too; until cleared, with changed.notify_all()
  bool filling = false;                          // a fill has begun
  bool fail_open = false;
};

// The factory over a set of disks by directory name.
storage::metadata::EngineFactory fake_engines(std::map<std::string, std::shared_ptr<FakeMirrorDisk>>& disks);

}  // namespace tests
