// Segment and SegmentTable: the segments that exist, in memory.
//
// Placement where the shards lie can change while a segment is read (a rebuild, a retired drive). Whoever reads or
//           writes shards takes placement() once and holds it until its last operation has ended: a zone that a move
//           left is given back only when nobody holds a placement that names it.
// Lifetime  A Segment is shared. The table holds one reference; every other (a pin of a caller, a read or a
//           write in progress) keeps it from being freed.
// Threads   any. A Segment's identity never changes; its append state has a mutex of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "erasure/codec.h"
#include "storage/segment/segment_store.h"

namespace storage::segment {

class Placement;
using PlacementPtr = std::shared_ptr<const Placement>;

// Where the k+m shards of a segment lie at one moment, by shard number. Immutable but for what a move leaves with it.
class Placement {
 public:
  explicit Placement(std::vector<SegmentRecord::Member> members) : members_(std::move(members)) {}
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;
  ~Placement();

  const SegmentRecord::Member& operator[](unsigned shard) const { return members_[shard]; }
  const std::vector<SegmentRecord::Member>& members() const { return members_; }
  std::size_t size() const { return members_.size(); }
  // The shard that lies on `member`; empty if none does.
  std::optional<unsigned> shard_on(std::uint32_t member) const;

 private:
  friend class Segment;
  const std::vector<SegmentRecord::Member> members_;
  // Set by the move that ended this placement, while the segment still held it. The successor is kept because it names
  // the same zones but one: what a later move leaves must wait for the holders of this placement too.
  mutable PlacementPtr next_;
  mutable std::function<void()> on_end_;
};

class Segment {
 public:
  // `zone_blocks`: blocks of a zone. A segment of state open accepts appends behind the zone header.
  Segment(SegmentRecord record, std::uint32_t zone_blocks);

  SegmentId id() const { return record_.id; }
  erasure::Scheme scheme() const { return scheme_; }
  unsigned width() const { return scheme_.data + scheme_.parity; }
  std::uint64_t epoch() const { return record_.epoch; }
  PlacementPtr placement() const;
  // A copy, to look at: whoever does I/O there holds a placement.
  std::vector<SegmentRecord::Member> members() const;
  std::uint32_t zone_blocks() const { return zone_blocks_; }

  // The record, with the state as it is now in memory.
  SegmentRecord record() const;
  // The record as the catalogue has it. Changes only under StoreContext::record_changes.
  SegmentRecord stored_record() const;
  // What became of a change of the stored record: it says `sealed` now, or nobody knows what it says.
  void seal_stored();
  void lose_stored();
  bool stored_known() const;
  // The stored record names `to` for `shard` from now on. `on_end` runs when nobody uses the zone left any more.
  void move(unsigned shard, SegmentRecord::Member to, std::function<void()> on_end);

  struct Place {
    std::uint32_t stripe_block;
    std::uint64_t sequence;
    std::shared_ptr<const void> unsettled;  // held until the stripe failed or the commit that names its bytes returned
  };
  // Takes the next `blocks` of every zone; empty when the segment is sealed or they do not fit. The caller writes a
  // stripe there and calls end_write() when every write of it has ended, well or not.
  std::optional<Place> reserve(std::uint32_t blocks);
  void end_write();
  // Sealed, and no write of a stripe is unfinished: what lies in its zones changes only by repairs.
  bool quiet() const;
  // Whether somebody uses its zones beside the segment itself.
  bool placement_in_use() const;

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
  const SegmentRecord record_;  // as it was at first; members and state are those below
  const erasure::Scheme scheme_;
  const std::uint32_t zone_blocks_;
  const bool opened_here_;  // by this process
  mutable std::mutex mutex_;
  std::shared_ptr<Placement> placement_;
  bool sealed_;
  bool stored_sealed_;
  bool stored_known_ = true;
  std::uint32_t writes_ = 0;  // stripes reserved whose writes have not all ended
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
