// MetadataStore: the durable, ordered map of bytes to bytes that says what exists and where its bytes lie.
//
// Durability  commit() completes only once the batch is on stable storage everywhere it must be. A batch is
//             all or nothing, across power loss too; no reader sees half of one (invariant 2).
// Order       keys compare as unsigned bytes. A get() or scan() that starts after a commit() returned sees
//             that commit or a later state.
// Revisions   each committed transaction has one revision, strictly increasing, never reused after a restart
//             or a crash; a key's revision is that of the last transaction that put it.
// Threads     any executor may call; each call resumes on its caller's executor.
// Lifetime    arguments are values and live in the coroutine frame. The store outlives its calls.
// Errors      Errc::conflict (a precondition failed), Errc::bound_exceeded (an add), Errc::not_found,
//             Errc::snapshot_expired, Errc::too_large (a transaction above kMaxTransactionBytes),
//             Errc::no_space (the metadata reserve is full; deletes still commit), Errc::read_only (too few
//             mirrors, or a poisoned engine), Errc::overloaded (the commit queue is full and stayed full);
//             else the engine's error unchanged.
// Format      keys of objects: storage/README.md; rows of the engine itself: storage/metadata/README.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/task.h"

namespace storage::metadata {

using Key = std::string;
using Value = std::string;
using Revision = std::uint64_t;  // 0 is never a commit's revision

inline constexpr std::uint32_t kMaxPageEntries = 10'000;
inline constexpr std::size_t kMaxKeyBytes = 8 * 1024;
inline constexpr std::size_t kMaxValueBytes = 4 * 1024 * 1024;
inline constexpr std::size_t kMaxTransactionBytes = 16 * 1024 * 1024;

struct Entry {
  Key key;
  Value value;
  Revision revision = 0;
};

// Keys k with begin <= k < end; an empty `end` means "to the last key".
struct KeyRange {
  Key begin;
  Key end;
};

// All keys that start with `prefix`.
KeyRange prefix_range(Key prefix);

struct Page {
  std::vector<Entry> entries;  // ascending by key
  std::optional<Key> next;     // where to resume; empty when the range is exhausted
};

// What one commit does. Preconditions are checked against the state just before it, atomically with it.
class Transaction {
 public:
  struct Precondition {
    Key key;
    std::optional<Revision> revision;  // empty: the key must be absent
  };
  struct Add {
    Key key;
    std::int64_t delta;
    std::int64_t lowest;   // the result must lie in [lowest, highest], else Errc::bound_exceeded
    std::int64_t highest;
  };

  void require_absent(Key key) { preconditions.push_back({std::move(key), std::nullopt}); }
  void require_revision(Key key, Revision revision) { preconditions.push_back({std::move(key), revision}); }
  void put(Key key, Value value) { puts.push_back({std::move(key), std::move(value)}); }
  void remove(Key key) { removes.push_back(std::move(key)); }
  // Adds to a counter (8 bytes little-endian, two's complement; absent = 0). Counters commute: concurrent
  // adds never conflict with each other. A counter that reaches 0 stays as a row.
  void add(Key key, std::int64_t delta, std::int64_t lowest = INT64_MIN, std::int64_t highest = INT64_MAX) {
    adds.push_back({std::move(key), delta, lowest, highest});
  }

  struct Put {
    Key key;
    Value value;
  };
  // For what must go through so that space comes back: refused neither when the metadata reserve is full.
  bool may_use_reserve = false;

  std::vector<Precondition> preconditions;
  std::vector<Put> puts;
  std::vector<Key> removes;  // removing an absent key is no error
  std::vector<Add> adds;     // a key appears in at most one of puts, removes, adds
};

// The value of a counter row; corrupt_record if it is not 8 bytes.
Result<std::int64_t> counter_value(const Value& value);
Value counter_bytes(std::int64_t value);

// For engines. Errc::invalid_argument for an empty or oversized key, Errc::too_large for values or the whole.
Result<> check_size(const Transaction& transaction);
// The counter's new value, or Errc::bound_exceeded.
Result<std::int64_t> add_within(std::int64_t value, const Transaction::Add& add);

// All reads of one point in time. Expires after the engine's configured time.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Task<Result<Entry>> get(Key key) = 0;
  virtual Task<Result<Page>> scan(KeyRange range, std::uint32_t limit) = 0;
};

class MetadataStore {
 public:
  virtual ~MetadataStore() = default;

  // Returns the value of `key` and its revision, or Errc::not_found.
  virtual Task<Result<Entry>> get(Key key) = 0;

  // Lists `range` in key order at one point in time, at most `limit` entries, 1 <= limit <= kMaxPageEntries.
  virtual Task<Result<Page>> scan(KeyRange range, std::uint32_t limit) = 0;

  // Any number of reads at the latest point.
  virtual Task<Result<std::unique_ptr<Snapshot>>> snapshot() = 0;

  // Applies `transaction` if all its preconditions hold; otherwise changes nothing. Returns its revision.
  virtual Task<Result<Revision>> commit(Transaction transaction) = 0;
};

}  // namespace storage::metadata
