#include "api/copy_body.h"

#include <cstring>

namespace api {

CopyBody::CopyBody(storage::OpenObject& source, ByteRange range, ChecksumAlgorithm algorithm)
    : length_(range.length), checksum_(algorithm) {
  if (range.length > 0) reader_ = source.read(range.offset, range.length);
}

storage::Task<storage::Result<std::size_t>> CopyBody::read(std::span<std::byte> into) {
  if (chunk_.bytes.empty() && reader_ && passed_ < length_) {
    auto next = co_await reader_->next();
    if (!next) co_return next.error();
    // A reader that ends early would make a short copy look whole.
    if (next->bytes.empty()) co_return storage::Errc::corrupt_data;
    chunk_ = std::move(*next);
  }
  if (chunk_.bytes.empty()) {
    digests_.md5 = md5_.finish();
    digests_.checksum.algorithm = checksum_.algorithm();
    digests_.checksum.value = checksum_.finish();
    co_return std::size_t{0};
  }
  const std::size_t count = std::min(into.size(), chunk_.bytes.size());
  std::memcpy(into.data(), chunk_.bytes.data(), count);
  md5_.update(into.first(count));
  checksum_.update(into.first(count));
  chunk_.bytes = chunk_.bytes.subspan(count);
  passed_ += count;
  co_return count;
}

}  // namespace api
