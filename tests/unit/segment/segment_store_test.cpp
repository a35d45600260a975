#include "storage/segment/segment_store.h"

#include <gtest/gtest.h>

#include "erasure/codec.h"
#include "storage/base/log.h"
#include "tests/unit/segment/store_rig.h"

namespace storage::segment {
namespace {

using tests::FakeSource;
using tests::StoreRig;
using tests::StoreRigOptions;

class SegmentStoreTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::off); }
  void TearDown() override { set_log_level(LogLevel::info); }
  tests::SeededRandom random{tests::test_seed(7)};
};

TEST_F(SegmentStoreTest, ALoneBodyIsReadBackWhole) {
  StoreRig rig{StoreRigOptions{}};
  ASSERT_TRUE(rig.boot()) << rig.why;
  for (const std::size_t size : {1, 100, 4096, 4097, 50'000, 1'000'000}) {
    const auto body = tests::random_bytes(random, size);
    const auto appended = rig.append(body);
    ASSERT_TRUE(appended) << appended.error().message();
    EXPECT_EQ(appended->extent.length, size);
    EXPECT_EQ(appended->extent.crc, erasure::crc32c(body));
    const auto back = rig.read(appended->extent);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, body);
  }
}

TEST_F(SegmentStoreTest, WaitingBodiesShareAStripeAndAreEachOneRead) {
  StoreRigOptions options;
  options.store.batches_in_flight_max = 1;
  StoreRig rig{options};
  ASSERT_TRUE(rig.boot()) << rig.why;
  // The first body goes alone; while it is being written the other 32 wait and become one stripe... of 1 MiB zones
  // only as much as fits, so they are small here.
  std::vector<std::vector<std::byte>> bodies;
  for (int i = 0; i < 33; ++i) bodies.push_back(tests::random_bytes(random, 25'000));
  const auto results = rig.append_all(bodies);
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    ASSERT_TRUE(results[i]) << results[i].error().message();
    const std::uint64_t before = rig.reads();
    const auto back = rig.read(results[i]->extent);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, bodies[i]);
    if (i > 0) EXPECT_EQ(rig.reads() - before, 1u) << "body " << i;
  }
}

}  // namespace
}  // namespace storage::segment
