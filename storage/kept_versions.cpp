// ObjectStore: versions that were replaced or removed and that a dataset may name.
//
// A kept version holds all that it held, under a row by its holder, which never changes: a dataset finds it there when its key
// has it no more. Its body is always a blob: the collector knows those by their rows alone. Which of the kept versions no dataset
// names is found out later (dataset_sweep.cpp).
#include "storage/dataset_rows.h"
#include "storage/object_store_state.h"

namespace storage {

bool may_be_sealed(const BucketInfo& bucket, const records::Version& version) {
  if (version.delete_marker()) return false;
  return bucket.sealing || (bucket.datasets > 0 && version.seal_epoch() < bucket.seal_epoch);
}

void make_blob(records::Version& version, const std::string& row_key, metadata::Transaction& transaction,
               upkeep::LiveChange& change) {
  const segment::BlobId blob = blob_id(version.blob_id());
  const std::string chunk_key = keys::blob_chunk(blob, 0);
  records::BlobChunk chunk;
  *chunk.add_extents() = version.extent();
  transaction.require_absent(chunk_key);
  transaction.put(chunk_key, serialize(chunk));
  change.died.emplace_back(row_key, decode(version.extent()));
  change.born.emplace_back(chunk_key, decode(version.extent()));
  version.clear_extent();
  version.set_blob_chunks(1);
}

namespace {

// The body of a kept version as a blob of its own. Where the version's successor has taken the extent over already, it has
// written the rows.
void keep_inline(VersionEdit& edit, const std::string& head_row, records::Version& version, bool older, bool shared) {
  const segment::BlobId blob = blob_id(version.blob_id());
  if (older) edit.transaction.remove(keys::older_inline(blob));
  if (shared) {
    edit.change.died.emplace_back(head_row, decode(version.extent()));
    version.clear_extent();
    version.set_blob_chunks(1);
    edit.transaction.put(keys::blob_guard(blob), std::string());
  } else {
    make_blob(version, head_row, edit.transaction, edit.change);
  }
  edit.transaction.put(keys::blob_reference(blob, version_holder(version)), std::string());
}

}  // namespace

Task<Result<>> ObjectStore::State::keep_version(VersionEdit& edit, BucketRecordPtr bucket, std::string key,
                                                records::Version version, bool older, std::set<segment::BlobId> kept) {
  records::KeptVersion row;
  row.set_key(key);
  row.set_kept_epoch(bucket->info.seal_epoch);
  // A blob that the next version takes over has two holders from now on.
  std::set<segment::BlobId> shared;
  if (version.part_count() > 0) {
    auto parts = co_await load_parts(bucket->id, key, version.number());
    if (!parts) co_return parts.error();
    for (const records::Part& part : parts->parts()) {
      const segment::BlobId blob = blob_id(part.blob_id());
      if (part.blob_chunks() > 0 && kept.contains(blob)) shared.insert(blob);
    }
    edit.transaction.remove(keys::parts(bucket->id, key, version.number()));
    *row.mutable_parts() = std::move(*parts);
  } else if (version.has_extent()) {
    keep_inline(edit, keys::head(bucket->id, key), version, older, kept.contains(blob_id(version.blob_id())));
  } else if (version.blob_chunks() > 0 && kept.contains(blob_id(version.blob_id()))) {
    shared.insert(blob_id(version.blob_id()));
  }
  for (const segment::BlobId& blob : shared) edit.transaction.put(keys::blob_guard(blob), std::string());
  *row.mutable_version() = version;
  edit.transaction.put(dataset_rows::kept(bucket->id, version.holder()), serialize(row));
  co_return success();
}

}  // namespace storage
