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
  const auto store = StoreNode::start(config, StoreNode::BlankDrives::refuse, metrics, {}, why);
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

int list_from_drives(const Config& config, bool json) {
  const auto print = [json](const storage::segment::ScannedPiece& found) {
    std::string blob;
    for (const std::uint8_t byte : found.piece.name.blob) blob += fmt::format("{:02x}", byte);
    if (!json) {
      fmt::print("{:>8} {:>7} {:>9} {:>9}  {}  {}/{}\n", found.segment, found.stripe_block, found.piece.begin,
                 found.piece.length, blob, found.piece.name.bucket, found.piece.name.key);
      return;
    }
    const nlohmann::json line = {{"segment", found.segment},          {"segment_created_ms", found.segment_created_ms},
                                 {"stripe_block", found.stripe_block}, {"sequence", found.sequence},
                                 {"begin", found.piece.begin},        {"length", found.piece.length},
                                 {"blob", blob},                      {"bucket", found.piece.name.bucket},
                                 {"key", found.piece.name.key}};
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  };
  if (!json) fmt::print("{:>8} {:>7} {:>9} {:>9}  {:<32}  OBJECT\n", "SEGMENT", "BLOCK", "BEGIN", "LENGTH", "BLOB");
  storage::segment::ScanTotals totals;
  std::string why;
  if (!StoreNode::scan_drives(config, print, totals, why)) {
    fmt::print(stderr, "granary: {}\n", why);
    return 1;
  }
  fmt::print(stderr, "{} pieces in {} stripes of {} segments; {} reads failed\n", totals.pieces, totals.stripes,
             totals.segments, totals.unreadable);
  return 0;
}

}  // namespace server
