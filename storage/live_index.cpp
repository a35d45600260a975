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
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
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
  co_return Errc::conflict;  // the key is written all the time: nothing can be said now
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
    std::string holder_row = lock_of(row);
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
    batch.change.died.emplace_back(lock_of(row), move.piece.extent);
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
  for (std::size_t i = 0; i < moves.size(); ++i) {
    if (outcomes[i] != MoveOutcome::gone) continue;
    auto outcome = co_await gone_or_elsewhere(moves[i].piece);
    if (!outcome) co_return outcome.error();
    outcomes[i] = *outcome;
  }
  co_return outcomes;
}

// A version that is pushed down or comes back takes its extent to another row; so does one that is renamed or appended to,
// into a blob's row. Never the other way from there: first the versions are asked, then the blob.
Task<Result<MoveOutcome>> StoreLiveIndex::gone_or_elsewhere(LivePiece piece) {
  auto holder = co_await inline_holder(piece.name.bucket, piece.name.key, piece.name.blob);
  if (!holder) co_return holder.error();
  if (*holder && same_place((*holder)->extent, piece.extent)) co_return MoveOutcome::contended;
  auto chunk = co_await chunk_holder(piece.name, piece.extent);
  if (!chunk) co_return chunk.error();
  co_return *chunk ? MoveOutcome::contended : MoveOutcome::gone;
}

namespace {

void add_inline(upkeep::LiveIndex::Page& page, const records::Version& version, std::optional<std::string> key) {
  if (!version.has_extent()) return;
  page.extents.push_back(decode(version.extent()));
  page.holders.push_back("object " + key.value_or(std::string()));
}

Result<> add_head_row(upkeep::LiveIndex::Page& page, const metadata::Entry& entry) {
  records::Head row;
  Result<> parsed = parse(entry.value, row);
  if (parsed) add_inline(page, row.current(), keys::head_object(entry.key));
  return parsed;
}

Result<> add_older_row(upkeep::LiveIndex::Page& page, const metadata::Entry& entry, const std::string& key) {
  records::OlderVersion row;
  Result<> parsed = parse(entry.value, row);
  if (parsed) add_inline(page, row.version(), key);
  return parsed;
}

Result<> add_chunk_row(upkeep::LiveIndex::Page& page, const metadata::Entry& entry) {
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

// Versions of keys first, then blobs' chunks: a body may become a blob meanwhile, never a blob something else. A head and the
// older versions of its key are looked at together, at one point in time: extents go to and fro between them.
Task<Result<StoreLiveIndex::Page>> StoreLiveIndex::walk(std::string cursor, std::uint32_t rows_max) {
  const metadata::KeyRange chunks = metadata::prefix_range(keys::blob_chunks_prefix());
  rows_max = std::clamp(rows_max, 1U, metadata::kMaxPageEntries);
  if (cursor < chunks.begin) {
    auto within = keys::within_key_parts(cursor);
    auto page = within ? co_await walk_within(std::move(*within), rows_max)
                       : co_await walk_keys(std::move(cursor), rows_max);
    if (page && !page->next) page->next = chunks.begin;
    co_return page;
  }
  metadata::KeyRange range = chunks;
  range.begin = std::max(range.begin, cursor);
  auto rows = co_await state_.metadata.scan(range, rows_max);
  if (!rows) co_return rows.error();
  Page page;
  for (const metadata::Entry& entry : rows->entries) {
    Result<> added = add_chunk_row(page, entry);
    if (!added) co_return added.error();
  }
  page.next = std::move(rows->next);
  co_return page;
}

Task<Result<StoreLiveIndex::Page>> StoreLiveIndex::walk_keys(std::string cursor, std::uint32_t rows_max) {
  Page page;
  auto snapshot = co_await state_.metadata.snapshot();
  if (!snapshot) co_return snapshot.error();
  metadata::KeyRange range = metadata::prefix_range(keys::heads_prefix());
  range.begin = std::max(range.begin, cursor);
  auto heads = co_await (*snapshot)->scan(range, rows_max);
  if (!heads) co_return heads.error();
  page.next = std::move(heads->next);
  if (heads->entries.empty()) co_return page;

  metadata::KeyRange older;
  older.begin = keys::versions_of_head(heads->entries.front().key);
  older.end = metadata::prefix_range(keys::versions_of_head(heads->entries.back().key)).end;
  auto rows = co_await (*snapshot)->scan(older, rows_max);
  if (!rows) co_return rows.error();
  std::string last_head = heads->entries.back().key;
  for (const metadata::Entry& entry : rows->entries) {
    auto version = keys::version_parts_of(entry.key);
    if (!version) co_return Errc::corrupt_record;
    Result<> added = add_older_row(page, entry, version->key);
    if (!added) co_return added.error();
    if (!rows->next || &entry != &rows->entries.back()) continue;
    // The page ends among the older versions of this key.
    last_head = keys::head_of(*version);
    --version->number;
    page.next = keys::within_key(*version);
  }
  for (const metadata::Entry& entry : heads->entries) {
    if (entry.key > last_head) break;
    Result<> added = add_head_row(page, entry);
    if (!added) co_return added.error();
  }
  co_return page;
}

// Versions of one key with numbers up to `from`. One of them may have become the current one since the last page.
Task<Result<StoreLiveIndex::Page>> StoreLiveIndex::walk_within(keys::VersionKey from, std::uint32_t rows_max) {
  Page page;
  const std::string head_row = keys::head_of(from);
  page.next = keys::within_key({from.bucket, from.key, 0}) + '\0';  // behind the last of them
  auto snapshot = co_await state_.metadata.snapshot();
  if (!snapshot) co_return snapshot.error();
  auto entry = co_await (*snapshot)->get(head_row);
  if (!entry) {
    if (entry.error() == Errc::not_found) co_return page;
    co_return entry.error();
  }
  records::Head head;
  Result<> parsed = parse(entry->value, head);
  if (!parsed) co_return parsed.error();
  if (head.current().number() <= from.number) add_inline(page, head.current(), from.key);
  metadata::KeyRange older = metadata::prefix_range(keys::versions_of(from.bucket, from.key));
  older.begin = keys::version(from.bucket, from.key, from.number);
  auto rows = co_await (*snapshot)->scan(older, rows_max);
  if (!rows) co_return rows.error();
  for (const metadata::Entry& row : rows->entries) {
    Result<> added = add_older_row(page, row, from.key);
    if (!added) co_return added.error();
  }
  if (rows->next) {
    auto last = keys::version_parts_of(rows->entries.back().key);
    if (!last) co_return Errc::corrupt_record;
    --last->number;
    page.next = keys::within_key(*last);
  }
  co_return page;
}

}  // namespace storage
