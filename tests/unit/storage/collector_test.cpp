#include "storage/upkeep/collector.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/simulated_store.h"

namespace storage {
namespace {

using segment::SegmentId;
using tests::SimulatedStore;

class CollectorTest : public testing::Test {
 protected:
  explicit CollectorTest(SimulatedStore::Options options = {.seed = 3, .drives = 6, .drive_bytes = 96ULL << 20})
      : store_(options) {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
  }

  void put(const std::string& key, const std::string& bytes) {
    ASSERT_TRUE(store_.put("b", key, bytes).has_value()) << key;
    model_[key] = bytes;
  }
  void remove(const std::string& key) {
    ASSERT_TRUE(store_.remove("b", key).has_value()) << key;
    model_.erase(key);
  }
  void multipart(const std::string& key, const std::vector<std::string>& bodies) {
    const ObjectKey name{"b", key};
    auto upload = store_.run(store_.objects().create_upload(name, UploadOptions{})).value();
    std::vector<CompletedPart> parts;
    std::string whole;
    for (const std::string& bytes : bodies) {
      tests::MemoryBody body(bytes);
      const auto number = static_cast<std::uint32_t>(parts.size() + 1);
      auto part = store_.run(store_.objects().put_part(name, upload.upload_id, number, body)).value();
      parts.push_back({number, part.etag, {}});
      whole += bytes;
    }
    ASSERT_TRUE(
        store_.run(store_.objects().complete_upload(name, upload.upload_id, parts, CompleteOptions{}, nullptr)).has_value());
    model_[key] = whole;
  }
  void copy(const std::string& from, const std::string& to) {
    auto source = store_.run(store_.objects().open({"b", from})).value();
    ASSERT_TRUE(store_.run(store_.objects().copy(*source, {"b", to}, CopyOptions{})).has_value());
    model_[to] = model_.at(from);
  }
  void check_all() {
    for (const auto& [key, bytes] : model_) EXPECT_TRUE(store_.get("b", key) == bytes) << key;
  }

  std::vector<SegmentId> segment_ids() {
    std::vector<SegmentId> ids;
    for (const auto& record : store_.segments().segments()) ids.push_back(record.id);
    return ids;
  }
  // Everything that is there now, somewhere else.
  void rewrite_all() {
    for (const SegmentId id : segment_ids()) {
      const Result<> rewritten = store_.collect(id);
      EXPECT_TRUE(rewritten) << id << ": " << rewritten.error().message();
    }
  }
  // Bytes that rows name, by segment.
  std::map<SegmentId, std::uint64_t> named() {
    std::map<SegmentId, std::uint64_t> bytes;
    std::string cursor;
    while (true) {
      auto page = store_.run(store_.objects().live_index().walk(cursor, 3)).value();
      for (const segment::Extent& extent : page.extents) bytes[extent.segment] += extent.length;
      if (!page.next) return bytes;
      cursor = *page.next;
    }
  }

  SimulatedStore store_;
  std::map<std::string, std::string> model_;
  std::uint64_t seed_ = 0;  // of the last body made
};

TEST_F(CollectorTest, EverythingMovesAndReadsTheSame) {
  put("empty", "");
  put("tiny", "x");
  put("small", tests::random_bytes(1, 50'000));
  put("large", tests::random_bytes(2, 5'500'000));
  multipart("parts", {tests::random_bytes(3, kPartBytesMin), tests::random_bytes(4, 700'000)});
  copy("large", "large-copy");
  copy("parts", "parts-copy");
  put("overwritten", tests::random_bytes(5, 30'000));
  put("overwritten", tests::random_bytes(6, 31'000));
  put("deleted", tests::random_bytes(7, 2'000'000));
  remove("deleted");
  const std::vector<SegmentId> before = segment_ids();
  rewrite_all();
  for (const SegmentId id : segment_ids()) {
    EXPECT_EQ(std::count(before.begin(), before.end(), id), 0) << id;
  }
  check_all();
  EXPECT_EQ(store_.collector().totals().freed_segments, before.size());
  EXPECT_EQ(store_.collector().totals().moved_bytes, 1u + 50'000 + 5'500'000 + kPartBytesMin + 700'000 + 31'000);
  EXPECT_EQ(store_.collector().totals().freed_bytes, 30'000u + 2'000'000);
  store_.reboot();
  check_all();
}

TEST_F(CollectorTest, TheLastHolderOfASharedBlobKeepsItAlive) {
  put("large", tests::random_bytes(2, 2'500'000));
  copy("large", "copy");
  remove("large");
  rewrite_all();
  check_all();
  remove("copy");
  rewrite_all();
  EXPECT_TRUE(named().empty());
  EXPECT_TRUE(segment_ids().empty());
}

TEST_F(CollectorTest, PartsOfOpenUploadsLiveUntilTheyAreAborted) {
  const ObjectKey name{"b", "k"};
  auto upload = store_.run(store_.objects().create_upload(name, UploadOptions{})).value();
  const std::string bytes = tests::random_bytes(9, kPartBytesMin);
  tests::MemoryBody body(bytes);
  auto part = store_.run(store_.objects().put_part(name, upload.upload_id, 1, body)).value();
  rewrite_all();
  std::vector<CompletedPart> parts{{1, part.etag, {}}};
  ASSERT_TRUE(
      store_.run(store_.objects().complete_upload(name, upload.upload_id, parts, CompleteOptions{}, nullptr)).has_value());
  EXPECT_TRUE(store_.get("b", "k") == bytes);

  auto second = store_.run(store_.objects().create_upload(name, UploadOptions{})).value();
  tests::MemoryBody again(bytes);
  ASSERT_TRUE(store_.run(store_.objects().put_part(name, second.upload_id, 1, again)).has_value());
  ASSERT_TRUE(store_.run(store_.objects().abort_upload(name, second.upload_id)).has_value());
  remove("k");
  rewrite_all();
  EXPECT_TRUE(segment_ids().empty());
}

TEST_F(CollectorTest, AKeyOfANewBucketOfTheSameNameIsAnotherKey) {
  put("k", tests::random_bytes(1, 10'000));
  remove("k");
  ASSERT_TRUE(store_.run(store_.objects().remove_bucket("b")).has_value());
  ASSERT_TRUE(store_.create_bucket("b").has_value());
  put("k", tests::random_bytes(2, 20'000));
  rewrite_all();
  check_all();
  EXPECT_EQ(store_.collector().totals().moved_bytes, 20'000u);
  EXPECT_EQ(store_.collector().totals().freed_bytes, 10'000u);
}

TEST_F(CollectorTest, BytesThatNeverGotANameAreFreed) {
  put("k", tests::random_bytes(1, 10'000));
  std::string bytes(100'000, 'x');
  segment::PieceName nobody;
  nobody.bucket = "b";
  nobody.key = "k";
  {
    auto appended = store_.run(store_.segments().append(nobody, std::as_bytes(std::span(bytes))));
    ASSERT_TRUE(appended);
    // Its name may still come.
    const Result<> rewritten = store_.collect(appended->extent.segment);
    EXPECT_EQ(rewritten.error(), Errc::conflict);
  }
  rewrite_all();
  EXPECT_EQ(store_.collector().totals().freed_bytes, 100'000u);
  check_all();
}

TEST_F(CollectorTest, AReaderKeepsItsBytesUntilItEnds) {
  put("inline", tests::random_bytes(1, 200'000));
  put("large", tests::random_bytes(2, 6'000'000));
  multipart("parts", {tests::random_bytes(3, kPartBytesMin), tests::random_bytes(4, 700'000)});
  for (const std::string key : {"inline", "large", "parts"}) {
    SCOPED_TRACE(key);
    const std::string bytes = model_[key];
    auto object = store_.run(store_.objects().open({"b", key})).value();
    const auto reader = object->read(0, bytes.size());
    std::string read;
    auto first = store_.run(reader->next()).value();
    read.append(reinterpret_cast<const char*>(first.bytes.data()), first.bytes.size());
    remove(key);
    const std::size_t before = segment_ids().size();
    for (const SegmentId id : segment_ids()) (void)store_.collect(id);
    while (true) {
      auto chunk = store_.run(reader->next());
      ASSERT_TRUE(chunk) << chunk.error().message();
      if (chunk->bytes.empty()) break;
      read.append(reinterpret_cast<const char*>(chunk->bytes.data()), chunk->bytes.size());
    }
    EXPECT_TRUE(read == bytes);
    EXPECT_GT(before, 0u);
  }
  rewrite_all();
  check_all();
}

TEST_F(CollectorTest, AnObjectOpenedBeforeItsRemovalIsReadToTheEnd) {
  put("large", tests::random_bytes(2, 6'000'000));
  const std::string bytes = model_["large"];
  auto object = store_.run(store_.objects().open({"b", "large"})).value();
  remove("large");
  for (const SegmentId id : segment_ids()) EXPECT_EQ(store_.collect(id).error(), Errc::conflict);
  EXPECT_TRUE(store_.run(tests::read_all(*object, 0, bytes.size())).value() == bytes);
  object.reset();
  rewrite_all();
  EXPECT_TRUE(segment_ids().empty());
}

TEST_F(CollectorTest, ASegmentThatLostParityDrivesIsEvacuatedOntoNarrowerStripes) {
  put("small", tests::random_bytes(1, 70'000));
  put("whole-stripe", tests::random_bytes(2, 4'000'000));
  put("large-inline", tests::random_bytes(3, 1'048'576));
  const std::vector<SegmentId> before = segment_ids();
  store_.disks().pull(0);
  store_.disks().pull(3);
  for (const SegmentId id : before) {
    const Result<> rewritten = store_.collect(id);
    EXPECT_TRUE(rewritten) << rewritten.error().message();
  }
  check_all();
  for (const auto& record : store_.segments().segments()) EXPECT_EQ(record.data, 2u);
  rewrite_all();
  check_all();
}

TEST_F(CollectorTest, ASmallObjectOpenedBeforeItsRemovalIsReadToTheEnd) {
  put("small", tests::random_bytes(2, 40'000));
  const std::string bytes = model_["small"];
  auto object = store_.run(store_.objects().open({"b", "small"})).value();
  remove("small");
  for (const SegmentId id : segment_ids()) EXPECT_EQ(store_.collect(id).error(), Errc::conflict);
  EXPECT_TRUE(store_.run(tests::read_all(*object, 0, bytes.size())).value() == bytes);
  object.reset();
  rewrite_all();
  EXPECT_TRUE(segment_ids().empty());
}

TEST_F(CollectorTest, BytesThatAwaitTheirNameKeepTheirSegmentFromBeingJudged) {
  put("k", tests::random_bytes(1, 30'000));
  const SegmentId first = segment_ids().front();
  ASSERT_TRUE(store_.run(store_.segments().seal(first)));
  auto stripe = store_.run(store_.segments().next_stripe(first, 0)).value();
  auto live = store_.run(store_.objects().live_index().live(first, *stripe)).value();
  ASSERT_EQ(live.size(), 1u);
  // The same body once more, not named yet.
  const std::string bytes = model_["k"];
  std::optional<segment::Appended> appended =
      store_.run(store_.segments().append(live.front().name, std::as_bytes(std::span(bytes)))).value();
  const SegmentId second = appended->extent.segment;
  ASSERT_NE(second, first);
  EXPECT_EQ(store_.collect(second).error(), Errc::conflict);
  upkeep::Move move;
  move.piece = live.front();
  move.to.push_back(appended->extent);
  ASSERT_EQ(store_.run(store_.objects().live_index().move({move})).value().front(), upkeep::MoveOutcome::moved);
  appended.reset();
  // What was seen while the commit was under way must not count now.
  EXPECT_TRUE(store_.collect(second));
  EXPECT_TRUE(store_.collect(first));
  check_all();
  store_.reboot();
  check_all();
}

TEST_F(CollectorTest, ASegmentOfWhichMoreIsNamedThanWasFoundIsKept) {
  put("hidden", tests::random_bytes(1, 30'000));
  put("seen", tests::random_bytes(2, 30'000));
  const auto record = store_.segments().segments().front();
  ASSERT_TRUE(store_.run(store_.segments().seal(record.id)));
  auto stripe = store_.run(store_.segments().next_stripe(record.id, 0)).value();
  ASSERT_EQ(stripe->pieces.front().name.key, "hidden");
  // No header tells of the first stripe any more; its bytes can be read all the same.
  for (const auto& member : record.members) {
    const std::uint64_t offset = store_.drives().zone_offset(member.zone) + stripe->block * io::kBlockBytes;
    store_.disks().rot(member.drive, offset, io::kBlockBytes, 500);
  }
  EXPECT_EQ(store_.collect(record.id).error(), Errc::corrupt_data);
  EXPECT_EQ(segment_ids().front(), record.id);
  check_all();
}

TEST_F(CollectorTest, NothingIsFreedThatCouldNotBeRead) {
  put("k", tests::random_bytes(1, 70'000));
  const SegmentId id = segment_ids().front();
  for (const std::size_t disk : {0, 1, 2}) store_.disks().pull(disk);
  const Result<> rewritten = store_.collect(id);
  EXPECT_FALSE(rewritten);
  for (const std::size_t disk : {0, 1, 2}) store_.disks().put_back(disk);
  store_.reboot();
  check_all();
}

TEST_F(CollectorTest, CountersAgreeWithTheRows) {
  put("tiny", "x");
  put("large", tests::random_bytes(2, 3'000'000));
  upkeep::LiveCounters& counters = store_.objects().live_counters();
  counters.begin_walk();
  std::optional<std::string> cursor = std::string();
  for (int pages = 0; cursor; ++pages) {
    auto page = store_.run(store_.objects().live_index().walk(*cursor, 1)).value();
    counters.walked(page.extents, page.next);
    cursor = page.next;
    if (pages >= 6) continue;
    // Commits on both sides of the walk's place.
    ++seed_;
    put("a" + std::to_string(pages), tests::random_bytes(seed_, 10'000));
    put("z", tests::random_bytes(seed_, 2'000'000 + seed_));
  }
  counters.end_walk();
  const auto agree = [&] {
    std::uint64_t total = 0;
    for (const auto& [id, bytes] : named()) {
      EXPECT_EQ(counters.live_bytes(id), bytes) << id;
      total += bytes;
    }
    EXPECT_EQ(counters.total_bytes(), total);
  };
  multipart("parts", {tests::random_bytes(3, kPartBytesMin), tests::random_bytes(4, 700'000)});
  copy("large", "large-copy");
  copy("tiny", "tiny-copy");
  remove("large");
  put("tiny", "yy");
  agree();
  rewrite_all();
  agree();
  remove("large-copy");
  remove("parts");
  std::vector<RemoveRequest> requests;
  for (const auto& [key, bytes] : model_) requests.push_back({key, {}});
  for (const Result<Removed>& removed : store_.run(store_.objects().remove_many("b", requests))) EXPECT_TRUE(removed);
  agree();
  EXPECT_EQ(counters.total_bytes(), 0u);
}

class CollectingTest : public CollectorTest {
 protected:
  CollectingTest() : CollectorTest({.seed = 5, .drives = 6, .drive_bytes = 64ULL << 20, .collecting = true}) {}

  // Puts until the store says that it is full; the bytes that went in.
  std::uint64_t fill(const std::string& prefix, std::size_t size) {
    std::uint64_t bytes = 0;
    for (int i = 0;; ++i) {
      const std::string key = prefix + std::to_string(i);
      const std::string body = tests::random_bytes(++seed_, size);
      auto done = store_.put("b", key, body);
      if (!done) {
        EXPECT_EQ(done.error(), Errc::no_space);
        return bytes;
      }
      model_[key] = body;
      bytes += size;
    }
  }
};

TEST_F(CollectingTest, WhatWasDeletedOnAFullStoreCanBeWrittenAgain) {
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round);
    const std::size_t size = round % 2 == 0 ? 300'000 : 2'000'000;
    fill("r" + std::to_string(round) + "-", size);
    // Every second object: no segment is without life.
    std::vector<std::string> victims;
    std::uint64_t deleted = 0;
    bool odd = false;
    for (const auto& [key, bytes] : model_) {
      odd = !odd;
      if (!odd) continue;
      victims.push_back(key);
      deleted += bytes.size();
    }
    for (const std::string& key : victims) remove(key);
    std::uint64_t again = 0;
    for (int i = 0; again < deleted; ++i) {
      const std::string body = tests::random_bytes(++seed_, size);
      const std::string key = "again" + std::to_string(round) + "-" + std::to_string(i);
      if (!store_.put("b", key, body)) break;
      model_[key] = body;
      again += size;
    }
    EXPECT_GE(static_cast<double>(again), 0.7 * static_cast<double>(deleted));
  }
  check_all();
  EXPECT_GT(store_.collector().totals().freed_segments, 0u);
}

TEST_F(CollectingTest, SegmentsThatRestartsLeftNearlyEmptyAreFoldedTogether) {
  for (int i = 0; i < 6; ++i) {
    put("k" + std::to_string(i), tests::random_bytes(static_cast<std::uint64_t>(i), 10'000));
    store_.reboot();
  }
  const std::uint64_t wanted = store_.segments().usage().segments;
  EXPECT_TRUE(store_.run_until([&] { return store_.segments().usage().segments <= 2; })) << wanted;
  check_all();
}

}  // namespace
}  // namespace storage
