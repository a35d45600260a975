#include "api/decrypted_object.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "api/limits.h"
#include "api/sealed_chunks.h"
#include "storage/base/check.h"
#include "storage/base/log.h"

namespace api {
namespace {

// While memory is plenty; else a chunk at a time, so that slow clients hold little of what others need.
constexpr std::size_t kPieceBytes = 4 * kPlainChunkBytes;

// Chunks [first, last] of one body: of the object, or of one of its parts.
struct Stretch {
  std::uint32_t part = 0;
  std::uint64_t stored_offset = 0;  // of the body in the object
  std::uint64_t size = 0;           // plain bytes of the body
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  std::uint32_t end_chunk() const { return static_cast<std::uint32_t>(size / kPlainChunkBytes); }
  std::size_t plain_length(std::uint32_t chunk) const {
    return static_cast<std::size_t>(
        std::min<std::uint64_t>(kPlainChunkBytes, size - std::uint64_t{chunk} * kPlainChunkBytes));
  }
  std::uint64_t stored_begin() const { return stored_offset + std::uint64_t{first} * kStoredChunkBytes; }
  std::uint64_t stored_length() const {
    const std::uint64_t whole = std::uint64_t{last - first} * kStoredChunkBytes;
    return whole + plain_length(last) + kChunkOverheadBytes;
  }
};

// Which chunks hold [offset, offset + length) of the plain bytes of a body. A range that reaches the end includes the last
// chunk, which proves that the body ends there.
Stretch stretch_of(std::uint32_t part, std::uint64_t stored_offset, std::uint64_t size, std::uint64_t offset,
                   std::uint64_t length) {
  Stretch stretch;
  stretch.part = part;
  stretch.stored_offset = stored_offset;
  stretch.size = size;
  stretch.first = static_cast<std::uint32_t>(offset / kPlainChunkBytes);
  stretch.last = offset + length == size ? stretch.end_chunk()
                                         : static_cast<std::uint32_t>((offset + length - 1) / kPlainChunkBytes);
  return stretch;
}

class DecryptingReader final : public storage::ObjectReader {
 public:
  DecryptingReader(storage::OpenObject& object, SecretKeyPtr key, storage::io::BufferPool& pool,
                   std::vector<Stretch> stretches, std::size_t skip, std::uint64_t length)
      : object_(object),
        key_(std::move(key)),
        pool_(pool),
        opener_(*key_),
        stretches_(std::move(stretches)),
        skip_(skip),
        left_(length) {}

  storage::Task<storage::Result<Chunk>> next() override {
    if (left_ == 0) co_return Chunk{};
    const std::size_t piece = pool_.used_bytes() < pool_.budget_bytes() / 4 ? kPieceBytes : kPlainChunkBytes;
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(
        piece, (skip_ + left_ + kPlainChunkBytes - 1) / kPlainChunkBytes * kPlainChunkBytes));
    auto taken = co_await pool_.take(wanted, kBufferWaitMs);
    if (!taken) co_return taken.error();
    auto buffer = std::make_shared<storage::io::Buffer>(std::move(*taken));
    std::size_t filled = 0;
    while (at_ < stretches_.size()) {
      Stretch& stretch = stretches_[at_];
      const std::size_t length = stretch.plain_length(stretch.first);
      if (filled + length > buffer->size()) break;
      const auto opened = co_await open_chunk(buffer->span().subspan(filled, length));
      if (!opened) co_return opened.error();
      filled += length;
    }
    Chunk chunk;
    if (filled <= skip_) co_return damaged();
    const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(filled - skip_, left_));
    chunk.bytes = buffer->span().subspan(skip_, count);
    chunk.owner = std::move(buffer);
    skip_ = 0;
    left_ -= count;
    co_return chunk;
  }

 private:
  // The next chunk of the current stretch, authenticated, into `plain`, which is exactly as long.
  storage::Task<storage::Result<>> open_chunk(std::span<std::byte> plain) {
    Stretch& stretch = stretches_[at_];
    if (!source_) source_ = object_.read(stretch.stored_begin(), stretch.stored_length());
    std::array<std::byte, kChunkNonceBytes> nonce;
    std::array<std::byte, kChunkTagBytes> tag;
    if (auto got = co_await gather(nonce); !got) co_return got.error();
    const bool end = stretch.first == stretch.end_chunk();
    if (!opener_.begin(nonce, stretch.part, stretch.first, end)) co_return damaged();
    for (std::size_t done = 0; done < plain.size();) {
      if (auto got = co_await fetch(); !got) co_return got.error();
      const std::size_t count = std::min(plain.size() - done, piece_.bytes.size());
      opener_.update(piece_.bytes.first(count), plain.data() + done);
      piece_.bytes = piece_.bytes.subspan(count);
      done += count;
    }
    if (auto got = co_await gather(tag); !got) co_return got.error();
    if (!opener_.finish(tag)) co_return damaged();
    if (stretch.first++ == stretch.last) {
      ++at_;
      source_.reset();
      piece_ = {};
    }
    co_return storage::success();
  }

  storage::Task<storage::Result<>> gather(std::span<std::byte> into) {
    while (!into.empty()) {
      if (auto got = co_await fetch(); !got) co_return got.error();
      const std::size_t count = std::min(into.size(), piece_.bytes.size());
      std::memcpy(into.data(), piece_.bytes.data(), count);
      piece_.bytes = piece_.bytes.subspan(count);
      into = into.subspan(count);
    }
    co_return storage::success();
  }

  // Sees to it that the piece in hand has bytes left.
  storage::Task<storage::Result<>> fetch() {
    if (!piece_.bytes.empty()) co_return storage::success();
    auto next = co_await source_->next();
    if (!next) co_return next.error();
    if (next->bytes.empty()) co_return damaged();
    piece_ = std::move(*next);
    co_return storage::success();
  }

  storage::Error damaged() const {
    storage::log_error("encrypted_bytes_damaged", {{"bytes", object_.info()->stored_size}});
    return storage::Errc::corrupt_data;
  }

  storage::OpenObject& object_;
  SecretKeyPtr key_;
  storage::io::BufferPool& pool_;
  ChunkOpener opener_;
  std::vector<Stretch> stretches_;  // `first` of the current one is the next chunk
  std::size_t at_ = 0;
  std::size_t skip_;     // plain bytes before the range in its first chunk
  std::uint64_t left_;   // plain bytes still to hand out
  std::unique_ptr<storage::ObjectReader> source_;
  Chunk piece_;  // what is left of the stored piece in hand
};

// A reader of a version whose sizes do not fit an encrypted body.
class DamagedReader final : public storage::ObjectReader {
 public:
  storage::Task<storage::Result<Chunk>> next() override { co_return storage::Errc::corrupt_data; }
};

}  // namespace

DecryptedObject::DecryptedObject(std::unique_ptr<storage::OpenObject> object, BodyKeys keys,
                                 storage::io::BufferPool& pool)
    : DecryptedObject(*object, std::move(keys), pool) {
  owned_ = std::move(object);
}

DecryptedObject::DecryptedObject(storage::OpenObject& object, BodyKeys keys, storage::io::BufferPool& pool)
    : object_(object), keys_(std::move(keys)), pool_(pool), info_(object.info()), sizes_(info_) {
  if (!keys_.inner) return;
  // Between the two layers a body is as long as the inner one made it.
  auto beneath = std::make_shared<storage::ObjectInfo>(*info_);
  auto above = std::make_shared<storage::ObjectInfo>(*info_);
  beneath->size = above->stored_size = sealed_size(info_->size);
  if (!info_->parts.empty()) beneath->size = above->stored_size = 0;
  for (std::size_t i = 0; i < info_->parts.size(); ++i) {
    beneath->parts[i].size = above->parts[i].stored_size = sealed_size(info_->parts[i].size);
    beneath->size += beneath->parts[i].size;
    above->stored_size += beneath->parts[i].size;
  }
  BodyKeys outer;
  outer.outer = keys_.outer;
  outer.whole_first = keys_.whole_first;
  auto layer = std::make_unique<DecryptedObject>(object, std::move(outer), pool);
  layer->sizes_ = std::move(beneath);
  beneath_ = std::move(layer);
  sizes_ = std::move(above);
}

std::unique_ptr<storage::ObjectReader> DecryptedObject::read(std::uint64_t offset, std::uint64_t length) {
  const storage::ObjectInfo& info = *sizes_;
  CHECK(length > 0);
  CHECK(offset <= info.size);
  CHECK(length <= info.size - offset);
  std::vector<Stretch> stretches;
  std::size_t skip = 0;
  if (info.parts.empty()) {
    if (info.stored_size != sealed_size(info.size)) return std::make_unique<DamagedReader>();
    stretches.push_back(stretch_of(0, 0, info.size, offset, length));
    skip = static_cast<std::size_t>(offset % kPlainChunkBytes);
  }
  std::uint64_t plain_offset = 0;
  std::uint64_t stored_offset = 0;
  const std::uint64_t end = offset + length;
  for (const storage::PartInfo& part : info.parts) {
    if (part.stored_size != sealed_size(part.size)) return std::make_unique<DamagedReader>();
    const std::uint64_t begin_here = std::max(offset, plain_offset);
    const std::uint64_t end_here = std::min(end, plain_offset + part.size);
    if (begin_here < end_here) {
      const std::uint64_t in_part = begin_here - plain_offset;
      if (stretches.empty()) skip = static_cast<std::size_t>(in_part % kPlainChunkBytes);
      const std::uint32_t sealed_as = keys_.whole_first && &part == &info.parts.front() ? 0 : part.number;
      stretches.push_back(stretch_of(sealed_as, stored_offset, part.size, in_part, end_here - begin_here));
    }
    plain_offset += part.size;
    stored_offset += part.stored_size;
  }
  storage::OpenObject& stored = beneath_ ? *beneath_ : object_;
  return std::make_unique<DecryptingReader>(stored, keys_.inner ? keys_.inner : keys_.outer, pool_, std::move(stretches), skip,
                                            length);
}

}  // namespace api
