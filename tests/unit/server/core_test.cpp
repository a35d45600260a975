// The sweeper over sessions that hang: who is cut, and for what. No clock runs: times are given.
#include "server/core.h"

#include <gtest/gtest.h>

#include "server/session.h"
#include "tests/support/run_task.h"

namespace server {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

// A connection that moves nothing until it is told.
class QuietConnection final : public Connection {
 public:
  explicit QuietConnection(boost::asio::io_context& context) : Connection("test"), socket_(context.get_executor()) {}
  Task<Result<>> handshake() override { co_return storage::success(); }
  Task<Result<std::size_t>> read_some(std::span<std::byte>) override { co_return std::size_t{0}; }
  Task<Result<>> write(std::span<const std::byte>, std::span<const std::byte>) override { co_return storage::success(); }
  Task<> shutdown() override { co_return; }
  bool tls() const override { return false; }
  using Connection::write_begins;

 protected:
  Socket& socket() override { return socket_; }

 private:
  Socket socket_;
};

class NoHandler final : public Handler {
 public:
  Task<api::Response> handle(const api::Request&, api::HttpBody&) override { co_return api::Response{}; }
};

class CoreTest : public testing::Test {
 protected:
  CoreTest() {
    core_.memory_short = [this] { return memory_; };
    core_.slow_clients_cut = &metrics_.counter("cut", "Cut.");
    for (int i = 0; i < 3; ++i) {
      auto connection = std::make_unique<QuietConnection>(context_);
      connections_.push_back(connection.get());
      sessions_.push_back(std::make_unique<Session>(std::move(connection), handler_, core_, nullptr));
      connections_.back()->set_deadline(std::chrono::hours(24));
    }
  }
  std::vector<bool> expired() const {
    std::vector<bool> all;
    for (const QuietConnection* each : connections_) all.push_back(each->expired());
    return all;
  }
  // Seen from where the waits began.
  std::int64_t later(std::int64_t ms) const { return start_ms_ + ms; }

  boost::asio::io_context context_{1};
  storage::MetricsRegistry metrics_;
  NoHandler handler_;
  Core core_{context_.get_executor()};
  MemoryShort memory_;
  std::vector<QuietConnection*> connections_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::int64_t start_ms_ = Connection::coarse_now_ms();
};

TEST_F(CoreTest, SlowSendersAreCutOnlyWhileMemoryIsShort) {
  connections_[1]->receiving().wait_begins(start_ms_);
  core_.sweep(later(20'000), 0);
  EXPECT_EQ(expired(), std::vector<bool>({false, false, false}));
  memory_.for_readers = true;
  core_.sweep(later(20'000), 0);
  EXPECT_EQ(expired(), std::vector<bool>({false, false, false})) << "it is not the senders' memory";
  memory_.for_senders = true;
  core_.sweep(later(20'000), 0);
  EXPECT_EQ(expired(), std::vector<bool>({false, true, false}));
  EXPECT_EQ(core_.slow_clients_cut->value(), 1u);
}

TEST_F(CoreTest, SlowReadersAreCutWhileMemoryIsShortAndAfterAMinuteInAnyCase) {
  connections_[0]->write_begins();
  core_.sweep(later(20'000), 0);
  EXPECT_FALSE(connections_[0]->expired());
  core_.sweep(later(59'000), 0);
  EXPECT_FALSE(connections_[0]->expired());
  connections_[0]->set_deadline(std::chrono::hours(24));
  core_.sweep(later(62'000), 0);
  EXPECT_TRUE(connections_[0]->expired());
  connections_[2]->write_begins();
  memory_.for_readers = true;
  core_.sweep(Connection::coarse_now_ms() + 10'000, 0);
  EXPECT_EQ(expired(), std::vector<bool>({true, false, true}));
}

TEST_F(CoreTest, BoundsOfZeroCutNobody) {
  core_.patience = {0, 0};
  memory_ = {true, true};
  connections_[0]->write_begins();
  connections_[0]->set_deadline(std::chrono::hours(24));
  connections_[1]->receiving().wait_begins(start_ms_);
  core_.sweep(later(kHourMs), 0);
  EXPECT_EQ(expired(), std::vector<bool>({false, false, false}));
}

TEST_F(CoreTest, AStandstillCountsAgainstNobody) {
  memory_ = {true, true};
  connections_[0]->set_deadline(std::chrono::seconds(5));
  connections_[1]->receiving().wait_begins(start_ms_);
  core_.sweep(later(11'000), 10'000);
  core_.sweep(later(12'000), 0);
  EXPECT_EQ(expired(), std::vector<bool>({false, false, false}));
  core_.sweep(later(16'000), 0);
  EXPECT_EQ(expired(), std::vector<bool>({true, true, false}));
}

TEST_F(CoreTest, AStopEndsIdleSessionsFirstAndAtLastAll) {
  core_.closing = true;
  EXPECT_FALSE(core_.busy());
  core_.sweep(later(0), 0);
  EXPECT_EQ(expired(), std::vector<bool>({true, true, true})) << "all three are idle";
  connections_[0]->clear_expired();
  core_.cutting = true;
  core_.sweep(later(10'000), 10'000);
  EXPECT_TRUE(connections_[0]->expired()) << "not even a standstill puts the end of a stop off";
}

TEST_F(CoreTest, OnlyWhoHasBeenIdleForAWhileMakesRoom) {
  core_.end_oldest_idle(2);
  EXPECT_EQ(expired(), std::vector<bool>({false, false, false})) << "they have only just come";
}

}  // namespace
}  // namespace server
