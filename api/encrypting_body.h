// EncryptingBody: a body on its way into the store, encrypted (sealed_chunks.h). Its final 0 comes after that of the body
// inside, so nothing unverified becomes visible.
//
// Memory    a caller with room for a whole chunk gets it encrypted where it lies; for others one buffer of the request pool.
// Lifetime  body, key and pool outlive it. Threads: one task.
// Errors    those of the body inside, unchanged; Errc::overloaded when memory is short.
#pragma once

#include "api/sealed_chunks.h"
#include "storage/object_store.h"

namespace api {

// What the ETag shall be.
enum class SealedEtag { md5_of_plain, random };

class EncryptingBody final : public storage::BodySource {
 public:
  EncryptingBody(storage::BodySource& body, storage::io::BufferPool& pool, const SecretKey& key, std::uint32_t part,
                 SealedEtag etag);

  storage::Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override;
  std::optional<std::uint64_t> declared_length() const override;
  storage::BodyDigests digests() const override { return digests_; }

 private:
  // Fills and encrypts the next chunk; its stored length.
  storage::Task<storage::Result<std::size_t>> next_chunk(std::span<std::byte> chunk);
  void finish();

  storage::BodySource& body_;
  storage::io::BufferPool& pool_;
  ChunkSealer sealer_;
  SealedEtag etag_;
  storage::io::Buffer buffer_;
  std::span<const std::byte> pending_;  // of buffer_, not yet handed out
  std::uint64_t plain_bytes_ = 0;
  bool ended_ = false;
  storage::BodyDigests digests_;
};

}  // namespace api
