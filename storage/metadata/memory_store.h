// The in-memory engine of MetadataStore: for tests and simulations.
//
// Durability  none across the process; within it every commit is durable at once, except while a cut is armed:
//             cut_after(n) lets n more commits land and makes every later call fail with Errc::read_only, as a
//             store does whose power is gone. reboot() makes it answer again, with exactly what had landed.
// Threads     any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/metadata/metadata_store.h"

namespace storage::metadata {

class MemoryStore final : public MetadataStore {
 public:
  Task<Result<Entry>> get(Key key) override;
  Task<Result<Page>> scan(KeyRange range, std::uint32_t limit) override;
  Task<Result<std::unique_ptr<Snapshot>>> snapshot() override;
  Task<Result<Revision>> commit(Transaction transaction) override;

  // Power is cut when `commits` further commits have landed.
  void cut_after(std::uint64_t commits);
  // Asked before each commit whether power is still there: a shared cut with simulated drives.
  void set_power(std::function<bool()> has_power);
  // Called before each commit is applied.
  void on_commit(std::function<void()> hook);
  void reboot();
  std::uint64_t commits() const;

  struct Row {
    Value value;
    Revision revision = 0;
  };
  using Rows = std::map<Key, Row>;

 private:
  bool powered() const;
  Result<Revision> apply(const Transaction& transaction);

  mutable std::mutex mutex_;
  std::shared_ptr<Rows> rows_ = std::make_shared<Rows>();  // copied on write while a snapshot holds it
  Revision revision_ = 0;
  std::uint64_t commits_ = 0;
  std::optional<std::uint64_t> commits_left_;
  std::function<bool()> has_power_;
  std::function<void()> on_commit_;
};

}  // namespace storage::metadata
