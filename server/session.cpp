#include "server/session.h"

#include <fmt/format.h>

#include <time.h>

#include <atomic>
#include <charconv>
#include <cstring>
#include <random>

#include "server/error_response.h"
#include "storage/base/log.h"

namespace server {
namespace {

constexpr std::chrono::seconds kHeadLimit{30};
constexpr std::chrono::seconds kIdleLimit{120};
constexpr std::chrono::seconds kHandshakeLimit{15};
constexpr std::chrono::seconds kLingerLimit{5};
constexpr std::size_t kIdleBufferBytes = 4 * 1024;  // thousands of connections may idle
constexpr std::size_t kDrainBytesMax = 256 * 1024;
// The memory of long heads: 16 MiB in all.
constexpr int kQueryHeadsMax = 64;
std::atomic<int> query_heads{0};
constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// 16 hex digits: each thread goes its own way round all 64-bit numbers from a random start, so that nothing is shared.
void make_request_id(char (&id)[17]) {
  thread_local std::uint64_t number = [] {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32) | device();
  }();
  number += 0x9e3779b97f4a7c15ULL;
  for (int i = 0; i < 16; ++i) id[i] = "0123456789ABCDEF"[(number >> (4 * (15 - i))) & 15];
  id[16] = '\0';
}

std::string_view reason_of(unsigned status) {
  const auto text = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {text.data(), text.size()};
}

void refresh_date(Core& core) {
  timespec coarse{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &coarse);
  const std::int64_t now = coarse.tv_sec;
  if (now == core.date_second) return;
  core.date_second = now;
  const std::time_t time = now;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
  core.date_header = text;
}

// Bounds what the kernel holds for the client of a large answer until that client has shown that it keeps up, and again
// when it does not.
class ClientSpeed {
 public:
  ClientSpeed(Connection& connection, std::uint64_t answer_bytes) : connection_(connection) {
    if (answer_bytes > kJudgedBytes) connection_.bound_unsent(true);
  }
  // `sent_bytes` of the answer are written.
  void sent(std::uint64_t sent_bytes) {
    if (sent_bytes - judged_bytes_ < kJudgedBytes) return;
    const std::int64_t now_ms = Connection::coarse_now_ms();
    connection_.bound_unsent(now_ms - judged_ms_ > kFastMs);
    judged_ms_ = now_ms;
    judged_bytes_ = sent_bytes;
  }

 private:
  static constexpr std::uint64_t kJudgedBytes = 1024 * 1024;
  static constexpr std::int64_t kFastMs = 250;  // 4 MiB/s

  Connection& connection_;
  std::uint64_t judged_bytes_ = 0;
  std::int64_t judged_ms_ = Connection::coarse_now_ms();
};

}  // namespace

Session::Session(std::unique_ptr<Connection> connection, Handler& handler, Core& core, RequestMetrics* metrics)
    : connection_(std::move(connection)),
      handler_(handler),
      core_(core),
      metrics_(metrics),
      place_(core.sessions.insert(core.sessions.end(), this)),
      buffer_(new std::byte[kIdleBufferBytes]),
      buffer_bytes_(kIdleBufferBytes) {
  head_.reserve(1024);
}

Session::~Session() {
  core_.sessions.erase(place_);
  if (buffer_bytes_ == kQueryHeadBytesMax) --query_heads;
}

Task<> Session::run(std::unique_ptr<Session> session) {
  session->connection_->set_deadline(kHandshakeLimit);
  Result<> ready = co_await session->connection_->handshake();
  if (ready) co_await session->serve();
  session->connection_->close();
}

Task<> Session::serve() {
  while (true) {
    const std::size_t head_bytes = co_await read_head();
    if (head_bytes == 0) co_return;
    core_.requests.store(core_.requests.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    idle_ = false;
    admitted_ = !core_.stopping;
    const bool more = co_await answer(head_bytes);
    admitted_ = false;
    idle_ = true;
    idle_since_ms_ = Connection::coarse_now_ms();
    if (!more) {
      co_await linger();
      co_return;
    }
  }
}

void Session::resize_buffer(std::size_t bytes) {
  std::unique_ptr<std::byte[]> other(new std::byte[bytes]);
  if (!received_.empty()) std::memcpy(other.get(), received_.data(), received_.size());
  received_ = {other.get(), received_.size()};
  buffer_ = std::move(other);
  if (buffer_bytes_ == kQueryHeadBytesMax) --query_heads;
  buffer_bytes_ = bytes;
}

void Session::grow_buffer() {
  if (buffer_bytes_ < kHeadBytesMax) resize_buffer(kHeadBytesMax);
}

bool Session::grow_for_query() {
  if (buffer_bytes_ == kQueryHeadBytesMax || !may_hold_query(received_)) return false;
  if (query_heads.fetch_add(1) >= kQueryHeadsMax) {
    --query_heads;
    return false;
  }
  resize_buffer(kQueryHeadBytesMax);
  return true;
}

void Session::shrink_buffer() {
  if (buffer_bytes_ == kIdleBufferBytes || received_.size() > kIdleBufferBytes / 2) return;
  resize_buffer(kIdleBufferBytes);
}

Task<std::size_t> Session::read_head() {
  shrink_buffer();
  connection_->clear_expired();
  connection_->set_deadline(received_.empty() ? kIdleLimit : kHeadLimit);
  while (true) {
    // Empty lines before a request are tolerated, as RFC 9112 asks.
    while (received_.size() >= 2 && received_[0] == std::byte{'\r'} && received_[1] == std::byte{'\n'}) {
      received_ = received_.subspan(2);
    }
    const std::size_t length = head_length(received_);
    if (length > 0) co_return length;
    if (!received_.empty() && received_.data() != buffer_.get()) {
      std::memmove(buffer_.get(), received_.data(), received_.size());
    }
    received_ = {buffer_.get(), received_.size()};
    if (received_.size() == buffer_bytes_) grow_buffer();
    if (received_.size() >= kHeadBytesMax && received_.size() == buffer_bytes_ && !grow_for_query()) {
      co_await refuse({400, "RequestHeaderSectionTooLarge",
                       "Your request header section exceeds the maximum allowed size."});
      co_await linger();
      co_return 0;
    }
    if (core_.closing) co_return 0;
    const bool first = received_.empty();
    Result<std::size_t> count =
        co_await connection_->read_some({buffer_.get() + received_.size(), buffer_bytes_ - received_.size()});
    if (!count || *count == 0) co_return 0;
    if (first) connection_->set_deadline(kHeadLimit);
    received_ = {buffer_.get(), received_.size() + *count};
  }
}

Task<bool> Session::refuse(HeadFailure failure) {
  char id[17];
  make_request_id(id);
  api::Response response = error_response(failure.status, failure.code, failure.message, id);
  connection_->set_deadline(kHeadLimit);
  [[maybe_unused]] const bool sent = co_await send(response, false, id);
  if (metrics_ != nullptr) metrics_->record({}, failure.status, 0, 0, response.text.size());
  co_return false;
}

Task<bool> Session::answer(std::size_t head_bytes) {
  const auto started = std::chrono::steady_clock::now();
  alignas(std::max_align_t) std::byte arena[4096];
  std::pmr::monotonic_buffer_resource fields(arena, sizeof arena);
  Parser parser(std::piecewise_construct, std::make_tuple(), std::make_tuple(FieldAllocator(&fields)));
  RequestHead head;
  if (auto failure = parse_head(received_.first(head_bytes), parser, head)) co_return co_await refuse(*failure);
  received_ = received_.subspan(head_bytes);

  char id[17];
  make_request_id(id);
  head.request.request_id = {id, 16};
  head.request.tls = connection_->tls();
  head.request.peer = connection_->peer();
  if (head.chunked) grow_buffer();  // framing is read through it: fewer system calls
  RequestBody body(*connection_, parser, head, received_, {buffer_.get(), buffer_bytes_});

  // While the handler works on drives nobody may cut the connection; reads and writes set deadlines of their own.
  connection_->set_deadline(std::chrono::hours(24));
  api::Response response;
  try {
    response = co_await handler_.handle(head.request, body);
  } catch (const std::exception& error) {
    storage::log_error("request_failed", {{"request", head.request.request_id}, {"what", error.what()}});
    response = error_response(500, "InternalError", "We encountered an internal error. Please try again.", id);
    response.close = true;
  }

  bool keep_alive = head.keep_alive && !response.close && !core_.stopping;
  if (body.waits_for_continue()) {
    // A client that still waits would read the final answer of a good request as lost without its 100; after a
    // refusal it must not send the body at all, so the connection ends.
    if (response.status < 300) {
      Result<> sent = co_await body.send_continue();
      if (!sent) co_return false;
    } else {
      keep_alive = false;
    }
  }
  // The answer comes first: a client may wait for it before it goes on with a body that nobody wants. What is surely too
  // much to read away ends the connection.
  const std::uint64_t unread = body.content_length() ? *body.content_length() - body.bytes_read() : 0;
  if (unread > kDrainBytesMax || body.failed()) keep_alive = false;
  const std::uint64_t sent_bytes = response.head_only ? 0 : response.content_length;
  const bool sent = co_await send(response, keep_alive, head.request.request_id);
  if (sent && keep_alive && !body.finished()) keep_alive = co_await settle_body(body);
  if (metrics_ != nullptr) {
    const auto elapsed = std::chrono::steady_clock::now() - started;
    metrics_->record(response.operation, response.status,
                     static_cast<std::uint64_t>(std::chrono::nanoseconds(elapsed).count()), body.bytes_read(), sent_bytes);
  }
  co_return sent && keep_alive;
}

// Reads away what the handler left of a body, so that the next request starts where it should.
Task<bool> Session::settle_body(RequestBody& body) {
  if (body.waits_for_continue()) co_return false;
  std::byte scrap[4096];
  std::size_t drained = 0;
  while (!body.finished()) {
    if (drained > kDrainBytesMax) co_return false;
    Result<std::size_t> count = co_await body.read(scrap);
    if (!count) co_return false;
    drained += *count;
  }
  co_return true;
}

void Session::print_head(std::string& head, const api::Response& response, bool keep_alive,
                         std::string_view request_id) {
  refresh_date(core_);
  head.clear();
  if (response.status == 200) {
    head += "HTTP/1.1 200 OK\r\n";
  } else {
    fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status));
  }
  head += "Server: Granary\r\n";
  head += core_.date_header;
  head += "x-amz-request-id: ";
  head += request_id;
  head += "\r\nx-amz-id-2: ";
  head += api::host_id(request_id);
  head += "\r\n";
  head += response.headers;
  if (response.status != 204 && response.status != 304) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, response.content_length).ptr;
    head += "Content-Length: ";
    head.append(digits, end);
    head += "\r\n";
  }
  if (!keep_alive) head += "Connection: close\r\n";
  head += "\r\n";
}

Task<bool> Session::send(api::Response& response, bool keep_alive, std::string_view request_id) {
  connection_->clear_expired();
  connection_->restart_sending();
  print_head(head_, response, keep_alive, request_id);
  const bool has_body = !response.head_only && response.status != 204 && response.status != 304;
  if (has_body && response.stream) co_return co_await send_stream(response, keep_alive, request_id);
  std::span<const std::byte> body;
  if (has_body) body = response.cached.owner ? response.cached.bytes : bytes_of(response.text);
  // Behind the requests that have arrived with this one: their answers then leave in a row, which wakes their clients less often,
  // and neither reading nor sending evicts the other's code from the cache for each request anew.
  if (response.cached.owner) co_await boost::asio::post(core_.executor, storage::use_task);
  Result<> written = co_await connection_->write(bytes_of(head_), body);
  co_return written.has_value();
}

Task<bool> Session::send_stream(api::Response& response, bool keep_alive, std::string_view request_id) {
  std::uint64_t left = response.content_length;
  std::span<const std::byte> prefix = bytes_of(head_);
  ClientSpeed speed(*connection_, left);
  while (left > 0) {
    // The next piece is fetched only once the last is on its way.
    if (prefix.empty()) {
      speed.sent(response.content_length - left);
      Result<> room = co_await connection_->wait_writable();
      if (!room) co_return false;
    }
    Result<storage::ObjectReader::Chunk> chunk = co_await response.stream->next();
    if (!chunk || chunk->bytes.empty() || chunk->bytes.size() > left) {
      const bool overloaded = !chunk && chunk.error() == storage::Errc::overloaded;
      if (!overloaded || prefix.empty()) {
        storage::log_line(overloaded ? storage::LogLevel::warn : storage::LogLevel::error, "answer_cut_short",
                          {{"operation", response.operation},
                           {"missing_bytes", left},
                           {"error", chunk ? std::string("length") : chunk.error().message()}});
      }
      // Once the head is gone the only honest sign is to cut the connection short of the length.
      if (prefix.empty()) co_return false;
      api::Response failure =
          overloaded ? error_response(503, "SlowDown", "Please reduce your request rate.", request_id)
                     : error_response(500, "InternalError", "We encountered an internal error. Please try again.", request_id);
      if (overloaded) failure.add_header("Retry-After", "1");
      failure.operation = response.operation;
      response = std::move(failure);
      co_return co_await send(response, keep_alive, request_id);
    }
    left -= chunk->bytes.size();
    Result<> written = co_await connection_->write(prefix, chunk->bytes);
    if (!written) co_return false;
    prefix = {};
  }
  if (!prefix.empty()) {
    Result<> written = co_await connection_->write(prefix, {});
    if (!written) co_return false;
  }
  co_return true;
}

// Closing with unread bytes makes the kernel send RST, and the peer may lose our answer with it: read a little.
Task<> Session::linger() {
  if (connection_->expired() || core_.cutting) co_return;
  co_await connection_->shutdown();
  connection_->set_deadline(kLingerLimit);
  std::size_t drained = 0;
  while (drained < kLingerBytesMax) {
    Result<std::size_t> count = co_await connection_->read_some({buffer_.get(), buffer_bytes_});
    if (!count || *count == 0) co_return;
    drained += *count;
  }
}

}  // namespace server
