// Session: one connection's life. Reads requests, lets the handler answer, writes the answers, in order.
//
// Threads   one core. Lifetime: the core's TaskGroup owns run(); handler and metrics outlive it.
// Bounds    head kHeadBytesMax; time from the first byte of a head to its end 30 s; idle between requests 120 s; a body
//           or an answer that does not move 30 s and 60 s; unread bodies are drained up to 256 KiB, else the connection
//           closes.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "server/connection.h"
#include "server/request_body.h"
#include "server/request_metrics.h"

namespace server {

// What answers requests: the S3 service, or the admin port.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual Task<api::Response> handle(const api::Request& request, api::HttpBody& body) = 0;
};

// State of one core that its sessions share.
struct Core {
  explicit Core(storage::Executor the_executor) : executor(the_executor) {}
  storage::Executor executor;
  std::list<class Session*> sessions;
  bool stopping = false;     // answers carry Connection: close, idle sessions end
  std::string date_header;   // "Date: ...\r\n" of the current second
  std::int64_t date_second = 0;
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

 private:
  Task<> serve();
  void grow_buffer();  // to kHeadBytesMax
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
  alignas(std::max_align_t) std::byte field_arena_[4096];  // of the request in hand
  bool idle_ = true;
};

}  // namespace server
