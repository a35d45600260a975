#include "storage/base/log.h"

#include <gtest/gtest.h>

namespace storage {
namespace {

TEST(Log, AKeyWithANewlineCannotForgeALine) {
  testing::internal::CaptureStderr();
  log_warn("object_lost", {{"key", "a\n2026 error forged"}, {"size", 7}, {"empty", ""}});
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find(" warn object_lost key=\"a\\x0a2026 error forged\" size=7 empty=\"\"\n"), std::string::npos) << line;
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(Log, LinesBelowTheLevelAreDropped) {
  testing::internal::CaptureStderr();
  set_log_level(LogLevel::error);
  log_warn("quiet");
  log_error("loud");
  set_log_level(LogLevel::info);
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(lines.find("quiet"), std::string::npos);
  EXPECT_NE(lines.find("loud"), std::string::npos);
}

}  // namespace
}  // namespace storage
