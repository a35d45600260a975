// SettingsCache: parsed forms of what buckets keep as text, by (bucket id, revision).
//
// Memory   at most kEntriesMax buckets; when full, all are forgotten at once.
// Threads  any.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "storage/object_store.h"

namespace api {

template <class Parsed>
class SettingsCache {
 public:
  using Pointer = std::shared_ptr<const Parsed>;
  using Parser = Pointer (*)(std::string_view text);

  SettingsCache(std::string_view setting, Parser parser) : setting_(setting), parser_(parser) {}

  // Null when the bucket has no such setting, or one that `parser` makes nothing of.
  Pointer get(const storage::BucketInfo& bucket) {
    const auto text = bucket.settings.find(setting_);
    if (text == bucket.settings.end()) return nullptr;
    {
      const std::scoped_lock lock(mutex_);
      const auto found = entries_.find(bucket.id);
      if (found != entries_.end() && found->second.revision == bucket.revision) return found->second.parsed;
    }
    Pointer parsed = parser_(text->second);
    const std::scoped_lock lock(mutex_);
    if (entries_.size() >= kEntriesMax) entries_.clear();
    entries_[bucket.id] = {bucket.revision, parsed};
    return parsed;
  }

 private:
  static constexpr std::size_t kEntriesMax = 4096;

  struct Entry {
    std::uint64_t revision = 0;
    Pointer parsed;
  };

  std::string_view setting_;
  Parser parser_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace api
