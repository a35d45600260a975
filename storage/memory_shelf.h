// MemoryShelf: immutable things by key, as many as fit into a number of bytes; the one not asked for longest goes first.
//
// Threads  any; one mutex, held for a few lines.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace storage {

template <class Thing>
class MemoryShelf {
 public:
  using Pointer = std::shared_ptr<Thing>;

  explicit MemoryShelf(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  Pointer get(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->thing;
  }

  // What is larger than the shelf is not put there. Of two under one key the first stays.
  void put(const std::string& key, Pointer thing, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > bytes_max_ || by_key_.contains(key)) return;
    entries_.push_front({key, std::move(thing), bytes});
    by_key_.emplace(key, entries_.begin());
    bytes_ += bytes;
    while (bytes_ > bytes_max_) {
      bytes_ -= entries_.back().bytes;
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
  }

  std::size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  struct Entry {
    std::string key;
    Pointer thing;
    std::size_t bytes;
  };

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the one asked for last first
  std::unordered_map<std::string, typename std::list<Entry>::iterator> by_key_;
  std::size_t bytes_ = 0;
};

}  // namespace storage
