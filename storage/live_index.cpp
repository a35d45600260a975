#include "storage/live_index.h"

#include <algorithm>

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

}  // namespace

Task<Result<std::vector<StoreLiveIndex::InlineHolder>>> StoreLiveIndex::inline_holders(std::string bucket,
                                                                                       std::string key) {
  std::vector<InlineHolder> holders;
  auto found = co_await state_.find_bucket(std::move(bucket));
  if (!found) {
    if (found.error() == Errc::bucket_not_found) co_return holders;
    co_return found.error();
  }
  const std::string row_key = keys::head((*found)->id, key);
  RecordCache<HeadRecord>::Ticket ticket;
  HeadRecordPtr record = state_.heads.get(row_key, ticket);
  if (!record) {  // not put into the cache: nobody but the collector asked
    auto entry = co_await state_.metadata.get(row_key);
    if (!entry) {
      if (entry.error() == Errc::not_found) co_return holders;
      co_return entry.error();
    }
    auto decoded = decode_head(key, *entry);
    if (!decoded) co_return decoded.error();
    record = std::move(*decoded);
  }
  const records::Version& version = record->row.current();
  if (version.has_extent()) {
    InlineHolder holder;
    holder.row = row_key;
    holder.blob = blob_id(version.blob_id());
    holder.extent = decode(version.extent());
    holders.push_back(std::move(holder));
  }
  co_return holders;
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
    auto holders = co_await inline_holders(piece.name.bucket, piece.name.key);
    if (!holders) co_return holders.error();
    const auto holder = std::find_if(holders->begin(), holders->end(), [&](const InlineHolder& each) {
      return each.blob == piece.name.blob && same_place(each.extent, place);
    });
    if (holder != holders->end()) {
      LivePiece live;
      live.row = holder->row;
      live.name = std::move(piece.name);
      live.extent = holder->extent;
      pieces.push_back(std::move(live));
      continue;
    }
    auto chunk = co_await chunk_holder(std::move(piece.name), place);
    if (!chunk) co_return chunk.error();
    if (*chunk) pieces.push_back(std::move(**chunk));
  }
  co_return pieces;
}

Result<> StoreLiveIndex::add_head(Batch& batch, const metadata::Entry& entry, const Indices& indices,
                                  const std::vector<Move>& moves, Outcomes& outcomes) {
  records::Head head;
  Result<> parsed = parse(entry.value, head);
  if (!parsed) return parsed;
  records::Version& version = *head.mutable_current();
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
    std::string holder_row = entry.key;
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
    }
    batch.change.died.emplace_back(entry.key, move.piece.extent);
    for (const segment::Extent& extent : move.to) batch.change.born.emplace_back(holder_row, extent);
  }
  if (!changed) return success();
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
      std::optional<KeyLocks::Guard> guard = state_.locks.try_lock(row->first);
      if (!guard) {
        alone.push_back(row->first);
        continue;
      }
      batch.guards.push_back(std::move(*guard));
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
      batch.guards.push_back(co_await state_.locks.lock(row));
      Result<> added = co_await add_row(batch, row, rows[row], moves, outcomes);
      if (!added) co_return added.error();
      auto committed = co_await commit(std::move(batch), outcomes);
      if (!committed) co_return committed.error();
      if (*committed == Committed::done) break;
    }
  }
  co_return outcomes;
}

// Heads, then blobs' chunks: in the order of their keys.
Task<Result<StoreLiveIndex::Page>> StoreLiveIndex::walk(std::string cursor, std::uint32_t rows_max) {
  const metadata::KeyRange heads = metadata::prefix_range(keys::heads_prefix());
  const metadata::KeyRange chunks = metadata::prefix_range(keys::blob_chunks_prefix());
  const bool in_chunks = cursor >= chunks.begin;
  metadata::KeyRange range = in_chunks ? chunks : heads;
  range.begin = std::max(range.begin, cursor);
  auto rows = co_await state_.metadata.scan(range, std::clamp(rows_max, 1U, metadata::kMaxPageEntries));
  if (!rows) co_return rows.error();
  Page page;
  for (const metadata::Entry& entry : rows->entries) {
    if (in_chunks) {
      records::BlobChunk row;
      Result<> parsed = parse(entry.value, row);
      if (!parsed) co_return parsed.error();
      for (const records::Extent& extent : row.extents()) {
        page.extents.push_back(decode(extent));
        page.holders.push_back("blob " + hex(std::string_view(entry.key).substr(1, sizeof(segment::BlobId))));
      }
      continue;
    }
    records::Head row;
    Result<> parsed = parse(entry.value, row);
    if (!parsed) co_return parsed.error();
    if (row.current().has_extent()) {
      page.extents.push_back(decode(row.current().extent()));
      page.holders.push_back("object " + keys::head_object(entry.key).value_or(std::string()));
    }
  }
  page.next = std::move(rows->next);
  if (!page.next && !in_chunks) page.next = chunks.begin;
  co_return page;
}

}  // namespace storage
