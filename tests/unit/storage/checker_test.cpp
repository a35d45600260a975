#include "storage/upkeep/checker.h"

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

using upkeep::Checker;

// The real index, but one of its extents is changed on its way.
class LyingIndex final : public upkeep::LiveIndex {
 public:
  explicit LyingIndex(LiveIndex& truth) : truth_(truth) {}

  Task<Result<std::vector<upkeep::LivePiece>>> live(segment::SegmentId segment, segment::StripeInfo stripe) override {
    return truth_.live(segment, std::move(stripe));
  }
  Task<Result<std::vector<upkeep::MoveOutcome>>> move(std::vector<upkeep::Move> moves) override {
    return truth_.move(std::move(moves));
  }
  Task<Result<Page>> walk(std::string cursor, std::uint32_t rows_max) override {
    auto page = co_await truth_.walk(std::move(cursor), rows_max);
    if (page && lie && !page->extents.empty()) lie(*page);
    if (page && walks++ == 0 && !lasting) lie = nullptr;
    co_return page;
  }

  std::function<void(Page&)> lie;
  bool lasting = true;  // else the records say something else at the second look
  int walks = 0;

 private:
  LiveIndex& truth_;
};

class CheckerTest : public testing::Test {
 protected:
  CheckerTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(store_.put("b", "small" + std::to_string(i), tests::random_bytes(static_cast<std::uint64_t>(i), 5'000)));
    }
    EXPECT_TRUE(store_.put("b", "large", tests::random_bytes(99, 3'000'000)));
    store_.reboot();  // seals all segments
    index_ = std::make_unique<LyingIndex>(store_.objects().live_index());
  }

  Checker::Report check() {
    upkeep::Pacer pacer(store_.clock(), {}, {});
    Checker checker(store_.segments(), *index_, pool_, pacer);
    EXPECT_TRUE(store_.run(checker.run()));
    return checker.report();
  }

  tests::SimulatedStore store_{{.seed = 3}};
  io::BufferPool pool_{32 << 20};
  std::unique_ptr<LyingIndex> index_;
};

TEST_F(CheckerTest, ASoundStoreHasNoProblems) {
  const Checker::Report report = check();
  EXPECT_EQ(report.state, Checker::Report::State::done);
  EXPECT_EQ(report.problems, std::vector<std::string>());
  EXPECT_GT(report.extents, 20u);
  EXPECT_GT(report.stripes, 0u);
  EXPECT_EQ(report.segments_checked, report.segments);
  EXPECT_EQ(report.segments_open, 0u);
}

TEST_F(CheckerTest, ARecordOfASegmentThatIsNotThereIsFound) {
  index_->lie = [](LyingIndex::Page& page) { page.extents.front().segment = 4711; };
  const Checker::Report report = check();
  ASSERT_EQ(report.problems_total, report.problems.size());
  ASSERT_FALSE(report.problems.empty());
  EXPECT_NE(report.problems.front().find("there is no such segment"), std::string::npos) << report.problems.front();
  EXPECT_NE(report.problems.front().find("object "), std::string::npos) << report.problems.front();
}

TEST_F(CheckerTest, ARecordOfBytesThatNoStripeHasIsFound) {
  index_->lie = [](LyingIndex::Page& page) { page.extents.front().length += 1; };
  const Checker::Report report = check();
  ASSERT_FALSE(report.problems.empty());
  EXPECT_NE(report.problems.front().find("no stripe has such a piece"), std::string::npos) << report.problems.front();
}

TEST_F(CheckerTest, BytesThatTwoRecordsNameAreFound) {
  index_->lie = [](LyingIndex::Page& page) {
    if (page.holders.front().starts_with("object")) page.extents[1] = page.extents[0];
  };
  const Checker::Report report = check();
  ASSERT_EQ(report.problems.size(), 2u);
  for (const std::string& problem : report.problems) {
    EXPECT_NE(problem.find("another record names, too"), std::string::npos) << problem;
  }
}

TEST_F(CheckerTest, WhatTheRecordsDoNotSayAnyMoreIsNoProblem) {
  index_->lie = [](LyingIndex::Page& page) { page.extents.front().segment = 4711; };
  index_->lasting = false;
  EXPECT_EQ(check().problems, std::vector<std::string>());
  EXPECT_GE(index_->walks, 3) << "a suspicion is looked at again";
}

TEST_F(CheckerTest, DamageIsReportedAndNotRepaired) {
  const auto record = store_.segments().segments().front();
  const std::uint64_t zone = store_.drives().zone_offset(record.members[1].zone);
  store_.disks().rot(record.members[1].drive, zone + 2 * io::kBlockBytes, io::kBlockBytes);
  for (int round = 0; round < 2; ++round) {
    const Checker::Report report = check();
    EXPECT_EQ(report.shards_damaged, 1u);
    EXPECT_EQ(report.problems_total, 1u);
  }
}

}  // namespace
}  // namespace storage
