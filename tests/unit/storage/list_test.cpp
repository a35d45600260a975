#include <gtest/gtest.h>

#include <set>

#include "tests/support/simulated_store.h"

namespace storage {
namespace {

class ListTest : public testing::Test {
 protected:
  ListTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
  }
  void put(const std::vector<std::string>& keys) {
    for (const auto& key : keys) ASSERT_TRUE(store_.put("b", key, "").has_value());
  }
  ObjectPage list(ListOptions options) { return store_.run(store_.objects().list("b", std::move(options))).value(); }
  static std::vector<std::string> keys_of(const ObjectPage& page) {
    std::vector<std::string> keys;
    for (const auto& object : page.objects) keys.push_back(object->key);
    return keys;
  }
  using Texts = std::vector<std::string>;

  tests::SimulatedStore store_{{}};
};

TEST_F(ListTest, OrderIsByBytes) {
  const Texts keys{"a", "a-b", "a.b", "a/", "a/b", "a\xc3\xa4", "a\xf0\x9f\x98\x80", "foo+1/x", "foo/x"};
  Texts shuffled = keys;
  std::reverse(shuffled.begin(), shuffled.end());
  put(shuffled);
  EXPECT_EQ(keys_of(list({})), keys);
}

TEST_F(ListTest, ADelimiterFoldsKeysIntoCommonPrefixes) {
  put({"a", "dir/1", "dir/2", "dir/sub/3", "e"});
  ListOptions options;
  options.delimiter = "/";
  ObjectPage page = list(options);
  EXPECT_EQ(keys_of(page), (Texts{"a", "e"}));
  EXPECT_EQ(page.common_prefixes, (Texts{"dir/"}));
  options.prefix = "dir/";
  page = list(options);
  EXPECT_EQ(keys_of(page), (Texts{"dir/1", "dir/2"}));
  EXPECT_EQ(page.common_prefixes, (Texts{"dir/sub/"}));
}

TEST_F(ListTest, PagesCountKeysAndPrefixesTogetherAndMeetEachOnce) {
  Texts keys;
  for (int i = 0; i < 30; ++i) {
    keys.push_back(fmt::format("d{:02}/x", i));
    keys.push_back(fmt::format("d{:02}/y", i));
    keys.push_back(fmt::format("k{:02}", i));
  }
  put(keys);
  for (std::uint32_t size = 1; size < 12; ++size) {
    ListOptions options;
    options.delimiter = "/";
    options.entries_max = size;
    std::multiset<std::string> seen;
    for (int pages = 0; pages < 100; ++pages) {
      const ObjectPage page = list(options);
      ASSERT_LE(page.objects.size() + page.common_prefixes.size(), size);
      for (const auto& key : keys_of(page)) seen.insert(key);
      for (const auto& prefix : page.common_prefixes) seen.insert(prefix);
      if (!page.truncated) break;
      options.after = page.next_after;
    }
    EXPECT_EQ(seen.size(), 60u) << "pages of " << size;
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 60u);
  }
}

TEST_F(ListTest, ResumingInsideACommonPrefixSkipsIt) {
  put({"a/1", "a/2", "a/3", "b"});
  ListOptions options;
  options.delimiter = "/";
  options.after = "a/2";
  const ObjectPage page = list(options);
  EXPECT_TRUE(page.common_prefixes.empty());
  EXPECT_EQ(keys_of(page), (Texts{"b"}));
}

TEST_F(ListTest, AnExactPageIsNotTruncated) {
  put({"a", "b", "c"});
  ListOptions options;
  options.entries_max = 3;
  EXPECT_FALSE(list(options).truncated);
  options.entries_max = 2;
  EXPECT_TRUE(list(options).truncated);
  options.entries_max = 0;
  EXPECT_FALSE(list(options).truncated);
  EXPECT_TRUE(list(options).objects.empty());
}

TEST_F(ListTest, AMultiCharacterDelimiterAndAPrefixThatIsItselfAKey) {
  put({"x", "xDELy", "xDELz", "xa"});
  ListOptions options;
  options.prefix = "x";
  options.delimiter = "DEL";
  const ObjectPage page = list(options);
  EXPECT_EQ(keys_of(page), (Texts{"x", "xa"}));
  EXPECT_EQ(page.common_prefixes, (Texts{"xDEL"}));
}

}  // namespace
}  // namespace storage
