// The key that seals secrets: given, made once, kept, and not taken from a file that others read.
#include "server/secrets_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/scratch_directory.h"

namespace {

class SecretsKeyTest : public testing::Test {
 protected:
  std::string load() {
    std::string key;
    why_.clear();
    return server::load_secrets_key(config_, key, why_) ? key : "refused";
  }
  static void write(const std::string& path, const std::string& text, mode_t mode) {
    std::ofstream(path) << text;
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }

  tests::ScratchDirectory directory_;
  server::Config config_;
  std::string why_;
};

constexpr const char* kText = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
constexpr const char* kKey = "0123456789abcdef0123456789abcdef";

TEST_F(SecretsKeyTest, IsMadeOnceAndKept) {
  config_.secrets_key_file = directory_.file("s.key");
  const std::string key = load();
  EXPECT_EQ(key.size(), 32u) << why_;
  EXPECT_EQ(load(), key);
  struct stat status {};
  ASSERT_EQ(::stat(config_.secrets_key_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  config_.secrets_key_file = directory_.file("t.key");
  EXPECT_NE(load(), key);
}

TEST_F(SecretsKeyTest, IsWhereTheConfigurationIs) {
  config_.folder = directory_.path();
  const std::string key = load();
  config_.folder.clear();
  config_.secrets_key_file = directory_.file("secrets.key");
  EXPECT_EQ(load(), key);
}

TEST_F(SecretsKeyTest, IsReadAsItWasWritten) {
  config_.secrets_key_file = directory_.file("s.key");
  write(config_.secrets_key_file, std::string(kText) + "\n", 0600);
  EXPECT_EQ(load(), kKey);
  write(config_.secrets_key_file, std::string(kText) + "\n", 0640);
  EXPECT_EQ(load(), "refused");
  EXPECT_NE(why_.find("chmod 600"), std::string::npos);
  for (const char* text : {"", "short\n", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ==", "not base64 at all, but 44 characters long...="}) {
    write(config_.secrets_key_file, text, 0600);
    EXPECT_EQ(load(), "refused") << text;
  }
  config_.secrets_key_file = "/nowhere/at/all.key";
  EXPECT_EQ(load(), "refused");
}

// Nobody asked for a file there: the store does without.
TEST_F(SecretsKeyTest, IsDoneWithout) {
  config_.folder = "/nowhere/at/all";
  EXPECT_EQ(load(), "");
  config_.secrets_key = kKey;
  EXPECT_EQ(load(), kKey);
}

}  // namespace
