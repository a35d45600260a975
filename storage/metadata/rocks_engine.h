// The RocksDB engine of one mirror.
//
// Durability  every batch is written with a synced write-ahead log. Memory: one block cache and one write-buffer budget
//             are shared by all mirrors of a process (RocksShared).
#pragma once

#include <memory>
#include <string>

#include "storage/metadata/engine.h"

namespace rocksdb {
class Env;
}

namespace storage::metadata {

// What the mirrors of one process share. The budget bounds block cache and write buffers together, in bytes.
class RocksShared {
 public:
  explicit RocksShared(std::size_t budget_bytes, rocksdb::Env* env = nullptr);
  ~RocksShared();

  Result<std::unique_ptr<Engine>> open(const std::string& directory, bool wipe);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace storage::metadata
