// StoreRig: a SegmentStore over simulated disks and a durable catalogue in memory, with the machine around
// it: boot, shut down, cut the power, boot again.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/base/byte_source.h"
#include "storage/base/task_group.h"
#include "storage/segment/segment_store.h"
#include "storage/segment/segment_upkeep.h"
#include "tests/support/run_task.h"
#include "tests/support/simulated_drive.h"

namespace tests {

// Records survive a power cut from the moment that a call returned success. A call on which the cut falls
// lands or not, at random; after it every call fails. Each call is one operation of the disks.
class FakeCatalog final : public storage::segment::SegmentCatalog {
 public:
  explicit FakeCatalog(SimulatedDisks& disks) : disks_(disks) {}

  storage::Task<storage::Result<Loaded>> load() override;
  storage::Task<storage::Result<>> add(storage::segment::SegmentRecord record) override;
  storage::Task<storage::Result<>> replace(storage::segment::SegmentRecord expected,
                                                  storage::segment::SegmentRecord record) override;
  storage::Task<storage::Result<>> remove(std::vector<storage::segment::SegmentId> ids) override;

  std::map<storage::segment::SegmentId, storage::segment::SegmentRecord> records;
  storage::segment::SegmentId highest_id = 0;
  bool fail_adds = false;

 private:
  enum class Fate { applied, lost, applied_unknown };
  Fate decide();
  SimulatedDisks& disks_;
};

// A body that arrives in pieces of a fixed size.
class FakeSource final : public storage::ByteSource {
 public:
  FakeSource(std::span<const std::byte> bytes, std::size_t piece) : bytes_(bytes), piece_(piece) {}
  storage::Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override;
  storage::Error fail_at_end;

 private:
  std::span<const std::byte> bytes_;
  std::size_t piece_;
};

std::vector<std::byte> random_bytes(SeededRandom& random, std::size_t size);

struct StoreRigOptions {
  std::size_t disks = 6;
  std::uint64_t capacity_bytes = 64 << 20;
  std::uint64_t prepared_bytes = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t seed = 1;
  std::size_t pool_bytes = 96 << 20;
  storage::segment::SegmentStoreOptions store;
};

class StoreRig {
 public:
  explicit StoreRig(StoreRigOptions options);
  ~StoreRig();

  // Opens the drives and recovers the store; the error of either.
  storage::Result<> boot();
  storage::Result<> open_drives(std::vector<std::size_t> which);
  storage::Result<> open_store();
  // Stops and destroys the store and the drives, in order.
  void halt();
  void stop_store();

  storage::Result<storage::segment::Appended> append(std::span<const std::byte> bytes,
                                                     std::string key = "key");
  // All at once; results in the order of `bodies`.
  std::vector<storage::Result<storage::segment::Appended>> append_all(
      const std::vector<std::vector<std::byte>>& bodies);
  storage::Result<std::vector<storage::segment::Appended>> append_stream(std::span<const std::byte> head,
                                                                         storage::ByteSource& source);
  storage::Result<std::vector<std::byte>> read(const storage::segment::Extent& extent, std::uint32_t begin,
                                               std::uint32_t length);
  storage::Result<std::vector<std::byte>> read(const storage::segment::Extent& extent) {
    return read(extent, 0, extent.length);
  }
  storage::Result<> move_shard(storage::segment::SegmentId segment, unsigned shard, std::uint32_t to_member,
                               storage::segment::Referenced referenced = {});
  // All of one segment; the counts of its steps together.
  storage::Result<storage::segment::ScrubStep> scrub(storage::segment::SegmentId segment,
                                                     storage::segment::Referenced referenced = {},
                                                     std::optional<std::uint32_t> member = std::nullopt);
  storage::Result<> seal(storage::segment::SegmentId segment);
  storage::Result<> free(storage::segment::SegmentId segment);
  // Changes of membership; `why` holds the sentence of a refusal. Disk i is called "disk<i>".
  storage::Result<std::uint32_t> add_drive(std::size_t disk);
  storage::Result<> begin_retire(std::uint32_t member);
  storage::Result<> finish_retire(std::uint32_t member);
  storage::Result<> readmit(std::uint32_t member, std::string path = {});
  storage::Result<> set_parity(unsigned parity);
  storage::Result<> write_mirrors(std::uint64_t mirror_epoch, std::vector<std::uint32_t> members);
  void look(std::int64_t now_ns);
  std::uint64_t scrub_superblocks();  // bad copies; CHECKs that it works
  // A read that goes on while the test does; `result` is set when it ends.
  void spawn_read(storage::TaskGroup& group, const storage::segment::Extent& extent,
                  storage::Result<std::vector<std::byte>>& result);
  void join(storage::TaskGroup& group);
  // Runs whatever is ready.
  void settle();

  std::uint64_t reads() const { return reads_; }
  std::uint64_t writes() const { return writes_; }
  // Byte on the disk where block `block` of shard `shard` of the extent's stripe lies.
  std::uint64_t offset_of(const storage::segment::Extent& extent, unsigned shard, std::uint32_t block) const;
  // Whether all k+m shards of the extent's stripe stand on the disks, header and payload (invariants 1, 3 and
  // 8).
  bool all_shards_stand(const storage::segment::Extent& extent) const;
  std::uint32_t disk_of(const storage::segment::Extent& extent, unsigned shard) const;

  StoreRigOptions options;
  SimulatedDisks disks;
  FakeCatalog catalog;
  storage::io::BufferPool pool;
  storage::MetricsRegistry metrics;
  boost::asio::io_context context{1};
  std::unique_ptr<storage::segment::DriveSet> drives;
  std::unique_ptr<storage::segment::SegmentStore> store;
  std::uint64_t epoch = 0;
  bool search_last_paths = false;
  std::uint32_t drive_limit_ms = 1000;
  std::string why;

 private:
  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t ids_ = 0;
};

}  // namespace tests
