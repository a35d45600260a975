// SimulatedStore: the whole storage layer over simulated drives and the in-memory metadata engine, on one thread.
//
// Commits of metadata count as operations of the disks, so that a power cut can fall on them; what had landed stays, as a
// real mirror's would. reboot() is the machine coming back: all components new, the disks and the rows as they survived.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "storage/base/metrics.h"
#include "storage/base/task_group.h"
#include "storage/metadata/memory_store.h"
#include "storage/object_store.h"
#include "storage/segment/drive_set.h"
#include "storage/segment/segment_store.h"
#include "storage/segment_catalog.h"
#include "storage/upkeep/collector.h"
#include "tests/support/run_task.h"
#include "tests/support/simulated_drive.h"

namespace tests {

// A clock that only moves when told.
class ManualClock final : public storage::Clock {
 public:
  std::int64_t wall_ms() const override { return wall_ms_; }
  std::int64_t monotonic_ns() const override { return wall_ms_ * 1'000'000; }
  void advance_ms(std::int64_t duration_ms) { wall_ms_ += duration_ms; }

 private:
  std::int64_t wall_ms_ = 1'800'000'000'000;
};

// A body of known bytes with its MD5, as the API layer would present it.
class MemoryBody final : public storage::BodySource {
 public:
  explicit MemoryBody(std::string bytes, bool declare_length = true);
  storage::Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override;
  std::optional<std::uint64_t> declared_length() const override;
  storage::BodyDigests digests() const override;

  // Fails with `error` once `bytes` have been read.
  void fail_after(std::size_t bytes, storage::Error error);

 private:
  std::string bytes_;
  bool declare_length_;
  std::size_t at_ = 0;
  std::size_t fail_at_ = std::string::npos;
  storage::Error failure_;
};

class SimulatedStore {
 public:
  struct Options {
    std::uint64_t seed = 1;
    unsigned drives = 6;
    std::uint64_t drive_bytes = 64ULL << 20;
    bool collecting = false;  // the collector runs from every start on
    storage::segment::SegmentStoreOptions segments;
    storage::upkeep::CollectorOptions collector;
  };
  explicit SimulatedStore(Options options);
  ~SimulatedStore();

  // Opens everything; CHECKs that it works.
  void start();
  // Ends everything in order, or unwinds it after a power cut.
  void stop();
  void reboot();

  storage::ObjectStore& objects() { return *objects_; }
  storage::segment::SegmentStore& segments() { return *segments_; }
  storage::upkeep::Collector& collector() { return *collector_; }
  storage::segment::DriveSet& drives() { return *drives_; }
  SimulatedDisks& disks() { return disks_; }
  storage::metadata::MemoryStore& rows() { return *rows_; }
  boost::asio::io_context& context() { return *context_; }
  ManualClock& clock() { return clock_; }

  template <class T>
  T run(storage::Task<T> task) {
    return run_task(*context_, std::move(task));
  }
  void run(storage::Task<> task) { run_task(*context_, std::move(task)); }

  // Lets everything in the background run until `done` holds. False when nothing is left to run.
  bool run_until(const std::function<bool()>& done);
  storage::Result<> collect(storage::segment::SegmentId segment);
  storage::Result<storage::Removed> remove(std::string bucket, std::string key, storage::RemoveCondition condition = {});
  storage::Result<storage::ObjectInfoPtr> set_tags(storage::ObjectKey key, storage::NameValues tags);

  // Shorthands. A read gives the content, or the error's message between angle brackets.
  storage::Result<storage::ObjectInfoPtr> put(std::string bucket, std::string key, std::string bytes);
  std::string get(std::string bucket, std::string key);
  storage::Result<> create_bucket(std::string name);
  std::vector<std::string> list_keys(std::string bucket);

 private:
  Options options_;
  SimulatedDisks disks_;
  ManualClock clock_;
  std::unique_ptr<boost::asio::io_context> context_;
  std::unique_ptr<storage::metadata::MemoryStore> rows_;
  std::uint64_t epoch_ = 0;

  // New with every start.
  std::unique_ptr<storage::MetricsRegistry> metrics_;
  std::unique_ptr<storage::io::BufferPool> request_pool_;
  std::unique_ptr<storage::io::BufferPool> cache_pool_;
  std::unique_ptr<storage::segment::DriveSet> drives_;
  std::unique_ptr<storage::MetadataSegmentCatalog> catalog_;
  std::unique_ptr<storage::segment::SegmentStore> segments_;
  std::unique_ptr<storage::ObjectStore> objects_;
  std::unique_ptr<storage::io::BufferPool> collector_pool_;
  std::unique_ptr<storage::upkeep::Pacer> pacer_;
  std::unique_ptr<storage::upkeep::Collector> collector_;
  std::unique_ptr<storage::TaskGroup> background_;
};

// Reads all of [offset, offset + length) of an opened object.
storage::Task<storage::Result<std::string>> read_all(storage::OpenObject& object, std::uint64_t offset,
                                                     std::uint64_t length);

// `size` bytes that a seed decides.
std::string random_bytes(std::uint64_t seed, std::size_t size);
std::string md5_of(const std::string& bytes);      // 16 raw bytes
std::string md5_hex_of(const std::string& bytes);  // 32 hex digits

}  // namespace tests
