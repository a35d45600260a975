// Fills a store with many small objects through storage/object_store.h, without HTTP: bench_fill_store CONFIG BUCKET KEYS
//
// Keys are k000000000 and so on, bodies 16 bytes. The store must not be served meanwhile.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "server/config.h"
#include "server/store_node.h"

namespace {

using storage::Task;

constexpr int kWriters = 512;

// A body of its key's digits.
class SmallBody final : public storage::BodySource {
 public:
  explicit SmallBody(std::string text) : text_(std::move(text)) {}
  Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override {
    const std::size_t count = std::min(into.size(), text_.size() - at_);
    std::memcpy(into.data(), text_.data() + at_, count);
    at_ += count;
    co_return count;
  }
  std::optional<std::uint64_t> declared_length() const override { return text_.size(); }
  storage::BodyDigests digests() const override {
    storage::BodyDigests digests;
    digests.md5 = text_;
    return digests;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

Task<> write_some(storage::ObjectStore& store, std::string bucket, std::uint64_t& next, std::uint64_t keys, bool& failed) {
  while (!failed && next < keys) {
    const std::uint64_t number = next++;
    SmallBody body(fmt::format("{:016}", number));
    storage::ObjectKey key{bucket, fmt::format("k{:09}", number)};
    storage::PutOptions options;
    const auto put = co_await store.put(std::move(key), std::move(options), body);
    if (!put) {
      failed = true;
      fmt::print(stderr, "put: {}\n", put.error().message());
    }
  }
}

Task<bool> make_bucket(storage::ObjectStore& store, std::string name) {
  storage::BucketInfo bucket;
  bucket.name = std::move(name);
  bucket.owner_id = "bench";
  const auto made = co_await store.create_bucket(std::move(bucket));
  co_return made.has_value() || made.error() == storage::Errc::bucket_exists;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    fmt::print(stderr, "usage: bench_fill_store CONFIG BUCKET KEYS\n");
    return 2;
  }
  server::Flags flags;
  flags.config_file = arguments[1];
  server::Config config;
  std::string why;
  if (!server::load_config(flags, config, why)) {
    fmt::print(stderr, "{}\n", why);
    return 1;
  }
  storage::MetricsRegistry metrics;
  const auto store = server::StoreNode::start(config, server::StoreNode::BlankDrives::format, metrics, {}, why);
  if (!store) {
    fmt::print(stderr, "{}\n", why);
    return 1;
  }
  boost::asio::io_context context(1);
  auto work = boost::asio::make_work_guard(context);
  std::thread runner([&context] { context.run(); });
  store->attach(context.get_executor());
  bool failed = !boost::asio::co_spawn(context, make_bucket(store->objects(), arguments[2]), boost::asio::use_future).get();
  std::uint64_t next = 0;
  std::vector<std::future<void>> writers;
  for (int i = 0; !failed && i < kWriters; ++i) {
    writers.push_back(boost::asio::co_spawn(
        context, write_some(store->objects(), arguments[2], next, std::strtoull(arguments[3], nullptr, 10), failed),
        boost::asio::use_future));
  }
  for (std::future<void>& writer : writers) writer.get();
  store->stop();
  work.reset();
  runner.join();
  return failed ? 1 : 0;
}
