#include "server/admin_client.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>

#include "server/config.h"

namespace server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::uint64_t kAnswerBytesMax = 64ULL << 20;

template <class Socket>
http::response<http::string_body> exchange(Socket& socket, const http::request<http::string_body>& request) {
  http::write(socket, request);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kAnswerBytesMax);
  http::read(socket, buffer, parser);
  return parser.release();
}

http::response<http::string_body> send(const AdminTarget& target, const http::request<http::string_body>& request) {
  asio::io_context context;
  std::string host;
  std::uint16_t port = 0;
  if (!target.address.starts_with('/') && split_address(target.address, host, port)) {
    asio::ip::tcp::socket socket(context);
    asio::ip::tcp::resolver resolver(context);
    socket.connect(*resolver.resolve(host, std::to_string(port)).begin());
    return exchange(socket, request);
  }
  asio::local::stream_protocol::socket socket(context);
  socket.connect(asio::local::stream_protocol::endpoint(target.address));
  return exchange(socket, request);
}

}  // namespace

bool admin_call(const AdminTarget& target, const std::string& method, const std::string& path, const std::string& body,
                nlohmann::json& answer, std::string& why) {
  http::request<http::string_body> request;
  request.method_string(method);
  request.target(path);
  request.set(http::field::host, "granary");
  if (!target.token.empty()) request.set(http::field::authorization, "Bearer " + target.token);
  request.body() = body;
  request.prepare_payload();
  try {
    const auto response = send(target, request);
    answer = nlohmann::json::parse(response.body());
    if (response.result_int() < 300) return true;
    why = answer.value("error", fmt::format("the store answered {}", response.result_int()));
  } catch (const boost::system::system_error& error) {
    why = fmt::format("no store answers at {}: {}", target.address, error.code().message());
  } catch (const nlohmann::json::exception&) {
    why = fmt::format("what answers at {} is not a store", target.address);
  }
  return false;
}

}  // namespace server
