#include "storage/metadata/mirror_store.h"

#include <algorithm>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/metadata/mirror_writer.h"
#include "storage/metadata/row.h"

namespace storage::metadata {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t kInlineScanMax = 64;  // larger scans would hold up an event loop even from memory

}  // namespace

MirrorStore::MirrorStore(MirrorOptions options, MetricsRegistry& metrics)
    : options_(std::move(options)),
      copies_(options_.copies),
      commits_(metrics.counter("metadata_commits_total", "Transactions committed.")),
      batches_(metrics.counter("metadata_batches_total", "Synced batches, each on every mirror.")),
      queue_depth_(metrics.gauge("metadata_queue_transactions", "Transactions waiting to be committed.")),
      mirrors_current_(metrics.gauge("metadata_mirrors", "Mirrors in the current set.")),
      sync_seconds_(metrics.latency("metadata_sync_seconds", "Time of one batch on all mirrors.")),
      pool_(options_.read_threads) {
  metrics.gauge("metadata_queue_transactions_max", "Bound of metadata_queue_transactions.")
      .set(static_cast<std::int64_t>(options_.queue_max));
}

MirrorStore::~MirrorStore() { stop(); }

void MirrorStore::stop() {
  {
    std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  queue_ready_.notify_one();
  if (committer_.joinable()) committer_.join();
  {
    std::lock_guard lock(upkeep_mutex_);
    upkeep_stopping_ = true;
  }
  upkeep_ready_.notify_one();
  if (upkeep_.joinable()) upkeep_.join();
  pool_.join();
}

// --- Reads.

std::shared_ptr<View> MirrorStore::current_view() const {
  std::lock_guard lock(view_mutex_);
  return view_;
}

// Runs `operation(view, mode)` on the caller's thread if memory answers it, else on the pool.
template <class T, class Read>
Task<Result<T>> MirrorStore::read(std::shared_ptr<View> view, bool try_cache, Read operation) {
  if (try_cache) {
    Result<T> quick = operation(*view, ReadMode::cached);
    if (quick || quick.error() != boost::system::errc::operation_would_block) co_return quick;
  }
  Executor executor = co_await asio::this_coro::executor;
  // The operation is moved into the pool's job: nothing of this frame is touched from there.
  auto initiate = [this, executor, view = std::move(view), operation = std::move(operation)](auto handler) mutable {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    asio::post(pool_, [executor, shared, view = std::move(view), operation = std::move(operation)]() mutable {
      Result<T> result = operation(*view, ReadMode::any);
      view.reset();
      asio::post(executor, [shared, result = std::move(result)]() mutable {
        std::move (*shared)(std::move(result));
      });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<T>)>(std::move(initiate), use_task);
}

namespace {

struct GetRow {
  Key key;
  Result<Entry> operator()(View& view, ReadMode mode) const {
    Result<std::string> stored = view.get(key, mode);
    if (!stored) return stored.error();
    return unpack_row(key, std::move(*stored));
  }
};

struct ScanRows {
  KeyRange range;
  std::uint32_t limit;
  Result<Page> operator()(View& view, ReadMode mode) const {
    Result<View::Rows> rows = view.scan(range, limit, mode);
    if (!rows) return rows.error();
    Page page;
    page.entries.reserve(rows->rows.size());
    for (auto& [key, stored] : rows->rows) {
      Result<Entry> entry = unpack_row(std::move(key), std::move(stored));
      if (!entry) return entry.error();
      page.entries.push_back(std::move(*entry));
    }
    page.next = std::move(rows->next);
    return page;
  }
};

bool is_fault(const Error& error) { return error && error != Errc::not_found; }

}  // namespace

Task<Result<Entry>> MirrorStore::get(Key key) {
  std::shared_ptr<View> view = current_view();
  GetRow operation{std::move(key)};
  Result<Entry> entry = co_await read<Entry>(view, true, operation);
  if (!entry && is_fault(entry.error()) && current_view() != view) {
    entry = co_await read<Entry>(current_view(), true, operation);  // its mirror was expelled meanwhile
  }
  co_return entry;
}

Task<Result<Page>> MirrorStore::scan(KeyRange range, std::uint32_t limit) {
  if (limit == 0 || limit > kMaxPageEntries) co_return Errc::invalid_argument;
  std::shared_ptr<View> view = current_view();
  ScanRows operation{std::move(range), limit};
  Result<Page> page = co_await read<Page>(view, limit <= kInlineScanMax, operation);
  if (!page && is_fault(page.error()) && current_view() != view) {
    page = co_await read<Page>(current_view(), limit <= kInlineScanMax, operation);
  }
  co_return page;
}

class MirrorStore::StoreSnapshot final : public Snapshot {
 public:
  StoreSnapshot(MirrorStore& store, std::shared_ptr<View> view)
      : store_(store), view_(std::move(view)), since_(std::chrono::steady_clock::now()) {}

  Task<Result<Entry>> get(Key key) override {
    if (expired()) co_return Errc::snapshot_expired;
    GetRow operation{std::move(key)};
    co_return co_await store_.read<Entry>(view_, true, std::move(operation));
  }

  Task<Result<Page>> scan(KeyRange range, std::uint32_t limit) override {
    if (limit == 0 || limit > kMaxPageEntries) co_return Errc::invalid_argument;
    if (expired()) co_return Errc::snapshot_expired;
    ScanRows operation{std::move(range), limit};
    co_return co_await store_.read<Page>(view_, limit <= kInlineScanMax, std::move(operation));
  }

 private:
  bool expired() {
    if (std::chrono::steady_clock::now() - since_ > store_.options_.snapshot_lifetime) view_.reset();
    return view_ == nullptr;
  }

  MirrorStore& store_;
  std::shared_ptr<View> view_;
  std::chrono::steady_clock::time_point since_;
};

Task<Result<std::unique_ptr<Snapshot>>> MirrorStore::snapshot() {
  std::unique_ptr<Snapshot> made = std::make_unique<StoreSnapshot>(*this, current_view());
  co_return made;
}

// --- Commits.

Task<Result<Revision>> MirrorStore::commit(Transaction transaction) {
  Result<> size = check_size(transaction);
  if (!size) co_return size.error();
  Executor executor = co_await asio::this_coro::executor;
  auto initiate = [this, executor, transaction = std::move(transaction)](auto handler) mutable {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto done = [executor, shared](Result<Revision> result) {
      asio::post(executor, [shared, result] { std::move (*shared)(result); });
    };
    Error refused;
    {
      std::lock_guard lock(queue_mutex_);
      if (stopping_) {
        refused = Errc::shutting_down;
      } else if (queue_.size() >= options_.queue_max) {
        refused = Errc::overloaded;
      } else {
        queue_.push_back({std::move(transaction), done});
        queue_depth_.set(static_cast<std::int64_t>(queue_.size()));
      }
    }
    if (refused) {
      done(refused);
    } else {
      queue_ready_.notify_one();
    }
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<Revision>)>(std::move(initiate), use_task);
}

void MirrorStore::lose(std::uint32_t member) {
  {
    std::lock_guard lock(upkeep_mutex_);
    lost_.insert(member);
    upkeep_wanted_ = true;
  }
  upkeep_ready_.notify_one();
}

void MirrorStore::add_location(MirrorOptions::Location location) {
  {
    std::lock_guard lock(upkeep_mutex_);
    lost_.erase(location.member);
    leaving_.erase(location.member);
    failed_rebuilds_.erase(location.member);
    const auto known = std::find_if(options_.locations.begin(), options_.locations.end(),
                                    [&](const auto& each) { return each.member == location.member; });
    if (known != options_.locations.end()) {
      known->directory = std::move(location.directory);
    } else {
      options_.locations.push_back(std::move(location));
    }
    upkeep_wanted_ = true;
  }
  upkeep_ready_.notify_one();
}

void MirrorStore::leave(std::uint32_t member) {
  {
    std::lock_guard lock(upkeep_mutex_);
    if (!leaving_.insert(member).second) return;
    upkeep_wanted_ = true;
  }
  upkeep_ready_.notify_one();
}

void MirrorStore::set_copies(unsigned copies) {
  if (copies_.exchange(copies) == copies) return;
  {
    std::lock_guard lock(upkeep_mutex_);
    upkeep_wanted_ = true;
  }
  upkeep_ready_.notify_one();
}

std::vector<std::uint32_t> MirrorStore::members() const {
  std::lock_guard lock(batch_mutex_);
  std::vector<std::uint32_t> members;
  for (const Mirror& mirror : mirrors_) members.push_back(mirror.member);
  return members;
}

std::uint64_t MirrorStore::epoch() const {
  std::lock_guard lock(batch_mutex_);
  return epoch_;
}

}  // namespace storage::metadata
