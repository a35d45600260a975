// LabelIndex: what the index needs to know beside its rows: ids of label names, and ordinals for new keys.
//
// Names     get an id at their first use, in a commit of its own before the one that uses it, and keep it while the bucket
//           lives. A bucket has at most kNamesMax; names beyond that get none, for ever.
// Ordinals  are leased in blocks from a row; a crash wastes the rest of a block. None is given twice.
// Memory    bounded caches of both.
// Errors    Errc::conflict: the bucket is not as `bucket` has it; look it up again. Else the metadata store's.
// Threads   any. Lifetime: the metadata store outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/key_locks.h"
#include "storage/labels/rows.h"
#include "storage/metadata/metadata_store.h"
#include "storage/record_cache.h"

namespace storage {

struct BucketRecord;
using BucketRecordPtr = std::shared_ptr<const BucketRecord>;

class LabelIndex {
 public:
  static constexpr labels::NameId kNamesMax = 100'000;  // of a bucket
  static constexpr labels::Ordinal kLease = 4096;

  explicit LabelIndex(metadata::MetadataStore& metadata) : metadata_(metadata), names_(kNamesCachedMax) {}

  // Ids by name; a name that can have none is not among them.
  using NameIds = std::map<std::string, labels::NameId, std::less<>>;
  // The ids of all names, made where there are none yet. `names` are distinct.
  Task<Result<NameIds>> name_ids(BucketRecordPtr bucket, std::vector<std::string> names);
  // The id of a name that somebody may have used; nullopt: nobody did, or it can have none.
  Task<Result<std::optional<labels::NameId>>> find_name(labels::BucketId bucket, std::string name);
  // How many names the bucket has. At kNamesMax some may have no id.
  Task<Result<std::int64_t>> names_count(labels::BucketId bucket);

  // A new ordinal, if one is at hand in memory.
  std::optional<labels::Ordinal> leased_ordinal(labels::BucketId bucket);
  Task<Result<labels::Ordinal>> new_ordinal(BucketRecordPtr bucket);
  // The first lease of a new bucket, which its creator wrote: ordinals 1 to kLease.
  static std::string first_lease_value() { return metadata::counter_bytes(static_cast<std::int64_t>(1 + kLease)); }
  void lend_first(labels::BucketId bucket);
  // Whether labels may be pending in a bucket. A key's writer asks with the key locked, and whoever makes a label pending says so
  // with that key locked: so neither misses the other.
  // 0: none.
  Task<Result<std::int64_t>> pending_lines(labels::BucketId bucket);
  void note_pending(labels::BucketId bucket);

  // The bucket is gone.
  void forget(labels::BucketId bucket);

 private:
  static constexpr std::size_t kNamesCachedMax = 262'144;
  static constexpr std::size_t kLeasesMax = 65'536;

  struct Lease {
    labels::Ordinal next = 0;
    labels::Ordinal end = 0;
  };

  // nullopt: not in memory. 0: the name can have no id.
  std::optional<labels::NameId> cached(const std::string& row);
  void remember(const std::string& row, labels::NameId id);
  // 0 where the name has no id.
  Task<Result<labels::NameId>> read_name(std::string row);
  Task<Result<>> make_names(BucketRecordPtr bucket, std::vector<std::string> names, NameIds& ids);
  void lend(labels::BucketId bucket, Lease lease);

  metadata::MetadataStore& metadata_;
  KeyLocks locks_;
  RecordCache<labels::NameId> names_;  // by row
  std::mutex mutex_;
  std::unordered_map<labels::BucketId, Lease> leases_;
  std::unordered_map<labels::BucketId, bool> pending_;  // whether any may be there; absent: not known
};

}  // namespace storage
