// The registry: rows of tables that do not see each other, changed under their revisions.
#include <gtest/gtest.h>

#include "tests/support/simulated_store.h"

namespace {

using storage::Errc;
using storage::RegistryRow;
using tests::SimulatedStore;

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() { store_.start(); }
  ~RegistryTest() override { store_.stop(); }

  storage::Result<std::uint64_t> put(std::string table, std::string name, std::string value,
                                     std::optional<std::uint64_t> revision = std::nullopt) {
    RegistryRow row;
    row.name = std::move(name);
    row.value = std::move(value);
    return store_.run(store_.objects().put_registry_row(std::move(table), std::move(row), revision));
  }
  storage::Result<RegistryRow> get(std::string table, std::string name) {
    return store_.run(store_.objects().registry_row(std::move(table), std::move(name)));
  }
  std::string names(std::string table, std::string after = {}, std::uint32_t limit = 100) {
    std::string all;
    const auto rows = store_.run(store_.objects().registry_rows(std::move(table), std::move(after), limit));
    for (const RegistryRow& row : rows.value()) all += row.name + "=" + row.value + " ";
    return all;
  }

  SimulatedStore store_{SimulatedStore::Options{}};
};

TEST_F(RegistryTest, RowsAndTables) {
  EXPECT_EQ(get("t", "a").error(), Errc::not_found);
  EXPECT_TRUE(put("t", "b", "2"));
  EXPECT_TRUE(put("t", "a", std::string("1\0x", 3)));
  EXPECT_TRUE(put("ta", "c", "3"));
  EXPECT_TRUE(put("t", std::string("a\0b", 3), "4"));
  EXPECT_EQ(get("t", "a")->value, std::string("1\0x", 3));
  EXPECT_EQ(names("t"), std::string("a=1\0x a\0b=4 b=2 ", 16));
  EXPECT_EQ(names("t", "a", 1), std::string("a\0b=4 ", 6));
  EXPECT_EQ(names("t", "b"), "");
  EXPECT_EQ(names("ta"), "c=3 ");
  EXPECT_TRUE(store_.run(store_.objects().remove_registry_row("t", "a", std::nullopt)));
  EXPECT_TRUE(store_.run(store_.objects().remove_registry_row("t", "a", std::nullopt))) << "gone is gone";
  EXPECT_EQ(get("t", "a").error(), Errc::not_found);
  store_.reboot();
  EXPECT_EQ(get("t", "b")->value, "2");
}

TEST_F(RegistryTest, Revisions) {
  const auto first = put("t", "a", "1", 0);
  ASSERT_TRUE(first);
  EXPECT_EQ(put("t", "a", "2", 0).error(), Errc::conflict) << "it is there";
  const auto second = put("t", "a", "2", *first);
  ASSERT_TRUE(second);
  EXPECT_EQ(put("t", "a", "3", *first).error(), Errc::conflict);
  EXPECT_EQ(get("t", "a")->value, "2");
  EXPECT_EQ(get("t", "a")->revision, *second);
  EXPECT_EQ(store_.run(store_.objects().remove_registry_row("t", "a", *first)).error(), Errc::conflict);
  EXPECT_TRUE(store_.run(store_.objects().remove_registry_row("t", "a", *second)));
}

TEST_F(RegistryTest, Bounds) {
  EXPECT_EQ(put("", "a", "").error(), Errc::invalid_argument);
  EXPECT_EQ(put("t", "", "").error(), Errc::invalid_argument);
  EXPECT_EQ(put("t", std::string(257, 'x'), "").error(), Errc::invalid_argument);
  EXPECT_EQ(put("t", "a", std::string(storage::kRegistryValueBytesMax + 1, 'x')).error(), Errc::too_large);
  EXPECT_TRUE(put("t", "a", std::string(storage::kRegistryValueBytesMax, 'x')));
  EXPECT_EQ(store_.run(store_.objects().registry_rows("t", {}, 0)).error(), Errc::invalid_argument);
}

}  // namespace
