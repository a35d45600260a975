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

}  // namespace

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
