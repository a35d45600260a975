#include "tests/support/simulated_store.h"

#include <openssl/evp.h>

#include <cstring>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace tests {

using namespace storage;

MemoryBody::MemoryBody(std::string bytes, bool declare_length)
    : bytes_(std::move(bytes)), declare_length_(declare_length) {}

Task<Result<std::size_t>> MemoryBody::read(std::span<std::byte> into) {
  if (at_ >= fail_at_) co_return failure_;
  // Pieces of odd sizes, as a network delivers them.
  const std::size_t count = std::min({into.size(), bytes_.size() - at_, std::size_t{70'001}, fail_at_ - at_});
  std::memcpy(into.data(), bytes_.data() + at_, count);
  at_ += count;
  co_return count;
}

std::optional<std::uint64_t> MemoryBody::declared_length() const {
  if (!declare_length_) return std::nullopt;
  return bytes_.size();
}

BodyDigests MemoryBody::digests() const {
  BodyDigests digests;
  digests.md5 = md5_of(bytes_);
  return digests;
}

void MemoryBody::fail_after(std::size_t bytes, Error error) {
  fail_at_ = bytes;
  failure_ = error;
}

std::string md5_of(const std::string& bytes) {
  std::string digest(16, '\0');
  unsigned length = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length, EVP_md5(),
                   nullptr) == 1);
  return digest;
}

std::string md5_hex_of(const std::string& bytes) {
  std::string hex;
  for (const char c : md5_of(bytes)) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

std::string random_bytes(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (char& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state >> 32);
  }
  return bytes;
}

Task<Result<std::string>> read_all(OpenObject& object, std::uint64_t offset, std::uint64_t length) {
  std::string bytes;
  const std::unique_ptr<ObjectReader> reader = object.read(offset, length);
  while (true) {
    auto chunk = co_await reader->next();
    if (!chunk) co_return chunk.error();
    if (chunk->bytes.empty()) co_return bytes;
    bytes.append(reinterpret_cast<const char*>(chunk->bytes.data()), chunk->bytes.size());
  }
}

SimulatedStore::SimulatedStore(Options options)
    : options_(options),
      disks_(options.seed),
      context_(std::make_unique<boost::asio::io_context>(1)),
      rows_(std::make_unique<metadata::MemoryStore>()) {
  for (unsigned i = 0; i < options_.drives; ++i) {
    SimulatedDiskOptions disk;
    disk.capacity_bytes = options_.drive_bytes;
    disks_.add(disk);
  }
  set_log_level(LogLevel::error);
  rows_->set_power([this] { return disks_.powered(); });
  rows_->on_commit([this] { disks_.step(); });
}

SimulatedStore::~SimulatedStore() { stop(); }

void SimulatedStore::start() {
  metrics_ = std::make_unique<MetricsRegistry>();
  request_pool_ = std::make_unique<io::BufferPool>(96ULL << 20);
  cache_pool_ = std::make_unique<io::BufferPool>(16ULL << 20);
  segment::DriveSet::Options options;
  for (unsigned i = 0; i < options_.drives; ++i) options.drives.push_back({std::to_string(i), options_.drive_bytes});
  options.opener = [this](const segment::DriveSpec& spec, bool, std::string&) -> Result<std::unique_ptr<io::Drive>> {
    return disks_.open(static_cast<std::size_t>(std::stoul(spec.path)));
  };
  options.random_id = [this, n = std::uint64_t{0}]() mutable {
    std::array<std::uint8_t, 16> id{};
    const std::string bytes = random_bytes(options_.seed * 1000 + epoch_ * 100 + ++n, id.size());
    std::memcpy(id.data(), bytes.data(), id.size());
    return id;
  };
  std::string why;
  auto drives = run(segment::DriveSet::open(std::move(options), why));
  if (!drives) throw std::runtime_error("drives: " + why);
  drives_ = std::move(*drives);
  catalog_ = std::make_unique<MetadataSegmentCatalog>(*rows_);
  segments_ = std::make_unique<segment::SegmentStore>(*drives_, *catalog_, segment::StripePools{*request_pool_, *request_pool_},
                                                      clock_, *metrics_, ++epoch_, options_.segments);
  auto recovered = run(segments_->recover());
  if (!recovered) throw std::runtime_error("segments: " + recovered.error().message());
  objects_ = std::make_unique<ObjectStore>(*rows_, *segments_, *request_pool_, *cache_pool_, clock_, *metrics_);
  auto ready = run(objects_->recover());
  if (!ready) throw std::runtime_error("objects: " + ready.error().message());
  collector_pool_ = std::make_unique<io::BufferPool>(upkeep::Collector::kPoolBytesMin);
  pacer_ = std::make_unique<upkeep::Pacer>(clock_, std::function<std::uint64_t()>(), upkeep::Pacer::Options{});
  collector_ = std::make_unique<upkeep::Collector>(*segments_, objects_->live_index(), objects_->live_counters(),
                                                   *collector_pool_, *pacer_, clock_, *metrics_, options_.collector);
  background_ = std::make_unique<TaskGroup>();
  if (options_.collecting) background_->spawn(context_->get_executor(), collector_->run());
}

void SimulatedStore::stop() {
  if (!objects_) return;
  if (background_) {
    background_->cancel();
    run(background_->join());
  }
  background_.reset();
  collector_.reset();
  run(objects_->stop());
  run(segments_->stop());
  objects_.reset();
  segments_.reset();
  catalog_.reset();
  // Completions that nobody waits for any more still have to be delivered.
  context_->restart();
  while (context_->poll() > 0) {
  }
  drives_.reset();
  pacer_.reset();
  collector_pool_.reset();
  cache_pool_.reset();
  request_pool_.reset();
  metrics_.reset();
}

void SimulatedStore::reboot() {
  stop();
  disks_.reboot();
  start();
}

bool SimulatedStore::run_until(const std::function<bool()>& done) {
  context_->restart();
  while (!done()) {
    if (context_->run_one() == 0) return false;
  }
  return true;
}

Result<> SimulatedStore::collect(segment::SegmentId segment) { return run(collector_->rewrite(segment)); }

Result<Removed> SimulatedStore::remove(std::string bucket, std::string key, RemoveCondition condition) {
  RemoveRequest request;
  request.key = std::move(key);
  request.condition = std::move(condition);
  return run(objects_->remove(std::move(bucket), std::move(request)));
}

Result<ObjectInfoPtr> SimulatedStore::set_tags(ObjectKey key, NameValues tags) {
  const VersionChange change = [&tags](const ObjectInfo&, Changeable& next) {
    next.tags = tags;
    return success();
  };
  return run(objects_->change(std::move(key), {}, change));
}

Result<ObjectInfoPtr> SimulatedStore::put(std::string bucket, std::string key, std::string bytes) {
  MemoryBody body(std::move(bytes));
  ObjectKey name{std::move(bucket), std::move(key)};
  return run(objects_->put(std::move(name), PutOptions{}, body));
}

std::string SimulatedStore::get(std::string bucket, std::string key) {
  ObjectKey name{std::move(bucket), std::move(key)};
  auto object = run(objects_->open(std::move(name)));
  if (!object) return '<' + object.error().message() + '>';
  auto bytes = run(read_all(**object, 0, (*object)->info()->size));
  return bytes ? *bytes : '<' + bytes.error().message() + '>';
}

Result<> SimulatedStore::create_bucket(std::string name) {
  BucketInfo bucket;
  bucket.name = std::move(name);
  bucket.owner_id = "owner";
  return run(objects_->create_bucket(std::move(bucket)));
}

std::vector<std::string> SimulatedStore::list_keys(std::string bucket) {
  std::vector<std::string> keys;
  ListOptions options;
  while (true) {
    auto page = run(objects_->list(bucket, options));
    if (!page) return {'<' + page.error().message() + '>'};
    for (const ObjectInfoPtr& object : page->objects) keys.push_back(object->key);
    if (!page->truncated) return keys;
    options.after = page->next_after;
  }
}

}  // namespace tests
