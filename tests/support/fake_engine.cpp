#include "tests/support/fake_engine.h"

#include "storage/metadata/row.h"

namespace tests {
namespace {

using namespace storage::metadata;
using storage::Errc;
using storage::Result;

class FakeView final : public View {
 public:
  explicit FakeView(std::shared_ptr<const FakeMirrorDisk::Rows> rows) : rows_(std::move(rows)) {}

  Result<std::string> get(const Key& key, ReadMode) override {
    const auto row = rows_->find(key);
    if (row == rows_->end()) return Errc::not_found;
    return row->second;
  }

  Result<Rows> scan(const KeyRange& range, std::uint32_t limit, ReadMode) override {
    Rows result;
    for (auto row = rows_->lower_bound(range.begin); row != rows_->end(); ++row) {
      if (!range.end.empty() && row->first >= range.end) break;
      if (result.rows.size() == limit) {
        result.next = row->first;
        break;
      }
      result.rows.emplace_back(*row);
    }
    return result;
  }

  const FakeMirrorDisk::Rows& rows() const { return *rows_; }

 private:
  std::shared_ptr<const FakeMirrorDisk::Rows> rows_;
};

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(std::shared_ptr<FakeMirrorDisk> disk) : disk_(std::move(disk)) {}

  Result<Position> position() override {
    auto stored = latest(position_key());
    if (!stored) return Position{};
    auto positions = unpack_position(*stored);
    if (!positions) return positions.error();
    return positions->position;
  }

  Result<> write(const Batch& batch) override {
    std::unique_lock lock(disk_->mutex);
    disk_->changed.wait(lock, [&] { return !disk_->hang_writes; });
    if (disk_->fail_writes) return Errc::io_error;
    const bool cut = disk_->power_cut_after && disk_->writes >= *disk_->power_cut_after;
    const bool first_cut = cut && disk_->writes == *disk_->power_cut_after;
    ++disk_->writes;
    if (cut && !(first_cut && disk_->land_the_cut_write)) return Errc::io_error;
    auto rows = std::make_shared<FakeMirrorDisk::Rows>(*disk_->rows);
    for (const auto& write : batch.writes) {
      if (write.value) {
        (*rows)[write.key] = *write.value;
      } else {
        rows->erase(write.key);
      }
    }
    (*rows)[position_key()] = pack_position(batch);
    disk_->rows = std::move(rows);
    disk_->log.push_back(batch);
    return cut ? Result<>(Errc::io_error) : storage::success();
  }

  std::shared_ptr<View> view() override {
    std::lock_guard lock(disk_->mutex);
    return std::make_shared<FakeView>(disk_->rows);
  }

  Result<std::string> latest(const Key& key) override { return view()->get(key, ReadMode::any); }

  Result<std::vector<Batch>> tail_after(Position position) override {
    std::lock_guard lock(disk_->mutex);
    std::vector<Batch> batches;
    for (const Batch& batch : disk_->log) {
      if (batch.position <= position) continue;
      if (batch.previous != (batches.empty() ? position : batches.back().position)) return Errc::not_found;
      batches.push_back(batch);
    }
    // As the real one: a log that does not reach to where this mirror stands is no history.
    const auto own = disk_->rows->find(position_key());
    if (own == disk_->rows->end()) return Errc::not_found;
    auto positions = unpack_position(own->second);
    if (!positions) return positions.error();
    if (positions->position != (batches.empty() ? position : batches.back().position)) return Errc::not_found;
    return batches;
  }

  Result<> fill_from(View& source) override {
    std::unique_lock lock(disk_->mutex);
    disk_->filling = true;
    disk_->changed.wait(lock, [&] { return !disk_->hang_writes; });
    if (disk_->fail_writes) return Errc::io_error;
    disk_->rows = std::make_shared<FakeMirrorDisk::Rows>(static_cast<FakeView&>(source).rows());
    return storage::success();
  }

  std::uint64_t size_bytes() override {
    std::lock_guard lock(disk_->mutex);
    std::uint64_t bytes = 0;
    for (const auto& [key, value] : *disk_->rows) bytes += key.size() + value.size();
    return bytes;
  }

 private:
  std::shared_ptr<FakeMirrorDisk> disk_;
};

}  // namespace

EngineFactory fake_engines(std::map<std::string, std::shared_ptr<FakeMirrorDisk>>& disks) {
  return [&disks](const std::string& directory, bool wipe) -> Result<std::unique_ptr<Engine>> {
    auto& disk = disks[directory];
    if (disk == nullptr) disk = std::make_shared<FakeMirrorDisk>();
    std::lock_guard lock(disk->mutex);
    if (disk->fail_open) return Errc::io_error;
    if (wipe) {
      disk->rows = std::make_shared<FakeMirrorDisk::Rows>();
      disk->log.clear();
    }
    std::unique_ptr<Engine> engine = std::make_unique<FakeEngine>(disk);
    return engine;
  };
}

}  // namespace tests
