// DecryptedObject: an opened version whose bytes are encrypted (sealed_chunks.h), read as its client knows it. Offsets and
// lengths are the client's; only the chunks that a range touches are fetched, and none of their bytes is handed out before
// its chunk was authenticated.
//
// Lifetime  the pool outlives it and its readers; what a reader gave lives as long as its owner. An inner object that is not
//           owned outlives it too.
// Errors    Errc::corrupt_data for bytes that do not open; those of the inner reader.
#pragma once

#include <memory>

#include "api/secret_key.h"
#include "storage/object_store.h"

namespace api {

class DecryptedObject final : public storage::OpenObject {
 public:
  DecryptedObject(std::unique_ptr<storage::OpenObject> object, SecretKeyPtr key, storage::io::BufferPool& pool);
  DecryptedObject(storage::OpenObject& object, SecretKeyPtr key, storage::io::BufferPool& pool);

  const storage::ObjectInfoPtr& info() const override { return object_.info(); }
  std::unique_ptr<storage::ObjectReader> read(std::uint64_t offset, std::uint64_t length) override;

 private:
  std::unique_ptr<storage::OpenObject> owned_;
  storage::OpenObject& object_;
  SecretKeyPtr key_;
  storage::io::BufferPool& pool_;
};

}  // namespace api
