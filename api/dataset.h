// Datasets on the wire: the virtual objects that seal, tell of and drop them (in a bucket), and those that give their samples (in
// the bucket of a dataset). Rows of the table of virtual objects (virtual/virtual_object.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/virtual/virtual_object.h"
#include "storage/sealed_dataset.h"

namespace api {

// .granary/datasets/D of a bucket.
Task<Outcome<VirtualContent>> read_dataset(Call& call, std::string rest);
Task<Outcome<>> write_dataset(Call& call, std::string rest, storage::BodySource& body);
Task<Outcome<>> remove_dataset(Call& call, std::string rest);
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_dataset_keys(Call& call, std::string after, std::uint32_t limit);
// .granary/diff/D/E of a bucket.
Task<Outcome<VirtualContent>> read_diff(Call& call, std::string rest);
// .granary/seen/KEY of a bucket.
Task<Outcome<VirtualContent>> read_seen(Call& call, std::string rest);

// Of a dataset's bucket.
Task<Outcome<VirtualContent>> read_json_manifest(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_csv_manifest(Call& call, std::string rest);
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_json_manifest(Call& call, std::string after, std::uint32_t limit);
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_csv_manifest(Call& call, std::string after, std::uint32_t limit);
Task<Outcome<VirtualContent>> read_shard(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_batch(Call& call, std::string rest);
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_shards(Call& call, std::string after, std::uint32_t limit);
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_batches(Call& call, std::string after, std::uint32_t limit);
Task<Outcome<VirtualContent>> read_order(Call& call, std::string rest);

// --- What they share.

// What the query means for versions: quarantined ones are left out unless it names them. An empty text is every version.
// Errors: InvalidArgument with the column.
Outcome<storage::SampleJudge> judge_of_query(std::string_view query);

// Of the samples that a judge takes, those that the caller may read. The call outlives it.
struct SealedReader {
  const Call* call;
  storage::SampleJudge judge;
  storage::SampleVerdict operator()(const storage::ObjectInfo& version, const storage::labels::LabelSet& labels) const;
};

// The dataset behind the call's bucket. Errors: NoSuchKey where that is no dataset.
Task<Outcome<storage::SealedDatasetPtr>> dataset_of(Call& call);

// A quoted text that is never the MD5 of anything: 40 hex digits and a suffix, of what is given.
std::string virtual_etag(std::string_view kind, const std::vector<std::string>& parts);

// An object of a few bytes.
std::unique_ptr<storage::OpenObject> text_object(std::string text, std::string etag, std::int64_t modified_ms,
                                                 std::string_view content_type);

// Whether the caller may read these samples: each, or AccessDenied for all. `indices` empty: all samples of the dataset. What
// cannot be said for all at once is decided for at most kSamplesJudgedMax.
inline constexpr std::uint64_t kSamplesJudgedMax = 100'000;
Task<Outcome<>> check_samples(Call& call, storage::SealedDatasetPtr dataset, std::vector<std::uint64_t> indices);

}  // namespace api
