#include "tests/support/simulated_state.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "storage/base/check.h"

namespace tests {
namespace asio = boost::asio;

using simulated::Block;
using simulated::BlockPointer;
using simulated::bytes_of;
using simulated::Cell;
using simulated::Disk;
using simulated::kRecentMax;
using simulated::kSectorBytes;
using simulated::Pending;
using simulated::Rule;
using storage::Errc;
using storage::Error;
using storage::Executor;
using storage::io::Completion;
using storage::io::kBlockBytes;
using storage::io::Operation;

namespace {

const char* outcome_name(const Fault* fault) {
  if (fault == nullptr) return "started";
  switch (fault->kind) {
    case Fault::Kind::error:
      return "error";
    case Fault::Kind::lost:
      return "lost";
    case Fault::Kind::misdirected:
      return "misdirected";
    case Fault::Kind::stuck:
      return "stuck";
    case Fault::Kind::slow:
      return "slow";
    case Fault::Kind::flip:
      return "flip";
  }
  return "?";
}

// A block whose sectors are, each at random, of `fresh` or of `old`.
BlockPointer mixed(const BlockPointer& old, const BlockPointer& fresh, SeededRandom& random) {
  auto block = std::make_shared<Block>(bytes_of(old));
  for (std::size_t at = 0; at < kBlockBytes; at += kSectorBytes) {
    if (random.below(2) == 0) std::memcpy(block->data() + at, bytes_of(fresh).data() + at, kSectorBytes);
  }
  return block;
}

}  // namespace

void SimulatedDisks::State::note(const OperationRecord& record, const char* outcome) {
  const auto mix = [this](std::uint64_t value) { digest = (digest ^ value) * 1099511628211ull; };
  mix(record.number);
  mix(record.disk);
  mix(static_cast<std::uint64_t>(record.kind));
  mix(record.offset);
  mix(record.size);
  for (const char* at = outcome; *at != '\0'; ++at) mix(static_cast<unsigned char>(*at));
  recent.push_back({record, outcome});
  if (recent.size() > kRecentMax) recent.pop_front();
}

const Fault* SimulatedDisks::State::find_fault(std::size_t index, const Operation& operation) {
  for (Rule& rule : rules) {
    FaultMatch& match = rule.match;
    if (match.disk && *match.disk != index) continue;
    if (match.kind && *match.kind != operation.kind) continue;
    if (operation.offset >= match.end || operation.offset + operation.memory.size() <= match.begin) continue;
    if (match.count == 0) continue;
    if (match.skip > 0) {
      --match.skip;
      continue;
    }
    if (match.probability < 1.0 && !random.chance(match.probability)) continue;
    if (match.count != FaultMatch::kAlways) --match.count;
    return &rule.fault;
  }
  return nullptr;
}

// Makes what a write leaves in `entry.landing`, without touching the disk.
void SimulatedDisks::State::prepare_write(Pending& entry, const Fault* fault) {
  const Operation& operation = entry.operation;
  if (fault != nullptr && fault->kind == Fault::Kind::lost) {
    entry.as_given = false;
    return;
  }
  Disk& disk = disks[entry.disk];
  for (std::size_t at = 0; at < operation.memory.size(); at += kBlockBytes) {
    auto block = std::make_shared<Block>();
    std::memcpy(block->data(), operation.memory.data() + at, kBlockBytes);
    entry.landing.push_back(std::move(block));
  }
  if (fault == nullptr) return;
  if (fault->kind == Fault::Kind::error) {
    entry.as_given = false;
    for (std::size_t i = 0; i < entry.landing.size(); ++i) {
      const auto cell = disk.cells.find(entry.source / kBlockBytes + i);
      const BlockPointer old = cell == disk.cells.end() ? nullptr : cell->second.visible;
      entry.landing[i] = mixed(old, entry.landing[i], random);
    }
  } else if (fault->kind == Fault::Kind::flip) {
    entry.as_given = false;
    BlockPointer& victim = entry.landing[random.below(entry.landing.size())];
    auto wrong = std::make_shared<Block>(*victim);
    (*wrong)[random.below(kBlockBytes)] ^= std::byte{1} << random.below(8);
    victim = std::move(wrong);
  }
}

void SimulatedDisks::State::apply_fault(Pending& entry, const Fault* fault, std::uint64_t number) {
  if (fault == nullptr) return;
  const Disk& disk = disks[entry.disk];
  const std::uint64_t size = entry.operation.memory.size();
  switch (fault->kind) {
    case Fault::Kind::error:
      entry.result = fault->error ? fault->error : Error(EIO, boost::system::system_category());
      return;
    case Fault::Kind::misdirected: {
      const std::uint64_t places = (disk.options.capacity_bytes - size) / kBlockBytes + 1;
      entry.source = fault->misdirect_to ? *fault->misdirect_to : random.below(places) * kBlockBytes;
      CHECK(entry.source % kBlockBytes == 0 && entry.source <= disk.options.capacity_bytes - size);
      return;
    }
    case Fault::Kind::stuck:
      entry.held = true;
      entry.stuck = true;
      return;
    case Fault::Kind::slow:
      entry.held = true;
      entry.release_number = number + fault->delay_operations;
      entry.release_ns = now_ns + fault->delay_ns;
      return;
    case Fault::Kind::flip:
      entry.flip = true;
      return;
    case Fault::Kind::lost:
      return;
  }
}

// Makes a write visible to reads.
void SimulatedDisks::State::land(const Pending& entry) {
  Disk& disk = disks[entry.disk];
  for (std::size_t i = 0; i < entry.landing.size(); ++i) {
    disk.cells[entry.source / kBlockBytes + i].visible = entry.landing[i];
  }
  if (!entry.landing.empty()) {
    disk.size = std::max(disk.size, entry.source + entry.landing.size() * kBlockBytes);
  }
}

void SimulatedDisks::State::start(std::size_t index, std::uint64_t machine_life, std::uint64_t disk_life,
                                  Executor executor, const Operation& operation, Completion completion) {
  CHECK(operation.offset % kBlockBytes == 0);
  CHECK(!operation.memory.empty() && operation.memory.size() % kBlockBytes == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(operation.memory.data()) % kBlockBytes == 0);

  OperationRecord record{0, index, operation.kind, operation.offset, operation.memory.size()};
  std::shared_ptr<std::function<void(const OperationRecord&)>> observer;
  {
    std::lock_guard lock(mutex);
    record.number = count++;
    if (powered) observer = hook;
  }
  if (observer) (*observer)(record);

  std::lock_guard lock(mutex);
  const Disk& disk = disks[index];
  Pending entry{index, disk_life, operation, executor, std::move(completion), {}, operation.offset, {}};
  const Fault* fault = nullptr;
  if (!powered || machine_life != life || !disk.present || disk_life != disk.life) {
    entry.result = Errc::drive_lost;
  } else if (operation.memory.size() > disk.options.capacity_bytes ||
             operation.offset > disk.options.capacity_bytes - operation.memory.size()) {
    entry.result = Errc::invalid_argument;
  } else {
    fault = find_fault(index, operation);
    apply_fault(entry, fault, record.number);
    if (operation.kind == Operation::Kind::write) prepare_write(entry, fault);
  }
  note(record, entry.result == Errc::drive_lost ? "drive_lost" : outcome_name(fault));
  if (jitter_max > 0) entry.turns = static_cast<std::uint32_t>(random.below(jitter_max + std::uint64_t{1}));

  Pending& placed = pending.emplace(record.number, std::move(entry)).first->second;
  land(placed);
  if (!placed.held) post(record.number, placed);
  release_due();
  if (powered && cut_at == record.number) cut();
}

bool SimulatedDisks::State::step() {
  OperationRecord record{0, OperationRecord::kNoDisk, Operation::Kind::write, 0, 0};
  std::shared_ptr<std::function<void(const OperationRecord&)>> observer;
  {
    std::lock_guard lock(mutex);
    record.number = count++;
    note(record, "step");
    if (powered) observer = hook;
  }
  if (observer) (*observer)(record);
  std::lock_guard lock(mutex);
  release_due();
  if (powered && cut_at == record.number) cut();
  return powered;
}

void SimulatedDisks::State::post(std::uint64_t number, Pending& entry) {
  entry.held = false;
  asio::post(entry.executor, [self = shared_from_this(), number] { self->deliver(number); });
}

void SimulatedDisks::State::release_due() {
  for (auto& [number, entry] : pending) {
    if (entry.held && !entry.stuck && count > entry.release_number && now_ns >= entry.release_ns) {
      post(number, entry);
    }
  }
}

void SimulatedDisks::State::finish_read(const Pending& entry) {
  const Disk& disk = disks[entry.disk];
  const Operation& operation = entry.operation;
  for (std::size_t at = 0; at < operation.memory.size(); at += kBlockBytes) {
    const auto cell = disk.cells.find((entry.source + at) / kBlockBytes);
    const Block& block = bytes_of(cell == disk.cells.end() ? nullptr : cell->second.visible);
    std::memcpy(operation.memory.data() + at, block.data(), kBlockBytes);
  }
}

// Gives an operation its effect at the moment of its completion; returns what its handler is told.
Error SimulatedDisks::State::finish(std::uint64_t number, Pending& entry) {
  if (entry.result == Errc::drive_lost || entry.result == Errc::invalid_argument) return entry.result;
  Disk& disk = disks[entry.disk];
  if (entry.operation.kind == Operation::Kind::read) {
    if (entry.result) return entry.result;
    if (entry.source + entry.operation.memory.size() > disk.size) return Errc::io_error;
    finish_read(entry);
    if (entry.flip) {
      const std::size_t at = random.below(entry.operation.memory.size());
      entry.operation.memory[at] ^= std::byte{1} << random.below(8);
    }
    return {};
  }
  for (std::size_t i = 0; i < entry.landing.size(); ++i) {
    if (entry.as_given) {
      // The memory belonged to the drive until now.
      CHECK(std::memcmp(entry.operation.memory.data() + i * kBlockBytes, entry.landing[i]->data(),
                        kBlockBytes) == 0);
    }
    Cell& cell = disk.cells[entry.source / kBlockBytes + i];
    if (number + 1 > cell.durable_number) {
      cell.durable = entry.landing[i];
      cell.durable_number = number + 1;
    }
  }
  if (!entry.landing.empty()) {
    disk.prepared = std::max(disk.prepared, entry.source + entry.landing.size() * kBlockBytes);
  }
  return entry.result;
}

void SimulatedDisks::State::deliver(std::uint64_t number) {
  Completion completion;
  Error result;
  {
    std::lock_guard lock(mutex);
    const auto found = pending.find(number);
    CHECK(found != pending.end());
    Pending& entry = found->second;
    if (entry.turns > 0) {
      --entry.turns;
      post(number, entry);
      return;
    }
    result = finish(number, entry);
    note({number, entry.disk, entry.operation.kind, entry.operation.offset, entry.operation.memory.size()},
         result ? "failed" : "done");
    completion = std::move(entry.completion);
    pending.erase(found);
  }
  completion(result);
}

// Decides what an unfinished write left on its disk.
void SimulatedDisks::State::tear(std::uint64_t number, Pending& entry) {
  Disk& disk = disks[entry.disk];
  const std::uint64_t outcome = random.below(4);  // 0 nothing, 1 all of it, else by sector
  for (std::size_t i = 0; i < entry.landing.size(); ++i) {
    Cell& cell = disk.cells[entry.source / kBlockBytes + i];
    if (outcome == 1) cell.durable = entry.landing[i];
    if (outcome > 1) cell.durable = mixed(cell.durable, entry.landing[i], random);
    if (outcome > 0) cell.durable_number = std::max(cell.durable_number, number + 1);
  }
  if (outcome > 0 && !entry.landing.empty()) {
    disk.prepared = std::max(disk.prepared, entry.source + entry.landing.size() * kBlockBytes);
  }
}

// Ends every pending operation of disk `index`: writes are torn, reads fail.
void SimulatedDisks::State::lose_disk(std::size_t index) {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, entry] : pending) {
    if (entry.disk == index) numbers.push_back(number);
  }
  // Writes in flight reach the disk in any order.
  for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[random.below(i)]);
  for (std::uint64_t number : numbers) tear(number, pending.at(number));
  Disk& disk = disks[index];
  for (std::uint64_t number : numbers) {
    Pending& entry = pending.at(number);
    // Only blocks of unfinished writes could differ between the two views.
    for (std::size_t i = 0; i < entry.landing.size(); ++i) {
      Cell& cell = disk.cells[entry.source / kBlockBytes + i];
      cell.visible = cell.durable;
    }
    entry.landing.clear();
    entry.result = Errc::drive_lost;
    if (entry.held) post(number, entry);
  }
  disk.size = disk.prepared;
}

void SimulatedDisks::State::cut() {
  powered = false;
  cut_at.reset();
  note({count, OperationRecord::kNoDisk, Operation::Kind::write, 0, 0}, "power cut");
  for (std::size_t index = 0; index < disks.size(); ++index) lose_disk(index);
}

// Changes a block at rest, in both views.
void SimulatedDisks::State::edit(Disk& disk, std::uint64_t block, const std::function<void(Block&)>& change) {
  Cell& cell = disk.cells[block];
  const bool shared = cell.visible == cell.durable;
  auto visible = std::make_shared<Block>(bytes_of(cell.visible));
  change(*visible);
  if (!shared) {
    auto durable = std::make_shared<Block>(bytes_of(cell.durable));
    change(*durable);
    cell.durable = std::move(durable);
  } else {
    cell.durable = visible;
  }
  cell.visible = std::move(visible);
}

}  // namespace tests
