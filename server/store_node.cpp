#include "server/store_node.h"

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>

#include "storage/base/log.h"
#include "storage/base/task_group.h"
#include "storage/io/drive.h"
#include "storage/io/patience.h"
#include "storage/metadata/mirror_store.h"
#include "storage/metadata/rocks_engine.h"
#include "storage/segment/drive_set.h"
#include "storage/segment/segment_store.h"
#include "storage/segment_catalog.h"

namespace server {
namespace {

namespace asio = boost::asio;
using storage::Result;
using storage::Task;

// memory_bytes in parts. What is left is for connections, records and the program itself. Who waits for whom: bodies wait
// for stripes, so stripes have memory of their own, those of the group commit apart from those that wait for clients.
struct MemoryShares {
  std::size_t cache;
  std::size_t requests;  // bodies that arrive, and small reads
  std::size_t readers;   // pieces of large bodies on their way to clients, where there is enough to part; 0: in requests
  std::size_t batches;   // stripes of the group commit: as many as are ever written at once
  std::size_t streams;   // stripes of large uploads
  std::size_t metadata;
  std::size_t bitmaps;   // of labels; taken off the cache
};

MemoryShares share(std::uint64_t memory_bytes) {
  constexpr std::size_t kUnit = storage::io::kMaxBufferBytes;  // pools are multiples of it
  // Two of the group commit and two of the collector; where there is memory enough, as many again for each of two drives that
  // may be stuck and keep what they were given.
  constexpr std::uint64_t kGenerousBytes = std::uint64_t{1} << 30;
  const std::size_t batches = (memory_bytes >= kGenerousBytes ? 12 : 4) * kUnit;
  const std::size_t units = (memory_bytes / 16 * 5 - batches) / kUnit;
  const std::size_t streams = std::max<std::size_t>(3, units / 3);
  // A small pool serves few sizes at a time: below this the parts would be worth less than the whole.
  constexpr std::size_t kPartedUnits = 16;
  const std::size_t readers = units - streams >= kPartedUnits ? (units - streams) / 2 : 0;
  const std::size_t bitmaps = memory_bytes / 32;
  return {memory_bytes / 2 - share_for_upkeep(memory_bytes) - bitmaps, (units - streams - readers) * kUnit, readers * kUnit, batches, streams * kUnit,
          memory_bytes / 8, bitmaps};
}
// At the smallest memory that is allowed nothing is without its share.
static_assert((kMemoryBytesMin / 16 * 5 - 4 * storage::io::kMaxBufferBytes) / storage::io::kMaxBufferBytes >= 5);

// All but used up, or waited for.
bool is_short(const storage::io::BufferPool& pool) {
  return pool.waiters() > 0 || pool.used_bytes() >= pool.budget_bytes() / 8 * 7;
}

// A drive gives an eighth of its capacity to its metadata mirror.
std::uint64_t metadata_bytes_max(const storage::segment::DriveSet& drives) {
  std::uint64_t smallest = UINT64_MAX;
  for (const auto& member : drives.members()) smallest = std::min(smallest, member.capacity_bytes / 8);
  return smallest;
}

}  // namespace

struct StoreNode::State {
  asio::io_context control{1};
  asio::executor_work_guard<asio::io_context::executor_type> keep_running{control.get_executor()};
  std::thread control_thread;

  std::unique_ptr<storage::io::BufferPool> request_pool;
  std::unique_ptr<storage::io::BufferPool> reader_pool;
  std::unique_ptr<storage::io::BufferPool> batch_pool;
  std::unique_ptr<storage::io::BufferPool> stream_pool;
  std::unique_ptr<storage::io::BufferPool> cache_pool;
  std::unique_ptr<storage::segment::DriveSet> drives;
  std::unique_ptr<storage::metadata::RocksShared> rocks;
  std::unique_ptr<storage::metadata::MirrorStore> mirrors;
  std::unique_ptr<storage::MetadataSegmentCatalog> catalog;
  std::unique_ptr<storage::segment::SegmentStore> segments;
  std::unique_ptr<storage::ObjectStore> objects;
  std::unique_ptr<StoreUpkeep> upkeep;
  storage::TaskGroup background;
  bool attached = false;

  // Runs a task on the control thread and waits for it, from any other thread.
  template <class T>
  T run(Task<T> task) {
    std::promise<T> promise;
    std::future<T> result = promise.get_future();
    asio::co_spawn(control.get_executor(), std::move(task), [&promise](std::exception_ptr failure, T value) {
      if (failure) {
        promise.set_exception(failure);
      } else {
        promise.set_value(std::move(value));
      }
    });
    return result.get();
  }

  void run(Task<> task) {
    std::promise<void> promise;
    std::future<void> result = promise.get_future();
    asio::co_spawn(control.get_executor(), std::move(task), [&promise](std::exception_ptr failure) {
      if (failure) {
        promise.set_exception(failure);
      } else {
        promise.set_value();
      }
    });
    result.get();
  }

  // Makes the pools and starts the control thread.
  void begin(const Config& config);
  bool open_drives(const Config& config, BlankDrives blank, std::string& why);
  bool open_metadata(const Config& config, storage::MetricsRegistry& metrics, std::string& why);
  bool open_store(const Config& config, storage::MetricsRegistry& metrics, std::string& why);
};

bool StoreNode::State::open_drives(const Config& config, BlankDrives blank, std::string& why) {
  const storage::io::EngineChoice engine = storage::io::choose_engine();
  storage::log_info("io_engine", {{"engine", engine.engine == storage::io::Engine::io_uring ? "io_uring" : "thread_pool"},
                                  {"reason", engine.reason}});
  storage::segment::DriveSet::Options options;
  for (const DriveConfig& drive : config.drives) options.drives.push_back({drive.path, drive.capacity_bytes});
  options.may_format = blank == BlankDrives::format;
  options.search_last_paths = true;  // drives that joined a running store are not in its configuration
  options.engine = engine.engine;
  options.registered = {request_pool->arena(), batch_pool->arena(), stream_pool->arena()};
  if (reader_pool) options.registered.push_back(reader_pool->arena());
  auto opened = run(storage::segment::DriveSet::open(std::move(options), why));
  if (!opened) {
    if (why.empty()) why = "the drives cannot be opened: " + opened.error().message();
    return false;
  }
  drives = std::move(*opened);
  return true;
}

bool StoreNode::State::open_metadata(const Config& config, storage::MetricsRegistry& metrics, std::string& why) {
  rocks = std::make_unique<storage::metadata::RocksShared>(share(config.memory_bytes).metadata);
  storage::metadata::MirrorOptions options;
  for (const auto& member : drives->members()) {
    if (member.status != storage::segment::DriveStatus::alive) continue;
    std::string directory = drives->metadata_directory(member.number);
    if (!directory.empty()) options.locations.push_back({member.number, std::move(directory)});
  }
  const storage::segment::MirrorSet newest = drives->mirror_set();
  options.newest = {newest.epoch, newest.members};
  options.copies = drives->parity() + 1;
  options.open = [this](const std::string& directory, bool wipe) { return rocks->open(directory, wipe); };
  options.publish = [this](storage::metadata::Membership set) {
    return run(drives->write_mirror_set({set.epoch, std::move(set.members)}));
  };
  options.size_max_bytes = metadata_bytes_max(*drives);
  auto started = storage::metadata::MirrorStore::start(std::move(options), metrics, why);
  if (!started) {
    if (why.empty()) why = "the metadata store cannot be opened: " + started.error().message();
    return false;
  }
  mirrors = std::move(*started);
  drives->on_status_change([this](std::uint32_t member, storage::segment::DriveStatus status) {
    if (status != storage::segment::DriveStatus::alive) mirrors->lose(member);
  });
  return true;
}

bool StoreNode::State::open_store(const Config& config, storage::MetricsRegistry& metrics, std::string& why) {
  catalog = std::make_unique<storage::MetadataSegmentCatalog>(*mirrors);
  storage::segment::SegmentStoreOptions segment_options;
  segment_options.wait_ms_max = config.memory_wait_ms;
  segments = std::make_unique<storage::segment::SegmentStore>(
      *drives, *catalog, storage::segment::StripePools{*batch_pool, *stream_pool}, storage::system_clock(), metrics,
      mirrors->epoch(), segment_options);
  auto recovered = run(segments->recover());
  if (!recovered) {
    why = "the segments cannot be recovered: " + recovered.error().message();
    return false;
  }
  storage::ObjectStoreOptions options;
  options.buffer_wait_ms_max = config.memory_wait_ms;
  options.reader_pool = reader_pool.get();
  options.bitmap_bytes_max = share(config.memory_bytes).bitmaps;
  objects = std::make_unique<storage::ObjectStore>(*mirrors, *segments, *request_pool, *cache_pool,
                                                   storage::system_clock(), metrics, options);
  auto ready = run(objects->recover());
  if (!ready) {
    why = "the store cannot be recovered: " + ready.error().message();
    return false;
  }
  return true;
}

void StoreNode::State::begin(const Config& config) {
  control_thread = std::thread([this] { control.run(); });
  const MemoryShares shares = share(config.memory_bytes);
  request_pool = std::make_unique<storage::io::BufferPool>(shares.requests);
  if (shares.readers > 0) reader_pool = std::make_unique<storage::io::BufferPool>(shares.readers);
  batch_pool = std::make_unique<storage::io::BufferPool>(shares.batches);
  stream_pool = std::make_unique<storage::io::BufferPool>(shares.streams);
  cache_pool = std::make_unique<storage::io::BufferPool>(shares.cache);
}

StoreNode::StoreNode() : state_(std::make_unique<State>()) {}

StoreNode::~StoreNode() { stop(); }

std::unique_ptr<StoreNode> StoreNode::start(const Config& config, BlankDrives blank,
                                            storage::MetricsRegistry& metrics,
                                            std::function<std::uint64_t()> client_calls, std::string& why) {
  std::unique_ptr<StoreNode> node(new StoreNode);
  State& state = *node->state_;
  state.begin(config);
  const auto show_memory = [&metrics](const char* user, storage::io::BufferPool& pool) {
    metrics.gauge_function("memory_used_bytes", "Memory in use, by user.", {{"user", user}},
                           [&pool] { return static_cast<double>(pool.used_bytes()); });
    metrics.gauge("memory_max_bytes", "Bound of memory_used_bytes, by user.", {{"user", user}})
        .set(static_cast<std::int64_t>(pool.budget_bytes()));
  };
  show_memory("requests", *state.request_pool);
  if (state.reader_pool) show_memory("readers", *state.reader_pool);
  show_memory("batches", *state.batch_pool);
  show_memory("streams", *state.stream_pool);
  show_memory("cache", *state.cache_pool);
  if (!state.open_drives(config, blank, why) || !state.open_metadata(config, metrics, why) ||
      !state.open_store(config, metrics, why)) {
    return nullptr;
  }
  storage::metadata::MirrorStore& mirrors = *state.mirrors;
  storage::upkeep::MirrorControl control;
  control.add_location = [&mirrors](std::uint32_t member, std::string directory) {
    mirrors.add_location({member, std::move(directory)});
  };
  control.leave = [&mirrors](std::uint32_t member) { mirrors.leave(member); };
  control.set_copies = [&mirrors](unsigned copies) { mirrors.set_copies(copies); };
  StoreUpkeep::Parts parts{*state.drives, *state.segments, *state.objects, std::move(control)};
  state.upkeep = std::make_unique<StoreUpkeep>(std::move(parts), config, metrics, std::move(client_calls));
  return node;
}

bool StoreNode::scan_drives(const Config& config, std::function<void(const storage::segment::ScannedPiece&)> found,
                            storage::segment::ScanTotals& totals, std::string& why) {
  const std::unique_ptr<StoreNode> node(new StoreNode);
  State& state = *node->state_;
  state.begin(config);
  if (!state.open_drives(config, BlankDrives::refuse, why)) return false;
  auto scanned = state.run(storage::segment::scan_directories(*state.drives, *state.request_pool, std::move(found)));
  if (!scanned) {
    why = "the drives cannot be read: " + scanned.error().message();
    return false;
  }
  totals = *scanned;
  return true;
}

storage::ObjectStore& StoreNode::objects() { return *state_->objects; }
storage::segment::DriveSet& StoreNode::drives() { return *state_->drives; }
storage::segment::SegmentStore& StoreNode::segments() { return *state_->segments; }
StoreUpkeep& StoreNode::upkeep() { return *state_->upkeep; }
std::vector<std::uint32_t> StoreNode::mirrors() const { return state_->mirrors->members(); }

MemoryShort StoreNode::memory_short() const {
  const bool requests = is_short(*state_->request_pool);
  MemoryShort answer;
  answer.for_senders = requests || state_->stream_pool->waiters() > 0;
  answer.for_readers = requests || (state_->reader_pool && is_short(*state_->reader_pool));
  return answer;
}

void StoreNode::attach(storage::Executor executor) {
  state_->attached = true;
  state_->segments->start(executor);
  state_->background.spawn(state_->control.get_executor(), state_->drives->watch());
  state_->upkeep->start();
}

void StoreNode::stop() {
  if (!state_ || !state_->control_thread.joinable()) return;
  if (state_->upkeep) state_->upkeep->stop();
  if (state_->objects) state_->run(state_->objects->stop());
  if (state_->segments && state_->attached) state_->run(state_->segments->stop());
  state_->background.cancel();
  state_->run(state_->background.join());
  if (state_->mirrors) state_->mirrors->stop();
  if (const std::uint64_t owed = storage::io::abandoned_operations(); owed > 0) {
    // An event loop that is destroyed waits for its drives. All that was acknowledged is durable, and nobody waits for
    // what a stuck drive still owes.
    storage::log_warn("stopped_without_stuck_drives", {{"operations", owed}});
    ::_exit(0);
  }
  state_->upkeep.reset();
  state_->objects.reset();
  state_->segments.reset();
  state_->catalog.reset();
  state_->keep_running.reset();
  state_->control.stop();
  state_->control_thread.join();
  state_->drives.reset();
  state_->mirrors.reset();
}

}  // namespace server
