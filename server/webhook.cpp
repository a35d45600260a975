#include "server/webhook.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <charconv>
#include <chrono>

namespace server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using PlainStream = beast::basic_stream<tcp, storage::Executor, beast::unlimited_rate_policy>;
using TlsStream = beast::ssl_stream<PlainStream>;
using Resolver = asio::ip::basic_resolver<tcp, storage::Executor>;
using storage::Task;

constexpr std::chrono::seconds kConnectTime{5};
constexpr std::chrono::seconds kAnswerTime{10};
constexpr std::uint64_t kAnswerBytesMax = 64 * 1024;
constexpr std::uint32_t kBatch = 16;

class WebhookSink final : public EventSink {
 public:
  WebhookSink(storage::Executor executor, WebhookAddress address, const api::EventTarget& target)
      : executor_(executor), address_(std::move(address)), resolver_(executor), context_(asio::ssl::context::tls_client) {
    if (!target.token.empty()) {
      authorization_ = target.token.find(' ') == std::string::npos ? "Bearer " + target.token : target.token;
    }
    if (!address_.tls) return;
    SSL_CTX_set_min_proto_version(context_.native_handle(), TLS1_2_VERSION);
    context_.set_verify_mode(asio::ssl::verify_peer);
    if (target.certificate_authority.empty()) context_.set_default_verify_paths();
    else context_.load_verify_file(target.certificate_authority);
  }

  Task<std::size_t> deliver(const std::vector<api::QueuedEvent>& events, std::string& why) override {
    std::size_t taken = 0;
    for (const api::QueuedEvent& event : events) {
      const bool reused = stream_ != nullptr || tls_stream_ != nullptr;
      why = co_await post(event.message);
      // A kept connection may have ended while nobody looked.
      if (!why.empty() && reused && !answered_ && !closed_) why = co_await post(event.message);
      if (!why.empty()) break;
      ++taken;
    }
    co_return taken;
  }

  std::uint32_t batch() const override { return kBatch; }

  void close() override {
    closed_ = true;
    resolver_.cancel();
    drop();
  }

 private:
  // Ends the connection. Its memory goes with the next one: operations on it may be under way.
  void drop() {
    if (tls_stream_) beast::get_lowest_layer(*tls_stream_).close();
    if (stream_) stream_->close();
  }

  // Empty: connected.
  Task<std::string> connect() {
    tls_stream_.reset();
    stream_.reset();
    buffer_.clear();
    auto [resolve_error, endpoints] =
        co_await resolver_.async_resolve(address_.host, address_.port, asio::as_tuple(storage::use_task));
    if (resolve_error) co_return "its host cannot be resolved: " + resolve_error.message();
    if (closed_) co_return "stopped";
    if (!address_.tls) {
      stream_ = std::make_unique<PlainStream>(executor_);
    } else {
      tls_stream_ = std::make_unique<TlsStream>(PlainStream(executor_), context_);
    }
    PlainStream& lowest = stream_ ? *stream_ : beast::get_lowest_layer(*tls_stream_);
    lowest.expires_after(kConnectTime);
    auto [connect_error, endpoint] = co_await lowest.async_connect(endpoints, asio::as_tuple(storage::use_task));
    if (connect_error) co_return "cannot connect: " + connect_error.message();
    boost::system::error_code ignored;
    lowest.socket().set_option(tcp::no_delay(true), ignored);
    if (!tls_stream_) co_return std::string();
    tls_stream_->set_verify_callback(asio::ssl::host_name_verification(address_.host));
    SSL_set_tlsext_host_name(tls_stream_->native_handle(), address_.host.c_str());
    auto [handshake_error] =
        co_await tls_stream_->async_handshake(asio::ssl::stream_base::client, asio::as_tuple(storage::use_task));
    if (handshake_error) co_return "no TLS: " + handshake_error.message();
    co_return std::string();
  }

  // Empty: the event was taken.
  Task<std::string> post(const std::string& message) {
    answered_ = false;
    std::string why;
    if (closed_) co_return "stopped";
    if (!stream_ && !tls_stream_) why = co_await connect();
    if (why.empty()) {
      if (stream_) why = co_await exchange(*stream_, message);
      else why = co_await exchange(*tls_stream_, message);
    }
    if (!why.empty() || ends_) {
      drop();
      tls_stream_.reset();
      stream_.reset();
    }
    co_return why;
  }

  template <class Stream>
  Task<std::string> exchange(Stream& stream, const std::string& message) {
    ends_ = false;
    http::request<http::string_body> request(http::verb::post, address_.target, 11);
    request.set(http::field::host, address_.authority);
    request.set(http::field::user_agent, "granary");
    request.set(http::field::content_type, "application/json");
    if (!authorization_.empty()) request.set(http::field::authorization, authorization_);
    request.body() = message;
    request.prepare_payload();
    beast::get_lowest_layer(stream).expires_after(kAnswerTime);
    auto [write_error, written] = co_await http::async_write(stream, request, asio::as_tuple(storage::use_task));
    if (write_error) co_return "cannot send: " + write_error.message();
    http::response_parser<http::string_body> parser;
    parser.body_limit(kAnswerBytesMax);
    auto [read_error, read] = co_await http::async_read(stream, buffer_, parser, asio::as_tuple(storage::use_task));
    if (!parser.is_header_done()) co_return "no answer: " + read_error.message();
    answered_ = true;
    // What it has to say beside the status is nobody's business; a long answer costs the connection only.
    ends_ = read_error.failed() || !parser.get().keep_alive();
    const unsigned status = parser.get().result_int();
    if (status / 100 == 2) co_return std::string();
    co_return "it answered " + std::to_string(status);
  }

  storage::Executor executor_;
  WebhookAddress address_;
  std::string authorization_;
  Resolver resolver_;
  asio::ssl::context context_;
  std::unique_ptr<PlainStream> stream_;
  std::unique_ptr<TlsStream> tls_stream_;
  beast::flat_buffer buffer_;
  bool answered_ = false;  // the last exchange got a status
  bool ends_ = false;      // the connection is of no more use
  bool closed_ = false;
};

bool is_port(const std::string& text) {
  unsigned port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stop == end && port >= 1 && port <= 65535;
}

}  // namespace

std::optional<WebhookAddress> parse_webhook_url(const std::string& url) {
  constexpr std::string_view kPlain = "http://";
  constexpr std::string_view kTls = "https://";
  WebhookAddress address;
  address.tls = url.starts_with(kTls);
  if (!address.tls && !url.starts_with(kPlain)) return std::nullopt;
  const bool printable = std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!printable || url.find('#') != std::string::npos) return std::nullopt;
  const std::string rest = url.substr(address.tls ? kTls.size() : kPlain.size());
  const std::size_t path = rest.find_first_of("/?");
  address.authority = rest.substr(0, path);
  address.target = path == std::string::npos ? "/" : rest.substr(path);
  if (address.target.front() == '?') address.target.insert(0, "/");
  if (address.authority.empty() || address.authority.find('@') != std::string::npos) return std::nullopt;
  address.host = address.authority;
  address.port = address.tls ? "443" : "80";
  const std::size_t bracket = address.authority.rfind(']');
  const std::size_t colon = address.authority.rfind(':');
  if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
    address.port = address.authority.substr(colon + 1);
    address.host = address.authority.substr(0, colon);
  }
  if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find_first_of("[]:") != std::string::npos) {
    return std::nullopt;
  }
  if (address.host.empty() || !is_port(address.port)) return std::nullopt;
  return address;
}

std::unique_ptr<EventSink> make_webhook_sink(storage::Executor executor, const api::EventTarget& target) {
  auto address = parse_webhook_url(target.url);
  if (!address) throw boost::system::system_error(boost::system::errc::make_error_code(boost::system::errc::invalid_argument));
  return std::make_unique<WebhookSink>(executor, std::move(*address), target);
}

}  // namespace server
