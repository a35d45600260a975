// SealedDataset: an open dataset: its samples as they were sealed, whatever became of their keys. And what seals one.
//
// Immutable   nothing about a sample changes but where its bytes lie. A reader that holds a dataset while it is dropped gets
//             Errc::not_found once the bytes are collected.
// Order       samples have an index, from 0, in the order of the seal; places count the samples by key.
// Memory      pages, selections and open datasets are held on shelves with bounds; nothing grows with the number of samples but
//             a bit a sample where names are not unique, and where the extents of the manifest lie.
// Threads     any executor; calls resume on the caller's. Lifetime: the store outlives its datasets.
// Format      storage/dataset/README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/dataset/manifest_row.h"
#include "storage/dataset/order_parameters.h"
#include "storage/dataset/sample_facts.h"
#include "storage/object_store.h"

namespace storage {

namespace records {
class SealedSample;
}

struct SealRequest {
  std::string name;      // dataset::is_dataset_name(), and D.B is at most 63 bytes
  std::string query;     // for the record; what it means is `judge`
  SampleJudge judge;     // empty: every version
  std::optional<std::vector<std::string>> keys;  // these, in this order; each must be there
  std::string parent;    // not empty: its samples, not the bucket's objects
  std::map<std::string, double> splits;  // name to fraction; dataset::Splits::valid()
  std::string group_by;  // a label's name, or object.key and the like; empty: the key
  std::uint64_t split_seed = 0;
  std::string sealed_by;
  // The values of group_by among a version's labels; empty: it has none. Asked only where `group_by` is given.
  std::function<std::vector<std::string>(const ObjectInfo& version, const labels::LabelSet& labels)> groups;
};

struct SealFailure {
  enum class What : std::uint8_t {
    none,
    name_taken,     // `text`: by which name
    no_parent,
    no_samples,
    missing_key,    // `text`: the key
    repeated_key,
    refused_key,    // the judge's
    several_groups, // `text`: the key of an object with several values of group_by
  };
  What what = What::none;
  std::string text;
};

struct DatasetSplitInfo {
  std::string name;
  std::string dataset;
  std::uint64_t count = 0;
};

struct DatasetInfo {
  std::string name;
  std::string bucket;
  std::string id;      // 16 random bytes
  std::string digest;  // 32 raw bytes
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::string query;
  std::int64_t sealed_ms = 0;
  std::string sealed_by;
  std::vector<std::string> parents;
  std::string group_by;
  std::vector<DatasetSplitInfo> splits;  // by name
  bool mixed_access = false;             // some sample has an access control list, or another owner than the bucket
  std::uint64_t json_lines_bytes = 0;    // of manifest.jsonl
  std::uint64_t csv_lines_bytes = 0;     // of manifest.csv
};

// That somebody read positions [from, to) of an order.
struct Receipt {
  std::string dataset_id;
  std::string order;  // P as it was asked for
  std::string user;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::int64_t time_ms = 0;

  bool same_read(const Receipt& other) const {
    return dataset_id == other.dataset_id && order == other.order && user == other.user && from == other.from && to == other.to;
  }
};

struct SealedSample {
  std::uint64_t index = 0;
  ObjectInfoPtr info;  // as sealed, without parts
  dataset::SampleFacts facts;
  std::shared_ptr<const records::SealedSample> record;
};
using SealedSamplePtr = std::shared_ptr<const SealedSample>;

class SealedDataset {
 public:
  static constexpr std::uint32_t kSamplesPerPageMax = 1000;

  virtual ~SealedDataset() = default;

  virtual const DatasetInfo& info() const = 0;
  // The bucket "D.B" as readers see it: the owner, location and settings of B as they are now. bucket_not_found.
  virtual Task<Result<BucketInfoPtr>> bucket() = 0;

  // index < info().count, here and below.
  virtual Task<Result<dataset::ManifestRow>> row(std::uint64_t index) = 0;
  virtual Task<Result<SealedSamplePtr>> sample(std::uint64_t index) = 0;
  // Samples from `begin` on, one at least: as many as a large read brings, at most `limit` (1..kSamplesPerPageMax).
  virtual Task<Result<std::vector<SealedSamplePtr>>> samples(std::uint64_t begin, std::uint32_t limit) = 0;
  // Whether another sample has the same BASE (dataset/sample_name.h).
  virtual Task<Result<bool>> repeated_base(std::uint64_t index) = 0;

  // By key.
  virtual bool in_key_order() const = 0;  // places and indices are the same
  virtual Task<Result<SealedSamplePtr>> find(std::string key) = 0;  // not_found
  // The first place whose key is not below `key`; info().count if there is none.
  virtual Task<Result<std::uint64_t>> lower_bound(std::string key) = 0;
  virtual Task<Result<std::uint64_t>> index_at(std::uint64_t place) = 0;
  // `judge` may be empty.
  virtual Task<Result<ObjectPage>> list(ListOptions options, SampleJudge judge) = 0;

  // The body of a sample, with info() as sealed.
  virtual Task<Result<std::unique_ptr<OpenObject>>> open(SealedSamplePtr sample) = 0;
  // The payload of an annotation of facts.annotations, as it was put, and as JSON.
  virtual Task<Result<std::string>> payload(SealedSamplePtr sample, std::size_t annotation) = 0;
  virtual Task<Result<std::string>> payload_json(SealedSamplePtr sample, std::size_t annotation) = 0;
};

// The order of an epoch: which sample comes at which position.
class EpochOrder {
 public:
  virtual ~EpochOrder() = default;
  // How many positions it has: as many as samples that match. Of drawn orders as many draws.
  virtual std::uint64_t positions() const = 0;
  // position < positions().
  virtual std::uint64_t index_at(std::uint64_t position) const = 0;
  // The position of a sample; nullopt: it has none, or the order is one of draws.
  virtual std::optional<std::uint64_t> position_of(std::uint64_t index) const = 0;
};

// Makes of a body as it is stored what its client wrote.
using BodyOpener = std::function<Task<Result<std::unique_ptr<OpenObject>>>(std::unique_ptr<OpenObject> body)>;

struct TarRequest {
  SealedDatasetPtr dataset;
  EpochOrderPtr order;
  dataset::PositionRange positions;
  bool drawn = false;          // every name gets its position
  std::string labels = "all";  // "all", "none" or an annotation's name
  std::string etag;            // of info()
  BodyOpener opener;           // empty: bodies are as clients wrote them
};
}  // namespace storage
