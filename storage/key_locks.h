// KeyLocks: one writer at a time for a key, first come first served, so that a race on one key costs each contender
// one commit instead of a storm of conflicts. A convenience, not a safety: commits still carry preconditions.
//
// Threads   any; a waiter resumes on its own executor. Bound: waiters are requests, which admission bounds.
// Lifetime  the locks outlive every Guard.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "storage/base/task.h"

namespace storage {

class KeyLocks {
 public:
  class Guard {
   public:
    Guard() = default;
    Guard(Guard&& other) noexcept : locks_(std::exchange(other.locks_, nullptr)), key_(std::move(other.key_)) {}
    Guard& operator=(Guard&& other) noexcept {
      std::swap(locks_, other.locks_);
      std::swap(key_, other.key_);
      return *this;
    }
    ~Guard() {
      if (locks_ != nullptr) locks_->unlock(key_);
    }

   private:
    friend class KeyLocks;
    Guard(KeyLocks* locks, std::string key) : locks_(locks), key_(std::move(key)) {}
    KeyLocks* locks_ = nullptr;
    std::string key_;
  };

  Task<Guard> lock(std::string key);
  // Empty when somebody holds the key.
  std::optional<Guard> try_lock(std::string key);

 private:
  static constexpr std::size_t kShards = 64;
  struct Shard {
    std::mutex mutex;
    // A key is present while it is held; its queue holds who waits.
    std::unordered_map<std::string, std::deque<std::function<void()>>> held;
  };

  Shard& shard_of(const std::string& key) { return shards_[(std::hash<std::string>{}(key) >> 20) % kShards]; }
  void unlock(const std::string& key);

  std::array<Shard, kShards> shards_;
};

}  // namespace storage
