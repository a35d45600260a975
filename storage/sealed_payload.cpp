// Payloads of annotations, for datasets: they go by the holder of their version and outlive both as long as they are named.
#include "storage/dataset_rows.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

// How often the rows of a payload may change while they are read.
constexpr int kReadAttemptsMax = 16;

}  // namespace

Task<Result<std::string>> read_annotation_payload(ObjectStore::State& state, std::string holder, labels::Annotation annotation) {
  for (int attempt = 0; attempt < kReadAttemptsMax; ++attempt) {
    auto row = co_await state.load_annotation(holder, annotation);
    if (!row) co_return row.error() == Errc::conflict ? Error(Errc::not_found) : row.error();
    auto payload = co_await state.read_payload(std::move(*row));
    if (payload || payload.error() != Errc::conflict) co_return payload;
  }
  co_return Errc::not_found;
}

Task<Result<>> ObjectStore::State::replace_annotation(VersionEdit& edit, AnnotatedKey of, std::string holder,
                                                      labels::Annotation annotation) {
  const BucketInfo& info = of.bucket->info;
  if (!info.sealing && info.datasets == 0) co_return co_await release_annotation(edit, std::move(holder), std::move(annotation));
  // Its row stays where it is; a mark tells the sweep to look whether anybody names it.
  edit.transaction.put(dataset_rows::kept_annotation(of.bucket->id, holder, annotation.name, annotation.revision),
                       std::move(of.key));
  co_return success();
}

}  // namespace storage
