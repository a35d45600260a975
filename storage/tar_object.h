// Virtual tars and manifests: objects that exist only as names. A reader assembles them from the samples, as many bytes as were
// promised; a sample that cannot be read ends the reading with an error, never with a hole.
//
// Reads     samples are fetched side by side, kAheadMax at once and kAheadBytesMax of bodies, and handed out in order; fewer while
//           the store's memory is in demand. Bodies of more than kWholeBytesMax stream. A range touches only the samples in it.
// Memory    24 bytes a sample of the tar, and what was fetched ahead.
// Lifetime  the store's state outlives them; fetches under way may outlive their reader (State::readers).
#pragma once

#include "storage/object_store_state.h"

namespace storage {

inline constexpr std::size_t kTarAheadMax = 32;
inline constexpr std::uint64_t kTarAheadBytesMax = 4 * 1024 * 1024;
inline constexpr std::uint64_t kTarWholeBytesMax = 256 * 1024;

Task<Result<std::unique_ptr<OpenObject>>> open_tar(ObjectStore::State& state, TarRequest request);
std::unique_ptr<OpenObject> open_manifest(SealedDatasetPtr dataset, ManifestKind kind, std::string etag);

}  // namespace storage
