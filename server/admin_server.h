// AdminServer: the operator's port. HTTP with JSON over a unix socket, and over TCP if configured.
//
// Who may   the unix socket lies in a directory of the user who runs the store, mode 0700. Over TCP health and /metrics are
//           open; everything else needs `Authorization: Bearer TOKEN`, and is refused while no token is configured.
// Threads   one of its own with its io_context: a drive that formats for seconds delays no S3 request.
// Bounds    64 connections, 64 KiB a request, 10 s without a request. Lifetime: stop() before the store stops.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "storage/base/task.h"

namespace server {

using storage::Task;

struct AdminRequest {
  std::string method;
  std::string path;     // without the query
  std::string body;     // JSON, or empty
};

struct AdminAnswer {
  unsigned status = 200;
  std::string text;
  std::string type = "application/json";
};

using AdminHandle = std::function<Task<AdminAnswer>(AdminRequest)>;

class AdminServer {
 public:
  struct Options {
    std::string socket;  // path of the unix socket; empty: none
    std::string listen;  // HOST:PORT; empty: none
    std::string token;   // for TCP
  };

  // Listens from now on. Null and a sentence in `why` on failure.
  static std::unique_ptr<AdminServer> start(Options options, AdminHandle handle, std::string& why);
  ~AdminServer();

  // Ends what runs, waits for it, removes the socket. Blocks.
  void stop();

 private:
  struct State;
  explicit AdminServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Where the store that listens on `listen` (HOST:PORT) has its unix socket unless told otherwise:
// $XDG_RUNTIME_DIR/granary-PORT.sock, or /tmp/granary-UID/granary-PORT.sock.
std::string default_admin_socket(const std::string& listen);

}  // namespace server
