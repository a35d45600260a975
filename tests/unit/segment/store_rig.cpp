#include "tests/unit/segment/store_rig.h"

#include <algorithm>
#include <cstring>

#include "storage/base/check.h"
#include "storage/base/task_group.h"
#include "storage/segment/format.h"

namespace tests {
using namespace storage;           // NOLINT(google-build-using-namespace): a test's own file
using namespace storage::segment;  // NOLINT(google-build-using-namespace)

FakeCatalog::Fate FakeCatalog::decide() {
  if (!disks_.powered()) return Fate::lost;
  if (disks_.step()) return Fate::applied;
  return disks_.random().chance(0.5) ? Fate::applied_unknown : Fate::lost;
}

Task<Result<SegmentCatalog::Loaded>> FakeCatalog::load() {
  Loaded loaded;
  for (const auto& [id, record] : records) loaded.records.push_back(record);
  loaded.highest_id = highest_id;
  co_return loaded;
}

Task<Result<>> FakeCatalog::add(SegmentRecord record) {
  const Fate fate = decide();
  if (fail_adds) co_return Errc::io_error;
  if (fate != Fate::lost) {
    CHECK(record.id > highest_id);  // never reused (invariant 5)
    highest_id = record.id;
    records[record.id] = std::move(record);
  }
  if (fate == Fate::applied) co_return success();
  co_return Errc::io_error;
}

Task<Result<>> FakeCatalog::replace(SegmentRecord expected, SegmentRecord record) {
  const Fate fate = decide();
  if (fate != Fate::lost) {
    const auto stored = records.find(record.id);
    if (stored == records.end() || stored->second != expected) co_return Errc::conflict;
    records[record.id] = std::move(record);
  }
  if (fate == Fate::applied) co_return success();
  co_return Errc::io_error;
}

Task<Result<>> FakeCatalog::remove(std::vector<SegmentId> ids) {
  const Fate fate = decide();
  if (fate != Fate::lost) {
    for (const SegmentId id : ids) records.erase(id);
  }
  if (fate == Fate::applied) co_return success();
  co_return Errc::io_error;
}

Task<Result<std::size_t>> FakeSource::read(std::span<std::byte> into) {
  const std::size_t size = std::min({into.size(), piece_, bytes_.size()});
  if (size == 0) {
    if (fail_at_end) co_return fail_at_end;
    co_return std::size_t{0};
  }
  std::memcpy(into.data(), bytes_.data(), size);
  bytes_ = bytes_.subspan(size);
  co_return size;
}

std::vector<std::byte> random_bytes(SeededRandom& random, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, size - i));
  }
  return bytes;
}

StoreRig::StoreRig(StoreRigOptions rig_options)
    : options(rig_options), disks(options.seed), catalog(disks), pool(options.pool_bytes) {
  for (std::size_t i = 0; i < options.disks; ++i) {
    SimulatedDiskOptions disk;
    disk.capacity_bytes = options.capacity_bytes;
    disk.prepared_bytes = options.prepared_bytes;
    disks.add(disk);
  }
  disks.on_operation([this](const OperationRecord& operation) {
    if (operation.disk == OperationRecord::kNoDisk) return;
    ++(operation.kind == io::Operation::Kind::read ? reads_ : writes_);
  });
}

StoreRig::~StoreRig() { halt(); }

namespace {

Task<Result<std::unique_ptr<DriveSet>>> open_set(DriveSet::Options options, std::string& why) {
  co_return co_await DriveSet::open(std::move(options), why);
}

Task<Result<>> recover(SegmentStore& store) { co_return co_await store.recover(); }
Task<> stop(SegmentStore& store) { co_await store.stop(); }

Task<Result<Appended>> append_one(SegmentStore& store, PieceName name, std::span<const std::byte> bytes) {
  co_return co_await store.append(std::move(name), bytes);
}

Task<> append_into(SegmentStore& store, PieceName name, std::span<const std::byte> bytes,
                   Result<Appended>& result) {
  result = co_await store.append(std::move(name), bytes);
}

Task<> join(TaskGroup& group) { co_await group.join(); }

Task<Result<std::vector<Appended>>> stream_one(SegmentStore& store, PieceName name,
                                               std::span<const std::byte> head, ByteSource& source) {
  co_return co_await store.append_stream(std::move(name), head, source);
}

Task<Result<std::vector<std::byte>>> read_one(SegmentStore& store, Extent extent, std::uint32_t begin,
                                              std::uint32_t length, io::BufferPool& pool) {
  Result<Slice> slice = co_await store.read(extent, begin, length, pool);
  if (!slice) co_return slice.error();
  const std::span<const std::byte> bytes = slice->bytes();
  co_return std::vector<std::byte>(bytes.begin(), bytes.end());
}

}  // namespace

Result<> StoreRig::open_drives(std::vector<std::size_t> which) {
  DriveSet::Options set;
  for (const std::size_t index : which) {
    DriveSpec spec;
    spec.path = "disk" + std::to_string(index);
    set.drives.push_back(std::move(spec));
  }
  set.search_last_paths = search_last_paths;
  set.limit_ms = drive_limit_ms;
  set.opener = [this](const DriveSpec& spec, bool, std::string&) -> Result<std::unique_ptr<io::Drive>> {
    return disks.open(std::stoul(spec.path.substr(4)));
  };
  set.random_id = [this] {
    std::array<std::uint8_t, 16> id{};
    id[0] = 0xd0;
    id[14] = static_cast<std::uint8_t>(++ids_ >> 8);
    id[15] = static_cast<std::uint8_t>(ids_);
    return id;
  };
  Result<std::unique_ptr<DriveSet>> opened = run_task(context, open_set(std::move(set), why));
  if (!opened) return opened.error();
  drives = std::move(*opened);
  return success();
}

Result<> StoreRig::open_store() {
  store =
      std::make_unique<SegmentStore>(*drives, catalog, StripePools{pool, pool}, system_clock(), metrics, ++epoch, options.store);
  return run_task(context, recover(*store));
}

Result<> StoreRig::boot() {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < options.disks; ++i) all.push_back(i);
  Result<> opened = open_drives(all);
  if (!opened) return opened;
  return open_store();
}

void StoreRig::halt() {
  if (store) run_task(context, stop(*store));
  store.reset();
  drives.reset();
  settle();
}

void StoreRig::stop_store() { run_task(context, stop(*store)); }

namespace {

Task<Result<>> move_one(SegmentStore& store, MoveRequest request) { co_return co_await store.move_shard(std::move(request)); }

Task<Result<>> seal_one(SegmentStore& store, SegmentId segment) { co_return co_await store.seal(segment); }

Task<Result<ScrubStep>> scrub_whole(SegmentStore& store, ScrubRequest request) {
  ScrubStep sum;
  do {
    Result<ScrubStep> step = co_await store.scrub(request);
    if (!step) co_return step.error();
    sum.bytes += step->bytes;
    sum.stripes += step->stripes;
    sum.zone_headers_repaired += step->zone_headers_repaired;
    sum.shards_damaged += step->shards_damaged;
    sum.shards_repaired += step->shards_repaired;
    sum.shards_absent += step->shards_absent;
    sum.stripes_unreadable += step->stripes_unreadable;
    sum.stripes_lost += step->stripes_lost;
    sum.stripes_torn += step->stripes_torn;
    request.first_block = step->next_block;
  } while (request.first_block != 0);
  co_return sum;
}

}  // namespace

Result<> StoreRig::move_shard(SegmentId segment, unsigned shard, std::uint32_t to_member, Referenced referenced) {
  MoveRequest request;
  request.segment = segment;
  request.shard = shard;
  request.to_member = to_member;
  request.pool = &pool;
  request.referenced = std::move(referenced);
  return run_task(context, move_one(*store, std::move(request)));
}

namespace {

Task<Result<>> free_one(SegmentStore& store, SegmentId segment) {
  std::vector<SegmentId> ids(1, segment);
  co_return co_await store.free_segments(std::move(ids));
}

}  // namespace

Result<> StoreRig::free(SegmentId segment) { return run_task(context, free_one(*store, segment)); }

Result<> StoreRig::seal(SegmentId segment) {
  Result<> sealed = run_task(context, seal_one(*store, segment));
  settle();
  return sealed;
}

Result<ScrubStep> StoreRig::scrub(SegmentId segment, Referenced referenced, std::optional<std::uint32_t> member) {
  ScrubRequest request;
  request.segment = segment;
  request.pool = &pool;
  request.member = member;
  request.referenced = std::move(referenced);
  return run_task(context, scrub_whole(*store, std::move(request)));
}

namespace {

Task<> read_into(SegmentStore& store, Extent extent, io::BufferPool& pool, Result<std::vector<std::byte>>& result) {
  result = co_await read_one(store, extent, 0, extent.length, pool);
}

}  // namespace

void StoreRig::spawn_read(TaskGroup& group, const Extent& extent, Result<std::vector<std::byte>>& result) {
  group.spawn(context.get_executor(), read_into(*store, extent, pool, result));
}

void StoreRig::join(TaskGroup& group) { run_task(context, tests::join(group)); }

namespace {

Task<Result<std::uint32_t>> add_one(DriveSet& set, DriveSpec spec, std::string& why) {
  co_return co_await set.add(std::move(spec), why);
}
Task<Result<>> begin_one(DriveSet& set, std::uint32_t member, std::string& why) {
  co_return co_await set.begin_retire(member, why);
}
Task<Result<>> finish_one(DriveSet& set, std::uint32_t member, std::string& why) {
  co_return co_await set.finish_retire(member, why);
}
Task<Result<>> readmit_one(DriveSet& set, std::uint32_t member, std::string path, std::string& why) {
  co_return co_await set.readmit(member, std::move(path), why);
}
Task<Result<>> set_one(DriveSet& set, unsigned parity) { co_return co_await set.set_parity(parity); }
Task<Result<>> mirror_one(DriveSet& set, MirrorSet mirrors) { co_return co_await set.write_mirror_set(std::move(mirrors)); }
Task<Result<std::uint64_t>> superblocks_once(DriveSet& set) { co_return co_await set.scrub_superblocks(); }
Task<> look_once(DriveSet& set, std::int64_t now_ns) { co_await set.look(now_ns); }

}  // namespace

Result<std::uint32_t> StoreRig::add_drive(std::size_t disk) {
  why.clear();
  DriveSpec spec;
  spec.path = "disk" + std::to_string(disk);
  return run_task(context, add_one(*drives, std::move(spec), why));
}

Result<> StoreRig::begin_retire(std::uint32_t member) { return run_task(context, begin_one(*drives, member, why)); }
Result<> StoreRig::finish_retire(std::uint32_t member) { return run_task(context, finish_one(*drives, member, why)); }
Result<> StoreRig::set_parity(unsigned parity) { return run_task(context, set_one(*drives, parity)); }
std::uint64_t StoreRig::scrub_superblocks() {
  const Result<std::uint64_t> bad = run_task(context, superblocks_once(*drives));
  CHECK(bad.has_value());
  return *bad;
}
void StoreRig::look(std::int64_t now_ns) { run_task(context, look_once(*drives, now_ns)); }

Result<> StoreRig::readmit(std::uint32_t member, std::string path) {
  return run_task(context, readmit_one(*drives, member, std::move(path), why));
}

Result<> StoreRig::write_mirrors(std::uint64_t mirror_epoch, std::vector<std::uint32_t> members) {
  MirrorSet set;
  set.epoch = mirror_epoch;
  set.members = std::move(members);
  return run_task(context, mirror_one(*drives, std::move(set)));
}

void StoreRig::settle() {
  context.restart();
  context.poll();
}

Result<Appended> StoreRig::append(std::span<const std::byte> bytes, std::string key) {
  PieceName name;
  name.bucket = "bucket";
  name.key = std::move(key);
  return run_task(context, append_one(*store, std::move(name), bytes));
}

std::vector<Result<Appended>> StoreRig::append_all(const std::vector<std::vector<std::byte>>& bodies) {
  std::vector<Result<Appended>> results(bodies.size(), Result<Appended>(Errc::shutting_down));
  TaskGroup group;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    PieceName name;
    name.bucket = "bucket";
    name.key = "key-" + std::to_string(i);
    group.spawn(context.get_executor(), append_into(*store, std::move(name), bodies[i], results[i]));
  }
  run_task(context, tests::join(group));
  return results;
}

Result<std::vector<Appended>> StoreRig::append_stream(std::span<const std::byte> head, ByteSource& source) {
  PieceName name;
  name.bucket = "bucket";
  name.key = "stream";
  return run_task(context, stream_one(*store, std::move(name), head, source));
}

Result<std::vector<std::byte>> StoreRig::read(const Extent& extent, std::uint32_t begin,
                                              std::uint32_t length) {
  return run_task(context, read_one(*store, extent, begin, length, pool));
}

bool StoreRig::all_shards_stand(const Extent& extent) const {
  const SegmentRecord& record = catalog.records.at(extent.segment);
  const std::size_t header_bytes = extent.header_blocks * io::kBlockBytes;
  std::vector<std::byte> shard(header_bytes + extent.shard_blocks * io::kBlockBytes);
  for (unsigned index = 0; index < record.members.size(); ++index) {
    disks.peek(disk_of(extent, index), offset_of(extent, index, 0), shard);
    const Result<ShardHeader> header = decode_shard_header(std::span(shard).first(header_bytes));
    if (!header || header->segment != extent.segment || header->shard_index != index) return false;
    if (erasure::crc32c(std::span(shard).subspan(header_bytes)) != header->payload_crcs[index]) return false;
  }
  return true;
}

std::uint32_t StoreRig::disk_of(const Extent& extent, unsigned shard) const {
  return catalog.records.at(extent.segment).members[shard].drive;
}

std::uint64_t StoreRig::offset_of(const Extent& extent, unsigned shard, std::uint32_t block) const {
  const SegmentRecord& record = catalog.records.at(extent.segment);
  return drives->zone_offset(record.members[shard].zone) +
         (std::uint64_t{extent.stripe_block} + block) * io::kBlockBytes;
}

}  // namespace tests
