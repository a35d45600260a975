// A session over a scripted connection: no socket, no clock. What arrives is given in pieces, what is answered is read back.
#include "server/session.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>

#include "tests/support/run_task.h"

namespace server {
namespace {

class ScriptedConnection final : public Connection {
 public:
  ScriptedConnection(boost::asio::io_context& context, std::deque<std::string> pieces, std::string& sent)
      : Connection("test"), socket_(context.get_executor()), pieces_(std::move(pieces)), sent_(sent) {}

  Task<Result<>> handshake() override { co_return storage::success(); }
  Task<Result<std::size_t>> read_some(std::span<std::byte> into) override {
    if (pieces_.empty()) co_return std::size_t{0};
    const std::size_t count = std::min(into.size(), pieces_.front().size());
    std::memcpy(into.data(), pieces_.front().data(), count);
    pieces_.front().erase(0, count);
    if (pieces_.front().empty()) pieces_.pop_front();
    co_return count;
  }
  Task<Result<>> write(std::span<const std::byte> first, std::span<const std::byte> second) override {
    sent_.append(reinterpret_cast<const char*>(first.data()), first.size());
    sent_.append(reinterpret_cast<const char*>(second.data()), second.size());
    co_return storage::success();
  }
  Task<> shutdown() override { co_return; }
  bool tls() const override { return false; }

 protected:
  Socket& socket() override { return socket_; }

 private:
  Socket socket_;
  std::deque<std::string> pieces_;
  std::string& sent_;
};

// Answers with what it was asked: method, target, body; as the target's name says.
class EchoHandler final : public Handler {
 public:
  Task<api::Response> handle(const api::Request& request, api::HttpBody& body) override {
    ++calls;
    api::Response response;
    if (request.target == "/refuse") {
      response.status = 403;
      response.text = "no";
      response.content_length = 2;
      co_return response;
    }
    if (request.target == "/throw") throw std::runtime_error("expected by the test");
    std::string text = std::string(request.method) + ' ' + std::string(request.target) + ' ';
    std::byte buffer[7];
    while (request.target != "/unread") {
      Result<std::size_t> count = co_await body.read(buffer);
      if (!count) {
        text += count.error().message();
        break;
      }
      if (*count == 0) break;
      text.append(reinterpret_cast<const char*>(buffer), *count);
    }
    response.head_only = request.method == "HEAD";
    response.content_length = text.size();
    response.text = std::move(text);
    co_return response;
  }
  int calls = 0;
};

class SessionTest : public testing::Test {
 protected:
  std::string talk(std::deque<std::string> pieces) {
    std::string sent;
    Core core(context_.get_executor());
    auto connection = std::make_unique<ScriptedConnection>(context_, std::move(pieces), sent);
    auto session = std::make_unique<Session>(std::move(connection), handler_, core, nullptr);
    tests::run_task(context_, Session::run(std::move(session)));
    EXPECT_TRUE(core.sessions.empty());
    return sent;
  }
  static std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
  }

  boost::asio::io_context context_{1};
  EchoHandler handler_;
};

TEST_F(SessionTest, EveryAnswerHasDateServerAndIds) {
  const std::string sent = talk({"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"});
  for (const char* part : {"HTTP/1.1 200 OK\r\n", "\r\nServer: Granary\r\n", "\r\nDate: ", "\r\nx-amz-request-id: ",
                           "\r\nx-amz-id-2: ", "\r\nContent-Length: 7\r\n", "\r\n\r\nGET /a "}) {
    EXPECT_NE(sent.find(part), std::string::npos) << part << '\n' << sent;
  }
}

TEST_F(SessionTest, ABodyArrivesWholeHoweverItIsCut) {
  const std::string request = "PUT /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789GET /b HTTP/1.1\r\n\r\n";
  for (std::size_t piece = 1; piece < request.size(); ++piece) {
    std::deque<std::string> pieces;
    for (std::size_t at = 0; at < request.size(); at += piece) pieces.push_back(request.substr(at, piece));
    const std::string sent = talk(pieces);
    EXPECT_NE(sent.find("PUT /a 0123456789"), std::string::npos) << piece;
    EXPECT_NE(sent.find("GET /b "), std::string::npos) << piece;
  }
}

TEST_F(SessionTest, AChunkedBodyArrivesWholeHoweverItIsCut) {
  const std::string request =
      "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\n012\r\n7\r\n3456789\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
  for (std::size_t piece = 1; piece < request.size(); ++piece) {
    std::deque<std::string> pieces;
    for (std::size_t at = 0; at < request.size(); at += piece) pieces.push_back(request.substr(at, piece));
    const std::string sent = talk(pieces);
    EXPECT_NE(sent.find("PUT /a 0123456789"), std::string::npos) << piece << '\n' << sent;
    EXPECT_NE(sent.find("GET /b "), std::string::npos) << piece;
  }
}

TEST_F(SessionTest, ContinueIsSentOnceTheBodyIsWanted) {
  const std::string wanted = talk({"PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "ok"});
  EXPECT_EQ(wanted.find("HTTP/1.1 100 Continue\r\n\r\n"), 0u);
  EXPECT_NE(wanted.find("PUT /a ok"), std::string::npos);
  const std::string empty = talk({"PUT /unread HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"});
  EXPECT_EQ(empty.find("HTTP/1.1 100 Continue\r\n\r\n"), 0u);
}

TEST_F(SessionTest, ARefusalWithoutContinueClosesTheConnection) {
  const std::string sent = talk({"PUT /refuse HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
                                 "GET /smuggled HTTP/1.1\r\n\r\n"});
  EXPECT_EQ(sent.find("HTTP/1.1 403 Forbidden\r\n"), 0u);
  EXPECT_NE(sent.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_EQ(count(sent, "HTTP/1.1 "), 1u);
  EXPECT_EQ(handler_.calls, 1);
}

TEST_F(SessionTest, AnUnreadBodyIsDrainedBeforeTheNextRequest) {
  const std::string sent =
      talk({"PUT /unread HTTP/1.1\r\nContent-Length: 28\r\n\r\nGET /inside HTTP/1.1\r\n\r\n0123GET /b HTTP/1.1\r\n\r\n"});
  EXPECT_EQ(sent.find("/inside"), std::string::npos);
  EXPECT_NE(sent.find("GET /b "), std::string::npos);
}

TEST_F(SessionTest, ARefusalDoesNotWaitForTheBody) {
  // The client has announced a body and waits for the answer: it is there before anything else is read.
  const std::string sent = talk({"PUT /refuse HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "01234GET /b HTTP/1.1\r\n\r\n"});
  EXPECT_EQ(sent.find("HTTP/1.1 403 Forbidden\r\n"), 0u);
  EXPECT_NE(sent.find("GET /b "), std::string::npos);
  const std::string large = talk({"PUT /refuse HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n"});
  EXPECT_NE(large.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_F(SessionTest, ABodyThatEndsEarlyIsAnErrorOfTheBody) {
  const std::string sent = talk({"PUT /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123"});
  EXPECT_NE(sent.find(boost::system::error_code(api::BodyErrc::http_body_truncated).message()), std::string::npos);
  const std::string chunked = talk({"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"});
  EXPECT_NE(chunked.find(boost::system::error_code(api::BodyErrc::http_body_malformed).message()), std::string::npos);
}

TEST_F(SessionTest, AMalformedRequestIsTheLast) {
  const std::string sent = talk({"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\nGET /b HTTP/1.1\r\n\r\n"});
  EXPECT_EQ(sent.find("HTTP/1.1 400 Bad Request\r\n"), 0u);
  EXPECT_EQ(count(sent, "HTTP/1.1 "), 1u);
  EXPECT_EQ(handler_.calls, 0);
}

TEST_F(SessionTest, AHeadAboveTheLimitIsRefused) {
  std::deque<std::string> pieces{"GET / HTTP/1.1\r\n"};
  for (int i = 0; i < 100; ++i) pieces.push_back("a: " + std::string(1000, 'x') + "\r\n");
  const std::string sent = talk(pieces);
  EXPECT_NE(sent.find("RequestHeaderSectionTooLarge"), std::string::npos);
  EXPECT_EQ(handler_.calls, 0);
}

TEST_F(SessionTest, AnAnswerToHeadHasALengthAndNoBody) {
  const std::string sent = talk({"HEAD /a HTTP/1.1\r\n\r\n"});
  EXPECT_NE(sent.find("\r\nContent-Length: 8\r\n"), std::string::npos);
  EXPECT_TRUE(sent.ends_with("\r\n\r\n"));
}

TEST_F(SessionTest, AnExceptionIsA500AndEndsTheConnection) {
  const std::string sent = talk({"GET /throw HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"});
  EXPECT_EQ(sent.find("HTTP/1.1 500 Internal Server Error\r\n"), 0u);
  EXPECT_NE(sent.find("<Code>InternalError</Code>"), std::string::npos);
  EXPECT_EQ(count(sent, "HTTP/1.1 "), 1u);
  EXPECT_NE(talk({"GET /b HTTP/1.1\r\n\r\n"}).find("GET /b "), std::string::npos);
}

}  // namespace
}  // namespace server
