#include "server/file_limit.h"

#include <gtest/gtest.h>

namespace server {
namespace {

TEST(FileLimit, ConnectionsGetWhatDrivesAndMetadataLeave) {
  EXPECT_EQ(connections_within(1'000'000, 60, 6, 16'384), 16'384u) << "no more than asked for";
  const unsigned of_few = connections_within(1000, 60, 6, 16'384);
  EXPECT_GT(of_few, 500u);
  EXPECT_LT(of_few, 1000u - 60u);
  EXPECT_LT(connections_within(1000, 60, 20, 16'384), of_few) << "each drive has files of its own";
}

TEST(FileLimit, TooFewFilesForAnyServiceIsSaid) {
  EXPECT_EQ(connections_within(64, 60, 6, 16'384), 0u);
  EXPECT_EQ(connections_within(0, 0, 0, 1), 0u);
}

TEST(FileLimit, TheLimitIsReadAndOpenFilesAreCounted) {
  EXPECT_GT(raise_file_limit(), 16u);
  EXPECT_GE(open_files(), 3u);
}

}  // namespace
}  // namespace server
