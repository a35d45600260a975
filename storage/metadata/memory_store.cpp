#include "storage/metadata/memory_store.h"

#include <boost/asio/post.hpp>

namespace storage::metadata {
namespace {

// Every call suspends once, as a real engine does, so that tests meet the interleavings of real life.
Task<> yield() {
  co_await boost::asio::post(co_await boost::asio::this_coro::executor, use_task);
}

Result<Entry> find(const MemoryStore::Rows& rows, const Key& key) {
  const auto row = rows.find(key);
  if (row == rows.end()) return Errc::not_found;
  return Entry{row->first, row->second.value, row->second.revision};
}

Result<Page> page(const MemoryStore::Rows& rows, const KeyRange& range, std::uint32_t limit) {
  if (limit == 0 || limit > kMaxPageEntries) return Errc::invalid_argument;
  Page result;
  for (auto row = rows.lower_bound(range.begin); row != rows.end(); ++row) {
    if (!range.end.empty() && row->first >= range.end) break;
    if (result.entries.size() == limit) {
      result.next = row->first;
      break;
    }
    result.entries.push_back({row->first, row->second.value, row->second.revision});
  }
  return result;
}

class MemorySnapshot final : public Snapshot {
 public:
  explicit MemorySnapshot(std::shared_ptr<const MemoryStore::Rows> rows) : rows_(std::move(rows)) {}
  Task<Result<Entry>> get(Key key) override {
    co_await yield();
    co_return find(*rows_, key);
  }
  Task<Result<Page>> scan(KeyRange range, std::uint32_t limit) override {
    co_await yield();
    co_return page(*rows_, range, limit);
  }

 private:
  std::shared_ptr<const MemoryStore::Rows> rows_;
};

}  // namespace

bool MemoryStore::powered() const {
  return (!commits_left_ || *commits_left_ > 0) && (!has_power_ || has_power_());
}

Task<Result<Entry>> MemoryStore::get(Key key) {
  co_await yield();
  std::lock_guard lock(mutex_);
  if (!powered()) co_return Errc::read_only;
  co_return find(*rows_, key);
}

Task<Result<Page>> MemoryStore::scan(KeyRange range, std::uint32_t limit) {
  co_await yield();
  std::lock_guard lock(mutex_);
  if (!powered()) co_return Errc::read_only;
  co_return page(*rows_, range, limit);
}

Task<Result<std::unique_ptr<Snapshot>>> MemoryStore::snapshot() {
  co_await yield();
  std::lock_guard lock(mutex_);
  if (!powered()) co_return Errc::read_only;
  std::unique_ptr<Snapshot> made = std::make_unique<MemorySnapshot>(rows_);
  co_return made;
}

Result<Revision> MemoryStore::apply(const Transaction& transaction) {
  for (const auto& precondition : transaction.preconditions) {
    const auto row = rows_->find(precondition.key);
    const bool holds = precondition.revision
                           ? row != rows_->end() && row->second.revision == *precondition.revision
                           : row == rows_->end();
    if (!holds) return Errc::conflict;
  }
  std::vector<Value> sums;
  for (const auto& add : transaction.adds) {
    const auto row = rows_->find(add.key);
    std::int64_t value = 0;
    if (row != rows_->end()) {
      auto stored = counter_value(row->second.value);
      if (!stored) return stored.error();
      value = *stored;
    }
    auto sum = add_within(value, add);
    if (!sum) return sum.error();
    sums.push_back(counter_bytes(*sum));
  }
  if (rows_.use_count() > 1) rows_ = std::make_shared<Rows>(*rows_);
  ++revision_;
  for (const auto& key : transaction.removes) rows_->erase(key);
  for (const auto& put : transaction.puts) (*rows_)[put.key] = {put.value, revision_};
  for (std::size_t i = 0; i < sums.size(); ++i) (*rows_)[transaction.adds[i].key] = {sums[i], revision_};
  return revision_;
}

Task<Result<Revision>> MemoryStore::commit(Transaction transaction) {
  co_await yield();
  Result<> size = check_size(transaction);
  if (!size) co_return size.error();
  Result<Revision> revision = Errc::read_only;
  {
    std::lock_guard lock(mutex_);
    if (on_commit_) on_commit_();
    if (!powered()) co_return Errc::read_only;
    revision = apply(transaction);
    if (revision) {
      ++commits_;
      if (commits_left_) --*commits_left_;
    }
  }
  // The commit has landed; whether its caller still learns so is the next turn's luck.
  co_await yield();
  co_return revision;
}

void MemoryStore::cut_after(std::uint64_t commits) {
  std::lock_guard lock(mutex_);
  commits_left_ = commits;
}

void MemoryStore::set_power(std::function<bool()> has_power) {
  std::lock_guard lock(mutex_);
  has_power_ = std::move(has_power);
}

void MemoryStore::on_commit(std::function<void()> hook) {
  std::lock_guard lock(mutex_);
  on_commit_ = std::move(hook);
}

void MemoryStore::reboot() {
  std::lock_guard lock(mutex_);
  commits_left_.reset();
}

std::uint64_t MemoryStore::commits() const {
  std::lock_guard lock(mutex_);
  return commits_;
}

}  // namespace storage::metadata
