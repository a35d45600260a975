// Listener: accepts connections on one address and starts a session for each.
//
// Threads   one listener a core and address, on that core's executor (SO_REUSEPORT spreads connections).
// Bounds    connections_max of the process over all listeners; beyond, the longest idle connections end and accepting
//           pauses. So it does when the process is out of file descriptors: nothing dies of it.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "server/session.h"
#include "storage/base/task_group.h"

namespace server {

// The TLS context in force; replaced when certificates are re-read. Threads: any.
class TlsContext {
 public:
  // Reads certificate chain and key. TLS 1.2 or later. False and a sentence in `why` if they are unusable; what was in
  // force stays.
  bool load(const std::string& certificate_file, const std::string& key_file, std::string& why);
  std::shared_ptr<boost::asio::ssl::context> current() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<boost::asio::ssl::context> context_;
};

// Connections of the whole process.
struct ConnectionCount {
  explicit ConnectionCount(unsigned connections_max) : max(connections_max) {}
  unsigned max;  // set before the first listener runs
  std::atomic<unsigned> open{0};
};

class Listener {
 public:
  // Binds; throws boost::system::system_error if the address cannot be had.
  Listener(Core& core, const boost::asio::ip::tcp::endpoint& endpoint, Handler& handler, RequestMetrics* metrics,
           storage::TaskGroup& sessions, ConnectionCount& count, const TlsContext* tls);

  // Accepts until close().
  Task<> run();
  void close();
  boost::asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  // Makes room among the idle connections and waits a moment. `reason`: for the one line of log per episode.
  Task<> pause(std::string_view reason);
  void start_session(Socket socket);

  Core& core_;
  Handler& handler_;
  RequestMetrics* metrics_;
  storage::TaskGroup& sessions_;
  ConnectionCount& count_;
  const TlsContext* tls_;  // null: plain
  bool paused_ = false;
  std::int64_t paused_since_ms_ = 0;
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, storage::Executor> acceptor_;
};

}  // namespace server
