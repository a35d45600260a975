// Connection: one accepted socket, plain or TLS, and its deadline.
//
// Threads   its core's executor only. Lifetime: the session owns it.
// Deadline  one coarse point in time; the core's sweeper closes what is past it (no timer is armed per request), and
//           what is too slow for too long.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "server/pace.h"
#include "storage/base/result.h"
#include "storage/base/task.h"

namespace server {

using storage::Error;
using storage::Result;
using storage::Task;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, storage::Executor>;

class Connection {
 public:
  virtual ~Connection() = default;

  virtual Task<Result<>> handshake() = 0;
  // 1 or more bytes; 0 when the peer has closed its side.
  virtual Task<Result<std::size_t>> read_some(std::span<std::byte> into) = 0;
  // Writes all of both pieces in as few system calls as the kernel allows.
  virtual Task<Result<>> write(std::span<const std::byte> first, std::span<const std::byte> second) = 0;
  // Whether the kernel is to hold little for this client (some 256 KiB that it has not sent; megabytes otherwise), so
  // that a client that reads slowly costs little, and is known for it soon.
  void bound_unsent(bool bounded);
  // Waits until the kernel takes a good part of an answer again, so that nobody holds memory for a client that does not
  // read. Costs one system call when it does.
  Task<Result<>> wait_writable();
  // Says goodbye (TLS close_notify, FIN) without waiting for an answer.
  virtual Task<> shutdown() = 0;
  virtual bool tls() const = 0;

  const std::string& peer() const { return peer_; }

  void set_deadline(std::chrono::seconds from_now) { deadline_ms_ = coarse_now_ms() + from_now.count() * 1000; }
  bool past_deadline(std::int64_t now_ms) const { return now_ms > deadline_ms_; }
  // Milliseconds of the monotonic clock, some milliseconds late and nearly free: deadlines are set several times a request.
  static std::int64_t coarse_now_ms();
  // Ends whatever read or write is under way; it returns an error, and expired() is true.
  void expire();
  bool expired() const { return expired_; }
  // The expiry was answered for: what is read and written from here on counts anew.
  void clear_expired() { expired_ = false; }
  // What a peer whose write expired has not taken is dropped.
  void close();

  // How fast the peer sends a body; its reader says when it waits.
  Pace& receiving() { return receiving_; }
  const Pace& receiving() const { return receiving_; }
  // How fast the peer takes the answer, over seconds and over a minute.
  const Pace& sending() const { return sending_; }
  const Pace& sending_long() const { return sending_long_; }
  void restart_sending();
  // Counts what the peer has taken since the last look, which is less than the kernel has: a write that waits is not
  // stalled while something moves.
  void look_at_sending(std::int64_t now_ms);
  // The process stood still for `ms`: no deadline comes nearer by that.
  void forgive(std::int64_t ms);

 protected:
  explicit Connection(std::string peer) : peer_(std::move(peer)) {}
  virtual Socket& socket() = 0;
  void write_begins();
  void write_ends(std::size_t bytes);
  void write_failed() { abort_ = abort_ || expired_; }

 private:
  static constexpr std::int64_t kWindowMs = 5'000;
  static constexpr std::int64_t kLongWindowMs = 60'000;

  std::string peer_;
  std::int64_t deadline_ms_ = INT64_MAX;
  bool expired_ = false;
  bool abort_ = false;  // close() is not to wait for the peer
  bool unsent_bounded_ = false;
  std::uint64_t sent_bytes_ = 0;   // handed to the kernel
  std::uint64_t taken_bytes_ = 0;  // of them, by the peer, at the last look
  Pace receiving_{kWindowMs};
  Pace sending_{kWindowMs};
  Pace sending_long_{kLongWindowMs};
};

std::unique_ptr<Connection> make_plain_connection(Socket socket, std::string peer);
// The context is kept alive for the connection: certificates may be re-read meanwhile.
std::unique_ptr<Connection> make_tls_connection(Socket socket, std::string peer,
                                                std::shared_ptr<boost::asio::ssl::context> context);

}  // namespace server
