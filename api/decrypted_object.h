// DecryptedObject: an opened version whose bytes are encrypted (sealed_chunks.h), read as its client knows it. Offsets and
// lengths are the client's; only the chunks that a range touches are fetched, and none of their bytes is handed out before
// its chunk was authenticated.
//
// Lifetime  the pool outlives it and its readers; what a reader gave lives as long as its owner. An inner object that is not
//           owned outlives it too.
// Errors    Errc::corrupt_data for bytes that do not open; those of the inner reader.
#pragma once

#include <memory>

#include "api/envelope.h"
#include "storage/object_store.h"

namespace api {

class DecryptedObject final : public storage::OpenObject {
 public:
  // `keys`: with an outer one.
  DecryptedObject(std::unique_ptr<storage::OpenObject> object, BodyKeys keys, storage::io::BufferPool& pool);
  DecryptedObject(storage::OpenObject& object, BodyKeys keys, storage::io::BufferPool& pool);

  const storage::ObjectInfoPtr& info() const override { return info_; }
  std::unique_ptr<storage::ObjectReader> read(std::uint64_t offset, std::uint64_t length) override;

 private:
  std::unique_ptr<storage::OpenObject> owned_;
  storage::OpenObject& object_;
  BodyKeys keys_;
  storage::io::BufferPool& pool_;
  storage::ObjectInfoPtr info_;                  // as clients see it
  storage::ObjectInfoPtr sizes_;                 // of this layer and of what is stored beneath it
  std::unique_ptr<storage::OpenObject> beneath_;  // the outer layer taken off, where there are two
};

}  // namespace api
