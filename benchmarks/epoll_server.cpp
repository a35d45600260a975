// The yardstick with our own data path: a bare epoll server that answers any GET from memory with one gathered write. No
// store can be faster on the same machine in the same minute. epoll_server PORT THREADS SIZE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kPool = 64 << 20;

struct Connection {
  int socket;
  std::string received;
  std::size_t sent = 0;
  bool answering = false;
  std::size_t offset = 0;
};

class Server {
 public:
  Server(const std::vector<char>& pool, std::size_t size, unsigned short port) : pool_(pool), size_(size) {
    head_ = "HTTP/1.1 200 OK\r\nServer: yardstick\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: "
            "\"d41d8cd98f00b204e9800998ecf8427e\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
            "Content-Type: binary/octet-stream\r\nAccept-Ranges: bytes\r\nx-amz-request-id: 0123456789ABCDEF\r\n"
            "Content-Length: " +
            std::to_string(size) + "\r\n\r\n";
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 4096) != 0) {
      std::perror("epoll_server");
      std::exit(1);
    }
    epoll_ = ::epoll_create1(0);
    watch(listener_, EPOLLIN, nullptr);
  }

  [[noreturn]] void run() {
    epoll_event events[64];
    std::vector<char> buffer(64 * 1024);
    while (true) {
      const int count = ::epoll_wait(epoll_, events, 64, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.ptr == nullptr) {
          accept();
        } else {
          serve(*static_cast<Connection*>(events[i].data.ptr), buffer);
        }
      }
    }
  }

 private:
  void watch(int socket, unsigned what, void* pointer) {
    epoll_event event{};
    event.events = what;
    event.data.ptr = pointer;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }

  void accept() {
    while (true) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
      if (socket < 0) return;
      const int one = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      watch(socket, EPOLLIN | EPOLLOUT | EPOLLET, new Connection{socket, {}, 0, false, 0});
    }
  }

  void serve(Connection& connection, std::vector<char>& buffer) {
    while (true) {
      if (connection.answering && !send(connection)) return;
      const ssize_t count = ::read(connection.socket, buffer.data(), buffer.size());
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) {
        ::close(connection.socket);
        delete &connection;
        return;
      }
      connection.received.append(buffer.data(), static_cast<std::size_t>(count));
      const std::size_t end = connection.received.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      connection.received.erase(0, end + 4);
      connection.answering = true;
      connection.sent = 0;
      connection.offset = random_() % (kPool / 64) * 64;
    }
  }

  bool send(Connection& connection) {
    while (connection.sent < head_.size() + size_) {
      iovec pieces[2];
      int count = 0;
      if (connection.sent < head_.size()) pieces[count++] = {head_.data() + connection.sent, head_.size() - connection.sent};
      const std::size_t from = connection.sent > head_.size() ? connection.sent - head_.size() : 0;
      pieces[count++] = {const_cast<char*>(pool_.data()) + connection.offset + from, size_ - from};
      const ssize_t written = ::writev(connection.socket, pieces, count);
      if (written < 0) return false;
      connection.sent += static_cast<std::size_t>(written);
    }
    connection.answering = false;
    return true;
  }

  const std::vector<char>& pool_;
  std::size_t size_;
  std::string head_;
  int listener_;
  int epoll_;
  std::mt19937 random_{1};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  ::signal(SIGPIPE, SIG_IGN);
  const auto port = static_cast<unsigned short>(std::atoi(argv[1]));
  const std::size_t size = std::strtoull(argv[3], nullptr, 10);
  std::vector<char> pool(kPool + size);
  std::mt19937 random(42);
  for (char& byte : pool) byte = static_cast<char>(random());
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[2]); ++i) {
    threads.emplace_back([&] { Server(pool, size, port).run(); });
  }
  for (auto& thread : threads) thread.join();
}
