#include "storage/live_index.h"

#include <algorithm>
#include <iterator>

namespace storage {
namespace {

using upkeep::LivePiece;
using upkeep::Move;
using upkeep::MoveOutcome;

// Rows and bytes of one commit: large enough to spread its cost, small enough not to stand in clients' way.
constexpr std::size_t kRowsPerCommit = 128;
constexpr std::size_t kBytesPerCommit = 2 * 1024 * 1024;
// How often a row whose writers do not take its lock (a bulk delete) is tried again.
constexpr int kMoveAttemptsMax = 16;
constexpr std::uint32_t kChunkRowsPerScan = 16;

bool same_place(const segment::Extent& a, const segment::Extent& b) {
  return a.segment == b.segment && a.stripe_block == b.stripe_block && a.begin == b.begin && a.length == b.length;
}

// The head as it is now. It is not put into the cache: nobody but the collector asked.
Task<Result<HeadRecordPtr>> look_at_head(ObjectStore::State& state, std::string row_key, std::string key) {
  RecordCache<HeadRecord>::Ticket ticket;
  if (HeadRecordPtr record = state.heads.get(row_key, ticket)) co_return record;
  auto entry = co_await state.metadata.get(row_key);
  if (!entry) co_return entry.error();
  co_return decode_head(key, *entry);
}

// What writers of a row lock: the head of the key, whichever of its versions the row is about.
std::string lock_of(const std::string& row) {
  const auto version = keys::version_parts_of(row);
  return version ? keys::head(version->bucket, version->key) : row;
}

}  // namespace

Task<Result<std::optional<StoreLiveIndex::InlineHolder>>> StoreLiveIndex::inline_holder(std::string bucket, std::string key,
                                                                                         segment::BlobId blob) {
  auto found = co_await state_.find_bucket(std::move(bucket));
  if (!found) {
    if (found.error() == Errc::bucket_not_found) co_return std::nullopt;
    co_return found.error();
  }
  const std::string row_key = keys::head((*found)->id, key);
  metadata::Revision seen = 0;
  while (true) {
    auto record = co_await look_at_head(state_, row_key, key);
    if (!record) {
      if (record.error() == Errc::not_found) co_return std::nullopt;
      co_return record.error();
    }
    const records::Version& version = (*record)->row.current();
    if (version.has_extent() && blob_id(version.blob_id()) == blob) {
      InlineHolder holder;
      holder.row = row_key;
      holder.blob = blob;
      holder.extent = decode(version.extent());
      co_return holder;
    }
    auto older = co_await older_holder((*found)->id, key, blob);
    if (!older || *older) co_return older;
    // An older version may have become the current one between the two looks; the same head twice says that none did.
    if ((*record)->revision == seen) co_return std::nullopt;
    seen = (*record)->revision;
  }
}

Task<Result<std::optional<StoreLiveIndex::InlineHolder>>> StoreLiveIndex::older_holder(keys::BucketId bucket, std::string key,
                                                                                        segment::BlobId blob) {
  auto pointer = co_await state_.metadata.get(keys::older_inline(blob));
  if (!pointer) {
    if (pointer.error() == Errc::not_found) co_return std::nullopt;
    co_return pointer.error();
  }
  auto number = metadata::counter_value(pointer->value);
  if (!number) co_return number.error();
  InlineHolder holder;
  holder.row = keys::version(bucket, key, static_cast<std::uint64_t>(*number));
  holder.blob = blob;
  auto entry = co_await state_.metadata.get(holder.row);
  if (!entry) {
    if (entry.error() == Errc::not_found) co_return std::nullopt;
    co_return entry.error();
  }
  records::OlderVersion row;
  Result<> parsed = parse(entry->value, row);
  if (!parsed) co_return parsed.error();
  if (!row.version().has_extent() || blob_id(row.version().blob_id()) != blob) co_return std::nullopt;
  holder.extent = decode(row.version().extent());
  co_return holder;
}

Task<Result<std::optional<LivePiece>>> StoreLiveIndex::chunk_holder(segment::PieceName name, segment::Extent place) {
  metadata::KeyRange range = metadata::prefix_range(keys::blob_chunk_prefix(name.blob));
  while (true) {
    auto page = co_await state_.metadata.scan(range, kChunkRowsPerScan);
    if (!page) co_return page.error();
    for (const metadata::Entry& entry : page->entries) {
      records::BlobChunk row;
      Result<> parsed = parse(entry.value, row);
      if (!parsed) co_return parsed.error();
      for (const records::Extent& each : row.extents()) {
        const segment::Extent extent = decode(each);
        if (!same_place(extent, place)) continue;
        LivePiece live;
        live.row = entry.key;
        live.name = std::move(name);
        live.extent = extent;
        co_return std::optional<LivePiece>(std::move(live));
      }
    }
    if (!page->next) co_return std::optional<LivePiece>();
    range.begin = std::move(*page->next);
  }
}

Task<Result<std::vector<LivePiece>>> StoreLiveIndex::live(segment::SegmentId segment_id, segment::StripeInfo stripe) {
  std::vector<LivePiece> pieces;
  for (segment::Piece& piece : stripe.pieces) {
    segment::Extent place;
    place.segment = segment_id;
    place.stripe_block = stripe.block;
    place.begin = piece.begin;
    place.length = piece.length;
    auto holder = co_await inline_holder(piece.name.bucket, piece.name.key, piece.name.blob);
    if (!holder) co_return holder.error();
    if (*holder && same_place((*holder)->extent, place)) {
      LivePiece live;
      live.row = (*holder)->row;
      live.name = std::move(piece.name);
      live.extent = (*holder)->extent;
      pieces.push_back(std::move(live));
      continue;
    }
    auto chunk = co_await chunk_holder(std::move(piece.name), place);
    if (!chunk) co_return chunk.error();
    if (*chunk) pieces.push_back(std::move(**chunk));
  }
  co_return pieces;
}

bool StoreLiveIndex::move_inline(Batch& batch, const std::string& row, records::Version& version, const Indices& indices,
                                 const std::vector<Move>& moves, Outcomes& outcomes) {
  bool changed = false;
  for (const std::size_t index : indices) {
    const Move& move = moves[index];
    const bool named = !changed && version.has_extent() && decode(version.extent()) == move.piece.extent &&
                       blob_id(version.blob_id()) == move.piece.name.blob;
    if (!named) {
      outcomes[index] = MoveOutcome::gone;
      continue;
    }
    changed = true;
    batch.moved.push_back(index);
    std::string holder_row = row;
    if (move.to.size() == 1) {
      *version.mutable_extent() = encode(move.to.front());
    } else {
      // The geometry has become so narrow that the body lies in several stripes: it is a blob with rows now.
      version.clear_extent();
      version.set_blob_chunks(1);
      records::BlobChunk chunk;
      for (const segment::Extent& extent : move.to) *chunk.add_extents() = encode(extent);
      holder_row = keys::blob_chunk(move.piece.name.blob, 0);
      batch.transaction.require_absent(holder_row);
      batch.transaction.put(holder_row, serialize(chunk));
      batch.transaction.put(keys::blob_reference(move.piece.name.blob, version_holder(version)), std::string());
      if (keys::is_version(row)) batch.transaction.remove(keys::older_inline(move.piece.name.blob));
    }
    batch.change.died.emplace_back(row, move.piece.extent);
    for (const segment::Extent& extent : move.to) batch.change.born.emplace_back(holder_row, extent);
  }
  return changed;
}

Result<> StoreLiveIndex::add_head(Batch& batch, const metadata::Entry& entry, const Indices& indices,
                                  const std::vector<Move>& moves, Outcomes& outcomes) {
  records::Head head;
  Result<> parsed = parse(entry.value, head);
  if (!parsed) return parsed;
  if (!move_inline(batch, entry.key, *head.mutable_current(), indices, moves, outcomes)) return success();
  Batch::Head written;
  written.row = entry.key;
  written.key = keys::head_object(entry.key).value_or(std::string());
  written.value = serialize(head);
  RecordCache<HeadRecord>::Ticket ticket;
  written.cached = state_.heads.get(entry.key, ticket) != nullptr;
  batch.transaction.require_revision(entry.key, entry.revision);
  batch.transaction.put(entry.key, written.value);
  batch.bytes += written.value.size();
  batch.heads.push_back(std::move(written));
  return success();
}

Result<> StoreLiveIndex::add_older(Batch& batch, const metadata::Entry& entry, const Indices& indices,
                                   const std::vector<Move>& moves, Outcomes& outcomes) {
  records::OlderVersion row;
  Result<> parsed = parse(entry.value, row);
  if (!parsed) return parsed;
  if (!move_inline(batch, entry.key, *row.mutable_version(), indices, moves, outcomes)) return success();
  std::string value = serialize(row);
  batch.transaction.require_revision(entry.key, entry.revision);
  batch.bytes += value.size();
  batch.transaction.put(entry.key, std::move(value));
  return success();
}

Result<> StoreLiveIndex::add_chunk(Batch& batch, const metadata::Entry& entry, const Indices& indices,
                                   const std::vector<Move>& moves, Outcomes& outcomes) {
  records::BlobChunk row;
  Result<> parsed = parse(entry.value, row);
  if (!parsed) return parsed;
  std::vector<segment::Extent> extents;
  for (const records::Extent& extent : row.extents()) extents.push_back(decode(extent));
  bool changed = false;
  for (const std::size_t index : indices) {
    const Move& move = moves[index];
    const auto old = std::find(extents.begin(), extents.end(), move.piece.extent);
    if (old == extents.end()) {
      outcomes[index] = MoveOutcome::gone;
      continue;
    }
    changed = true;
    batch.moved.push_back(index);
    const auto at = extents.erase(old);
    extents.insert(at, move.to.begin(), move.to.end());
    batch.change.died.emplace_back(entry.key, move.piece.extent);
    for (const segment::Extent& extent : move.to) batch.change.born.emplace_back(entry.key, extent);
  }
  if (!changed) return success();
  row.clear_extents();
  for (const segment::Extent& extent : extents) *row.add_extents() = encode(extent);
  std::string value = serialize(row);
  batch.transaction.require_revision(entry.key, entry.revision);
  batch.bytes += value.size();
  batch.transaction.put(entry.key, std::move(value));
  return success();
}

// Reads a row afresh and adds its change to the batch; pieces that it does not hold any more are gone.
Task<Result<>> StoreLiveIndex::add_row(Batch& batch, const std::string& row, const Indices& indices,
                                       const std::vector<Move>& moves, Outcomes& outcomes) {
  auto entry = co_await state_.metadata.get(row);
  if (!entry) {
    if (entry.error() != Errc::not_found) co_return entry.error();
    for (const std::size_t index : indices) outcomes[index] = MoveOutcome::gone;
    co_return success();
  }
  if (keys::is_head(row)) co_return add_head(batch, *entry, indices, moves, outcomes);
  if (keys::is_version(row)) co_return add_older(batch, *entry, indices, moves, outcomes);
  co_return add_chunk(batch, *entry, indices, moves, outcomes);
}

Task<Result<StoreLiveIndex::Committed>> StoreLiveIndex::commit(Batch batch, Outcomes& outcomes) {
  if (batch.moved.empty()) co_return Committed::done;
  // What frees zones must go through when the metadata store takes nothing new any more.
  batch.transaction.may_use_reserve = true;
  std::vector<RecordCache<HeadRecord>::Write> writes;
  writes.reserve(batch.heads.size());
  for (const Batch::Head& head : batch.heads) writes.emplace_back(state_.heads, head.row);
  auto revision = co_await state_.metadata.commit(std::move(batch.transaction));
  if (!revision) {
    if (revision.error() == Errc::conflict) co_return Committed::raced;
    co_return revision.error();
  }
  for (std::size_t i = 0; i < batch.heads.size(); ++i) {
    Batch::Head& head = batch.heads[i];
    if (!head.cached) continue;  // and the end of its Write leaves it so
    metadata::Entry entry{head.row, std::move(head.value), *revision};
    auto record = decode_head(head.key, entry);
    if (record) writes[i].finish(std::move(*record));
  }
  state_.live_counters.apply(batch.change);
  for (const std::size_t index : batch.moved) outcomes[index] = MoveOutcome::moved;
  co_return Committed::done;
}

Task<Result<std::vector<MoveOutcome>>> StoreLiveIndex::move(std::vector<Move> moves) {
  Outcomes outcomes(moves.size(), MoveOutcome::contended);
  std::map<std::string, Indices> rows;
  for (std::size_t i = 0; i < moves.size(); ++i) rows[moves[i].piece.row].push_back(i);

  // Many rows a commit. Keys that a client is just writing are left out: a lock that is waited for while others are held
  // would make clients wait for each other.
  std::vector<std::string> alone;
  for (auto row = rows.begin(); row != rows.end();) {
    Batch batch;
    std::vector<std::string> taken;
    for (; row != rows.end() && taken.size() < kRowsPerCommit && batch.bytes < kBytesPerCommit; ++row) {
      const std::string locked = lock_of(row->first);
      if (!batch.guards.contains(locked)) {
        std::optional<KeyLocks::Guard> guard = state_.locks.try_lock(locked);
        if (!guard) {
          alone.push_back(row->first);
          continue;
        }
        batch.guards.emplace(locked, std::move(*guard));
      }
      taken.push_back(row->first);
      Result<> added = co_await add_row(batch, row->first, row->second, moves, outcomes);
      if (!added) co_return added.error();
    }
    auto committed = co_await commit(std::move(batch), outcomes);
    if (!committed) co_return committed.error();
    if (*committed == Committed::raced) alone.insert(alone.end(), taken.begin(), taken.end());
  }
  // The rest one by one, each behind whoever writes it.
  for (const std::string& row : alone) {
    for (int attempt = 0; attempt < kMoveAttemptsMax; ++attempt) {
      Batch batch;
      const std::string locked = lock_of(row);
      KeyLocks::Guard guard = co_await state_.locks.lock(locked);
      batch.guards.emplace(locked, std::move(guard));
      Result<> added = co_await add_row(batch, row, rows[row], moves, outcomes);
      if (!added) co_return added.error();
      auto committed = co_await commit(std::move(batch), outcomes);
      if (!committed) co_return committed.error();
      if (*committed == Committed::done) break;
    }
  }
  co_return outcomes;
}

namespace {

void add_inline(upkeep::LiveIndex::Page& page, const records::Version& version, std::optional<std::string> key) {
  if (!version.has_extent()) return;
  page.extents.push_back(decode(version.extent()));
  page.holders.push_back("object " + key.value_or(std::string()));
}

// Adds what one row of any of the walked kinds holds.
Result<> add_extents(upkeep::LiveIndex::Page& page, const metadata::Entry& entry) {
  if (keys::is_head(entry.key)) {
    records::Head row;
    Result<> parsed = parse(entry.value, row);
    if (!parsed) return parsed;
    add_inline(page, row.current(), keys::head_object(entry.key));
    return success();
  }
  if (keys::is_version(entry.key)) {
    records::OlderVersion row;
    Result<> parsed = parse(entry.value, row);
    if (!parsed) return parsed;
    auto name = keys::version_parts_of(entry.key);
    if (!name) return Errc::corrupt_record;
    add_inline(page, row.version(), std::move(name->key));
    return success();
  }
  records::BlobChunk row;
  Result<> parsed = parse(entry.value, row);
  if (!parsed) return parsed;
  for (const records::Extent& extent : row.extents()) {
    page.extents.push_back(decode(extent));
    page.holders.push_back("blob " + hex(std::string_view(entry.key).substr(1, sizeof(segment::BlobId))));
  }
  return success();
}

}  // namespace

// Heads, blobs' chunks, older versions: in the order of their keys.
Task<Result<StoreLiveIndex::Page>> StoreLiveIndex::walk(std::string cursor, std::uint32_t rows_max) {
  const std::string prefixes[] = {keys::heads_prefix(), keys::blob_chunks_prefix(), keys::versions_prefix()};
  std::size_t kind = 0;
  while (kind + 1 < std::size(prefixes) && cursor >= prefixes[kind + 1]) ++kind;
  metadata::KeyRange range = metadata::prefix_range(prefixes[kind]);
  range.begin = std::max(range.begin, cursor);
  auto rows = co_await state_.metadata.scan(range, std::clamp(rows_max, 1U, metadata::kMaxPageEntries));
  if (!rows) co_return rows.error();
  Page page;
  for (const metadata::Entry& entry : rows->entries) {
    Result<> added = add_extents(page, entry);
    if (!added) co_return added.error();
  }
  page.next = std::move(rows->next);
  if (!page.next && kind + 1 < std::size(prefixes)) page.next = prefixes[kind + 1];
  co_return page;
}

}  // namespace storage
