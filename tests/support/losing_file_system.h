// LosingFileSystem: a rocksdb::FileSystem over the real one that loses, at a power cut, what was not synced.
//
// Appended bytes count as durable once the file was synced; a file counts as existing once it, or its directory, was synced.
// cut_after(n): the n-th append or sync from now on, and everything after it, fails, as when the power is gone. lose_unsynced(),
// with every database closed, makes the files what a machine would find after the reboot.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tests {

class LosingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit LosingFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base);

  void cut_after(std::uint64_t operations);
  std::uint64_t operations() const { return operations_.load(); }
  void lose_unsynced();

  const char* Name() const override { return "LosingFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  friend class LosingFile;
  // False once the power is gone.
  bool operation();
  void note_size(const std::string& path, std::uint64_t synced);

  std::atomic<std::uint64_t> operations_{0};
  std::atomic<std::uint64_t> cut_at_{UINT64_MAX};
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> synced_;  // bytes of each file written since construction
};

}  // namespace tests
