// The load generator of the benchmarks: keep-alive HTTP/1.1 over epoll, one event loop a thread, closed loop.
//
// Drives the store and nginx alike. Every answer's status and length are checked, and the bytes of one in 64 GETs against the
// content that the key must have. Requests are signed with SigV4 beforehand, so that signing costs the generator nothing
// while it measures. Prints one JSON object.
//
//   load get|put|fill|list --port N --prefix /bucket/ --size BYTES --keys N --connections N --seconds S [--threads N]
//        [--access-key K --secret-key K]   sign; else anonymous
//   load files --directory DIR --size BYTES --keys N     writes the same contents as files, for nginx
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string mode;
  unsigned short port = 0;
  std::string prefix = "/bench/";
  std::size_t size = 4096;
  std::size_t keys = 1000;
  unsigned connections = 32;
  unsigned threads = 2;
  double seconds = 2;
  std::string access_key;
  std::string secret_key;
  std::string directory;
  std::string names;      // "padded": keys of eight digits
};

constexpr std::size_t kContentBytes = 64 << 20;
constexpr std::size_t kCheckedShare = 64;

// Every key's content is a piece of one random block, found by the key's number.
class Content {
 public:
  Content() : bytes_(kContentBytes + (16 << 20)) {
    std::mt19937_64 random(42);
    for (std::size_t i = 0; i + 8 <= bytes_.size(); i += 8) {
      const std::uint64_t word = random();
      std::memcpy(bytes_.data() + i, &word, 8);
    }
  }
  const char* of(std::size_t key) const { return bytes_.data() + key * 4099 % kContentBytes; }

 private:
  std::vector<char> bytes_;
};

std::string hex(const unsigned char* bytes, std::size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

std::string hmac(const std::string& key, const std::string& text) {
  unsigned char digest[32];
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), digest, &length);
  return {reinterpret_cast<char*>(digest), length};
}

std::string sha256_hex(const std::string& text) {
  unsigned char digest[32];
  EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha256(), nullptr);
  return hex(digest, sizeof digest);
}

// The head of a request, signed if there are keys. Paths and queries are given in canonical form.
std::string make_head(const Options& options, const std::string& method, const std::string& path, const std::string& query,
                      std::size_t length) {
  const std::string host = "127.0.0.1:" + std::to_string(options.port);
  std::string head = method + ' ' + path + (query.empty() ? "" : "?" + query) + " HTTP/1.1\r\nHost: " + host + "\r\n";
  if (!options.access_key.empty()) {
    static const std::string stamp = [] {
      const std::time_t now = std::time(nullptr);
      char text[32];
      std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", std::gmtime(&now));
      return std::string(text);
    }();
    const std::string day = stamp.substr(0, 8);
    const std::string scope = day + "/us-east-1/s3/aws4_request";
    const std::string names = "host;x-amz-content-sha256;x-amz-date";
    const std::string canonical = method + '\n' + path + '\n' + query + "\nhost:" + host +
                                  "\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:" + stamp + "\n\n" + names +
                                  "\nUNSIGNED-PAYLOAD";
    const std::string to_sign = "AWS4-HMAC-SHA256\n" + stamp + '\n' + scope + '\n' + sha256_hex(canonical);
    const std::string key = hmac(hmac(hmac(hmac("AWS4" + options.secret_key, day), "us-east-1"), "s3"), "aws4_request");
    const std::string signature = hmac(key, to_sign);
    head += "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-date: " + stamp +
            "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + options.access_key + '/' + scope +
            ", SignedHeaders=" + names +
            ", Signature=" + hex(reinterpret_cast<const unsigned char*>(signature.data()), signature.size()) + "\r\n";
  }
  if (method == "PUT") head += "Content-Length: " + std::to_string(length) + "\r\n";
  return head + "\r\n";
}

struct Totals {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> errors{0};
  std::atomic<std::size_t> next_fill{0};
};

class Worker {
 public:
  Worker(const Options& options, const Content& content, const std::vector<std::string>& heads, Totals& totals,
         unsigned connections, unsigned seed)
      : options_(options), content_(content), heads_(heads), totals_(totals), random_(seed), epoll_(epoll_create1(0)) {
    for (unsigned i = 0; i < connections; ++i) connections_.push_back(std::make_unique<Connection>());
    buffer_.resize(256 * 1024);
  }

  void run(Clock::time_point end) {
    end_ = end;
    for (auto& connection : connections_) {
      open(*connection);
      begin(*connection);
    }
    epoll_event events[64];
    while (running_ > 0) {
      const int count = epoll_wait(epoll_, events, 64, 5000);
      if (count <= 0) throw std::runtime_error("no answer for 5 s");
      for (int i = 0; i < count; ++i) {
        auto& connection = *static_cast<Connection*>(events[i].data.ptr);
        if (connection.sending && !send(connection)) continue;
        if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(connection);
      }
    }
  }

  std::vector<float>& latencies() { return latencies_; }

 private:
  struct Connection {
    int socket = -1;
    std::size_t key = 0;
    bool sending = false;
    std::size_t sent = 0;
    std::string head;          // of the answer, until it is whole
    bool in_body = false;
    bool checked = false;
    bool close = false;
    std::size_t body_left = 0;
    std::size_t body_at = 0;
    int status = 0;
    Clock::time_point started;
    bool active = false;
  };

  void open(Connection& connection) {
    connection.socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(connection.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect");
    }
    const int one = 1;
    ::setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::fcntl(connection.socket, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = &connection;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event);
  }

  bool is_put() const { return options_.mode == "put" || options_.mode == "fill"; }

  void begin(Connection& connection) {
    const bool was_active = connection.active;
    if (options_.mode == "fill") {
      connection.key = totals_.next_fill.fetch_add(1);
      connection.active = connection.key < options_.keys;
    } else {
      connection.key = random_() % options_.keys;
      connection.active = Clock::now() < end_;
    }
    if (connection.active != was_active) running_ += connection.active ? 1 : -1;
    if (!connection.active) {
      ::close(connection.socket);
      return;
    }
    connection.started = Clock::now();
    connection.sending = true;
    connection.sent = 0;
    connection.head.clear();
    connection.in_body = false;
    connection.checked = !is_put() && options_.mode != "list" && random_() % kCheckedShare == 0;
    send(connection);
  }

  // False if the socket is full.
  bool send(Connection& connection) {
    const std::string& head = heads_[connection.key % heads_.size()];
    const std::size_t body = is_put() ? options_.size : 0;
    while (connection.sent < head.size() + body) {
      iovec pieces[2];
      int count = 0;
      if (connection.sent < head.size()) {
        pieces[count++] = {const_cast<char*>(head.data()) + connection.sent, head.size() - connection.sent};
      }
      const std::size_t from = connection.sent > head.size() ? connection.sent - head.size() : 0;
      if (body > from) pieces[count++] = {const_cast<char*>(content_.of(connection.key)) + from, body - from};
      const ssize_t written = ::writev(connection.socket, pieces, count);
      if (written < 0) {
        if (errno == EAGAIN) return false;
        fail(connection, "write");
        return false;
      }
      connection.sent += static_cast<std::size_t>(written);
    }
    connection.sending = false;
    return true;
  }

  void receive(Connection& connection) {
    while (connection.active) {
      const ssize_t count = ::read(connection.socket, buffer_.data(), buffer_.size());
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) {
        fail(connection, "closed");
        return;
      }
      if (!consume(connection, {buffer_.data(), static_cast<std::size_t>(count)})) return;
    }
  }

  // False once the connection is gone.
  bool consume(Connection& connection, std::string_view bytes) {
    if (!connection.in_body) {
      connection.head.append(bytes);
      const std::size_t end = connection.head.find("\r\n\r\n");
      if (end == std::string::npos) return true;
      const std::string rest = connection.head.substr(end + 4);
      connection.head.resize(end + 2);
      connection.status = std::atoi(connection.head.c_str() + 9);
      const std::size_t length = find_header("content-length: ", connection.head);
      connection.body_left = length == std::string::npos ? 0 : std::strtoull(connection.head.c_str() + length, nullptr, 10);
      connection.body_at = 0;
      connection.in_body = true;
      const bool get = !is_put() && options_.mode != "list";
      if (connection.status / 100 != 2 || (get && connection.body_left != options_.size)) {
        fail(connection, connection.head.substr(0, 40));
        return false;
      }
      return take_body(connection, rest);
    }
    return take_body(connection, bytes);
  }

  static std::size_t find_header(std::string_view name, const std::string& head) {
    const auto at = std::search(head.begin(), head.end(), name.begin(), name.end(), [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) == b;
    });
    return at == head.end() ? std::string::npos : static_cast<std::size_t>(at - head.begin()) + name.size();
  }

  bool take_body(Connection& connection, std::string_view bytes) {
    if (bytes.size() > connection.body_left) {
      fail(connection, "too long");
      return false;
    }
    if (connection.checked &&
        std::memcmp(content_.of(connection.key) + connection.body_at, bytes.data(), bytes.size()) != 0) {
      fail(connection, "wrong bytes");
      return false;
    }
    connection.body_at += bytes.size();
    connection.body_left -= bytes.size();
    if (connection.body_left > 0) return true;
    totals_.requests.fetch_add(1, std::memory_order_relaxed);
    latencies_.push_back(std::chrono::duration<float>(Clock::now() - connection.started).count());
    begin(connection);
    return connection.active;
  }

  void fail(Connection& connection, const std::string& what) {
    if (totals_.errors.fetch_add(1) < 3) fprintf(stderr, "load: %s\n", what.c_str());
    ::close(connection.socket);
    if (totals_.errors > 1000) throw std::runtime_error("too many errors");
    open(connection);
    begin(connection);
  }

  const Options& options_;
  const Content& content_;
  const std::vector<std::string>& heads_;
  Totals& totals_;
  std::mt19937 random_;
  int epoll_;
  int running_ = 0;
  Clock::time_point end_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<char> buffer_;
  std::vector<float> latencies_;
};

void write_files(const Options& options, const Content& content) {
  std::filesystem::create_directories(options.directory);
  for (std::size_t key = 0; key < options.keys; ++key) {
    std::ofstream file(options.directory + '/' + std::to_string(key), std::ios::binary);
    file.write(content.of(key), static_cast<std::streamsize>(options.size));
  }
}

int run(const Options& options) {
  const Content content;
  if (options.mode == "files") {
    write_files(options, content);
    return 0;
  }
  std::vector<std::string> heads;
  if (options.mode == "list") {
    // Pages begin at random keys: a listing from the start would be one hot page.
    std::mt19937 random(7);
    for (int i = 0; i < 500; ++i) {
      char start[32];
      std::snprintf(start, sizeof start, "%08zu", static_cast<std::size_t>(random()) % options.keys);
      heads.push_back(make_head(options, "GET", options.prefix, "list-type=2&max-keys=1000&start-after=" + std::string(start), 0));
    }
  } else {
    const bool padded = options.names == "padded";
    const bool put = options.mode == "put" || options.mode == "fill";
    for (std::size_t key = 0; key < options.keys; ++key) {
      char name[32];
      std::snprintf(name, sizeof name, padded ? "%08zu" : "%zu", key);
      heads.push_back(make_head(options, put ? "PUT" : "GET", options.prefix + name, "", options.size));
    }
  }
  Totals totals;
  std::vector<std::unique_ptr<Worker>> workers;
  const unsigned threads = std::min(options.threads, options.connections);
  for (unsigned i = 0; i < threads; ++i) {
    const unsigned share = options.connections / threads + (i < options.connections % threads ? 1 : 0);
    workers.push_back(std::make_unique<Worker>(options, content, heads, totals, share, std::random_device{}()));
  }
  const auto started = Clock::now();
  const auto end = started + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  std::atomic<bool> failed{false};
  std::vector<std::thread> running;
  for (auto& worker : workers) {
    running.emplace_back([&] {
      try {
        worker->run(end);
      } catch (const std::exception& error) {
        fprintf(stderr, "load: %s\n", error.what());
        failed = true;
      }
    });
  }
  for (auto& thread : running) thread.join();
  const double elapsed = std::chrono::duration<double>(Clock::now() - started).count();
  std::vector<float> latencies;
  for (auto& worker : workers) {
    latencies.insert(latencies.end(), worker->latencies().begin(), worker->latencies().end());
  }
  std::sort(latencies.begin(), latencies.end());
  const auto percentile = [&](double share) {
    return latencies.empty() ? 0.0 : static_cast<double>(latencies[static_cast<std::size_t>(share * static_cast<double>(latencies.size() - 1))]) * 1e6;
  };
  const double rate = static_cast<double>(totals.requests) / elapsed;
  const nlohmann::json result{{"requests", totals.requests.load()}, {"errors", totals.errors.load()},
                              {"seconds", elapsed},                 {"per_second", rate},
                              {"p50_us", percentile(0.5)},          {"p99_us", percentile(0.99)}};
  printf("%s\n", result.dump().c_str());
  return failed || totals.errors > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Load generator"};
  app.add_option("mode", options.mode)->required()->check(CLI::IsMember({"get", "put", "fill", "list", "files"}));
  app.add_option("--port", options.port);
  app.add_option("--prefix", options.prefix);
  app.add_option("--size", options.size);
  app.add_option("--keys", options.keys);
  app.add_option("--connections", options.connections);
  app.add_option("--threads", options.threads);
  app.add_option("--seconds", options.seconds);
  app.add_option("--access-key", options.access_key);
  app.add_option("--secret-key", options.secret_key);
  app.add_option("--directory", options.directory);
  app.add_option("--names", options.names)->check(CLI::IsMember({"padded"}));
  CLI11_PARSE(app, argc, argv);
  return run(options);
}
