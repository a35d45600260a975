// StoreLiveIndex: LiveIndex over the rows of the object store, its record cache and its key locks.
#pragma once

#include <map>

#include "storage/object_store_state.h"
#include "storage/upkeep/live_index.h"

namespace storage {

class StoreLiveIndex final : public upkeep::LiveIndex {
 public:
  explicit StoreLiveIndex(ObjectStore::State& state) : state_(state) {}

  Task<Result<std::vector<upkeep::LivePiece>>> live(segment::SegmentId segment, segment::StripeInfo stripe) override;
  Task<Result<std::vector<upkeep::MoveOutcome>>> move(std::vector<upkeep::Move> moves) override;
  Task<Result<Page>> walk(std::string cursor, std::uint32_t rows_max) override;

 private:
  // A row that holds an extent of its own, and which blob it is of.
  struct InlineHolder {
    std::string row;
    segment::BlobId blob{};
    segment::Extent extent;
  };
  // The row of a (bucket, key) that holds the inline extent of a blob, if one does: the head, or that of an older version.
  // The one place that knows which rows those are.
  Task<Result<std::optional<InlineHolder>>> inline_holder(std::string bucket, std::string key, segment::BlobId blob);
  Task<Result<std::optional<InlineHolder>>> older_holder(keys::BucketId bucket, std::string key, segment::BlobId blob);
  // The piece as a chunk row of its blob has it.
  Task<Result<std::optional<upkeep::LivePiece>>> chunk_holder(segment::PieceName name, segment::Extent place);

  // Rows that change together, and what follows once they have.
  struct Batch {
    metadata::Transaction transaction;
    std::size_t bytes = 0;
    upkeep::LiveChange change;
    std::vector<std::size_t> moved;  // indices of moves that it carries out
    struct Head {
      std::string row;
      std::string key;     // the object's
      std::string value;   // as it will be
      bool cached = false; // readers ask for it
    };
    std::vector<Head> heads;
    std::map<std::string, KeyLocks::Guard> guards;  // by what is locked
  };
  using Outcomes = std::vector<upkeep::MoveOutcome>;
  using Indices = std::vector<std::size_t>;

  Task<Result<>> add_row(Batch& batch, const std::string& row, const Indices& indices,
                         const std::vector<upkeep::Move>& moves, Outcomes& outcomes);
  Result<> add_head(Batch& batch, const metadata::Entry& entry, const Indices& indices,
                    const std::vector<upkeep::Move>& moves, Outcomes& outcomes);
  Result<> add_older(Batch& batch, const metadata::Entry& entry, const Indices& indices,
                     const std::vector<upkeep::Move>& moves, Outcomes& outcomes);
  // Whether a record names the piece at this place, in whichever row by now.
  Task<Result<upkeep::MoveOutcome>> gone_or_elsewhere(upkeep::LivePiece piece);
  // Heads with the older versions of their keys.
  Task<Result<Page>> walk_keys(std::string cursor, std::uint32_t rows_max);
  Task<Result<Page>> walk_within(keys::VersionKey from, std::uint32_t rows_max);
  // Carries out the one move that names the version's extent, if any does; whether one did.
  bool move_inline(Batch& batch, const std::string& row, records::Version& version, const Indices& indices,
                   const std::vector<upkeep::Move>& moves, Outcomes& outcomes);
  Result<> add_chunk(Batch& batch, const metadata::Entry& entry, const Indices& indices,
                     const std::vector<upkeep::Move>& moves, Outcomes& outcomes);
  // `raced`: a row had changed since it was read, and nothing was moved.
  enum class Committed : std::uint8_t { done, raced };
  Task<Result<Committed>> commit(Batch batch, Outcomes& outcomes);

  ObjectStore::State& state_;
};

}  // namespace storage
