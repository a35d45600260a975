// The segment catalogue as rows of the metadata store.
//
// Durability and threads as MetadataStore. Lifetime: the metadata store outlives it.
#pragma once

#include "storage/metadata/metadata_store.h"
#include "storage/segment/segment_store.h"

namespace storage {

class MetadataSegmentCatalog final : public segment::SegmentCatalog {
 public:
  explicit MetadataSegmentCatalog(metadata::MetadataStore& metadata) : metadata_(metadata) {}

  Task<Result<Loaded>> load() override;
  Task<Result<>> add(segment::SegmentRecord record) override;
  Task<Result<>> replace(segment::SegmentRecord expected, segment::SegmentRecord record) override;
  Task<Result<>> remove(std::vector<segment::SegmentId> ids) override;

 private:
  metadata::MetadataStore& metadata_;
};

}  // namespace storage
