// StripeWindow: a run of blocks of a segment's zones in memory, read in large pieces, and the stripes found
// in it.
//
// What scrubs and moves shards wants whole zones, not extents: one read a drive takes in many stripes, and
// their headers say where the next begins. Where a torn stripe left a hole, the next header is searched block
// by block.
//
// Trust     a shard is good when its header is sound, names this very place, and its payload has the CRC that
// the header
//           holds for it. Nothing else is ever taken as a source.
// Memory    one pool buffer of at most kMaxBufferBytes, kept until the last read has ended, also one on a stuck drive. Threads  one task at a time.
// Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/segment/shard_reader.h"

namespace storage::segment {

enum class ShardState : std::uint8_t {
  unread,   // not asked for, or its drive is not there
  refused,  // the drive is there and does not give these bytes
  rotten,   // other bytes than were written
  payload,  // the header is rotten, the payload has the CRC that the other headers hold
  good,
};

// Whether what the shard holds can serve as a source; whether it is to be written anew.
inline bool is_source(ShardState state) { return state == ShardState::good || state == ShardState::payload; }
inline bool is_damaged(ShardState state) {
  return state == ShardState::refused || state == ShardState::rotten || state == ShardState::payload;
}

// A stripe as it was found.
struct StripeFound {
  StripeRef stripe;
  ShardHeaderPtr header;           // of the first good shard, with its directory
  std::vector<ShardState> shards;  // by shard

  std::uint32_t end_block() const { return stripe.stripe_block + stripe.shape.blocks(); }
  unsigned sources() const;  // shards whose payload can be trusted
};

// What a directory says of the stripe.
StripeInfo info_of(const StripeFound& found);

class StripeWindow {
 public:
  // How many blocks of each zone fit; every stripe of this width does.
  static std::uint32_t blocks_max(unsigned width);

  // Takes the memory. Blocks [first_block, first_block + blocks) of the zones of `segment`; blocks <=
  // blocks_max().
  static Task<Result<StripeWindow>> make(StoreContext& context, SegmentPtr segment, std::uint32_t first_block,
                                         std::uint32_t blocks, io::BufferPool& pool);

  // Reads those of `shards` that were not asked for yet, in parallel; drives are told of failed reads.
  Task<> load(std::vector<unsigned> shards);
  // The same for all shards that are left.
  Task<> load_all();
  bool all_asked() const;
  // Shards that were asked for and did not come. With more than m of them no hole is known to be one.
  unsigned failed() const;
  bool asked(unsigned shard) const { return shards_[shard] != Loading::not_asked; }

  // The first stripe that begins at or behind `from` and ends in the window. Where no shard that is loaded
  // has a header all others are loaded too: it may be rotten.
  struct Next {
    std::optional<StripeFound> stripe;
    std::uint32_t block = 0;  // of the stripe; without one, where the next window begins
    bool crossed_hole =
        false;  // blocks in front of it hold no stripe, or none that failed() shards would let see
  };
  Task<Next> next(std::uint32_t from);
  std::uint64_t bytes_read() const { return bytes_read_; }

  // Judges again, after more shards were loaded.
  void judge(StripeFound& found) const;
  // Reads the stripe's own blocks of shards whose drive is there but refused the whole window: one bad sector
  // must not cost the shards of other stripes.
  Task<> reread(StripeFound& found);
  // Whether the parity is what the data makes it (invariant 8). All payloads can be trusted.
  bool is_codeword(const StripeFound& found) const;
  // Makes the bytes of `shard`, header and payload, in `into` (blocks() * 4096). found.sources() >= k. False:
  // what came out has not the CRC that the headers hold for it.
  bool rebuild(const StripeFound& found, unsigned shard, std::span<std::byte> into) const;
  // The bytes of a good shard.
  std::span<std::byte> shard_bytes(const StripeFound& found, unsigned shard) const;

  std::uint32_t first_block() const { return first_block_; }
  std::uint32_t end_block() const { return first_block_ + blocks_; }

 private:
  // late: its drive still has the memory of the shard, which is not read into again.
  enum class Loading : std::uint8_t { not_asked, failed, late, loaded };
  StripeWindow(StoreContext& context, SegmentPtr segment, io::Buffer memory, std::uint32_t first_block,
               std::uint32_t blocks);
  std::span<std::byte> bytes(unsigned shard, std::uint32_t block, std::uint32_t blocks) const;
  std::optional<StripeFound> at(std::uint32_t block) const;
  std::optional<std::uint32_t> begins_at(std::uint32_t block) const;
  // The header of `shard` at `block` if it is sound and names this place.
  std::optional<ShardHeader> header_at(unsigned shard, std::uint32_t block) const;
  ShardState judge_shard(const StripeFound& found, unsigned shard) const;

  StoreContext* context_;
  SegmentPtr segment_;
  struct Kept;
  std::shared_ptr<const Kept> keep(PlacementPtr placement) const;
  std::shared_ptr<io::Buffer> memory_;
  std::uint32_t first_block_;
  std::uint32_t blocks_;
  std::vector<Loading> shards_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace storage::segment
