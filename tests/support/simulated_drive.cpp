#include "tests/support/simulated_drive.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "storage/base/check.h"
#include "tests/support/simulated_state.h"

namespace tests {

using simulated::Block;
using simulated::bytes_of;
using simulated::Cell;
using simulated::Disk;
using simulated::RecentEntry;
using storage::Executor;
using storage::io::Completion;
using storage::io::kBlockBytes;
using storage::io::Operation;

namespace {

<<<<<<< HEAD
constexpr std::size_t kSectorBytes = 512;
constexpr std::size_t kRecentMax = 48;

using Block = std::array<std::byte, kBlockBytes>;
using BlockPointer = std::shared_ptr<const Block>;  // null: zeros

// One block of a disk: what reads see, and what a power cut leaves.
struct Cell {
  BlockPointer visible;
  BlockPointer durable;
  std::uint64_t durable_number = 0;  // of the write that made it; a later start wins over an earlier one
};

const Block& bytes_of(const BlockPointer& block) {
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
  Operation operation;
  Executor executor;
  Completion completion;
  Error result;
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

}  // namespace

struct Disk {
  SimulatedDiskOptions options;
  bool present = true;
  std::uint64_t life = 0;                         // drives opened in an earlier life are lost
  std::uint64_t size = 0;                         // bytes that exist for reads
  std::uint64_t prepared = 0;                     // end of the furthest completed write, at least
  std::unordered_map<std::uint64_t, Cell> cells;  // by block number
};

class SimulatedDisks::Image {
 public:
  std::uint64_t capacity_bytes = 0;
  std::uint64_t prepared = 0;
  std::unordered_map<std::uint64_t, BlockPointer> blocks;
};

struct SimulatedDisks::State : std::enable_shared_from_this<SimulatedDisks::State> {
  explicit State(std::uint64_t first_seed) : seed(first_seed), random(first_seed) {}

  void start(std::size_t index, std::uint64_t machine_life, std::uint64_t disk_life, Executor executor,
             const Operation& operation, Completion completion);
  bool step();
  void deliver(std::uint64_t number);
  void cut();  // needs the mutex, like all below
  void lose_disk(std::size_t index);
  void prepare_write(Pending& entry, const Fault* fault);
  const Fault* find_fault(std::size_t index, const Operation& operation);
  void apply_fault(Pending& entry, const Fault* fault, std::uint64_t number);
  void land(const Pending& entry);
  void tear(std::uint64_t number, Pending& entry);
  void finish_read(const Pending& entry);
  Error finish(std::uint64_t number, Pending& entry);
  void post(std::uint64_t number, Pending& entry);
  void release_due();
  void note(const OperationRecord& record, const char* outcome);
  void edit(Disk& disk, std::uint64_t block, const std::function<void(Block&)>& change);

  mutable std::mutex mutex;
  const std::uint64_t seed;
  SeededRandom random;
  std::vector<Disk> disks;
  std::map<std::uint64_t, Pending> pending;  // by operation number
  std::vector<Rule> rules;
  std::shared_ptr<std::function<void(const OperationRecord&)>> hook;
  std::optional<std::uint64_t> cut_at;
  bool powered = true;
  std::uint64_t life = 0;
  std::uint64_t count = 0;
  std::uint64_t now_ns = 0;
  std::uint32_t jitter_max = 0;
  std::uint64_t digest = 14695981039346656037ull;  // FNV-1a
  std::deque<RecentEntry> recent;
};

namespace {

=======
>>>>>>> io
class SimulatedDrive final : public storage::io::Drive {
 public:
  SimulatedDrive(std::shared_ptr<SimulatedDisks::State> state, std::size_t index)
      : state_(std::move(state)), index_(index) {
    const Disk& disk = state_->disks[index];
    machine_life_ = state_->life;
    disk_life_ = disk.life;
    name_ = disk.options.name;
    capacity_ = disk.options.capacity_bytes;
  }

  void start(Executor executor, Operation operation, Completion completion) override {
    state_->start(index_, machine_life_, disk_life_, executor, operation, std::move(completion));
  }
  std::uint64_t capacity_bytes() const override { return capacity_; }
  std::uint64_t prepared_bytes() const override {
    std::lock_guard lock(state_->mutex);
    return state_->disks[index_].prepared;
  }
  bool present() const override {
    std::lock_guard lock(state_->mutex);
    const Disk& disk = state_->disks[index_];
    return state_->powered && disk.present && machine_life_ == state_->life && disk_life_ == disk.life;
  }
  const std::string& name() const override { return name_; }

 private:
  std::shared_ptr<SimulatedDisks::State> state_;
  std::size_t index_;
  std::uint64_t machine_life_;
  std::uint64_t disk_life_;
  std::uint64_t capacity_;
  std::string name_;
};

<<<<<<< HEAD
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

=======
}  // namespace

>>>>>>> io
SimulatedDisks::SimulatedDisks(std::uint64_t seed) : state_(std::make_shared<State>(seed)) {}

SimulatedDisks::~SimulatedDisks() = default;

std::size_t SimulatedDisks::add(SimulatedDiskOptions options) {
  CHECK(options.capacity_bytes > 0 && options.capacity_bytes % kBlockBytes == 0);
  std::lock_guard lock(state_->mutex);
  Disk disk;
  disk.prepared = std::min(options.prepared_bytes, options.capacity_bytes);
  disk.size = disk.prepared;
  if (options.name.empty()) options.name = fmt::format("disk{}", state_->disks.size());
  disk.options = std::move(options);
  state_->disks.push_back(std::move(disk));
  return state_->disks.size() - 1;
}

std::size_t SimulatedDisks::size() const {
  std::lock_guard lock(state_->mutex);
  return state_->disks.size();
}

std::unique_ptr<storage::io::Drive> SimulatedDisks::open(std::size_t index) {
  std::lock_guard lock(state_->mutex);
  CHECK(index < state_->disks.size());
  return std::make_unique<SimulatedDrive>(state_, index);
}

void SimulatedDisks::cut_power_at(std::uint64_t number) {
  std::lock_guard lock(state_->mutex);
  CHECK(number >= state_->count);
  state_->cut_at = number;
}

void SimulatedDisks::cut_power() {
  std::lock_guard lock(state_->mutex);
  if (state_->powered) state_->cut();
}

bool SimulatedDisks::powered() const {
  std::lock_guard lock(state_->mutex);
  return state_->powered;
}

void SimulatedDisks::reboot() {
  std::lock_guard lock(state_->mutex);
  CHECK(state_->pending.empty());
  state_->powered = true;
  ++state_->life;
  state_->rules.clear();
  state_->cut_at.reset();
}

std::uint64_t SimulatedDisks::operations() const {
  std::lock_guard lock(state_->mutex);
  return state_->count;
}

std::size_t SimulatedDisks::pending() const {
  std::lock_guard lock(state_->mutex);
  return state_->pending.size();
}

bool SimulatedDisks::step() { return state_->step(); }

void SimulatedDisks::on_operation(std::function<void(const OperationRecord&)> hook) {
  std::lock_guard lock(state_->mutex);
  state_->hook =
      hook ? std::make_shared<std::function<void(const OperationRecord&)>>(std::move(hook)) : nullptr;
}

void SimulatedDisks::jitter(std::uint32_t turns_max) {
  std::lock_guard lock(state_->mutex);
  state_->jitter_max = turns_max;
}

void SimulatedDisks::inject(FaultMatch match, Fault fault) {
  std::lock_guard lock(state_->mutex);
  state_->rules.push_back({match, fault});
}

void SimulatedDisks::clear_faults() {
  std::lock_guard lock(state_->mutex);
  state_->rules.clear();
}

void SimulatedDisks::release_stuck() {
  std::lock_guard lock(state_->mutex);
  for (auto& [number, entry] : state_->pending) {
    if (entry.held) state_->post(number, entry);
  }
}

void SimulatedDisks::advance(std::uint64_t duration_ns) {
  std::lock_guard lock(state_->mutex);
  state_->now_ns += duration_ns;
  state_->release_due();
}

std::uint64_t SimulatedDisks::now_ns() const {
  std::lock_guard lock(state_->mutex);
  return state_->now_ns;
}

void SimulatedDisks::pull(std::size_t index) {
  std::lock_guard lock(state_->mutex);
  Disk& disk = state_->disks.at(index);
  if (!disk.present) return;
  disk.present = false;
  ++disk.life;
  state_->lose_disk(index);
}

void SimulatedDisks::put_back(std::size_t index) {
  std::lock_guard lock(state_->mutex);
  state_->disks.at(index).present = true;
}

void SimulatedDisks::rot(std::size_t index, std::uint64_t offset, std::uint64_t size, unsigned bits) {
  std::lock_guard lock(state_->mutex);
  Disk& disk = state_->disks.at(index);
  CHECK(size > 0 && size <= disk.options.capacity_bytes && offset <= disk.options.capacity_bytes - size);
  for (unsigned i = 0; i < bits; ++i) {
    const std::uint64_t at = offset + state_->random.below(size);
    const std::byte bit = std::byte{1} << state_->random.below(8);
    state_->edit(disk, at / kBlockBytes, [&](Block& block) { block[at % kBlockBytes] ^= bit; });
  }
}

void SimulatedDisks::peek(std::size_t index, std::uint64_t offset, std::span<std::byte> into) const {
  std::lock_guard lock(state_->mutex);
  const Disk& disk = state_->disks.at(index);
  CHECK(into.size() <= disk.options.capacity_bytes && offset <= disk.options.capacity_bytes - into.size());
  for (std::size_t done = 0; done < into.size();) {
    const std::uint64_t within = (offset + done) % kBlockBytes;
    const std::size_t part = std::min<std::size_t>(kBlockBytes - within, into.size() - done);
    const auto cell = disk.cells.find((offset + done) / kBlockBytes);
    std::memcpy(into.data() + done,
                bytes_of(cell == disk.cells.end() ? nullptr : cell->second.visible).data() + within, part);
    done += part;
  }
}

void SimulatedDisks::poke(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) {
  std::lock_guard lock(state_->mutex);
  Disk& disk = state_->disks.at(index);
  CHECK(bytes.size() <= disk.options.capacity_bytes && offset <= disk.options.capacity_bytes - bytes.size());
  for (std::size_t done = 0; done < bytes.size();) {
    const std::uint64_t within = (offset + done) % kBlockBytes;
    const std::size_t part = std::min<std::size_t>(kBlockBytes - within, bytes.size() - done);
    state_->edit(disk, (offset + done) / kBlockBytes,
                 [&](Block& block) { std::memcpy(block.data() + within, bytes.data() + done, part); });
    done += part;
  }
}

std::shared_ptr<const SimulatedDisks::Image> SimulatedDisks::image(std::size_t index) const {
  std::lock_guard lock(state_->mutex);
  const Disk& disk = state_->disks.at(index);
  auto image = std::make_shared<Image>();
  image->capacity_bytes = disk.options.capacity_bytes;
  image->prepared = disk.prepared;
  for (const auto& [block, cell] : disk.cells) {
    if (cell.durable) image->blocks.emplace(block, cell.durable);
  }
  return image;
}

void SimulatedDisks::restore(std::size_t index, const std::shared_ptr<const Image>& image) {
  std::lock_guard lock(state_->mutex);
  Disk& disk = state_->disks.at(index);
  CHECK(std::ranges::none_of(state_->pending, [&](const auto& entry) { return entry.second.disk == index; }));
  CHECK(image->capacity_bytes == disk.options.capacity_bytes);
  ++disk.life;
  disk.prepared = image->prepared;
  disk.size = image->prepared;
  disk.cells.clear();
  for (const auto& [block, bytes] : image->blocks) disk.cells.emplace(block, Cell{bytes, bytes, 0});
}

void SimulatedDisks::replace(std::size_t index, std::uint64_t prepared_bytes) {
  auto blank = std::make_shared<Image>();
  {
    std::lock_guard lock(state_->mutex);
    blank->capacity_bytes = state_->disks.at(index).options.capacity_bytes;
    state_->disks[index].present = true;
  }
  blank->prepared = std::min(prepared_bytes, blank->capacity_bytes);
  restore(index, blank);
}

std::uint64_t SimulatedDisks::seed() const { return state_->seed; }

std::uint64_t SimulatedDisks::trace_digest() const {
  std::lock_guard lock(state_->mutex);
  return state_->digest;
}

std::string SimulatedDisks::describe() const {
  std::lock_guard lock(state_->mutex);
  std::string text = fmt::format("GRANARY_TEST_SEED={} operations={} pending={} powered={}\n", state_->seed,
                                 state_->count, state_->pending.size(), state_->powered);
  for (const RecentEntry& entry : state_->recent) {
    const OperationRecord& record = entry.record;
    if (record.disk == OperationRecord::kNoDisk) {
      text += fmt::format("  #{} {}\n", record.number, entry.outcome);
      continue;
    }
    text += fmt::format(
        "  #{} {} {} at {} size {}: {}\n", record.number, state_->disks[record.disk].options.name,
        record.kind == Operation::Kind::read ? "read" : "write", record.offset, record.size, entry.outcome);
  }
  return text;
}

SeededRandom& SimulatedDisks::random() { return state_->random; }

}  // namespace tests
