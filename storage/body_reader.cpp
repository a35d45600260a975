#include "storage/body_reader.h"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <functional>

namespace storage {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t kPieceBytesMax = 1024 * 1024;
// Where many share the memory, or a client is slow; and where there is hardly any left.
constexpr std::uint32_t kSmallPieceBytes = 128 * 1024;
constexpr std::uint32_t kSmallestPieceBytes = 64 * 1024;
// Bodies up to here are read whole even for a range: then the extent's own CRC verifies them and they can be cached.
constexpr std::uint32_t kWholeReadBytesMax = 128 * 1024;
constexpr std::size_t kReadAheadPieces = 4;
constexpr std::uint64_t kFastBytesPerSecond = 4 * 1024 * 1024;
constexpr std::uint64_t kJudgedBytes = 1024 * 1024;

ObjectReader::Chunk chunk_of(segment::Slice slice) {
  auto owner = std::make_shared<segment::Slice>(std::move(slice));
  ObjectReader::Chunk chunk;
  chunk.bytes = owner->bytes();
  chunk.owner = std::move(owner);
  return chunk;
}

}  // namespace

// One read under way on behalf of a reader; shared, since the reader may go before the drive answers.
struct BodyReader::PendingRead {
  std::optional<Result<segment::Slice>> result;
  std::function<void()> waiter;
};

BodyReader::BodyReader(ObjectStore::State& state, BodyPlan plan) : state_(state), plan_(std::move(plan)) {}

BodyReader::~BodyReader() = default;

Task<> BodyReader::wait_for(PendingRead& pending) {
  Executor executor = co_await asio::this_coro::executor;
  auto initiate = [&pending, executor](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    pending.waiter = [shared, executor] { asio::post(executor, [shared] { std::move (*shared)(); }); };
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(std::move(initiate), use_task);
}

// Runs on the reader's own executor, as next() does: no lock is needed around PendingRead. The reader hears of it
// whatever happens.
Task<> BodyReader::run(ObjectStore::State& state, BodyPlan::Piece piece, std::shared_ptr<PendingRead> pending) {
  try {
    pending->result = co_await state.segments.read(piece.extent, piece.begin, piece.length, state.reader_pool);
  } catch (const std::exception&) {
    pending->result = Result<segment::Slice>(Errc::overloaded);  // no memory: nothing else throws here
  }
  if (pending->waiter) pending->waiter();
}

// Beyond a small piece memory is a courtesy: to clients that use it, or while hardly anybody needs it.
bool BodyReader::generous() const {
  const std::size_t used = state_.reader_pool.used_bytes();
  const std::size_t budget = state_.reader_pool.budget_bytes();
  return used < (fast_ ? budget / 2 : budget / 4);
}

std::uint32_t BodyReader::piece_bytes_max() const {
  if (generous()) return kPieceBytesMax;
  return state_.reader_pool.used_bytes() < state_.reader_pool.budget_bytes() / 2 ? kSmallPieceBytes : kSmallestPieceBytes;
}

// Judged by more than what the kernel may hold for a client that takes nothing.
void BodyReader::judge_client() {
  const auto now = std::chrono::steady_clock::now();
  const auto taken_us = std::chrono::duration_cast<std::chrono::microseconds>(now - judged_at_).count();
  const bool late = static_cast<std::uint64_t>(taken_us) * kFastBytesPerSecond > kJudgedBytes * 1'000'000;
  if (!late && handed_bytes_ < kJudgedBytes) return;
  fast_ = !late;
  handed_bytes_ = 0;
  judged_at_ = now;
}

Task<Result<>> BodyReader::read_ahead() {
  while (pending_.empty() || (pending_.size() < kReadAheadPieces && generous())) {
    auto piece = co_await plan_.peek();
    if (!piece) co_return piece.error();
    if (!*piece) break;
    BodyPlan::Piece wanted = **piece;
    wanted.length =
        std::min({wanted.length, state_.segments.piece_bytes(wanted.extent, wanted.begin), piece_bytes_max()});
    plan_.advance(wanted.length);
    auto pending = std::make_shared<PendingRead>();
    pending_.push_back(pending);
    state_.readers.spawn(co_await asio::this_coro::executor, run(state_, wanted, pending));
  }
  co_return success();
}

std::optional<ObjectReader::Chunk> BodyReader::cached(const BodyPlan::Piece& piece) {
  ByteCache::Pointer found = state_.byte_cache.get(piece.extent);
  if (!found) return std::nullopt;
  Chunk chunk;
  chunk.bytes = found->span().subspan(piece.begin, piece.length);
  chunk.owner = std::move(found);
  return chunk;
}

// One drive read, checked against the extent's own CRC, offered to the cache.
Task<Result<ObjectReader::Chunk>> BodyReader::read_whole(BodyPlan::Piece piece) {
  io::BufferPool& pool = piece.extent.length <= kWholeReadBytesMax ? state_.request_pool : state_.reader_pool;
  auto whole = co_await state_.segments.read(piece.extent, 0, piece.extent.length, pool);
  if (!whole) co_return whole.error();
  state_.byte_cache.offer(piece.extent, whole->bytes());
  Chunk chunk = chunk_of(std::move(*whole));
  chunk.bytes = chunk.bytes.subspan(piece.begin, piece.length);
  co_return chunk;
}

Task<Result<ObjectReader::Chunk>> BodyReader::take_next() {
  if (pending_.empty()) {
    auto piece = co_await plan_.peek();
    if (!piece) co_return piece.error();
    if (!*piece) co_return Chunk{};
    // A whole body of up to one piece goes through the cache; larger ones and ranges of them are streamed.
    const BodyPlan::Piece wanted = **piece;
    const bool small = wanted.extent.length <= kWholeReadBytesMax;
    const bool whole = wanted.begin == 0 && wanted.length == wanted.extent.length;
    if (small || (whole && wanted.length <= kPieceBytesMax)) {
      if (std::optional<Chunk> chunk = cached(wanted)) {
        plan_.advance(wanted.length);
        co_return std::move(*chunk);
      }
      if (small || state_.reader_pool.used_bytes() < state_.reader_pool.budget_bytes() / 2) {
        plan_.advance(wanted.length);
        co_return co_await read_whole(wanted);
      }
    }
  }
  Result<> ahead = co_await read_ahead();
  if (!ahead) co_return ahead.error();
  std::shared_ptr<PendingRead> front = std::move(pending_.front());
  pending_.pop_front();
  if (!front->result) co_await wait_for(*front);
  if (!*front->result) co_return front->result->error();
  co_return chunk_of(std::move(**front->result));
}

Task<Result<ObjectReader::Chunk>> BodyReader::next() {
  if (handed_bytes_ > 0) judge_client();
  Result<Chunk> chunk = co_await take_next();
  if (chunk) {
    state_.get_bytes.add(chunk->bytes.size());
    if (handed_bytes_ == 0) judged_at_ = std::chrono::steady_clock::now();
    handed_bytes_ += chunk->bytes.size();
  }
  co_return chunk;
}

}  // namespace storage
