// SortedMatches: the keys of candidates in their order, kept for the next pages of a query. Keys of ordinals never change, so a
// list is right as long as the set is the same.
//
// Memory   kBytesMax of keys, kListsMax lists; what was used longest ago goes.
// Threads  any.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/labels/match.h"

namespace storage {

class SortedMatches {
 public:
  using Keys = std::shared_ptr<const std::vector<std::string>>;  // ascending

  static constexpr std::size_t kListsMax = 8;
  static constexpr std::size_t kBytesMax = 32 * 1024 * 1024;

  // Null: not kept.
  Keys find(labels::BucketId bucket, const labels::OrdinalSet& set) {
    const std::lock_guard lock(mutex_);
    for (auto list = lists_.begin(); list != lists_.end(); ++list) {
      if (list->bucket != bucket || !(*list->set == set)) continue;
      lists_.splice(lists_.begin(), lists_, list);
      return list->keys;
    }
    return nullptr;
  }

  // `bytes`: of all keys together.
  void keep(labels::BucketId bucket, labels::OrdinalSetPtr set, Keys keys, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    lists_.push_front({bucket, std::move(set), std::move(keys), bytes});
    bytes_ += bytes;
    while (!lists_.empty() && (lists_.size() > kListsMax || bytes_ > kBytesMax)) {
      bytes_ -= lists_.back().bytes;
      lists_.pop_back();
    }
  }

 private:
  struct List {
    labels::BucketId bucket = 0;
    labels::OrdinalSetPtr set;
    Keys keys;
    std::size_t bytes = 0;
  };

  std::mutex mutex_;
  std::list<List> lists_;  // used most recently first
  std::size_t bytes_ = 0;
};

}  // namespace storage
