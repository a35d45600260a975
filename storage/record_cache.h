// RecordCache: decoded rows of the metadata store by key, never staler than the store itself.
//
// Order     a writer marks its key before it commits and unmarks it after. While a key is marked, get() misses and
//           insert() is refused, so that nobody can see an old record after somebody saw the new one elsewhere. A
//           reader takes a ticket before it reads the store; insert() with a ticket from before a write is refused.
// Bound     entries_max records; the one that goes is an old one not asked for since the clock hand last passed. A hit
//           writes nothing but a flag that is set already on what is hot: two cores do not fight over a list.
// Threads   any; 64 shards, each behind a mutex held for a few lines.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace storage {

template <class Record>
class RecordCache {
 public:
  using Pointer = std::shared_ptr<const Record>;
  using Ticket = std::uint64_t;

  explicit RecordCache(std::size_t entries_max) : shard_entries_max_(entries_max / kShards + 1) {}

  // The cached record, or null. `ticket` is for the insert() that follows a miss.
  Pointer get(std::string_view key, Ticket& ticket) {
    Shard& shard = shard_of(key);
    std::lock_guard lock(shard.mutex);
    ticket = shard.generation;
    const auto entry = shard.entries.find(key);
    if (entry == shard.entries.end()) return nullptr;
    if (!entry->second->used) entry->second->used = true;
    return entry->second->record;
  }

  void insert(std::string_view key, Pointer record, Ticket ticket) {
    Shard& shard = shard_of(key);
    std::lock_guard lock(shard.mutex);
    if (shard.generation != ticket || shard.writing.contains(key)) return;
    shard.store(key, std::move(record), shard_entries_max_);
  }

  // Marks a key for the time of a commit.
  class Write {
   public:
    Write(RecordCache& cache, std::string key) : cache_(&cache), key_(std::move(key)) { cache_->begin(key_); }
    Write(Write&& other) noexcept : cache_(std::exchange(other.cache_, nullptr)), key_(std::move(other.key_)) {}
    Write(const Write&) = delete;
    Write& operator=(const Write&) = delete;
    Write& operator=(Write&&) = delete;
    ~Write() {
      if (cache_ != nullptr) cache_->end(key_, nullptr);
    }
    // The commit went through and this is the row now.
    void finish(Pointer record) { std::exchange(cache_, nullptr)->end(key_, std::move(record)); }

   private:
    RecordCache* cache_;
    std::string key_;
  };

 private:
  static constexpr std::size_t kShards = 64;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  struct Entry {
    std::string key;
    Pointer record;
    bool used = false;  // since the clock hand passed
  };
  struct Marks {
    int writers = 0;
    bool overlapped = false;  // two writers at once: nobody knows whose record is the newer
  };
  struct Shard {
    std::mutex mutex;
    std::uint64_t generation = 0;  // counts writes
    std::list<Entry> clock;  // the hand is at the front
    std::unordered_map<std::string, typename std::list<Entry>::iterator, Hash, std::equal_to<>> entries;
    std::unordered_map<std::string, Marks, Hash, std::equal_to<>> writing;

    void erase(std::string_view key) {
      const auto entry = entries.find(key);
      if (entry == entries.end()) return;
      clock.erase(entry->second);
      entries.erase(entry);
    }
    void store(std::string_view key, Pointer record, std::size_t entries_max) {
      erase(key);
      if (entries.size() >= entries_max) {
        while (clock.front().used) {  // ends: the hand clears what it passes
          clock.front().used = false;
          clock.splice(clock.end(), clock, clock.begin());
        }
        entries.erase(clock.front().key);
        clock.pop_front();
      }
      clock.push_back({std::string(key), std::move(record)});
      entries.emplace(clock.back().key, std::prev(clock.end()));
    }
  };

  Shard& shard_of(std::string_view key) { return shards_[(Hash{}(key) >> 20) % kShards]; }

  void begin(const std::string& key) {
    Shard& shard = shard_of(key);
    std::lock_guard lock(shard.mutex);
    ++shard.generation;
    shard.erase(key);
    Marks& marks = shard.writing[key];
    if (++marks.writers > 1) marks.overlapped = true;
  }

  void end(const std::string& key, Pointer record) {
    Shard& shard = shard_of(key);
    std::lock_guard lock(shard.mutex);
    ++shard.generation;
    const auto marks = shard.writing.find(key);
    if (--marks->second.writers > 0) return;
    const bool overlapped = marks->second.overlapped;
    shard.writing.erase(marks);
    if (record != nullptr && !overlapped) shard.store(key, std::move(record), shard_entries_max_);
  }

  std::size_t shard_entries_max_;
  std::array<Shard, kShards> shards_;
};

}  // namespace storage
