#include "storage/keys.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "storage/metadata/metadata_store.h"

namespace storage::keys {
namespace {

TEST(Keys, RowsOfObjectsSortAsTheirKeysDo) {
  const std::vector<std::string> ordered{std::string("\0", 1), std::string("\0\0", 2), std::string("\0\1", 2),
                                         std::string("\1", 1), "a",  std::string("a\0", 2), std::string("a\0b", 3),
                                         "a-b", "a/", "a/b", "aa", "a\xc3\xa4", "a\xf0\x9f\x98\x80", "b"};
  std::vector<std::string> rows;
  for (const std::string& key : ordered) rows.push_back(head(7, key));
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(head_object(rows[i]), ordered[i]);
}

TEST(Keys, APrefixRangeHoldsExactlyTheKeysWithThatPrefix) {
  const metadata::KeyRange range = metadata::prefix_range(head_prefix(7, "a\xff"));
  const auto inside = [&](const std::string& key) { return key >= range.begin && (range.end.empty() || key < range.end); };
  EXPECT_TRUE(inside(head(7, "a\xff")));
  EXPECT_TRUE(inside(head(7, "a\xff\xff z")));
  EXPECT_FALSE(inside(head(7, "a\xfe")));
  EXPECT_FALSE(inside(head(7, "b")));
  EXPECT_FALSE(inside(head(8, "a\xff")));
}

TEST(Keys, UploadsSortByKeyThenId) {
  EXPECT_LT(upload(1, "a", "2"), upload(1, "a", "3"));
  EXPECT_LT(upload(1, "a", "9"), upload(1, "a/b", "1"));
  const auto parts = upload_parts_of(upload(1, std::string("a\0b", 3), "id"));
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->key, std::string("a\0b", 3));
  EXPECT_EQ(parts->upload_id, "id");
}

TEST(Keys, WhatIsNoKeyIsRefused) {
  EXPECT_FALSE(head_object("H").has_value());
  EXPECT_FALSE(head_object(head(1, "a").substr(0, 10)).has_value());
  EXPECT_FALSE(segment_id("Sshort").has_value());
  EXPECT_EQ(segment_id(segment(42)), 42u);
}

}  // namespace
}  // namespace storage::keys
