#include "storage/segment/repair_queue.h"

#include <cstring>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace storage::segment {

RepairQueue::Key RepairQueue::key_of(const Damage& damage) {
  return Key(damage.stripe.segment->id(), damage.stripe.stripe_block, damage.shard);
}

void RepairQueue::add(const StripeRef& stripe, unsigned shard) {
  if (context_.drive_for_write((*stripe.segment->placement())[shard].drive) == nullptr) return;
  Damage damage{stripe, shard};
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= context_.options.repairs_max) return;
    if (!known_.insert(key_of(damage)).second) return;
    waiting_.push_back(std::move(damage));
  }
  run_if_needed();
}

void RepairQueue::start(Executor executor) {
  {
    std::lock_guard lock(mutex_);
    executor_ = executor;
  }
  run_if_needed();
}

void RepairQueue::stop() {
  std::lock_guard lock(mutex_);
  executor_.reset();
}

std::size_t RepairQueue::size() const {
  std::lock_guard lock(mutex_);
  return known_.size();
}

void RepairQueue::run_if_needed() {
  std::optional<Executor> executor;
  {
    std::lock_guard lock(mutex_);
    if (running_ || !executor_ || waiting_.empty()) return;
    running_ = true;
    executor = executor_;
  }
  // Outside the mutex: on its own executor the task begins inside spawn().
  context_.tasks.spawn(*executor, run());
}

Task<> RepairQueue::run() {
  while (true) {
    std::optional<Damage> next;
    {
      std::lock_guard lock(mutex_);
      if (waiting_.empty() || !executor_) {
        running_ = false;
        co_return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    const Key key = key_of(*next);
    Result<> repaired = co_await repair(std::move(*next));
    if (!repaired) {
      log_warn("repair_failed", {{"segment", std::get<0>(key)},
                                 {"stripe_block", std::get<1>(key)},
                                 {"shard", std::get<2>(key)},
                                 {"error", repaired.error().message()}});
    }
    std::lock_guard lock(mutex_);
    known_.erase(key);
  }
}

Task<Result<>> RepairQueue::repair(Damage damage) {
  const StripeShape shape = damage.stripe.shape;
  ShardRebuilder::Request request;
  request.stripe = damage.stripe;
  request.lost.push_back(damage.shard);
  request.blocks = shape.shard_blocks;
  request.fresh_headers = true;
  Result<ShardRebuilder::Rebuilt> rebuilt = co_await rebuilder_.rebuild(std::move(request), context_.pool);
  if (!rebuilt) co_return rebuilt.error();

  const std::size_t header_bytes = shape.header_blocks * io::kBlockBytes;
  Result<io::Buffer> shard =
      co_await context_.pool.take(header_bytes + shape.payload_bytes(), context_.options.wait_ms_max);
  if (!shard) co_return shard.error();
  const auto memory = std::make_shared<io::Buffer>(std::move(*shard));
  const std::span<std::byte> image = memory->span().first(header_bytes + shape.payload_bytes());
  const std::span<std::byte> payload = image.subspan(header_bytes);
  std::memcpy(payload.data(), rebuilt->memory->data(), payload.size());
  if (erasure::crc32c(payload) != rebuilt->header->payload_crcs[damage.shard]) co_return Errc::corrupt_data;
  ShardHeader header = *rebuilt->header;
  header.shard_index = static_cast<std::uint16_t>(damage.shard);
  header.block_crcs = block_crcs_of(payload);
  encode_shard_header(header, image.first(header_bytes));
  co_return co_await write(damage.stripe, damage.shard, image, memory);
}

Task<Result<>> RepairQueue::write(StripeRef stripe, unsigned shard, std::span<std::byte> image, ReadMemory memory) {
  struct Kept {
    PlacementPtr placement;
    ReadMemory memory;
  };
  // Held until the write has ended: the zone cannot become another segment's before.
  const PlacementPtr placement = stripe.segment->placement();
  const SegmentRecord::Member member = (*placement)[shard];
  io::PatientOperation repair = context_.shard_write(member, stripe.stripe_block, image);
  repair.compared = false;
  if (repair.drive == nullptr) co_return Errc::drive_lost;
  const std::uint64_t offset = context_.drive_offset(member.zone, stripe.stripe_block);
  reader_.cache().erase(stripe.segment->id(), stripe.stripe_block, shard);
  auto kept = std::make_shared<Kept>();
  kept->placement = placement;
  kept->memory = std::move(memory);
  co_await io::run_patiently(std::span<io::PatientOperation>(&repair, 1), context_.last_patience(), std::move(kept));
  context_.metrics.syncs.add();
  context_.report(member.drive, repair);
  if (repair.error) co_return repair.error;
  context_.metrics.repairs.add();
  log_info("shard_repaired", {{"drive", member.drive}, {"zone", member.zone}, {"offset", offset}});
  co_return success();
}

}  // namespace storage::segment
