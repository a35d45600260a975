// BodyPlan: the extents of one opened version, in order, fetched as a reader reaches them.
//
// Threads   one reader at a time. Lifetime: the metadata store and the record outlive the plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/keys.h"
#include "storage/metadata/metadata_store.h"
#include "storage/records.h"

namespace storage {

class BodyPlan {
 public:
  // The part of one extent that a reader wants next.
  struct Piece {
    segment::Extent extent;
    std::uint32_t begin = 0;   // inside the extent
    std::uint32_t length = 0;
  };

  // Bytes [offset, offset + length) of `version`, which has `parts` if it was made by Complete.
  BodyPlan(metadata::MetadataStore& metadata, const records::Version& version, const records::Parts* parts,
           std::uint64_t offset, std::uint64_t length);

  // The rest of the wanted bytes of the current extent; nullopt after the last. Errc::corrupt_record if the rows
  // hold less than the version says. The caller takes any prefix of the piece with advance().
  Task<Result<std::optional<Piece>>> peek();
  void advance(std::uint32_t bytes);

 private:
  struct Blob {
    segment::BlobId id{};
    std::uint32_t chunks = 0;
    std::uint64_t begin = 0;  // in the object
    std::uint64_t size = 0;
  };

  Task<Result<>> find_extent();

  metadata::MetadataStore& metadata_;
  std::vector<Blob> blobs_;               // empty for an inline body
  std::uint64_t offset_;                  // next byte wanted, in the object
  std::uint64_t end_;
  std::size_t blob_ = 0;
  std::uint32_t chunk_ = 0;               // the next chunk row to fetch of blobs_[blob_]
  std::vector<segment::Extent> extents_;  // of the chunk in hand
  std::size_t extent_ = 0;
  std::uint64_t extent_begin_ = 0;        // where extents_[extent_] starts in the object
};

}  // namespace storage
