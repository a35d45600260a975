#include "storage/body_plan.h"

namespace storage {

BodyPlan::BodyPlan(metadata::MetadataStore& metadata, const records::Version& version, const records::Parts* parts,
                   std::uint64_t offset, std::uint64_t length)
    : metadata_(metadata), offset_(offset), end_(offset + length) {
  if (parts != nullptr) {
    std::uint64_t begin = 0;
    for (const records::Part& part : parts->parts()) {
      if (part.size() > 0) blobs_.push_back({blob_id(part.blob_id()), part.blob_chunks(), begin, part.size()});
      begin += part.size();
    }
  } else if (version.blob_chunks() > 0) {
    blobs_.push_back({blob_id(version.blob_id()), version.blob_chunks(), 0, version.size()});
  } else if (version.has_extent()) {
    extents_.push_back(decode(version.extent()));
  }
  while (blob_ < blobs_.size() && blobs_[blob_].begin + blobs_[blob_].size <= offset_) ++blob_;
  if (blob_ < blobs_.size()) extent_begin_ = blobs_[blob_].begin;
}

Task<Result<>> BodyPlan::find_extent() {
  while (true) {
    while (extent_ < extents_.size() && extent_begin_ + extents_[extent_].length <= offset_) {
      extent_begin_ += extents_[extent_].length;
      ++extent_;
    }
    if (extent_ < extents_.size()) co_return success();
    if (blob_ == blobs_.size()) co_return Errc::corrupt_record;
    if (chunk_ == blobs_[blob_].chunks) {
      const Blob& done = blobs_[blob_];
      if (extent_begin_ != done.begin + done.size) co_return Errc::corrupt_record;
      ++blob_;
      chunk_ = 0;
      if (blob_ == blobs_.size()) co_return Errc::corrupt_record;
    }
    auto entry = co_await metadata_.get(keys::blob_chunk(blobs_[blob_].id, chunk_));
    if (!entry) co_return entry.error() == Errc::not_found ? Error(Errc::corrupt_record) : entry.error();
    records::BlobChunk row;
    Result<> parsed = parse(entry->value, row);
    if (!parsed) co_return parsed.error();
    ++chunk_;
    extents_.clear();
    extent_ = 0;
    for (const records::Extent& extent : row.extents()) extents_.push_back(decode(extent));
  }
}

Task<Result<std::optional<BodyPlan::Piece>>> BodyPlan::peek() {
  if (offset_ == end_) co_return std::optional<Piece>();
  Result<> found = co_await find_extent();
  if (!found) co_return found.error();
  const segment::Extent& extent = extents_[extent_];
  const auto begin = static_cast<std::uint32_t>(offset_ - extent_begin_);
  const std::uint64_t left = std::min<std::uint64_t>(extent.length - begin, end_ - offset_);
  co_return std::optional<Piece>(Piece{extent, begin, static_cast<std::uint32_t>(left)});
}

void BodyPlan::advance(std::uint32_t bytes) { offset_ += bytes; }

}  // namespace storage
