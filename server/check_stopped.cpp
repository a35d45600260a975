// granary check on a store that nobody serves: opens it, walks it, closes it.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "server/admin_service.h"
#include "server/commands.h"
#include "server/store_node.h"

namespace server {

int check_stopped(const Config& config, bool json) {
  storage::MetricsRegistry metrics;
  std::string why;
  const auto store = StoreNode::start(config, metrics, {}, why);
  if (!store) {
    fmt::print(stderr, "granary: {}\n", why);
    return 1;
  }
  boost::asio::io_context context;
  auto done = boost::asio::co_spawn(context, store->upkeep().check(), boost::asio::use_future);
  std::thread runner([&context] { context.run(); });
  while (done.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready) {
    if (!json) show_check_progress(check_document(store->upkeep().checked()));
  }
  runner.join();
  const int result = print_check(check_document(store->upkeep().checked()), json);
  store->stop();
  return result;
}

}  // namespace server
