// ShardMover: takes one shard of a sealed segment to a fresh zone of another member.
//
// Order     zone header durable, every stripe's shard durable, then one conditional replace of the record
// (invariants 4
//           and 6). A cut before it leaves a zone that no record names; after it, the old zone is free. Reads
//           go on meanwhile: they see the old placement or the new one, and both hold the same bytes.
// Sources   the shard itself where its drive is there, else k others; each verified by its own header, and
// what was
//           rebuilt by the CRC that the headers hold for it.
// Threads   any; one move a segment at a time. Private to this folder.
#pragma once

#include <mutex>
#include <set>

#include "storage/segment/segment_upkeep.h"
#include "storage/segment/stripe_window.h"

namespace storage::segment {

class ShardMover {
 public:
  explicit ShardMover(StoreContext& context) : context_(context) {}

  // As SegmentStore::move_shard().
  Task<Result<>> move(MoveRequest request);

 private:
  struct Copy;
  Task<Result<>> move_exclusively(const MoveRequest& request);
  Task<Result<>> write_zone_header(const Copy& copy);
  Task<Result<>> copy_stripes(const Copy& copy);
  Task<Result<std::uint32_t>> copy_window(const Copy& copy, std::uint32_t first_block,
                                          std::uint32_t end_block);
  Task<Result<>> fill(const Copy& copy, StripeWindow& window, StripeFound& found, std::span<std::byte> into,
                      bool& made);
  Task<Result<>> write(const Copy& copy, std::uint32_t block, std::span<std::byte> bytes,
                       std::shared_ptr<io::Buffer> memory);
  std::vector<unsigned> first_sources(const Copy& copy) const;

  StoreContext& context_;
  std::mutex mutex_;
  std::set<SegmentId> moving_;
};

// Whether a record refers to the stripe; true if nobody can be asked.
Task<Result<bool>> is_referenced(const Referenced& referenced, const StripeFound& found);

}  // namespace storage::segment
