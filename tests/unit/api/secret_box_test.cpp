#include "api/secret_box.h"

#include <gtest/gtest.h>

namespace {

TEST(SecretBox, OpensWhatItSealed) {
  const api::SecretBox box(std::string(32, 'k'));
  const auto sealed = box.seal("secret", "about");
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->find("secret"), std::string::npos);
  EXPECT_EQ(box.open(*sealed, "about"), "secret");
  EXPECT_EQ(box.open(*box.seal("", ""), ""), "");
  EXPECT_NE(box.seal("secret", "about"), sealed) << "a nonce of its own each time";
  EXPECT_FALSE(box.open(*sealed, "another place"));
  EXPECT_FALSE(api::SecretBox(std::string(32, 'x')).open(*sealed, "about"));
  for (std::size_t i = 0; i < sealed->size(); ++i) {
    std::string changed = *sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(box.open(changed, "about")) << i;
    EXPECT_FALSE(box.open(sealed->substr(0, i), "about")) << i;
  }
}

TEST(SecretBox, DoesNothingWithoutAKey) {
  const api::SecretBox none("");
  EXPECT_FALSE(none.has_key());
  EXPECT_FALSE(none.seal("secret", ""));
  EXPECT_FALSE(api::SecretBox(std::string(16, 'k')).has_key()) << "half a key is none";
}

}  // namespace
