// Engine: one mirror of the metadata store. The seam between the mirror's logic and RocksDB, with a fake in tests.
//
// Durability  write() returns when the batch is on stable storage of this mirror.
// Threads     write() from one thread at a time; latest(), view() and reads of views from any.
// Blocking    every call may block on its drive, but reads of a View with ReadMode::cached.
// Errors      not_found where said; else anything: the mirror's owner then gives the mirror up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/metadata/metadata_store.h"

namespace storage::metadata {

// Where a mirror stands: the last batch that it holds.
struct Position {
  std::uint64_t epoch = 0;
  std::uint64_t counter = 0;  // of batches, within the store's whole life
  friend auto operator<=>(const Position&, const Position&) = default;
};

// Rows with this first byte are the engine's own; no caller's key begins with it.
inline constexpr char kOwnRowByte = '\0';

struct Batch {
  Position previous;  // the batch before this one: a mirror applies it only when it stands there
  Position position;
  struct Write {
    Key key;
    std::optional<Value> value;  // empty: delete
  };
  std::vector<Write> writes;
};

enum class ReadMode : std::uint8_t {
  cached,  // never touches the drive: operation_would_block when it would have to
  any,
};

// One point in time.
class View {
 public:
  virtual ~View() = default;
  // The stored bytes (revision and value, see row.h), or Errc::not_found.
  virtual Result<std::string> get(const Key& key, ReadMode mode) = 0;
  // Stored rows of the range, ascending, at most `limit`; `next` as in Page.
  struct Rows {
    std::vector<std::pair<Key, std::string>> rows;
    std::optional<Key> next;
  };
  virtual Result<Rows> scan(const KeyRange& range, std::uint32_t limit, ReadMode mode) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual Result<Position> position() = 0;
  virtual Result<> write(const Batch& batch) = 0;
  virtual std::shared_ptr<View> view() = 0;
  // The newest stored bytes of a key, or Errc::not_found.
  virtual Result<std::string> latest(const Key& key) = 0;
  // The batches after `position`, oldest first; Errc::not_found if the log does not reach back that far or
  // `position` is not in this mirror's history.
  virtual Result<std::vector<Batch>> tail_after(Position position) = 0;
  // Fills an empty mirror with everything that `source` shows, in bounded memory. Not durable before the next write().
  virtual Result<> fill_from(View& source) = 0;
  virtual std::uint64_t size_bytes() = 0;
};

// Opens the mirror in `directory`, made if absent; `wipe` removes what is there first.
using EngineFactory = std::function<Result<std::unique_ptr<Engine>>(const std::string& directory, bool wipe)>;

}  // namespace storage::metadata
