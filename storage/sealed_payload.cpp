// Payloads of annotations, for datasets: they go by the holder of their version and outlive both as long as they are named.
#include "storage/body_reader.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

constexpr std::size_t kPayloadBytesMax = 1024 * 1024;
// How often the rows of a payload may change while they are read.
constexpr int kReadAttemptsMax = 16;

Task<Result<std::string>> read_blob(ObjectStore::State& state, const records::Annotation& row) {
  records::Version body;
  body.set_blob_id(row.blob_id());
  body.set_blob_chunks(row.blob_chunks());
  body.set_size(row.size());
  BodyReader reader(state, BodyPlan(state.metadata, state.segments, body, nullptr, nullptr, 0, row.size()));
  std::string payload;
  while (true) {
    auto chunk = co_await reader.next();
    if (!chunk) co_return chunk.error();
    if (chunk->bytes.empty()) break;
    payload.append(reinterpret_cast<const char*>(chunk->bytes.data()), chunk->bytes.size());
  }
  if (payload.size() != row.size()) co_return Errc::corrupt_record;
  co_return payload;
}

}  // namespace

Task<Result<std::string>> read_annotation_payload(ObjectStore::State& state, std::string holder, labels::Annotation annotation) {
  for (int attempt = 0; attempt < kReadAttemptsMax; ++attempt) {
    auto entry = co_await state.metadata.get(keys::annotation(holder, annotation.name, annotation.revision));
    if (!entry) co_return entry.error();
    records::Annotation row;
    Result<> parsed = parse(entry->value, row);
    if (!parsed) co_return parsed.error();
    if (row.size() > kPayloadBytesMax) co_return Errc::corrupt_record;
    if (row.blob_chunks() == 0) co_return row.payload();
    auto payload = co_await read_blob(state, row);
    if (payload || payload.error() != Errc::not_found) co_return payload;
  }
  co_return Errc::not_found;
}

Task<Result<>> copy_label_rows(ObjectStore::State& state, VersionEdit& edit, records::Version from, records::Version to) {
  if (!from.labels_row() && from.labels().empty()) co_return success();
  auto sources = co_await state.load_sources(from);
  if (!sources) co_return sources.error();
  if (from.labels_row()) edit.transaction.put(keys::label_sources(to.holder()), labels::encode(*sources));
  for (const labels::Annotation& each : sources->annotations) {
    const std::string row_key = keys::annotation(from.holder(), each.name, each.revision);
    const std::string copy_key = keys::annotation(to.holder(), each.name, each.revision);
    auto entry = co_await state.metadata.get(row_key);
    if (!entry) co_return entry.error() == Errc::not_found ? Error(Errc::conflict) : entry.error();
    records::Annotation row;
    Result<> parsed = parse(entry->value, row);
    if (!parsed) co_return parsed;
    if (row.blob_chunks() > 0) {
      edit.transaction.put(keys::blob_reference(blob_id(row.blob_id()), copy_key), std::string());
      edit.transaction.put(keys::blob_guard(blob_id(row.blob_id())), std::string());
    }
    edit.transaction.put(copy_key, std::move(entry->value));
  }
  co_return success();
}

}  // namespace storage
