#include "storage/segment_catalog.h"

#include <gtest/gtest.h>

#include "storage/metadata/memory_store.h"
#include "tests/support/run_task.h"

namespace storage {
namespace {

using segment::SegmentRecord;

class SegmentCatalogTest : public testing::Test {
 protected:
  static SegmentRecord record() {
    SegmentRecord made;
    made.id = 7;
    made.data = 1;
    made.parity = 1;
    made.epoch = 3;
    made.created_ms = 99;
    made.members.push_back({0, 4});
    made.members.push_back({2, 9});
    return made;
  }
  Result<> add(SegmentRecord one) { return tests::run_task(context_, add_one(catalog_, std::move(one))); }
  Result<> replace(SegmentRecord expected, SegmentRecord one) {
    return tests::run_task(context_, replace_one(catalog_, std::move(expected), std::move(one)));
  }
  SegmentRecord stored() {
    auto loaded = tests::run_task(context_, load_all(catalog_));
    EXPECT_TRUE(loaded && loaded->records.size() == 1);
    return loaded->records.at(0);
  }

  static Task<Result<>> add_one(MetadataSegmentCatalog& catalog, SegmentRecord one) {
    co_return co_await catalog.add(std::move(one));
  }
  static Task<Result<>> replace_one(MetadataSegmentCatalog& catalog, SegmentRecord expected,
                                    SegmentRecord one) {
    co_return co_await catalog.replace(std::move(expected), std::move(one));
  }
  static Task<Result<>> remove_one(MetadataSegmentCatalog& catalog, segment::SegmentId id) {
    std::vector<segment::SegmentId> ids(1, id);
    co_return co_await catalog.remove(std::move(ids));
  }
  static Task<Result<segment::SegmentCatalog::Loaded>> load_all(MetadataSegmentCatalog& catalog) {
    co_return co_await catalog.load();
  }

  boost::asio::io_context context_{1};
  metadata::MemoryStore rows_;
  MetadataSegmentCatalog catalog_{rows_};
};

TEST_F(SegmentCatalogTest, ASealDoesNotUndoAMoveNorAMoveASeal) {
  const SegmentRecord open = record();
  ASSERT_TRUE(add(open));
  EXPECT_EQ(stored(), open);
  SegmentRecord moved = open;
  moved.state = SegmentRecord::State::sealed;
  moved.members[1] = {5, 1};
  ASSERT_TRUE(replace(open, moved));
  SegmentRecord sealed = open;
  sealed.state = SegmentRecord::State::sealed;
  EXPECT_EQ(replace(open, sealed).error(), Errc::conflict);
  EXPECT_EQ(stored(), moved);
  SegmentRecord reopened = moved;
  reopened.members[0] = {6, 2};
  reopened.state = SegmentRecord::State::open;
  EXPECT_EQ(replace(sealed, reopened).error(), Errc::conflict);
  EXPECT_EQ(stored(), moved);
}

TEST_F(SegmentCatalogTest, TheHighestIdOutlivesItsSegment) {
  ASSERT_TRUE(add(record()));
  ASSERT_TRUE(tests::run_task(context_, remove_one(catalog_, record().id)));
  const auto loaded = tests::run_task(context_, load_all(catalog_));
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->records.empty());
  EXPECT_EQ(loaded->highest_id, record().id);
}

TEST_F(SegmentCatalogTest, WhatWasFreedIsNotReplaced) {
  EXPECT_EQ(replace(record(), record()).error(), Errc::not_found);
}

}  // namespace
}  // namespace storage
