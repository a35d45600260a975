// BodyPlan: which extents hold a range of an opened version, in order. Fetches a blob's chunk rows as they are needed, with
// pins of the segments that they name: bytes that a plan has named stay until the plan and its chunks are gone.
//
// Held      the first rows of the range, up to kChunksAheadMax of them with kExtentsAheadMax extents, are fetched and pinned
//           at the first peek(): a version that is removed meanwhile is still read to the end within that bound. Beyond it
//           the rows are fetched one by one, and a removal ends the reading with Errc::not_found.
// Errors    Errc::corrupt_record for rows that hold less than the version says, Errc::not_found for rows that are gone
//           with their version, else the metadata store's.
// Threads   one at a time. Lifetime: metadata and segments outlive it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/keys.h"
#include "storage/metadata/metadata_store.h"
#include "storage/records.h"

namespace storage {

// A chunk row, and pins of all segments that it names.
struct Chunk {
  std::vector<segment::Extent> extents;
  std::vector<segment::SegmentPin> pins;
};
using ChunkPtr = std::shared_ptr<const Chunk>;

// Errc::not_found when there is no such row (any more).
Task<Result<ChunkPtr>> fetch_chunk(metadata::MetadataStore& metadata, segment::SegmentStore& segments,
                                   segment::BlobId blob, std::uint32_t chunk);

// Chunks that an opened version holds, by blob and number.
using HeldChunks = std::map<std::pair<segment::BlobId, std::uint32_t>, ChunkPtr>;

class BodyPlan {
 public:
  static constexpr std::size_t kChunksAheadMax = 256;
  static constexpr std::size_t kExtentsAheadMax = 16'384;

  // The part of one extent that a reader wants next.
  struct Piece {
    segment::Extent extent;
    std::uint32_t begin = 0;   // inside the extent
    std::uint32_t length = 0;
  };

  // Bytes [offset, offset + length) of `version`, which has `parts` if it was made by Complete. `held` may be null. The
  // segment of an inline extent is pinned by the caller.
  BodyPlan(metadata::MetadataStore& metadata, segment::SegmentStore& segments, const records::Version& version,
           const records::Parts* parts, std::shared_ptr<const HeldChunks> held, std::uint64_t offset,
           std::uint64_t length);

  // The rest of the wanted bytes of the current extent; nullopt after the last. The caller takes any prefix of the piece
  // with advance().
  Task<Result<std::optional<Piece>>> peek();
  void advance(std::uint32_t bytes);

 private:
  struct Blob {
    segment::BlobId id{};
    std::uint32_t chunks = 0;
    std::uint64_t begin = 0;  // in the object
    std::uint64_t size = 0;
  };

  Task<Result<>> fetch_next();
  Task<Result<>> fetch_ahead();
  Task<Result<>> find_extent();

  metadata::MetadataStore& metadata_;
  segment::SegmentStore& segments_;
  std::shared_ptr<const HeldChunks> held_;
  std::vector<Blob> blobs_;             // empty for an inline body
  std::uint64_t offset_;                // next byte wanted, in the object
  std::uint64_t end_;
  std::size_t blob_ = 0;                // of the next chunk to fetch
  std::uint32_t chunk_ = 0;             // its number
  std::uint64_t fetched_end_ = 0;       // where the fetched chunks end in the object
  bool fetched_ahead_ = false;
  std::deque<ChunkPtr> chunks_;         // fetched, the one in hand first
  std::size_t extent_ = 0;              // of the chunk in hand
  std::uint64_t extent_begin_ = 0;      // where that extent starts in the object
};

}  // namespace storage
