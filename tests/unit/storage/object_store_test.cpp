#include <gtest/gtest.h>

#include "storage/base/task_group.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

class ObjectStoreTest : public testing::Test {
 protected:
  ObjectStoreTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
  }
  ObjectStore& objects() { return store_.objects(); }
  Result<ObjectInfoPtr> head(std::string key) { return store_.run(objects().head({"b", std::move(key)})); }
  Result<ObjectInfoPtr> put_if(std::string key, std::string bytes, WriteCondition condition) {
    tests::MemoryBody body(std::move(bytes));
    PutOptions options;
    options.condition = std::move(condition);
    return store_.run(objects().put({"b", std::move(key)}, std::move(options), body));
  }
  Result<ObjectInfoPtr> copy(std::string from, std::string to) {
    auto source = store_.run(objects().open({"b", std::move(from)}));
    if (!source) return source.error();
    return store_.run(objects().copy(**source, {"b", std::move(to)}, CopyOptions{}));
  }
  std::size_t rows_with(char type) {
    const metadata::KeyRange range = metadata::prefix_range(std::string(1, type));
    return store_.run(store_.rows().scan(range, 10'000)).value().entries.size();
  }

  tests::SimulatedStore store_{{}};
};

// Every size class: nothing, inline, lone, above the group commit, several stripes, on a boundary.
class BodySizes : public ObjectStoreTest, public testing::WithParamInterface<std::size_t> {};

TEST_P(BodySizes, ComesBackWholeAndInRanges) {
  const std::string bytes = tests::random_bytes(GetParam(), GetParam());
  for (const bool declared : {true, false}) {
    tests::MemoryBody body(bytes, declared);
    auto info = store_.run(objects().put({"b", "k"}, PutOptions{}, body));
    ASSERT_TRUE(info.has_value()) << info.error().message();
    EXPECT_EQ((*info)->size, bytes.size());
    EXPECT_EQ((*info)->etag, tests::md5_hex_of(bytes));
    EXPECT_EQ(store_.get("b", "k"), bytes);
    auto object = store_.run(objects().open({"b", "k"})).value();
    for (std::size_t begin = 0; begin < bytes.size(); begin += bytes.size() / 3 + 1) {
      for (const std::size_t length : {std::size_t{1}, std::size_t{4096}, bytes.size() - begin}) {
        if (begin + length > bytes.size()) continue;
        EXPECT_EQ(store_.run(tests::read_all(*object, begin, length)).value(), bytes.substr(begin, length));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, BodySizes,
                         testing::Values(0, 1, 4095, 4096, 4097, 50'000, 131'072, 131'073, 1 << 20, (1 << 20) + 1,
                                         4 << 20, (4 << 20) + 1, 9'000'001));

TEST_F(ObjectStoreTest, AnOverwriteIsSeenAtOnceAndLeavesNoRows) {
  ASSERT_TRUE(store_.put("b", "k", tests::random_bytes(1, 3 << 20)).has_value());
  EXPECT_EQ(rows_with('L'), 1u);
  ASSERT_TRUE(store_.put("b", "k", "small").has_value());
  EXPECT_EQ(store_.get("b", "k"), "small");
  EXPECT_EQ(rows_with('L'), 0u);
  EXPECT_EQ(rows_with('R'), 0u);
}

TEST_F(ObjectStoreTest, AReaderKeepsTheVersionThatItOpened) {
  const std::string old = tests::random_bytes(1, 50'000);
  ASSERT_TRUE(store_.put("b", "k", old).has_value());
  auto object = store_.run(objects().open({"b", "k"})).value();
  ASSERT_TRUE(store_.put("b", "k", "new").has_value());
  EXPECT_EQ(store_.run(tests::read_all(*object, 0, old.size())).value(), old);
}

TEST_F(ObjectStoreTest, AFailedBodyChangesNothing) {
  ASSERT_TRUE(store_.put("b", "k", "old").has_value());
  for (const std::size_t size : {std::size_t{1000}, std::size_t{5'000'000}}) {
    tests::MemoryBody body(tests::random_bytes(2, size));
    body.fail_after(size / 2, Errc::invalid_argument);
    EXPECT_EQ(store_.run(objects().put({"b", "k"}, PutOptions{}, body)).error(), Errc::invalid_argument);
    EXPECT_EQ(store_.get("b", "k"), "old");
  }
}

TEST_F(ObjectStoreTest, ConditionsOfAPut) {
  EXPECT_TRUE(put_if("k", "1", {.if_none_match_any = true, .if_match = {}}).has_value());
  EXPECT_EQ(put_if("k", "2", {.if_none_match_any = true, .if_match = {}}).error(), Errc::precondition_failed);
  EXPECT_EQ(put_if("k", "2", {.if_none_match_any = false, .if_match = "other"}).error(), Errc::precondition_failed);
  EXPECT_EQ(put_if("absent", "2", {.if_none_match_any = false, .if_match = "*"}).error(), Errc::not_found);
  const std::string etag = head("k").value()->etag;
  EXPECT_TRUE(put_if("k", "2", {.if_none_match_any = false, .if_match = etag}).has_value());
  EXPECT_EQ(store_.get("b", "k"), "2");
}

Task<> create(ObjectStore& objects, int number, std::vector<int>& winners, int& refused) {
  tests::MemoryBody body(std::to_string(number));
  PutOptions options;
  options.condition.if_none_match_any = true;
  ObjectKey key{"b", "race"};
  auto info = co_await objects.put(std::move(key), std::move(options), body);
  if (info) {
    winners.push_back(number);
  } else if (info.error() == Errc::precondition_failed || info.error() == Errc::conditional_conflict) {
    ++refused;
  }
}

TEST_F(ObjectStoreTest, OfRacingCreatorsExactlyOneWins) {
  std::vector<int> winners;
  int refused = 0;
  int running = 16;
  for (int i = 0; i < 16; ++i) {
    boost::asio::co_spawn(store_.context(), create(objects(), i, winners, refused),
                          [&](std::exception_ptr) { --running; });
  }
  store_.context().restart();
  while (running > 0) store_.context().run_one();
  ASSERT_EQ(winners.size(), 1u);
  EXPECT_EQ(refused, 15);
  EXPECT_EQ(store_.get("b", "race"), std::to_string(winners[0]));
}

Task<> overwrite(ObjectStore& objects, std::string key, Error& error) {
  tests::MemoryBody body("new");
  ObjectKey name{"b", std::move(key)};
  PutOptions options;
  auto info = co_await objects.put(std::move(name), std::move(options), body);
  if (!info) error = info.error();
}

// By way of the bulk delete, which takes no key's lock.
Task<> bulk_remove(ObjectStore& objects, std::string key) {
  std::vector<RemoveRequest> requests(1);
  requests.front().key = std::move(key);
  const std::vector<Result<Removed>> removed = co_await objects.remove_many("b", std::move(requests));
  EXPECT_TRUE(removed.front());
}

Task<> remove_bucket_of(ObjectStore& objects, std::string name, Error& error) {
  Result<> removed = co_await objects.remove_bucket(std::move(name));
  if (!removed) error = removed.error();
}

Task<> join(TaskGroup& group) { co_await group.join(); }

constexpr int kOffsets = 40;  // the second of two racing calls begins so many turns after the first

TEST_F(ObjectStoreTest, AnOverwriteThatRacesWithABulkDeleteCountsItsKeyOnce) {
  for (int offset = 0; offset < kOffsets; ++offset) {
    ASSERT_TRUE(store_.put("b", "k", "old"));
    store_.reboot();  // nothing is cached: both have to read the row
    Error error;
    TaskGroup group;
    group.spawn(store_.context().get_executor(), overwrite(objects(), "k", error));
    store_.context().restart();
    for (int turn = 0; turn < offset; ++turn) store_.context().poll_one();
    group.spawn(store_.context().get_executor(), bulk_remove(objects(), "k"));
    store_.run(join(group));
    EXPECT_FALSE(error) << error.message();
    // The bucket's count stands behind this answer.
    const bool there = head("k").has_value();
    if (there) {
      EXPECT_EQ(store_.run(objects().remove_bucket("b")).error(), Errc::bucket_not_empty) << offset;
      ASSERT_TRUE(store_.remove("b", "k"));
    }
    ASSERT_TRUE(store_.run(objects().remove_bucket("b"))) << offset;
    ASSERT_TRUE(store_.create_bucket("b"));
  }
}

TEST_F(ObjectStoreTest, APutThatRacesWithTheRemovalOfItsBucketLeavesNoRow) {
  int refused = 0;
  for (int offset = 0; offset < kOffsets; ++offset) {
    Error put_error;
    Error remove_error;
    TaskGroup group;
    group.spawn(store_.context().get_executor(), overwrite(objects(), "k", put_error));
    store_.context().restart();
    for (int turn = 0; turn < offset; ++turn) store_.context().poll_one();
    group.spawn(store_.context().get_executor(), remove_bucket_of(objects(), "b", remove_error));
    store_.run(join(group));
    EXPECT_NE(!put_error, !remove_error) << offset << ": exactly one of the two happened";
    if (put_error) {
      ++refused;
      EXPECT_EQ(put_error, Errc::bucket_not_found);
      EXPECT_EQ(rows_with('H'), 0u) << offset;
      ASSERT_TRUE(store_.create_bucket("b"));
    } else {
      ASSERT_TRUE(store_.remove("b", "k"));
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, kOffsets);
}

TEST_F(ObjectStoreTest, RemovingAndItsConditions) {
  ASSERT_TRUE(store_.put("b", "k", "12345").has_value());
  RemoveCondition wrong;
  wrong.if_match = "other";
  EXPECT_EQ(store_.remove("b", "k", wrong).error(), Errc::precondition_failed);
  RemoveCondition size;
  size.size = 4;
  EXPECT_EQ(store_.remove("b", "k", size).error(), Errc::precondition_failed);
  size.size = 5;
  EXPECT_TRUE(store_.remove("b", "k", size).has_value());
  EXPECT_EQ(head("k").error(), Errc::not_found);
  EXPECT_TRUE(store_.remove("b", "k").has_value());
  EXPECT_TRUE(store_.remove("b", "k", wrong).has_value());
  EXPECT_EQ(store_.remove("b", "k", size).error(), Errc::precondition_failed);
}

TEST_F(ObjectStoreTest, BulkDeleteAnswersForEveryKeyAndCountsRight) {
  std::vector<RemoveRequest> requests;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(store_.put("b", std::to_string(i), "x").has_value());
    requests.push_back({std::to_string(i), {}});
  }
  ASSERT_TRUE(store_.put("b", "large", tests::random_bytes(1, 2 << 20)).has_value());
  requests.push_back({"large", {}});
  requests.push_back({"absent", {}});
  requests.push_back({"7", {}});  // twice
  requests[3].condition.if_match = "other";
  const auto results = store_.run(objects().remove_many("b", requests));
  ASSERT_EQ(results.size(), requests.size());
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].has_value(), i != 3) << i;
  EXPECT_EQ(store_.list_keys("b"), std::vector<std::string>{"3"});
  EXPECT_EQ(store_.run(objects().remove_bucket("b")).error(), Errc::bucket_not_empty);
  ASSERT_TRUE(store_.remove("b", "3").has_value());
  EXPECT_TRUE(store_.run(objects().remove_bucket("b")).has_value());
}

// Bodies of their own go together in one transaction; of those that share one, each after the other.
TEST_F(ObjectStoreTest, BulkDeleteOfLargeBodiesLeavesNoRow) {
  std::vector<RemoveRequest> requests;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(store_.put("b", std::to_string(i), tests::random_bytes(1, 2 << 20)).has_value());
    requests.push_back({std::to_string(i), {}});
  }
  ASSERT_TRUE(store_.put("b", "kept", tests::random_bytes(2, 2 << 20)).has_value());
  std::uint64_t before = store_.rows().commits();
  for (const auto& result : store_.run(objects().remove_many("b", requests))) EXPECT_TRUE(result.has_value());
  EXPECT_EQ(store_.rows().commits() - before, 1u);
  EXPECT_EQ(rows_with('L'), 1u);
  EXPECT_EQ(rows_with('R'), 1u);
  ASSERT_TRUE(copy("kept", "second").has_value());
  ASSERT_TRUE(copy("kept", "third").has_value());
  before = store_.rows().commits();
  for (const auto& result : store_.run(objects().remove_many("b", {{"kept", {}}, {"second", {}}}))) {
    EXPECT_TRUE(result.has_value());
  }
  EXPECT_EQ(rows_with('R'), 1u);
  EXPECT_EQ(store_.get("b", "third"), tests::random_bytes(2, 2 << 20)) << "somebody still holds it";
  ASSERT_TRUE(copy("third", "fourth").has_value());
  for (const auto& result : store_.run(objects().remove_many("b", {{"third", {}}, {"fourth", {}}}))) {
    EXPECT_TRUE(result.has_value());
  }
  for (const char type : {'L', 'R', 'G'}) EXPECT_EQ(rows_with(type), 0u) << type;
}

TEST_F(ObjectStoreTest, ACopySharesALargeBodyUntilItsLastHolderGoes) {
  const std::string bytes = tests::random_bytes(3, 3 << 20);
  ASSERT_TRUE(store_.put("b", "a", bytes).has_value());
  ASSERT_TRUE(copy("a", "c").has_value());
  ASSERT_TRUE(copy("c", "d").has_value());
  EXPECT_EQ(rows_with('L'), 1u);
  EXPECT_EQ(rows_with('R'), 3u);
  ASSERT_TRUE(store_.remove("b", "a").has_value());
  EXPECT_EQ(store_.get("b", "c"), bytes);
  ASSERT_TRUE(store_.remove("b", "c").has_value());
  EXPECT_EQ(store_.get("b", "d"), bytes);
  ASSERT_TRUE(store_.remove("b", "d").has_value());
  EXPECT_EQ(rows_with('L'), 0u);
  EXPECT_EQ(rows_with('R'), 0u);
  EXPECT_EQ(rows_with('G'), 0u);
}

TEST_F(ObjectStoreTest, ACopyOntoItselfKeepsTheBytes) {
  for (const std::size_t size : {std::size_t{100}, std::size_t{3'000'000}}) {
    const std::string bytes = tests::random_bytes(size, size);
    ASSERT_TRUE(store_.put("b", "k", bytes).has_value());
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(copy("k", "k").has_value());
      EXPECT_EQ(store_.get("b", "k"), bytes);
    }
  }
}

TEST_F(ObjectStoreTest, ACopyOfASmallBodyOutlivesItsSource) {
  ASSERT_TRUE(store_.put("b", "a", "small body").has_value());
  ASSERT_TRUE(copy("a", "c").has_value());
  ASSERT_TRUE(store_.remove("b", "a").has_value());
  EXPECT_EQ(store_.get("b", "c"), "small body");
}

TEST_F(ObjectStoreTest, CopyingAVersionThatIsGoneSaysSo) {
  ASSERT_TRUE(store_.put("b", "a", tests::random_bytes(1, 2 << 20)).has_value());
  auto source = store_.run(objects().open({"b", "a"})).value();
  ASSERT_TRUE(store_.remove("b", "a").has_value());
  EXPECT_EQ(store_.run(objects().copy(*source, {"b", "c"}, CopyOptions{})).error(), Errc::not_found);
}

TEST_F(ObjectStoreTest, AttributesAndTagsComeBack) {
  tests::MemoryBody body("x");
  PutOptions options;
  options.attributes.content_type = "image/png";
  options.attributes.user_metadata = {{"empty", ""}, {"name", std::string("b\xc3\xa4r")}};
  options.attributes.tags = {{"class", "cat"}};
  ASSERT_TRUE(store_.run(objects().put({"b", "k"}, options, body)).has_value());
  store_.reboot();
  const ObjectInfoPtr info = head("k").value();
  EXPECT_EQ(info->attributes.content_type, "image/png");
  EXPECT_EQ(info->attributes.user_metadata, options.attributes.user_metadata);
  EXPECT_EQ(info->attributes.tags, options.attributes.tags);
  EXPECT_EQ(info->version_id, "null");
  ASSERT_TRUE(store_.set_tags({"b", "k"}, {{"class", "dog"}, {"split", "test"}}).has_value());
  EXPECT_EQ(head("k").value()->attributes.tags, (NameValues{{"class", "dog"}, {"split", "test"}}));
  EXPECT_EQ(head("k").value()->modified_ms, info->modified_ms);
}

TEST_F(ObjectStoreTest, BucketsHaveALifeOfTheirOwn) {
  EXPECT_EQ(store_.create_bucket("b").error(), Errc::bucket_exists);
  ASSERT_TRUE(store_.put("b", "k", "x").has_value());
  EXPECT_EQ(store_.run(objects().remove_bucket("b")).error(), Errc::bucket_not_empty);
  ASSERT_TRUE(store_.remove("b", "k").has_value());
  auto upload = store_.run(objects().create_upload({"b", "u"}, UploadOptions{}));
  ASSERT_TRUE(upload.has_value());
  ASSERT_TRUE(store_.run(objects().remove_bucket("b")).has_value());
  EXPECT_EQ(store_.put("b", "k", "x").error(), Errc::bucket_not_found);
  EXPECT_EQ(rows_with('U'), 0u);
  EXPECT_EQ(rows_with('D'), 0u);
  ASSERT_TRUE(store_.create_bucket("b").has_value());
  EXPECT_TRUE(store_.list_keys("b").empty());
}

TEST_F(ObjectStoreTest, BucketsAreListedByNameOwnerAndPage) {
  for (const char* name : {"c1", "c3", "c2", "d1"}) ASSERT_TRUE(store_.create_bucket(name).has_value());
  auto page = store_.run(objects().list_buckets("owner", "c", "", 2)).value();
  ASSERT_EQ(page.buckets.size(), 2u);
  EXPECT_EQ(page.buckets[1].name, "c2");
  ASSERT_TRUE(page.next.has_value());
  page = store_.run(objects().list_buckets("owner", "c", *page.next, 2)).value();
  ASSERT_EQ(page.buckets.size(), 1u);
  EXPECT_EQ(page.buckets[0].name, "c3");
  EXPECT_FALSE(page.next.has_value());
  EXPECT_TRUE(store_.run(objects().list_buckets("stranger", "", "", 10)).value().buckets.empty());
}

TEST_F(ObjectStoreTest, EverythingSurvivesARestartAndTheLossOfAnyTwoDrives) {
  std::map<std::string, std::string> model;
  for (int i = 0; i < 20; ++i) {
    const std::string key = "k" + std::to_string(i);
    model[key] = tests::random_bytes(static_cast<std::uint64_t>(i), static_cast<std::size_t>(i * i * 997));
    ASSERT_TRUE(store_.put("b", key, model[key]).has_value());
  }
  for (std::size_t a = 0; a < 6; ++a) {
    for (std::size_t b = a + 1; b < 6; ++b) {
      store_.reboot();
      store_.disks().pull(a);
      store_.disks().pull(b);
      for (const auto& [key, bytes] : model) EXPECT_EQ(store_.get("b", key), bytes) << a << ' ' << b << ' ' << key;
      store_.stop();
      store_.disks().put_back(a);
      store_.disks().put_back(b);
    }
  }
}

}  // namespace
}  // namespace storage
