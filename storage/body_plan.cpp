#include "storage/body_plan.h"

#include <set>

#include "storage/base/log.h"

namespace storage {
namespace {

// How often a row may be moved between the look at it and the pins.
constexpr int kFetchAttemptsMax = 16;

}  // namespace

Task<Result<ChunkPtr>> fetch_chunk(metadata::MetadataStore& metadata, segment::SegmentStore& segments,
                                   segment::BlobId blob, std::uint32_t chunk) {
  const std::string row_key = keys::blob_chunk(blob, chunk);
  metadata::Revision seen = 0;
  for (int attempt = 0; attempt < kFetchAttemptsMax; ++attempt) {
    auto entry = co_await metadata.get(row_key);
    if (!entry) co_return entry.error();
    if (entry->revision == seen) break;  // the row stands, and yet its segment is gone
    seen = entry->revision;
    records::BlobChunk row;
    Result<> parsed = parse(entry->value, row);
    if (!parsed) co_return parsed.error();
    auto fetched = std::make_shared<Chunk>();
    std::set<segment::SegmentId> pinned;
    bool moved = false;
    for (const records::Extent& each : row.extents()) {
      const segment::Extent extent = decode(each);
      fetched->extents.push_back(extent);
      if (!pinned.insert(extent.segment).second) continue;
      auto pin = segments.pin(extent.segment);
      if (!pin) {
        if (pin.error() != Errc::not_found) co_return pin.error();
        moved = true;  // freed since the row was read: the row names another place by now, or is gone
        break;
      }
      fetched->pins.push_back(std::move(*pin));
    }
    if (!moved) co_return ChunkPtr(std::move(fetched));
  }
  log_error("blob_names_no_segment", {{"chunk", chunk}});
  co_return Errc::corrupt_record;
}

BodyPlan::BodyPlan(metadata::MetadataStore& metadata, segment::SegmentStore& segments, const records::Version& version,
                   const records::Parts* parts, std::shared_ptr<const HeldChunks> held, std::uint64_t offset,
                   std::uint64_t length)
    : metadata_(metadata), segments_(segments), held_(std::move(held)), offset_(offset), end_(offset + length) {
  if (parts != nullptr) {
    std::uint64_t begin = 0;
    for (const records::Part& part : parts->parts()) {
      const std::uint64_t size = stored_size(part);
      if (size > 0) blobs_.push_back({blob_id(part.blob_id()), part.blob_chunks(), begin, size});
      begin += size;
    }
  } else if (version.blob_chunks() > 0) {
    blobs_.push_back({blob_id(version.blob_id()), version.blob_chunks(), 0, stored_size(version)});
  } else if (version.has_extent()) {
    auto chunk = std::make_shared<Chunk>();
    chunk->extents.push_back(decode(version.extent()));
    fetched_end_ = chunk->extents.front().length;
    chunks_.push_back(std::move(chunk));
  }
  while (blob_ < blobs_.size() && blobs_[blob_].begin + blobs_[blob_].size <= offset_) ++blob_;
  if (blob_ < blobs_.size()) {
    extent_begin_ = blobs_[blob_].begin;
    fetched_end_ = extent_begin_;
  }
}

// Fetches the chunk behind the last one.
Task<Result<>> BodyPlan::fetch_next() {
  if (blob_ == blobs_.size()) co_return Errc::corrupt_record;
  if (chunk_ == blobs_[blob_].chunks) {
    const Blob& done = blobs_[blob_];
    if (fetched_end_ != done.begin + done.size) co_return Errc::corrupt_record;
    ++blob_;
    chunk_ = 0;
    if (blob_ == blobs_.size()) co_return Errc::corrupt_record;
  }
  const segment::BlobId blob = blobs_[blob_].id;
  ChunkPtr chunk;
  if (held_) {
    const auto found = held_->find({blob, chunk_});
    if (found != held_->end()) chunk = found->second;
  }
  if (!chunk) {
    auto fetched = co_await fetch_chunk(metadata_, segments_, blob, chunk_);
    if (!fetched) co_return fetched.error();
    chunk = std::move(*fetched);
  }
  ++chunk_;
  for (const segment::Extent& extent : chunk->extents) fetched_end_ += extent.length;
  chunks_.push_back(std::move(chunk));
  co_return success();
}

Task<Result<>> BodyPlan::fetch_ahead() {
  std::size_t extents = 0;
  for (std::size_t rows = 0; rows < kChunksAheadMax && extents < kExtentsAheadMax && fetched_end_ < end_; ++rows) {
    Result<> fetched = co_await fetch_next();
    if (!fetched) co_return fetched;
    extents += chunks_.back()->extents.size();
  }
  co_return success();
}

Task<Result<>> BodyPlan::find_extent() {
  if (!fetched_ahead_) {
    fetched_ahead_ = true;
    Result<> fetched = co_await fetch_ahead();
    if (!fetched) co_return fetched;
  }
  while (true) {
    if (chunks_.empty()) {
      Result<> fetched = co_await fetch_next();
      if (!fetched) co_return fetched;
    }
    const std::vector<segment::Extent>& extents = chunks_.front()->extents;
    while (extent_ < extents.size() && extent_begin_ + extents[extent_].length <= offset_) {
      extent_begin_ += extents[extent_].length;
      ++extent_;
    }
    if (extent_ < extents.size()) co_return success();
    extent_ = 0;
    chunks_.pop_front();
  }
}

Task<Result<std::optional<BodyPlan::Piece>>> BodyPlan::peek() {
  if (offset_ == end_) co_return std::optional<Piece>();
  Result<> found = co_await find_extent();
  if (!found) co_return found.error();
  const segment::Extent& extent = chunks_.front()->extents[extent_];
  const auto begin = static_cast<std::uint32_t>(offset_ - extent_begin_);
  const std::uint64_t left = std::min<std::uint64_t>(extent.length - begin, end_ - offset_);
  co_return std::optional<Piece>(Piece{extent, begin, static_cast<std::uint32_t>(left)});
}

void BodyPlan::advance(std::uint32_t bytes) { offset_ += bytes; }

}  // namespace storage
