// Failures from below and from the connection, as clients see them.
#include "tests/unit/api/service_fixture.h"

namespace {

using tests::Reply;
using tests::ServiceTest;
using tests::TestRequest;

class FailureTest : public ServiceTest {
 protected:
  FailureTest() { EXPECT_EQ(call("PUT", "/bkt").status, 200u); }

  Reply put_with_body_error(api::BodyErrc error) {
    body_error_ = make_error_code(error);
    Reply reply = call("PUT", "/bkt/k", std::string(100'000, 'x'));
    body_error_ = {};
    EXPECT_EQ(call("GET", "/bkt/k").code(), "NoSuchKey");
    return reply;
  }
};

// Items 68, 69.
TEST_F(FailureTest, BodiesThatEndEarly) {
  EXPECT_EQ(put_with_body_error(api::BodyErrc::http_body_truncated).code(), "IncompleteBody");
  EXPECT_EQ(put_with_body_error(api::BodyErrc::http_body_malformed).code(), "IncompleteBody");
  const Reply stalled = put_with_body_error(api::BodyErrc::http_body_timeout);
  EXPECT_EQ(stalled.code(), "RequestTimeout");
  EXPECT_EQ(stalled.status, 400u);
  EXPECT_TRUE(stalled.close);
}

// Item 72.
TEST_F(FailureTest, FullMemoryIsSlowDown) {
  std::vector<storage::io::Buffer> taken;
  for (;;) {
    auto buffer = request_pool_.try_take(storage::io::kMaxBufferBytes);
    if (!buffer) break;
    taken.push_back(std::move(buffer));
  }
  while (auto buffer = request_pool_.try_take(4096)) taken.push_back(std::move(buffer));
  const Reply full = call("PUT", "/bkt/k", "hello");
  EXPECT_EQ(full.status, 503u);
  EXPECT_EQ(full.code(), "SlowDown");
  EXPECT_FALSE(full.header("Retry-After").empty());
  taken.clear();
  EXPECT_EQ(call("PUT", "/bkt/k", "hello").status, 200u);
}

TEST_F(FailureTest, TooFewDrivesRefuseWritesAndServeReads) {
  put("/bkt/k", "hello");
  for (std::size_t disk = 0; disk < 2; ++disk) disks_.pull(disk);
  EXPECT_EQ(call("GET", "/bkt/k").body, "hello") << "k shards are left";
  for (std::size_t disk = 2; disk < 4; ++disk) disks_.pull(disk);
  Reply refused;
  for (int attempt = 0; attempt < 3 && refused.code() != "ServiceUnavailable"; ++attempt) {
    refused = call("PUT", "/bkt/k2", "hello");
    EXPECT_GE(refused.status, 500u);
  }
  EXPECT_EQ(refused.code(), "ServiceUnavailable") << refused.body;
  EXPECT_EQ(refused.status, 503u);
  EXPECT_FALSE(refused.header("Retry-After").empty());
}

// More than 5 GiB is refused by its declared length, before a byte is read.
TEST_F(FailureTest, TooLargeIsKnownAtTheHead) {
  TestRequest request("PUT", "/bkt/k");
  request.set("x-amz-decoded-content-length", "5368709121");
  auto user = main_user();
  user.payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
  const Reply reply = call_as(user, request);
  EXPECT_EQ(reply.code(), "EntityTooLarge");
  EXPECT_EQ(reply.element("MaxSizeAllowed"), "5368709120");
  EXPECT_FALSE(reply.body_was_read);
}

TEST_F(FailureTest, RefusedBeforeTheBodyIsRead) {
  for (const auto& [name, value, code] : {std::tuple{"content-md5", "nonsense", "InvalidDigest"},
                                          {"x-amz-checksum-crc32", "nonsense", "BadDigest"},
                                          {"x-amz-checksum-blake3", "AAAA", "InvalidRequest"},
                                          {"x-amz-tagging", "a=1&a=1", "InvalidTag"},
                                          {"if-none-match", "\"x\"", "NotImplemented"}}) {
    TestRequest request("PUT", "/bkt/k", "hello");
    request.set(name, value);
    const Reply reply = call(request);
    EXPECT_EQ(reply.code(), code) << name;
    EXPECT_FALSE(reply.body_was_read) << name;
  }
}

}  // namespace
