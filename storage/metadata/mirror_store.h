// MirrorStore: the embedded engine of MetadataStore. The same rows on m+1 drives, each with an engine of its own.
//
// Durability  a commit returns when its batch is synced on every current mirror; losing any m of them loses nothing.
//             Commits of many callers go down as one batch (group commit, no artificial delay).
// Membership  the set of current mirrors has an epoch and is written (options.publish) to every live drive before the
//             first commit under it. Only members of the newest set may win a start, by position: a mirror that was
//             away and holds an unacknowledged tail can never outrank acknowledged commits.
// Losing one  a mirror that fails a write, or stays silent for a second after another one answered, is expelled: the new
//             set first, then the acknowledgement. A replacement is filled on another drive in the background; neither
//             stops serving. When no mirror is left, or the set cannot be written, the store is read-only.
// Reads       come from the view published after all mirrors had synced.
// Threads     one committer, one a mirror, one for upkeep, a small pool for reads that miss the cache. Callers resume on
//             their own executors. stop() before destruction, while the callers' io_contexts still run.
#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "storage/base/metrics.h"
#include "storage/metadata/engine.h"
#include "storage/metadata/metadata_store.h"

namespace storage::metadata {

struct Membership {
  std::uint64_t epoch = 0;  // 0: no set was ever written, the store is new
  std::vector<std::uint32_t> members;
};

struct MirrorOptions {
  struct Location {
    std::uint32_t member;  // the drive's number
    std::string directory;
  };
  std::vector<Location> locations;  // drives that are there and can hold a mirror
  Membership newest;                // as found on the drives
  unsigned copies = 1;              // m + 1
  EngineFactory open;
  // Writes a set durably to every live drive. Blocks; called from the store's own threads and from start().
  std::function<Result<>(Membership)> publish;
  std::uint64_t size_max_bytes = 0;  // of one mirror; new rows are refused at 75 % of it. 0: no bound
  unsigned silent_ms_max = 1000;
  unsigned rebuild_retry_ms = 60'000;  // before a drive whose rebuild failed is tried again
  std::size_t queue_max = 65'536;      // transactions waiting; beyond: Errc::overloaded
  std::chrono::milliseconds snapshot_lifetime{300'000};
  unsigned read_threads = 4;
};

class MirrorWriter;

class MirrorStore final : public MetadataStore {
 public:
  // Opens the mirrors, chooses the winner, brings the others up to it, writes the new set. Blocks. On failure `why` is
  // a sentence for the operator.
  static Result<std::unique_ptr<MirrorStore>> start(MirrorOptions options, MetricsRegistry& metrics, std::string& why);
  ~MirrorStore() override;

  Task<Result<Entry>> get(Key key) override;
  Task<Result<Page>> scan(KeyRange range, std::uint32_t limit) override;
  Task<Result<std::unique_ptr<Snapshot>>> snapshot() override;
  Task<Result<Revision>> commit(Transaction transaction) override;

  // The drive is gone or suspect: its mirror is expelled, and rebuilt elsewhere.
  void lose(std::uint32_t member);

  // A drive that can hold a mirror, from now on: a new one, or one that is back. It gets one when one is missing. A known
  // member's directory is replaced.
  void add_location(MirrorOptions::Location location);
  // The drive is about to leave: its mirror is given up as soon as there are enough others, one being made first if need
  // be. It gets none until add_location().
  void leave(std::uint32_t member);
  // How many mirrors there should be. More are made in the background; none is given up for there being too many.
  void set_copies(unsigned copies);

  // Members of the current set.
  std::vector<std::uint32_t> members() const;
  std::uint64_t epoch() const;

  // Finishes what is queued, then ends all threads. Blocks.
  void stop();

 private:
  struct Pending {
    Transaction transaction;
    std::function<void(Result<Revision>)> done;
  };
  struct Mirror {
    std::uint32_t member;
    std::shared_ptr<Engine> engine;
    std::shared_ptr<MirrorWriter> writer;
  };
  class StoreSnapshot;
  struct BatchBuild;

  MirrorStore(MirrorOptions options, MetricsRegistry& metrics);

  Result<> open_new(std::string& why);
  Result<> open_existing(std::string& why);
  Result<> begin_epoch(std::string& why);

  void commit_loop();
  void commit_batch(std::vector<Pending> pending);
  Result<Revision> stage(const Transaction& transaction, BatchBuild& build);
  Result<> check_preconditions(const Transaction& transaction, BatchBuild& build);
  // Both under batch_mutex_.
  Result<> write_to_all(const std::shared_ptr<const Batch>& batch);
  void expel(const std::set<std::uint32_t>& failed);
  void poison(const char* reason);
  void publish_view();

  void upkeep_loop();
  void rebuild_one();
  bool fill_and_join(const MirrorOptions::Location& location, const std::shared_ptr<Engine>& engine);

  std::shared_ptr<View> current_view() const;
  template <class T, class Read>
  Task<Result<T>> read(std::shared_ptr<View> view, bool try_cache, Read operation);

  MirrorOptions options_;  // locations: under upkeep_mutex_ after start()
  std::atomic<unsigned> copies_;
  Counter& commits_;
  Counter& batches_;
  Gauge& queue_depth_;
  Gauge& mirrors_current_;
  LatencyHistogram& sync_seconds_;
  boost::asio::thread_pool pool_;

  mutable std::mutex batch_mutex_;  // one batch, or one change of the set, at a time
  std::vector<Mirror> mirrors_;     // front() answers reads and preconditions
  std::uint64_t epoch_ = 0;
  Position position_;
  Revision revision_ = 0;
  bool poisoned_ = false;
  bool full_ = false;
  unsigned batches_since_size_check_ = 0;

  mutable std::mutex view_mutex_;
  std::shared_ptr<View> view_;

  std::mutex queue_mutex_;
  std::condition_variable queue_ready_;
  std::deque<Pending> queue_;
  bool stopping_ = false;

  std::mutex upkeep_mutex_;
  std::condition_variable upkeep_ready_;
  std::set<std::uint32_t> lost_;
  std::set<std::uint32_t> leaving_;
  std::unordered_map<std::uint32_t, std::chrono::steady_clock::time_point> failed_rebuilds_;
  bool upkeep_wanted_ = false;
  bool upkeep_stopping_ = false;

  // Batches for the mirror being rebuilt; guarded by batch_mutex_.
  bool tee_ = false;
  std::deque<std::shared_ptr<const Batch>> teed_;
  std::size_t teed_bytes_ = 0;

  std::thread committer_;
  std::thread upkeep_;
};

}  // namespace storage::metadata
