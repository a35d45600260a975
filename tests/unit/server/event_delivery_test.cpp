// Where events go: addresses of webhooks, and the files of a directory.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/event_directory.h"
#include "server/webhook.h"
#include "tests/support/run_task.h"
#include "tests/support/scratch_directory.h"

namespace server {
namespace {

TEST(Webhook, Addresses) {
  const auto plain = parse_webhook_url("http://127.0.0.1:8080/events?x=1");
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, "8080");
  EXPECT_EQ(plain->authority, "127.0.0.1:8080");
  EXPECT_EQ(plain->target, "/events?x=1");
  const auto tls = parse_webhook_url("https://hooks.example.com");
  ASSERT_TRUE(tls);
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(tls->port, "443");
  EXPECT_EQ(tls->target, "/");
  const auto six = parse_webhook_url("http://[::1]:9/?q");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->port, "9");
  EXPECT_EQ(parse_webhook_url("http://[::1]")->port, "80");
  EXPECT_EQ(parse_webhook_url("http://h?q")->target, "/?q");
  for (const char* bad : {"", "h", "ftp://h/", "http://", "http:///x", "http://h:0/", "http://h:65536/", "http://h:x/", "http://h:/",
                          "http://user:pw@h/", "http://h/ x", "http://h/\r\nA: b", "http://::1/", "http://h/#f"}) {
    EXPECT_FALSE(parse_webhook_url(bad)) << bad;
  }
}

class DirectoryTest : public testing::Test {
 protected:
  std::size_t deliver(DirectorySink& sink, const std::vector<std::string>& messages) {
    std::vector<api::QueuedEvent> events;
    for (const std::string& message : messages) events.push_back({"n", message});
    return tests::run_task(sink.deliver(events, why_));
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path_ + "/" + name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::vector<std::string> completed() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      const std::string name = entry.path().filename().string();
      if (name != "events.jsonl") names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  tests::ScratchDirectory scratch_;
  std::string path_ = scratch_.file("made/here");
  std::string why_;
};

TEST_F(DirectoryTest, LinesAreAppendedAcrossStarts) {
  {
    DirectorySink sink(path_, storage::system_clock());
    ASSERT_TRUE(sink.open(why_)) << why_;
    EXPECT_EQ(deliver(sink, {"{\"a\":1}", "{\"b\":2}"}), 2u);
  }
  DirectorySink sink(path_, storage::system_clock());
  EXPECT_EQ(deliver(sink, {"{\"c\":3}"}), 1u);
  EXPECT_EQ(read("events.jsonl"), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
  EXPECT_TRUE(completed().empty());
}

TEST_F(DirectoryTest, WhatACrashLeftOfALineIsCutOff) {
  std::filesystem::create_directories(path_);
  // A torn line that is longer than one look back.
  std::ofstream(path_ + "/events.jsonl") << "{\"a\":1}\n{\"torn\":" << std::string(200'000, 'x');
  DirectorySink sink(path_, storage::system_clock());
  ASSERT_TRUE(sink.open(why_)) << why_;
  EXPECT_EQ(deliver(sink, {"{\"b\":2}"}), 1u);
  EXPECT_EQ(read("events.jsonl"), "{\"a\":1}\n{\"b\":2}\n");
  std::ofstream(path_ + "/events.jsonl") << "torn from the start";
  DirectorySink again(path_, storage::system_clock());
  EXPECT_EQ(deliver(again, {"{}"}), 1u);
  EXPECT_EQ(read("events.jsonl"), "{}\n");
}

TEST_F(DirectoryTest, FullFilesAreSetAside) {
  DirectorySink sink(path_, storage::system_clock(), 10);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(deliver(sink, {"{\"number\":" + std::to_string(i) + "}"}), 1u);
  EXPECT_EQ(read("events.jsonl"), "{\"number\":3}\n");
  const auto names = completed();
  ASSERT_EQ(names.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(read(names[static_cast<std::size_t>(i)]), "{\"number\":" + std::to_string(i) + "}\n") << "names sort by time";
  }
}

TEST_F(DirectoryTest, ADirectoryThatCannotBeIsAFailure) {
  std::ofstream(scratch_.file("file")) << "x";
  DirectorySink sink(scratch_.file("file") + "/below", storage::system_clock());
  EXPECT_FALSE(sink.open(why_));
  EXPECT_EQ(deliver(sink, {"{}"}), 0u);
  EXPECT_FALSE(why_.empty());
}

}  // namespace
}  // namespace server
