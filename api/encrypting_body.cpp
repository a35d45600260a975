#include "api/encrypting_body.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "api/limits.h"

namespace api {
namespace {

constexpr std::size_t kEtagBytes = 16;

}  // namespace

EncryptingBody::EncryptingBody(storage::BodySource& body, storage::io::BufferPool& pool, const SecretKey& key,
                               std::uint32_t part, SealedEtag etag)
    : body_(body), pool_(pool), sealer_(key, part), etag_(etag) {}

std::optional<std::uint64_t> EncryptingBody::declared_length() const {
  const auto plain = body_.declared_length();
  if (!plain) return std::nullopt;
  return sealed_size(*plain);
}

storage::Task<storage::Result<std::size_t>> EncryptingBody::read(std::span<std::byte> into) {
  if (pending_.empty()) {
    if (ended_) co_return std::size_t{0};
    if (into.size() >= kStoredChunkBytes) co_return co_await next_chunk(into.first(kStoredChunkBytes));
    if (!buffer_) {
      auto taken = co_await pool_.take(kStoredChunkBytes, kBufferWaitMs);
      if (!taken) co_return taken.error();
      buffer_ = std::move(*taken);
    }
    const auto stored = co_await next_chunk(buffer_.span().first(kStoredChunkBytes));
    if (!stored) co_return stored.error();
    pending_ = buffer_.span().first(*stored);
  }
  const std::size_t count = std::min(into.size(), pending_.size());
  std::memcpy(into.data(), pending_.data(), count);
  pending_ = pending_.subspan(count);
  co_return count;
}

storage::Task<storage::Result<std::size_t>> EncryptingBody::next_chunk(std::span<std::byte> chunk) {
  const std::span<std::byte> plain = chunk.subspan(kChunkNonceBytes, kPlainChunkBytes);
  std::size_t length = 0;
  while (length < plain.size() && !ended_) {
    const auto got = co_await body_.read(plain.subspan(length));
    if (!got) co_return got.error();
    ended_ = *got == 0;
    length += *got;
  }
  plain_bytes_ += length;
  sealer_.seal(chunk, length, ended_);
  if (ended_) finish();
  co_return length + kChunkOverheadBytes;
}

void EncryptingBody::finish() {
  digests_ = body_.digests();
  if (!digests_.client_size) digests_.client_size = plain_bytes_;  // a layer beneath knows better
  if (etag_ == SealedEtag::md5_of_plain) return;
  digests_.md5.resize(kEtagBytes);
  if (RAND_bytes(reinterpret_cast<unsigned char*>(digests_.md5.data()), kEtagBytes) != 1) {
    throw std::runtime_error("no random bytes for an ETag");
  }
}

}  // namespace api
