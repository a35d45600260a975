// CopyBody: a stored object, or a range of it, as the body of a new object or part. Hashes the bytes on their
// way.
//
// Lifetime  the OpenObject outlives it. Threads: one task.
#pragma once

#include <memory>

#include "api/byte_range.h"
#include "api/checksum.h"
#include "storage/object_store.h"

namespace api {

class CopyBody final : public storage::BodySource {
 public:
  // `range` lies inside the object.
  CopyBody(storage::OpenObject& source, ByteRange range, ChecksumAlgorithm algorithm);

  storage::Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override;
  std::optional<std::uint64_t> declared_length() const override { return length_; }
  storage::BodyDigests digests() const override { return digests_; }

 private:
  std::uint64_t length_;
  std::unique_ptr<storage::ObjectReader> reader_;  // none for an empty range
  storage::ObjectReader::Chunk chunk_;             // what is left of the piece in hand
  std::uint64_t passed_ = 0;
  Md5 md5_;
  ChecksumHasher checksum_;
  storage::BodyDigests digests_;
};

}  // namespace api
