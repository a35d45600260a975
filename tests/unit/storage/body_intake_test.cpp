// How a body is taken in: memory follows what has arrived, and whoever finds none goes on with what it has.
#include "storage/body_intake.h"

#include <gtest/gtest.h>

#include "tests/support/run_task.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

constexpr std::size_t kPoolBytes = 32 << 20;

// Gives a known body in pieces and looks at the pool each time that it is asked.
class WatchedBody final : public BodySource {
 public:
  WatchedBody(std::string bytes, std::size_t piece, const io::BufferPool& pool)
      : bytes_(std::move(bytes)), piece_(piece), pool_(pool) {}
  Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    worst_ = std::max(worst_, pool_.used_bytes() > 5 * at_ ? pool_.used_bytes() - 5 * at_ : 0);
    const std::size_t count = std::min({piece_, into.size(), bytes_.size() - at_});
    std::memcpy(into.data(), bytes_.data() + at_, count);
    at_ += count;
    co_return count;
  }
  std::optional<std::uint64_t> declared_length() const override { return bytes_.size(); }
  BodyDigests digests() const override { return {}; }
  // The most that was held beyond five times what had arrived.
  std::size_t worst() const { return worst_; }

 private:
  std::string bytes_;
  std::size_t piece_;
  const io::BufferPool& pool_;
  std::size_t at_ = 0;
  std::size_t worst_ = 0;
};

class BodyIntakeTest : public testing::Test {
 protected:
  template <class T>
  T run(Task<T> task) {
    return tests::run_task(context_, std::move(task));
  }
  static std::string text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  boost::asio::io_context context_{1};
  io::BufferPool pool_{kPoolBytes};
};

TEST_F(BodyIntakeTest, EveryLengthArrivesWholeInMemoryThatFollowsIt) {
  for (const std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 50'000u, 65'536u, 1'048'576u}) {
    const std::string bytes = tests::random_bytes(size + 1, size);
    WatchedBody body(bytes, 1000, pool_);
    BodyIntake intake(pool_, body, 1000);
    ASSERT_TRUE(run(intake.receive(1, size + 1)).has_value());
    EXPECT_TRUE(intake.ended()) << size;
    EXPECT_EQ(text(intake.received()), bytes);
    EXPECT_LE(body.worst(), 2 * BodyIntake::kFirstBytes) << size;
  }
  EXPECT_EQ(pool_.used_bytes(), 0u);
}

TEST_F(BodyIntakeTest, WithoutMemoryItGoesOnWithWhatItHas) {
  std::vector<io::Buffer> taken;
  const std::string bytes = tests::random_bytes(1, 300'000);
  WatchedBody body(bytes, 4096, pool_);
  BodyIntake intake(pool_, body, 5'000);
  ASSERT_TRUE(run(intake.receive(4096, 4096)).has_value());
  while (io::Buffer buffer = pool_.try_take(16 * 1024)) taken.push_back(std::move(buffer));
  ASSERT_TRUE(run(intake.receive(4096, 300'001)).has_value());
  EXPECT_FALSE(intake.ended());
  EXPECT_EQ(text(intake.received()), bytes.substr(0, 4096));
  taken.clear();
  intake.clear();
  ASSERT_TRUE(run(intake.receive(4096, 300'001)).has_value());
  EXPECT_TRUE(intake.ended());
  EXPECT_EQ(text(intake.received()), bytes.substr(4096));
}

TEST_F(BodyIntakeTest, WithoutAnyMemoryItIsOverloaded) {
  std::vector<io::Buffer> taken;
  while (io::Buffer buffer = pool_.try_take(1 << 20)) taken.push_back(std::move(buffer));
  WatchedBody body("some", 4, pool_);
  BodyIntake intake(pool_, body, 10);
  EXPECT_EQ(run(intake.receive(1, 100)).error(), Errc::overloaded);
}

TEST_F(BodyIntakeTest, AsASourceItGivesWhatWasReceivedAndThenTheRest) {
  const std::string bytes = tests::random_bytes(3, 100'000);
  WatchedBody body(bytes, 7000, pool_);
  BodyIntake intake(pool_, body, 1000);
  ASSERT_TRUE(run(intake.receive(1, 20'000)).has_value());
  std::vector<std::byte> all(bytes.size() + 1);
  const auto count = run(read_full(intake, all));
  ASSERT_EQ(count.value(), bytes.size());
  EXPECT_EQ(text(std::span(all).first(*count)), bytes);
  EXPECT_TRUE(intake.ended());
  EXPECT_EQ(pool_.used_bytes(), 0u) << "its buffer went back as soon as it was read";
}

TEST_F(BodyIntakeTest, AnErrorOfTheBodyIsHandedOn) {
  tests::MemoryBody body(tests::random_bytes(1, 10'000));
  body.fail_after(5'000, Errc::invalid_argument);
  BodyIntake intake(pool_, body, 1000);
  EXPECT_EQ(run(intake.receive(1, 20'000)).error(), Errc::invalid_argument);
}

}  // namespace
}  // namespace storage
