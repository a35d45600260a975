// Session: one connection's life. Reads requests, lets the handler answer, writes the answers, in order.
//
// Threads   one core. Lifetime: the core's TaskGroup owns run(); handler and metrics outlive it.
// Bounds    head kHeadBytesMax, kQueryHeadBytesMax for at most kQueryHeadsMax sessions that read a query; time from the first byte of a head to its end 30 s; idle between requests 120 s; a body
//           or an answer that does not move 30 s and 60 s; unread bodies are drained up to 256 KiB, else the connection
//           closes.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "server/connection.h"
#include "server/core.h"
#include "server/request_body.h"
#include "server/request_metrics.h"

namespace server {

// What answers requests: the S3 service, or the admin port.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual Task<api::Response> handle(const api::Request& request, api::HttpBody& body) = 0;
};

class Session {
 public:
  Session(std::unique_ptr<Connection> connection, Handler& handler, Core& core, RequestMetrics* metrics);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  static Task<> run(std::unique_ptr<Session> session);

  Connection& connection() { return *connection_; }
  bool idle() const { return idle_; }
  std::int64_t idle_since_ms() const { return idle_since_ms_; }
  // A request that came before the stop is being answered.
  bool admitted() const { return admitted_; }

 private:
  Task<> serve();
  void grow_buffer();    // to kHeadBytesMax
  // To kQueryHeadBytesMax for a head that may be so long; false if it may not, or too many others are.
  bool grow_for_query();
  void resize_buffer(std::size_t bytes);
  void shrink_buffer();  // to what an idle connection needs
  // Reads until `received_` starts with a whole head; its length, or 0 to end the connection.
  Task<std::size_t> read_head();
  // One request; false to end the connection.
  Task<bool> answer(std::size_t head_bytes);
  Task<bool> refuse(HeadFailure failure);
  Task<bool> send(api::Response& response, bool keep_alive, std::string_view request_id);
  Task<bool> send_stream(api::Response& response, bool keep_alive, std::string_view request_id);
  Task<bool> settle_body(RequestBody& body);
  Task<> linger();
  void print_head(std::string& head, const api::Response& response, bool keep_alive, std::string_view request_id);

  std::unique_ptr<Connection> connection_;
  Handler& handler_;
  Core& core_;
  RequestMetrics* metrics_;  // null: not counted
  std::list<Session*>::iterator place_;
  std::unique_ptr<std::byte[]> buffer_;     // heads, and chunked framing; small until more is needed
  std::size_t buffer_bytes_;
  std::span<std::byte> received_;           // inside buffer_: what arrived and is not used yet
  std::string head_;                        // of the answer; its memory is reused
  bool idle_ = true;
  bool admitted_ = false;
  std::int64_t idle_since_ms_ = Connection::coarse_now_ms();
};

}  // namespace server
