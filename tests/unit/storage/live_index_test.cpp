#include "storage/upkeep/live_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "storage/base/task_group.h"

#include "tests/support/simulated_store.h"

namespace storage {
namespace {

using upkeep::LivePiece;
using upkeep::Move;
using upkeep::MoveOutcome;

Task<> move_one(upkeep::LiveIndex& index, Move move) {
  std::vector<Move> moves(1, std::move(move));
  EXPECT_TRUE(co_await index.move(std::move(moves)));
}

// By way of the bulk delete, which takes no key's lock.
Task<> remove_one(ObjectStore& store, std::string key) {
  std::vector<RemoveRequest> requests(1);
  requests.front().key = std::move(key);
  const std::vector<Result<Removed>> removed = co_await store.remove_many("b", std::move(requests));
  EXPECT_TRUE(removed.front());
}

Task<> join(TaskGroup& group) { co_await group.join(); }

class LiveIndexTest : public testing::Test {
 protected:
  LiveIndexTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
  }

  upkeep::LiveIndex& index() { return store_.objects().live_index(); }

  // The live pieces of all segments, which are sealed by a restart first.
  std::vector<LivePiece> live() {
    store_.reboot();
    std::vector<LivePiece> pieces;
    for (const auto& record : store_.segments().segments()) {
      std::uint32_t block = 0;
      while (true) {
        auto stripe = store_.run(store_.segments().next_stripe(record.id, block)).value();
        if (!stripe) break;
        block = stripe->next_block;
        for (LivePiece& piece : store_.run(index().live(record.id, *stripe)).value()) pieces.push_back(std::move(piece));
      }
    }
    return pieces;
  }

  // Writes the piece's bytes again, in parts of at most `part` bytes.
  Move rewritten(const LivePiece& piece, std::uint32_t part) {
    Move move;
    move.piece = piece;
    for (std::uint32_t at = 0; at < piece.extent.length; at += part) {
      const std::uint32_t length = std::min(part, piece.extent.length - at);
      auto bytes = store_.run(store_.segments().read(piece.extent, at, length, store_.objects().request_pool())).value();
      auto appended = store_.run(store_.segments().append(piece.name, bytes.bytes())).value();
      move.to.push_back(appended.extent);
      pins_.push_back(std::move(appended.pin));
    }
    return move;
  }

  MoveOutcome move(const Move& wanted) { return store_.run(index().move({wanted})).value().front(); }

  std::size_t rows_with(char type) {
    return store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10'000)).value().entries.size();
  }

  tests::SimulatedStore store_{{.seed = 1, .drives = 6, .drive_bytes = 96ULL << 20}};
  std::vector<segment::SegmentPin> pins_;
};

TEST_F(LiveIndexTest, OnlyWhatARecordHoldsIsLive) {
  const std::string kept = tests::random_bytes(1, 10'000);
  ASSERT_TRUE(store_.put("b", "kept", kept));
  ASSERT_TRUE(store_.put("b", "gone", tests::random_bytes(2, 20'000)));
  ASSERT_TRUE(store_.put("b", "replaced", tests::random_bytes(3, 30'000)));
  ASSERT_TRUE(store_.put("b", "replaced", tests::random_bytes(4, 40'000)));
  ASSERT_TRUE(store_.remove("b", "gone"));
  std::map<std::string, std::uint32_t> lengths;
  for (const LivePiece& piece : live()) lengths[piece.name.key] += piece.extent.length;
  EXPECT_EQ(lengths, (std::map<std::string, std::uint32_t>{{"kept", 10'000}, {"replaced", 40'000}}));
}

TEST_F(LiveIndexTest, AMoveOfWhatWasReplacedMeanwhileChangesNothing) {
  ASSERT_TRUE(store_.put("b", "small", "first"));
  ASSERT_TRUE(store_.put("b", "large", tests::random_bytes(1, 1'500'000)));
  std::vector<Move> moves;
  for (const LivePiece& piece : live()) moves.push_back(rewritten(piece, UINT32_MAX));
  ASSERT_GE(moves.size(), 2u);
  ASSERT_TRUE(store_.put("b", "small", "second"));
  ASSERT_TRUE(store_.remove("b", "large"));
  for (const Move& each : moves) EXPECT_EQ(move(each), MoveOutcome::gone);
  EXPECT_EQ(store_.get("b", "small"), "second");
  EXPECT_EQ(store_.get("b", "large").substr(0, 1), "<");
  EXPECT_EQ(rows_with('L'), 0u);
}

TEST_F(LiveIndexTest, TheSecondOfTwoMovesIsGone) {
  ASSERT_TRUE(store_.put("b", "k", "bytes"));
  const LivePiece piece = live().front();
  const Move first = rewritten(piece, UINT32_MAX);
  const Move second = rewritten(piece, UINT32_MAX);
  EXPECT_EQ(store_.get("b", "k"), "bytes");  // the record is cached when it moves
  EXPECT_EQ(move(first), MoveOutcome::moved);
  EXPECT_EQ(move(second), MoveOutcome::gone);
  EXPECT_EQ(store_.get("b", "k"), "bytes");
  auto page = store_.run(index().walk({}, 10)).value();
  ASSERT_EQ(page.extents.size(), 1u);
  EXPECT_EQ(page.extents.front(), first.to.front());
}

TEST_F(LiveIndexTest, ABodyThatNoLongerFitsOneStripeBecomesABlob) {
  const std::string bytes = tests::random_bytes(5, 100'000);
  ASSERT_TRUE(store_.put("b", "k", bytes));
  EXPECT_EQ(move(rewritten(live().front(), 40'000)), MoveOutcome::moved);
  EXPECT_TRUE(store_.get("b", "k") == bytes);
  EXPECT_EQ(rows_with('L'), 1u);
  EXPECT_EQ(rows_with('R'), 1u);
  auto source = store_.run(store_.objects().open({"b", "k"})).value();
  ASSERT_TRUE(store_.run(store_.objects().copy(*source, {"b", "copy"}, CopyOptions{})));
  source.reset();
  ASSERT_TRUE(store_.remove("b", "k"));
  EXPECT_TRUE(store_.get("b", "copy") == bytes);
  ASSERT_TRUE(store_.remove("b", "copy"));
  EXPECT_EQ(rows_with('L'), 0u);
  EXPECT_EQ(rows_with('R'), 0u);
}

TEST_F(LiveIndexTest, AChunkMayHoldMoreThanAThousandExtents) {
  const std::string bytes = tests::random_bytes(6, 1'200'000);
  ASSERT_TRUE(store_.put("b", "k", bytes));
  for (const LivePiece& piece : live()) EXPECT_EQ(move(rewritten(piece, 1'000)), MoveOutcome::moved);
  EXPECT_EQ(rows_with('L'), 1u);
  EXPECT_TRUE(store_.get("b", "k") == bytes);
  auto object = store_.run(store_.objects().open({"b", "k"})).value();
  EXPECT_TRUE(store_.run(tests::read_all(*object, 555'555, 300'000)).value() == bytes.substr(555'555, 300'000));
}

TEST_F(LiveIndexTest, ARemovalThatRacesWithAMoveLeavesNothingBehind) {
  constexpr int kOffsets = 24;  // the move begins so many turns after the removal
  for (int i = 0; i < kOffsets; ++i) {
    ASSERT_TRUE(store_.put("b", "small" + std::to_string(i), "bytes"));
    ASSERT_TRUE(store_.put("b", "large" + std::to_string(i), tests::random_bytes(7, 1'100'000)));
  }
  std::map<std::string, int> turns;
  for (int i = 0; i < kOffsets; ++i) turns["small" + std::to_string(i)] = turns["large" + std::to_string(i)] = i;
  std::vector<Move> moves;
  for (const LivePiece& piece : live()) moves.push_back(rewritten(piece, UINT32_MAX));
  std::set<std::string> removed;
  for (const Move& each : moves) {
    const std::string key = each.piece.name.key;
    if (!removed.insert(key).second) continue;
    TaskGroup group;
    group.spawn(store_.context().get_executor(), remove_one(store_.objects(), key));
    store_.context().restart();
    for (int turn = 0; turn < turns[key]; ++turn) store_.context().poll_one();
    group.spawn(store_.context().get_executor(), move_one(index(), each));
    store_.run(join(group));
    EXPECT_EQ(store_.get("b", key).substr(0, 1), "<") << key;
  }
  EXPECT_EQ(removed.size(), 2u * kOffsets);
  EXPECT_EQ(rows_with('H'), 0u);
  EXPECT_EQ(rows_with('L'), 0u);
}

// What a piece's row was when it was found live, and what it is when it moves, are two things.
TEST_F(LiveIndexTest, AMoveIsNotGoneWhileAnotherRowNamesThePiece) {
  ASSERT_TRUE(store_.put("b", "renamed", "bytes of renamed"));
  ASSERT_TRUE(store_.put("b", "appended", "bytes of appended"));
  std::map<std::string, Move> moves;
  for (const LivePiece& piece : live()) moves[piece.name.key] = rewritten(piece, UINT32_MAX);
  RenameRequest rename{"renamed", "elsewhere", [](const ObjectInfo&, const ObjectInfo*) { return success(); }, {}};
  ASSERT_TRUE(store_.run(store_.objects().rename("b", rename)));
  tests::MemoryBody body(" and more");
  AppendOptions append;
  append.offset = 17;
  ASSERT_TRUE(store_.run(store_.objects().append({"b", "appended"}, append, body)));
  EXPECT_EQ(move(moves["renamed"]), MoveOutcome::contended);
  EXPECT_EQ(move(moves["appended"]), MoveOutcome::contended);
  ASSERT_TRUE(store_.run(store_.objects().change_bucket("b", [](BucketInfo& bucket) {
    bucket.versioning = Versioning::enabled;
    return success();
  })));
  const std::string first = store_.put("b", "k", "first").value()->version_id;
  for (const LivePiece& piece : live()) moves[piece.name.key] = rewritten(piece, UINT32_MAX);
  const std::string second = store_.put("b", "k", "second").value()->version_id;
  EXPECT_EQ(move(moves["k"]), MoveOutcome::contended) << "pushed down";
  for (const LivePiece& piece : live()) {
    if (piece.name.key == "k" && piece.extent.length == 5) moves["k"] = rewritten(piece, UINT32_MAX);
  }
  RemoveRequest request;
  request.key = "k";
  request.version_id = second;
  ASSERT_TRUE(store_.run(store_.objects().remove("b", request)));
  EXPECT_EQ(move(moves["k"]), MoveOutcome::contended) << "came back";
  request.version_id = first;
  ASSERT_TRUE(store_.run(store_.objects().remove("b", request)));
  EXPECT_EQ(move(moves["k"]), MoveOutcome::gone);
}

TEST_F(LiveIndexTest, AWalkSeesEveryVersionWhateverComesBackMeanwhile) {
  ASSERT_TRUE(store_.run(store_.objects().change_bucket("b", [](BucketInfo& bucket) {
    bucket.versioning = Versioning::enabled;
    return success();
  })));
  std::vector<std::string> ids;
  for (std::uint32_t i = 1; i <= 9; ++i) ids.push_back(store_.put("b", "k", std::string(i, 'x')).value()->version_id);
  ASSERT_TRUE(store_.put("b", "before", std::string(20, 'x')));
  ASSERT_TRUE(store_.put("b", "later", std::string(30, 'x')));
  for (std::uint32_t rows_max = 1; rows_max <= 12; ++rows_max) {
    std::multiset<std::uint32_t> seen;
    std::string cursor;
    while (true) {
      auto page = store_.run(index().walk(cursor, rows_max)).value();
      for (const segment::Extent& extent : page.extents) seen.insert(extent.length);
      if (!page.next) break;
      ASSERT_LT(cursor, *page.next);
      cursor = *page.next;
    }
    EXPECT_EQ(seen, (std::multiset<std::uint32_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 30})) << rows_max;
  }
  // All but the oldest go between two pages: it is the current one then, and still not seen.
  auto page = store_.run(index().walk({}, 3)).value();
  for (std::size_t i = ids.size() - 1; i > 0; --i) {
    RemoveRequest request;
    request.key = "k";
    request.version_id = ids[i];
    ASSERT_TRUE(store_.run(store_.objects().remove("b", request)));
  }
  std::multiset<std::uint32_t> rest;
  while (page.next) {
    page = store_.run(index().walk(*page.next, 3)).value();
    for (const segment::Extent& extent : page.extents) rest.insert(extent.length);
  }
  EXPECT_EQ(rest, (std::multiset<std::uint32_t>{1, 30}));
}

TEST_F(LiveIndexTest, ManyMovesGoTogether) {
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < 300; ++i) {
    bodies.push_back(tests::random_bytes(i, 1'000 + i));
    ASSERT_TRUE(store_.put("b", std::to_string(i), bodies.back()));
  }
  std::vector<Move> moves;
  for (const LivePiece& piece : live()) moves.push_back(rewritten(piece, UINT32_MAX));
  ASSERT_EQ(moves.size(), 300u);
  const std::uint64_t before = store_.disks().operations();
  const auto outcomes = store_.run(index().move(moves)).value();
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), MoveOutcome::moved), 300);
  EXPECT_LE(store_.disks().operations() - before, 3u);  // commits
  for (std::size_t i = 0; i < bodies.size(); ++i) EXPECT_TRUE(store_.get("b", std::to_string(i)) == bodies[i]);
}

}  // namespace
}  // namespace storage
