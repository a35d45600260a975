#include "storage/sealed_file.h"

#include <algorithm>

#include "storage/body_plan.h"

namespace storage {
namespace {

// How often extents may be moved while they are read.
constexpr int kReadAttemptsMax = 16;
constexpr std::size_t kSmallReadBytes = 128 * 1024;

}  // namespace

SealedFile::SealedFile(ObjectStore::State& state, records::SealedFile row, Pages& pages)
    : state_(state), row_(std::move(row)), pages_(pages) {}

SealedFile::Places SealedFile::places() const {
  const std::lock_guard lock(mutex_);
  return places_;
}

Task<Result<SealedFile::Places>> SealedFile::load_places() {
  auto loaded = std::make_shared<std::vector<Place>>();
  std::uint64_t begin = 0;
  for (std::uint32_t i = 0; i < row_.blob_chunks(); ++i) {
    auto chunk = co_await fetch_chunk(state_.metadata, state_.segments, blob_id(row_.blob_id()), i);
    if (!chunk) co_return chunk.error();
    for (const segment::Extent& extent : (*chunk)->extents) {
      loaded->push_back({begin, extent});
      begin += extent.length;
    }
  }
  if (begin != row_.size()) co_return Errc::corrupt_record;
  const std::lock_guard lock(mutex_);
  places_ = loaded;
  co_return Places(std::move(loaded));
}

// Errc::conflict: an extent is not there any more.
Task<Result<>> SealedFile::read_at(Places places, std::uint64_t offset, std::uint64_t length, std::string& into) {
  auto place = std::upper_bound(places->begin(), places->end(), offset,
                                [](std::uint64_t wanted, const Place& each) { return wanted < each.begin; });
  if (place == places->begin()) co_return Errc::corrupt_record;
  --place;
  const std::uint64_t end = offset + length;
  while (offset < end) {
    if (place == places->end()) co_return Errc::corrupt_record;
    auto pin = state_.segments.pin(place->extent.segment);
    if (!pin) co_return pin.error() == Errc::not_found ? Error(Errc::conflict) : pin.error();
    const auto from = static_cast<std::uint32_t>(offset - place->begin);
    std::uint64_t wanted = std::min<std::uint64_t>(place->extent.length - from, end - offset);
    wanted = std::min<std::uint64_t>(wanted, state_.segments.piece_bytes(place->extent, from));
    io::BufferPool& pool = wanted <= kSmallReadBytes ? state_.request_pool : state_.reader_pool;
    auto slice = co_await state_.segments.read(place->extent, from, static_cast<std::uint32_t>(wanted), pool);
    if (!slice) co_return slice.error();
    const auto bytes = slice->bytes();
    into.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    offset += bytes.size();
    if (offset >= place->begin + place->extent.length) ++place;
  }
  co_return success();
}

Task<Result<std::string>> SealedFile::read(std::uint64_t offset, std::uint64_t length) {
  if (length > kReadBytesMax || offset > row_.size() || length > row_.size() - offset) co_return Errc::invalid_argument;
  std::string bytes;
  if (length == 0) co_return bytes;
  Places known = places();
  for (int attempt = 0; attempt < kReadAttemptsMax; ++attempt) {
    if (known == nullptr) {
      auto loaded = co_await load_places();
      if (!loaded) co_return loaded.error();
      known = std::move(*loaded);
    }
    bytes.clear();
    bytes.reserve(length);
    Result<> read = co_await read_at(known, offset, length, bytes);
    if (read) co_return bytes;
    if (read.error() != Errc::conflict) co_return read.error();
    known = nullptr;
  }
  co_return Errc::conditional_conflict;
}

Task<Result<std::string>> SealedFile::read_paged(std::uint64_t offset, std::uint64_t length) {
  if (length > kReadBytesMax || offset > row_.size() || length > row_.size() - offset) co_return Errc::invalid_argument;
  std::string bytes;
  while (length > 0) {
    const std::uint64_t number = offset / kPageBytes;
    const std::uint64_t from = offset % kPageBytes;
    const std::string key = row_.blob_id() + std::to_string(number);
    std::shared_ptr<const std::string> page = pages_.get(key);
    if (page == nullptr) {
      const std::uint64_t begin = number * kPageBytes;
      auto read_page = co_await read(begin, std::min(kPageBytes, row_.size() - begin));
      if (!read_page) co_return read_page.error();
      page = std::make_shared<const std::string>(std::move(*read_page));
      pages_.put(key, page, kPageBytes);
    }
    const std::uint64_t count = std::min<std::uint64_t>(length, page->size() - from);
    bytes.append(*page, from, count);
    offset += count;
    length -= count;
  }
  co_return bytes;
}

}  // namespace storage
