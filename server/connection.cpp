#include "server/connection.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/error.hpp>

namespace server {
namespace {

namespace asio = boost::asio;

constexpr auto kAsTuple = asio::as_tuple(storage::use_task);

// The kernel says that it takes more once less than half of this is unsent: a piece of 128 KiB then fits whole.
constexpr int kUnsentBytes = 256 * 1024;

// A client that takes nothing for this long is gone.
constexpr std::chrono::seconds kWriteStall{60};

// Bytes that the peer may still owe a system call: the loop is our own, since async_write cuts at 64 KiB.
template <class Stream, class Counting>
Task<Result<>> write_all(Stream& stream, Counting& connection, std::span<const std::byte> first,
                         std::span<const std::byte> second) {
  while (!first.empty() || !second.empty()) {
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(first.data(), first.size()),
                                                    asio::buffer(second.data(), second.size())};
    connection.write_begins();
    auto [error, written] = co_await stream.async_write_some(buffers, kAsTuple);
    connection.write_ends(written);
    if (error) {
      connection.write_failed();
      co_return error;
    }
    const std::size_t from_first = std::min(written, first.size());
    first = first.subspan(from_first);
    second = second.subspan(written - from_first);
  }
  co_return storage::success();
}

template <class Stream>
Task<Result<std::size_t>> read_from(Stream& stream, std::span<std::byte> into) {
  auto [error, count] = co_await stream.async_read_some(asio::buffer(into.data(), into.size()), kAsTuple);
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) co_return std::size_t{0};
  if (error) co_return error;
  co_return count;
}

class PlainConnection final : public Connection {
 public:
  PlainConnection(Socket socket, std::string peer) : Connection(std::move(peer)), socket_(std::move(socket)) {}

  Task<Result<>> handshake() override { co_return storage::success(); }
  Task<Result<std::size_t>> read_some(std::span<std::byte> into) override { return read_from(socket_, into); }
  Task<Result<>> write(std::span<const std::byte> first, std::span<const std::byte> second) override {
    return write_all(socket_, *this, first, second);
  }
  using Connection::write_begins;
  using Connection::write_ends;
  using Connection::write_failed;
  Task<> shutdown() override {
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    co_return;
  }
  bool tls() const override { return false; }

 protected:
  Socket& socket() override { return socket_; }

 private:
  Socket socket_;
};

class TlsConnection final : public Connection {
 public:
  TlsConnection(Socket socket, std::string peer, std::shared_ptr<asio::ssl::context> context)
      : Connection(std::move(peer)), context_(std::move(context)), stream_(std::move(socket), *context_) {}

  Task<Result<>> handshake() override {
    auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kAsTuple);
    if (error) co_return error;
    co_return storage::success();
  }
  Task<Result<std::size_t>> read_some(std::span<std::byte> into) override { return read_from(stream_, into); }
  Task<Result<>> write(std::span<const std::byte> first, std::span<const std::byte> second) override {
    return write_all(stream_, *this, first, second);
  }
  using Connection::write_begins;
  using Connection::write_ends;
  using Connection::write_failed;
  Task<> shutdown() override {
    set_deadline(std::chrono::seconds(2));
    [[maybe_unused]] auto [error] = co_await stream_.async_shutdown(kAsTuple);
  }
  bool tls() const override { return true; }

 protected:
  Socket& socket() override { return stream_.next_layer(); }

 private:
  std::shared_ptr<asio::ssl::context> context_;
  asio::ssl::stream<Socket> stream_;
};

}  // namespace

std::int64_t Connection::coarse_now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

void Connection::expire() {
  expired_ = true;
  boost::system::error_code ignored;
  socket().cancel(ignored);
}

void Connection::restart_sending() {
  sending_.restart();
  sending_long_.restart();
}

void Connection::write_begins() {
  const std::int64_t now_ms = coarse_now_ms();
  deadline_ms_ = now_ms + std::chrono::milliseconds(kWriteStall).count();
  sending_.wait_begins(now_ms);
  sending_long_.wait_begins(now_ms);
}

void Connection::write_ends(std::size_t bytes) {
  const std::int64_t now_ms = coarse_now_ms();
  sending_.wait_ends(now_ms);
  sending_long_.wait_ends(now_ms);
  sent_bytes_ += bytes;
}

void Connection::look_at_sending(std::int64_t now_ms) {
  int queued = 0;
  if (!sending_.waiting() || ::ioctl(socket().native_handle(), SIOCOUTQ, &queued) != 0 || queued < 0) return;
  const std::uint64_t taken = sent_bytes_ - std::min<std::uint64_t>(sent_bytes_, static_cast<std::uint64_t>(queued));
  if (taken <= taken_bytes_) return;
  sending_.moved(taken - taken_bytes_);
  sending_long_.moved(taken - taken_bytes_);
  taken_bytes_ = taken;
  deadline_ms_ = now_ms + std::chrono::milliseconds(kWriteStall).count();
}

void Connection::bound_unsent(bool bounded) {
  if (bounded == unsent_bounded_) return;
  unsent_bounded_ = bounded;
  const int bytes = bounded ? kUnsentBytes : 0;  // 0: the system's own
  ::setsockopt(socket().native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

Task<Result<>> Connection::wait_writable() {
  pollfd look{socket().native_handle(), POLLOUT, 0};
  if (::poll(&look, 1, 0) == 1) co_return storage::success();
  write_begins();
  auto [error] = co_await socket().async_wait(Socket::wait_write, kAsTuple);
  write_ends(0);
  if (!error) co_return storage::success();
  write_failed();
  co_return error;
}

void Connection::forgive(std::int64_t ms) {
  if (deadline_ms_ < INT64_MAX - ms) deadline_ms_ += ms;
  receiving_.forgive(ms);
  sending_.forgive(ms);
  sending_long_.forgive(ms);
}

void Connection::close() {
  boost::system::error_code ignored;
  // The kernel would keep megabytes for a peer that takes nothing.
  if (abort_) socket().set_option(Socket::linger(true, 0), ignored);
  socket().close(ignored);
}

std::unique_ptr<Connection> make_plain_connection(Socket socket, std::string peer) {
  return std::make_unique<PlainConnection>(std::move(socket), std::move(peer));
}

std::unique_ptr<Connection> make_tls_connection(Socket socket, std::string peer,
                                                std::shared_ptr<asio::ssl::context> context) {
  return std::make_unique<TlsConnection>(std::move(socket), std::move(peer), std::move(context));
}

}  // namespace server
