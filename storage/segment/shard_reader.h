// ShardReader: reads block ranges of shards of one stripe and verifies each block against its shard's header.
//
// Headers are verified by their CRC and their identity (segment, epoch, stripe, shard, geometry), so a
// misdirected or stale block is as bad as a rotten one. A bounded cache keeps what ranges need of verified
// headers. Threads  any. Errors: per range, in its outcome; drives are told of failed reads.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <tuple>
#include <vector>

#include "storage/segment/format.h"
#include "storage/segment/store_context.h"
#include "storage/segment/stripe.h"

namespace storage::segment {

// A stripe as an extent names it, checked against its segment.
struct StripeRef {
  SegmentPtr segment;
  std::uint32_t stripe_block = 0;
  StripeShape shape;
};

using ShardHeaderPtr = std::shared_ptr<const ShardHeader>;

// The most recently used headers, without their directories. Thread-safe.
class HeaderCache {
 public:
  static constexpr std::size_t kEntriesMax = 4096;  // about 1 KiB each
  ShardHeaderPtr find(SegmentId segment, std::uint32_t stripe_block, unsigned shard);
  void insert(const ShardHeader& header);
  // Forgets a shard that turned out to be damaged or is about to be rewritten.
  void erase(SegmentId segment, std::uint32_t stripe_block, unsigned shard);

 private:
  using Key = std::tuple<SegmentId, std::uint32_t, unsigned>;
  struct Entry {
    Key key;
    ShardHeaderPtr header;
  };
  std::mutex mutex_;
  std::list<Entry> recent_;  // most recent first
  std::map<Key, std::list<Entry>::iterator> index_;
};

enum class RangeOutcome : std::uint8_t {
  good,    // bytes and header verified
  failed,  // no drive, or the drive refused
  late,    // the drive did not answer in time: it still has the memory, and the bytes there mean nothing
  rotten,  // the drive answered with other bytes than were written
};

struct RangeRead {
  unsigned shard = 0;
  std::uint32_t first_block = 0;     // of the payload
  std::span<std::byte> into;         // whole blocks
  std::span<std::byte> header_into;  // header_blocks; empty: `header` is there already
  ShardHeaderPtr header;             // in: from the cache; out: the verified one
  bool avoided = false;  // not to be asked for: `late` at once
  RangeOutcome outcome = RangeOutcome::failed;
};

// Memory of reads. A range that is late keeps it until its drive has answered: nothing of it is handed on then.
using ReadMemory = std::shared_ptr<io::Buffer>;

class ShardReader {
 public:
  explicit ShardReader(StoreContext& context) : context_(context) {}

  // The header if it is cached.
  ShardHeaderPtr cached(const StripeRef& stripe, unsigned shard);

  // Reads and verifies all of `ranges` in parallel; header and payload in one read where the range starts at
  // block 0 and header_into ends where `into` begins. All of it lies in `memory`.
  Task<> read(StripeRef stripe, std::span<RangeRead> ranges, ReadMemory memory, io::Patience patience);

  // Reads without verifying (the caller has a CRC over all of it); returns whether every drive answered.
  Task<bool> read_unverified(StripeRef stripe, std::span<RangeRead> ranges, ReadMemory memory, io::Patience patience);

  // Whether a range of this shard is better read from others, where there are enough.
  bool read_last(const StripeRef& stripe, unsigned shard) const;

  HeaderCache& cache() { return cache_; }

 private:
  void verify(const StripeRef& stripe, const Placement& placement, RangeRead& range);
  void report(const Placement& placement, const std::vector<io::PatientOperation>& reads,
              const std::vector<std::size_t>& range_of, std::span<RangeRead> ranges);
  io::PatientOperation operation(const StripeRef& stripe, const Placement& placement, const RangeRead& range,
                                 std::uint32_t block, std::span<std::byte> into) const;

  StoreContext& context_;
  HeaderCache cache_;
};

}  // namespace storage::segment
