#include "tests/support/losing_file_system.h"

#include <filesystem>

namespace tests {
namespace {

rocksdb::IOStatus gone() { return rocksdb::IOStatus::IOError("the power is gone"); }

}  // namespace

class LosingFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LosingFile(std::unique_ptr<rocksdb::FSWritableFile> file, LosingFileSystem& system, std::string path)
      : FSWritableFileOwnerWrapper(std::move(file)), system_(system), path_(std::move(path)) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    if (!system_.operation()) return gone();
    const rocksdb::IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, debug);
    if (status.ok()) size_ += data.size();
    return status;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, std::uint64_t offset, const rocksdb::IOOptions& options,
                                     rocksdb::IODebugContext* debug) override {
    if (!system_.operation()) return gone();
    const rocksdb::IOStatus status = FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, debug);
    if (status.ok()) size_ = std::max(size_, offset + data.size());
    return status;
  }
  rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, std::uint64_t offset, const rocksdb::IOOptions& options,
                                     const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* debug) override {
    return PositionedAppend(data, offset, options, debug);
  }
  rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = FSWritableFileOwnerWrapper::Truncate(size, options, debug);
    if (status.ok()) size_ = size;
    return status;
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    if (!system_.operation()) return gone();
    const rocksdb::IOStatus status = FSWritableFileOwnerWrapper::Sync(options, debug);
    if (status.ok()) system_.note_size(path_, size_);
    return status;
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  LosingFileSystem& system_;
  std::string path_;
  std::uint64_t size_ = 0;
};

LosingFileSystem::LosingFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base) : FileSystemWrapper(base) {}

void LosingFileSystem::cut_after(std::uint64_t operations) { cut_at_ = operations_ + operations; }

bool LosingFileSystem::operation() { return operations_.fetch_add(1) < cut_at_; }

void LosingFileSystem::note_size(const std::string& path, std::uint64_t synced) {
  std::lock_guard lock(mutex_);
  synced_[path] = synced;
}

rocksdb::IOStatus LosingFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                                    rocksdb::IODebugContext* debug) {
  if (operations_ >= cut_at_) return gone();
  std::unique_ptr<rocksdb::FSWritableFile> file;
  const rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(path, options, &file, debug);
  if (!status.ok()) return status;
  note_size(path, 0);
  *result = std::make_unique<LosingFile>(std::move(file), *this, path);
  return status;
}

rocksdb::IOStatus LosingFileSystem::RenameFile(const std::string& from, const std::string& to,
                                               const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) {
  if (operations_ >= cut_at_) return gone();
  const rocksdb::IOStatus status = FileSystemWrapper::RenameFile(from, to, options, debug);
  std::lock_guard lock(mutex_);
  const auto moved = synced_.extract(from);
  if (status.ok() && !moved.empty()) synced_[to] = moved.mapped();
  return status;
}

rocksdb::IOStatus LosingFileSystem::DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                                               rocksdb::IODebugContext* debug) {
  if (operations_ >= cut_at_) return gone();
  std::lock_guard lock(mutex_);
  synced_.erase(path);
  return FileSystemWrapper::DeleteFile(path, options, debug);
}

void LosingFileSystem::lose_unsynced() {
  std::lock_guard lock(mutex_);
  for (const auto& [path, synced] : synced_) {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored) && std::filesystem::file_size(path) > synced) {
      std::filesystem::resize_file(path, synced);
    }
  }
  synced_.clear();
  cut_at_ = UINT64_MAX;
}

}  // namespace tests
