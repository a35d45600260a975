#include "server/admin_server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "server/config.h"
#include "storage/base/log.h"
#include "storage/base/task_group.h"

namespace server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Local = asio::local::stream_protocol;
using Tcp = asio::ip::tcp;

constexpr auto kAsTuple = asio::as_tuple(storage::use_task);
constexpr std::size_t kConnectionsMax = 64;
constexpr std::uint32_t kHeadBytesMax = 16 * 1024;
constexpr std::uint64_t kBodyBytesMax = 64 * 1024;
constexpr std::chrono::seconds kIdleLimit{10};
constexpr std::chrono::milliseconds kAcceptPause{50};

bool open_to_all(const AdminRequest& request) {
  return request.path == "/metrics" || request.path.starts_with("/.granary/health/");
}

// Compares in a time that does not depend on where the first difference lies.
bool same_token(std::string_view given, std::string_view wanted) {
  unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(wanted[i % wanted.size()]);
  }
  return difference == 0;
}

AdminAnswer refused(unsigned status, const char* sentence) {
  return {status, fmt::format("{{\"error\": \"{}\"}}\n", sentence), "application/json"};
}

}  // namespace

struct AdminServer::State {
  Options options;
  AdminHandle handle;
  asio::io_context context{1};
  asio::executor_work_guard<storage::Executor> keep_running{context.get_executor()};
  std::optional<asio::basic_socket_acceptor<Local, storage::Executor>> local;
  std::optional<asio::basic_socket_acceptor<Tcp, storage::Executor>> tcp;
  storage::TaskGroup accepting;
  storage::TaskGroup sessions;
  std::thread thread;

  bool authorised(std::string_view authorization) const {
    constexpr std::string_view kScheme = "Bearer ";
    return !options.token.empty() && authorization.starts_with(kScheme) &&
           same_token(authorization.substr(kScheme.size()), options.token);
  }

  Task<AdminAnswer> answer(AdminRequest request, bool trusted) {
    if (!trusted && !open_to_all(request)) {
      co_return options.token.empty() ? refused(403, "no admin_token is configured: use the unix socket")
                                      : refused(401, "a bearer token is needed");
    }
    AdminAnswer answer;
    try {
      answer = co_await handle(std::move(request));
    } catch (const std::exception& error) {
      storage::log_error("admin_request_failed", {{"what", error.what()}});
      answer = refused(500, "internal error: the log says more");
    }
    co_return answer;
  }

  template <class Protocol>
  Task<> serve(asio::basic_stream_socket<Protocol, storage::Executor> socket, bool trusted) {
    beast::basic_stream<Protocol, storage::Executor> stream(std::move(socket));
    beast::flat_buffer buffer(kHeadBytesMax + kBodyBytesMax);
    bool more = true;
    while (more) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(kHeadBytesMax);
      parser.body_limit(kBodyBytesMax);
      stream.expires_after(kIdleLimit);
      auto [error, count] = co_await http::async_read(stream, buffer, parser, kAsTuple);
      if (error) co_return;
      const auto& head = parser.get();
      const auto target = head.target();
      AdminRequest request{std::string(head.method_string()), std::string(target.substr(0, target.find('?'))), head.body()};
      const auto authorization = head[http::field::authorization];
      const bool allowed = trusted || authorised({authorization.data(), authorization.size()});
      stream.expires_never();
      AdminAnswer answered = co_await answer(std::move(request), allowed);
      http::response<http::string_body> response(static_cast<http::status>(answered.status), head.version());
      response.set(http::field::content_type, answered.type);
      response.keep_alive(head.keep_alive());
      response.body() = std::move(answered.text);
      response.prepare_payload();
      stream.expires_after(kIdleLimit);
      auto [failed, sent] = co_await http::async_write(stream, response, kAsTuple);
      more = !failed && response.keep_alive();
    }
  }

  template <class Protocol>
  Task<> accept(asio::basic_socket_acceptor<Protocol, storage::Executor>& acceptor, bool trusted) {
    while (true) {
      auto [error, socket] = co_await acceptor.async_accept(kAsTuple);
      if (error == asio::error::operation_aborted || !acceptor.is_open()) co_return;
      if (error) {
        // No file is left, most likely: asking again at once would fail again at once.
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                   storage::Executor>
            pause(context.get_executor());
        pause.expires_after(kAcceptPause);
        auto [ended] = co_await pause.async_wait(kAsTuple);
        if (ended) co_return;
        continue;
      }
      if (sessions.size() >= kConnectionsMax) continue;
      sessions.spawn(context.get_executor(), serve<Protocol>(std::move(socket), trusted));
    }
  }

  bool listen_local(std::string& why);
  bool listen_tcp(std::string& why);
};

bool AdminServer::State::listen_local(std::string& why) {
  const std::filesystem::path path(options.socket);
  std::error_code failed;
  if (!path.parent_path().empty() && !std::filesystem::exists(path.parent_path())) {
    std::filesystem::create_directories(path.parent_path(), failed);
    if (!failed) ::chmod(path.parent_path().c_str(), 0700);
  }
  // Whoever owns the directory could put a socket of his own there.
  struct stat folder{};
  if (::stat(path.parent_path().empty() ? "." : path.parent_path().c_str(), &folder) != 0 ||
      (folder.st_uid != ::geteuid() && folder.st_uid != 0)) {
    why = fmt::format("the directory of the admin socket {} is absent or another user's: give another \"admin_socket\"",
                      options.socket);
    return false;
  }
  try {
    // A socket that a killed process left behind refuses connections; one that answers belongs to another store.
    asio::io_context probe_context;
    Local::socket probe(probe_context);
    boost::system::error_code unanswered;
    probe.connect(Local::endpoint(options.socket), unanswered);
    if (!unanswered) {
      why = fmt::format("another process serves the admin socket {}: stop it, or give another \"admin_socket\"", options.socket);
      return false;
    }
    ::unlink(options.socket.c_str());
    const mode_t mask = ::umask(0177);
    try {
      local.emplace(context.get_executor(), Local::endpoint(options.socket));
    } catch (...) {
      ::umask(mask);
      throw;
    }
    ::umask(mask);
  } catch (const boost::system::system_error& error) {
    why = fmt::format("cannot listen on the admin socket {}: {}: give another \"admin_socket\"", options.socket,
                      error.code().message());
    return false;
  }
  return true;
}

bool AdminServer::State::listen_tcp(std::string& why) {
  std::string host;
  std::uint16_t port = 0;
  split_address(options.listen, host, port);
  try {
    Tcp::resolver resolver(context);
    tcp.emplace(context.get_executor(),
                resolver.resolve(host, std::to_string(port), Tcp::resolver::passive).begin()->endpoint());
  } catch (const boost::system::system_error& error) {
    why = fmt::format("cannot listen on {}: {}", options.listen, error.code().message());
    return false;
  }
  return true;
}

AdminServer::AdminServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

AdminServer::~AdminServer() { stop(); }

std::unique_ptr<AdminServer> AdminServer::start(Options options, AdminHandle handle, std::string& why) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  state->handle = std::move(handle);
  if (!state->options.socket.empty() && !state->listen_local(why)) return nullptr;
  if (!state->options.listen.empty() && !state->listen_tcp(why)) return nullptr;
  State& running = *state;
  if (running.local) running.accepting.spawn(running.context.get_executor(), running.accept(*running.local, true));
  if (running.tcp) running.accepting.spawn(running.context.get_executor(), running.accept(*running.tcp, false));
  running.thread = std::thread([&running] { running.context.run(); });
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(state)));
}

void AdminServer::stop() {
  if (!state_->thread.joinable()) return;
  const auto end = [](State& state) -> Task<> {
    state.accepting.cancel();
    co_await state.accepting.join();
    state.sessions.cancel();
    co_await state.sessions.join();
  };
  asio::co_spawn(state_->context, end(*state_), asio::use_future).get();
  if (state_->local) ::unlink(state_->options.socket.c_str());
  state_->keep_running.reset();
  state_->thread.join();
}

std::string default_admin_socket(const std::string& listen) {
  std::string host;
  std::uint16_t port = 0;
  split_address(listen, host, port);
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::string folder =
      runtime != nullptr && *runtime != '\0' ? std::string(runtime) : fmt::format("/tmp/granary-{}", ::getuid());
  return fmt::format("{}/granary-{}.sock", folder, port);
}

}  // namespace server
