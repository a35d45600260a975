#include "server/listener.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>

#include "storage/base/log.h"

namespace server {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                         storage::Executor>;

constexpr std::chrono::milliseconds kAcceptPause{50};
constexpr std::int64_t kEpisodeMs = 10'000;
// Of connections_max, so many idle ones at once make room for new ones.
constexpr unsigned kIdleShare = 64;

Task<> counted(std::unique_ptr<Session> session, ConnectionCount& count) {
  co_await Session::run(std::move(session));
  count.open.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace

bool TlsContext::load(const std::string& certificate_file, const std::string& key_file, std::string& why) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  boost::system::error_code error;
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);  // idle connections hold none
  context->use_certificate_chain_file(certificate_file, error);
  if (error) {
    why = "the TLS certificate " + certificate_file + " cannot be used: " + error.message();
    return false;
  }
  context->use_private_key_file(key_file, asio::ssl::context::pem, error);
  if (error || SSL_CTX_check_private_key(context->native_handle()) != 1) {
    why = "the TLS key " + key_file + " cannot be used" + (error ? ": " + error.message() : " with the certificate");
    return false;
  }
  std::lock_guard lock(mutex_);
  context_ = std::move(context);
  return true;
}

std::shared_ptr<asio::ssl::context> TlsContext::current() const {
  std::lock_guard lock(mutex_);
  return context_;
}

Listener::Listener(Core& core, const tcp::endpoint& endpoint, Handler& handler, RequestMetrics* metrics,
                   storage::TaskGroup& sessions, ConnectionCount& count, const TlsContext* tls)
    : core_(core),
      handler_(handler),
      metrics_(metrics),
      sessions_(sessions),
      count_(count),
      tls_(tls),
      acceptor_(core.executor) {
  acceptor_.open(endpoint.protocol());
  acceptor_.set_option(tcp::acceptor::reuse_address(true));
  acceptor_.set_option(ReusePort(true));
  acceptor_.bind(endpoint);
  acceptor_.listen(4096);
}

void Listener::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
}

Task<> Listener::pause(std::string_view reason) {
  if (!paused_) {
    storage::log_warn("accept_paused", {{"reason", reason}, {"connections", count_.open.load(std::memory_order_relaxed)}});
    paused_ = true;
  }
  paused_since_ms_ = Connection::coarse_now_ms();
  core_.end_oldest_idle(count_.max / kIdleShare + 1);
  Timer timer(core_.executor);
  timer.expires_after(kAcceptPause);
  co_await timer.async_wait(asio::as_tuple(storage::use_task));
}

Task<> Listener::run() {
  while (acceptor_.is_open()) {
    if (count_.open.load(std::memory_order_relaxed) >= count_.max) {
      co_await pause("connections_max");
      continue;
    }
    auto [error, socket] = co_await acceptor_.async_accept(core_.executor, asio::as_tuple(storage::use_task));
    if (!acceptor_.is_open()) co_return;
    if (error) {
      // Out of descriptors or memory, or a peer that left: wait a moment, then go on.
      if (error != asio::error::connection_aborted) co_await pause(error.message());
      continue;
    }
    // An episode is over once there was room for a while; otherwise each connection that ends would begin a new one.
    if (paused_ && Connection::coarse_now_ms() - paused_since_ms_ >= kEpisodeMs) {
      paused_ = false;
      storage::log_info("accept_resumed");
    }
    start_session(std::move(socket));
  }
}

void Listener::start_session(Socket socket) {
  boost::system::error_code error;
  socket.set_option(tcp::no_delay(true), error);
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;  // gone already
  count_.open.fetch_add(1, std::memory_order_relaxed);
  std::string address = peer.address().to_string();
  auto connection = tls_ != nullptr ? make_tls_connection(std::move(socket), std::move(address), tls_->current())
                                    : make_plain_connection(std::move(socket), std::move(address));
  auto session = std::make_unique<Session>(std::move(connection), handler_, core_, metrics_);
  sessions_.spawn(core_.executor, counted(std::move(session), count_));
}

}  // namespace server
