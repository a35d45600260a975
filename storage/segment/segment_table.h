// Segment and SegmentTable: the segments that exist, in memory.
//
// Lifetime  A Segment is shared. The table holds one reference; every other (a pin of a caller, a read or a
//           write in progress) keeps it from being freed.
// Threads   any. A Segment's identity never changes; its append state has a mutex of its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "erasure/codec.h"
#include "storage/segment/segment_store.h"

namespace storage::segment {

class Segment {
 public:
  // `zone_blocks`: blocks of a zone. A segment of state open accepts appends behind the zone header.
  Segment(SegmentRecord record, std::uint32_t zone_blocks);

  SegmentId id() const { return record_.id; }
  erasure::Scheme scheme() const { return scheme_; }
  unsigned width() const { return scheme_.data + scheme_.parity; }
  std::uint64_t epoch() const { return record_.epoch; }
  const std::vector<SegmentRecord::Member>& members() const { return record_.members; }
  std::uint32_t zone_blocks() const { return zone_blocks_; }

  // The record, with the state as it is now in memory.
  SegmentRecord record() const;

  struct Place {
    std::uint32_t stripe_block;
    std::uint64_t sequence;
    std::shared_ptr<const void> unsettled;  // held until the stripe failed or the commit that names its bytes returned
  };
  // Takes the next `blocks` of every zone; empty when the segment is sealed or they do not fit.
  std::optional<Place> reserve(std::uint32_t blocks);

  // Blocks that reserve() still has.
  std::uint32_t room_blocks() const;

  bool accepts_appends() const;
  // Sealed, and no bytes of it await their name: what no record names now, none will ever name.
  bool settled() const;
  bool empty() const;  // no stripe was ever reserved here by this process
  // No stripe of it begins at or behind this block: what this process reserved, or the end of the zone where an earlier
  // process wrote. Fixed once the segment is sealed.
  std::uint32_t end_block() const;
  // True the first time. No reserve() succeeds afterwards.
  bool seal();

 private:
  const SegmentRecord record_;
  const erasure::Scheme scheme_;
  const std::uint32_t zone_blocks_;
  const bool opened_here_;  // by this process
  mutable std::mutex mutex_;
  bool sealed_;
  std::uint32_t next_block_ = 1;
  std::uint64_t next_sequence_ = 1;
  const std::shared_ptr<const void> unsettled_ = std::make_shared<char>();  // copies are out while bytes await a name
};

using SegmentPtr = std::shared_ptr<Segment>;

class SegmentTable {
 public:
  void insert(SegmentPtr segment);
  // Null when there is none.
  SegmentPtr find(SegmentId id) const;
  // Takes a sealed segment out if nobody but the table refers to it; null otherwise.
  SegmentPtr take_unreferenced(SegmentId id);
  // Takes a segment out whoever refers to it.
  void erase(SegmentId id);
  std::size_t size() const;
  std::vector<SegmentPtr> all() const;  // ascending by id

 private:
  mutable std::mutex mutex_;
  std::map<SegmentId, SegmentPtr> segments_;
};

}  // namespace storage::segment
