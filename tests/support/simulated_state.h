// The inside of SimulatedDisks: disks, pending operations and the decisions of chance. Private to
// simulated_drive.cpp and simulated_state.cpp.
//
// Threads   every member needs the mutex but start(), step() and deliver(), which take it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tests/support/simulated_drive.h"

namespace tests::simulated {

constexpr std::size_t kSectorBytes = 512;
constexpr std::size_t kRecentMax = 48;

using Block = std::array<std::byte, storage::io::kBlockBytes>;
using BlockPointer = std::shared_ptr<const Block>;  // null: zeros

// One block of a disk: what reads see, and what a power cut leaves.
struct Cell {
  BlockPointer visible;
  BlockPointer durable;
  std::uint64_t durable_number = 0;  // of the write that made it; a later start wins over an earlier one
};

inline const Block& bytes_of(const BlockPointer& block) {
  static const Block zeros{};
  return block ? *block : zeros;
}

struct Rule {
  FaultMatch match;
  Fault fault;
};

// An operation between start() and the call of its handler.
struct Pending {
  std::size_t disk;
  std::uint64_t disk_life;
  storage::io::Operation operation;
  storage::Executor executor;
  storage::io::Completion completion;
  storage::Error result;
  std::uint64_t source;               // where a read takes its bytes, where a write lands
  std::vector<BlockPointer> landing;  // the blocks of a write as they land; empty: a read or a lost write
  bool as_given = true;               // what lands is the caller's memory, so it can be compared at the end
  bool flip = false;                  // a read: one wrong bit
  bool held = false;                  // stuck or slow: not posted yet
  bool stuck = false;
  std::uint64_t release_number = 0;
  std::uint64_t release_ns = 0;
  std::uint32_t turns = 0;
};

struct RecentEntry {
  OperationRecord record;
  const char* outcome;
};

struct Disk {
  SimulatedDiskOptions options;
  bool present = true;
  std::uint64_t life = 0;                         // drives opened in an earlier life are lost
  std::uint64_t size = 0;                         // bytes that exist for reads
  std::uint64_t prepared = 0;                     // end of the furthest completed write, at least
  std::unordered_map<std::uint64_t, Cell> cells;  // by block number
};

}  // namespace tests::simulated

namespace tests {

class SimulatedDisks::Image {
 public:
  std::uint64_t capacity_bytes = 0;
  std::uint64_t prepared = 0;
  std::unordered_map<std::uint64_t, simulated::BlockPointer> blocks;
};

struct SimulatedDisks::State : std::enable_shared_from_this<SimulatedDisks::State> {
  explicit State(std::uint64_t first_seed) : seed(first_seed), random(first_seed) {}

  void start(std::size_t index, std::uint64_t machine_life, std::uint64_t disk_life,
             storage::Executor executor, const storage::io::Operation& operation,
             storage::io::Completion completion);
  bool step();
  void deliver(std::uint64_t number);
  void cut();  // needs the mutex, like all below
  void lose_disk(std::size_t index);
  void prepare_write(simulated::Pending& entry, const Fault* fault);
  const Fault* find_fault(std::size_t index, const storage::io::Operation& operation);
  void apply_fault(simulated::Pending& entry, const Fault* fault, std::uint64_t number);
  void land(const simulated::Pending& entry);
  void tear(std::uint64_t number, simulated::Pending& entry);
  void finish_read(const simulated::Pending& entry);
  storage::Error finish(std::uint64_t number, simulated::Pending& entry);
  void post(std::uint64_t number, simulated::Pending& entry);
  void release_due();
  void note(const OperationRecord& record, const char* outcome);
  void edit(simulated::Disk& disk, std::uint64_t block, const std::function<void(simulated::Block&)>& change);

  mutable std::mutex mutex;
  const std::uint64_t seed;
  SeededRandom random;
  std::vector<simulated::Disk> disks;
  std::map<std::uint64_t, simulated::Pending> pending;  // by operation number
  std::vector<simulated::Rule> rules;
  std::shared_ptr<std::function<void(const OperationRecord&)>> hook;
  std::optional<std::uint64_t> cut_at;
  bool powered = true;
  std::uint64_t life = 0;
  std::uint64_t count = 0;
  std::uint64_t now_ns = 0;
  std::uint32_t jitter_max = 0;
  std::uint64_t digest = 14695981039346656037ull;  // FNV-1a
  std::deque<simulated::RecentEntry> recent;
};

}  // namespace tests
