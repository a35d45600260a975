// ObjectStore: writing bodies, and the rows that hold blobs.
#include "storage/body_intake.h"
#include "storage/object_store_state.h"

namespace storage {

namespace {

// A body that was all in its head.
class EndedSource final : public ByteSource {
 public:
  Task<Result<std::size_t>> read(std::span<std::byte>) override { co_return std::size_t{0}; }
};

// Streams a source into full stripes, until it says that it ended.
Task<Result<>> stream_into(ObjectStore::State& state, segment::PieceName piece, std::span<const std::byte> head,
                           ByteSource& source, StoredBody& stored) {
  auto written = co_await state.segments.append_stream(std::move(piece), head, source);
  if (!written) co_return written.error();
  for (segment::Appended& each : *written) {
    stored.size += each.extent.length;
    stored.extents.push_back(each.extent);
    stored.pins.push_back(std::move(each.pin));
  }
  co_return success();
}

// Hands bytes to the group commit.
Task<Result<>> append_into(ObjectStore::State& state, segment::PieceName piece, std::span<const std::byte> bytes,
                           StoredBody& stored) {
  auto written = co_await state.segments.append(std::move(piece), bytes);
  if (!written) co_return written.error();
  stored.size += bytes.size();
  stored.extents.push_back(written->extent);
  stored.pins.push_back(std::move(written->pin));
  co_return success();
}

// What a slow sender's body is cut into, and what tells a fast one.
constexpr std::size_t kPieceBytes = 256 * 1024;
// Where no memory is left a body is cut finer; large ones not so fine that their extents would be too many to commit.
constexpr std::size_t kPieceBytesMin = 4 * 1024;
constexpr std::size_t kLargePieceBytesMin = 64 * 1024;
constexpr std::uint64_t kLargeBytes = 1024 * 1024;

}  // namespace

void describe_extents(const StoredBody& body, records::Version& version) {
  if (body.extents.empty()) return;
  version.set_blob_id(blob_bytes(body.blob));
  if (body.inline_extent) {
    *version.mutable_extent() = encode(body.extents.front());
  } else {
    version.set_blob_chunks(
        static_cast<std::uint32_t>((body.extents.size() + kExtentsPerChunk - 1) / kExtentsPerChunk));
  }
}

Task<Result<StoredBody>> ObjectStore::State::store_bytes(ObjectKey name, std::span<const std::byte> bytes) {
  StoredBody stored;
  stored.blob = random_blob_id();
  segment::PieceName piece{stored.blob, std::move(name.bucket), std::move(name.key)};
  EndedSource nothing_more;
  Result<> written = success();
  if (bytes.size() <= segments.append_bytes_max()) {
    written = co_await append_into(*this, std::move(piece), bytes, stored);
    stored.inline_extent = true;
  } else {
    written = co_await stream_into(*this, std::move(piece), bytes, nothing_more, stored);
  }
  if (!written) co_return written.error();
  co_return stored;
}

// A small body is one piece of the group commit. A large one goes in full stripes as long as its sender is fast; else in
// pieces of the group commit, so that nobody holds a stripe's memory while its client takes its time.
Task<Result<StoredBody>> ObjectStore::State::store_body(ObjectKey name, BodySource& body) {
  StoredBody stored;
  stored.blob = random_blob_id();
  const segment::PieceName piece{stored.blob, std::move(name.bucket), std::move(name.key)};
  const std::optional<std::uint64_t> declared = body.declared_length();
  const std::size_t small_max = std::min(options.inline_body_bytes_max, segments.append_bytes_max());
  BodyIntake intake(request_pool, body, options.buffer_wait_ms_max);
  // One byte more than a small body may have tells a small body from the head of a large one.
  std::size_t bytes_max = static_cast<std::size_t>(std::min<std::uint64_t>(declared.value_or(small_max), small_max)) + 1;
  if (declared && *declared > small_max) bytes_max = std::min(kPieceBytes, small_max);
  while (!intake.ended()) {
    const std::size_t bytes_min = stored.size < kLargeBytes ? kPieceBytesMin : kLargePieceBytesMin;
    if (bytes_max > 0) {
      Result<> received = co_await intake.receive(std::min(bytes_min, bytes_max), bytes_max);
      if (!received) co_return received.error();
    }
    const std::span<const std::byte> bytes = intake.received();
    Result<> written = success();
    const bool whole_piece = bytes.size() == bytes_max && !intake.ended();
    if (bytes.size() > small_max || bytes_max == 0 ||
        (whole_piece && intake.fast() && segments.stream_has_room())) {
      written = co_await stream_into(*this, piece, {}, intake, stored);
    } else if (!bytes.empty()) {
      written = co_await append_into(*this, piece, bytes, stored);
      stored.inline_extent = intake.ended() && stored.extents.size() == 1;
    }
    if (!written) co_return written.error();
    intake.clear();
    bytes_max = std::min(kPieceBytes, small_max);
  }
  stored.digests = body.digests();
  put_bytes.add(stored.size);
  co_return stored;
}

void ObjectStore::State::add_blob_rows(metadata::Transaction& transaction, const StoredBody& body,
                                       const std::string& holder, upkeep::LiveChange& change) {
  for (std::size_t first = 0, chunk = 0; first < body.extents.size(); first += kExtentsPerChunk, ++chunk) {
    records::BlobChunk row;
    const std::size_t end = std::min(first + kExtentsPerChunk, body.extents.size());
    const std::string row_key = keys::blob_chunk(body.blob, static_cast<std::uint32_t>(chunk));
    for (std::size_t i = first; i < end; ++i) {
      *row.add_extents() = encode(body.extents[i]);
      change.born.emplace_back(row_key, body.extents[i]);
    }
    transaction.put(row_key, serialize(row));
  }
  if (!holder.empty()) transaction.put(keys::blob_reference(body.blob, holder), std::string());
}

Task<Result<>> ObjectStore::State::release_blob(metadata::Transaction& transaction, segment::BlobId blob,
                                                std::uint32_t chunks, std::string holder, bool kept,
                                                upkeep::LiveChange& change) {
  const std::string guard_key = keys::blob_guard(blob);
  const std::string own = keys::blob_reference(blob, holder);
  transaction.remove(own);
  if (kept) co_return success();
  bool last = true;
  // A guard row exists once a blob was ever shared, and every sharing writes it: under its revision nobody can
  // become a holder between this look and the commit.
  auto guard = co_await metadata.get(guard_key);
  if (guard) {
    transaction.require_revision(guard_key, guard->revision);
    auto holders = co_await metadata.scan(metadata::prefix_range(keys::blob_reference_prefix(blob)), 2);
    if (!holders) co_return holders.error();
    for (const metadata::Entry& each : holders->entries) last = last && each.key == own;
    if (last) {
      transaction.remove(guard_key);
    } else {
      transaction.put(guard_key, std::string());
    }
  } else if (guard.error() == Errc::not_found) {
    transaction.require_absent(guard_key);
  } else {
    co_return guard.error();
  }
  for (std::uint32_t chunk = 0; last && chunk < chunks; ++chunk) {
    const std::string row_key = keys::blob_chunk(blob, chunk);
    transaction.remove(row_key);
    // Only the counters want to know what dies, and they may be wrong: a row that cannot be read is removed all the same.
    auto entry = co_await metadata.get(row_key);
    records::BlobChunk row;
    if (!entry || !parse(entry->value, row)) continue;
    for (const records::Extent& extent : row.extents()) change.died.emplace_back(row_key, decode(extent));
  }
  co_return success();
}

Task<Result<records::Parts>> ObjectStore::State::load_parts(keys::BucketId bucket, std::string key,
                                                            std::uint64_t number) {
  auto entry = co_await metadata.get(keys::parts(bucket, key, number));
  if (!entry) co_return entry.error();
  records::Parts parts;
  Result<> parsed = parse(entry->value, parts);
  if (!parsed) co_return parsed.error();
  co_return parts;
}

Task<Result<>> ObjectStore::State::release_version(VersionEdit& edit, keys::BucketId bucket, std::string key,
                                                   records::Version version, bool older,
                                                   std::set<segment::BlobId> kept) {
  const std::string holder = version_holder(version);
  Result<> unlabelled = co_await release_labels(edit, version);
  if (!unlabelled) co_return unlabelled;
  if (version.part_count() > 0) {
    auto parts = co_await load_parts(bucket, key, version.number());
    if (!parts) co_return parts.error();
    for (const records::Part& part : parts->parts()) {
      const segment::BlobId blob = blob_id(part.blob_id());
      if (part.blob_chunks() == 0) continue;
      Result<> released = co_await release_blob(edit.transaction, blob, part.blob_chunks(), holder, kept.contains(blob),
                                                edit.change);
      if (!released) co_return released.error();
    }
    edit.transaction.remove(keys::parts(bucket, key, version.number()));
  } else if (version.blob_chunks() > 0) {
    const segment::BlobId blob = blob_id(version.blob_id());
    Result<> released = co_await release_blob(edit.transaction, blob, version.blob_chunks(), holder, kept.contains(blob),
                                              edit.change);
    if (!released) co_return released.error();
  } else if (version.has_extent()) {
    if (older) edit.transaction.remove(keys::older_inline(blob_id(version.blob_id())));
    edit.change.died.emplace_back(keys::head(bucket, key), decode(version.extent()));
  }
  co_return success();
}

}  // namespace storage
