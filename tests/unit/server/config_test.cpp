#include "server/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "tests/support/scratch_directory.h"

namespace server {
namespace {

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    ::unsetenv("GRANARY_ACCESS_KEY");
    ::unsetenv("GRANARY_SECRET_KEY");
  }
  bool load(const std::string& text, Flags flags = {}) {
    flags.config_file = directory_.file("c.json");
    std::ofstream(flags.config_file) << text;
    config_ = {};
    return load_config(flags, config_, why_);
  }
  static std::string user() { return R"("users": [{"access_key": "A", "secret_key": "12345678"}])"; }

  tests::ScratchDirectory directory_;
  Config config_;
  std::string why_;
};

TEST_F(ConfigTest, EveryKeyIsRead) {
  ASSERT_TRUE(load(R"({ // a comment
    "listen": "127.0.0.1:1", "tls": {"listen": "[::1]:2", "certificate": "c.pem", "key": "/k.pem"},
    "admin_listen": "127.0.0.1:3", "region": "r",
    "lifecycle": {"day_seconds": 2, "scan_seconds": 1}, "storage_classes": ["COLD"],
    "encryption": {"keys": {"k1": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "default_key": "k1", "allow_http": true},
    "locations": ["eu"], "domains": ["s3.x"],
    "notifications": {"webhooks": {"hook": {"url": "https://h.test/x", "token": "t", "certificate_authority": "a.pem"}},
                      "directories": {"lines": "events"}, "event_bridge": "lines", "queue_events_max": 7, "queue_bytes_max": 8},
    "drives": ["/d1", {"path": "d{2...3}", "capacity_bytes": 268435456}], "memory_bytes": 536870912, "threads": 3,
    "connections_max": 9, "memory_wait_ms": 700, "slow_client_bytes_per_second": 11, "slow_reader_bytes_per_second": 0, "unsafe_anonymous_reads": true,
    "secrets_key_file": "s.key", "signature_v2": false,
    "users": [{"name": "n", "id": "i", "email": "e", "access_key": "A", "secret_key": "12345678"}]})"))
      << why_;
  EXPECT_EQ(config_.tls.certificate, directory_.file("c.pem"));  // beside the file
  EXPECT_EQ(config_.tls.key, "/k.pem");
  ASSERT_EQ(config_.drives.size(), 3u);
  EXPECT_EQ(config_.drives[0].path, "/d1");
  EXPECT_EQ(config_.drives[2].path, directory_.file("d3"));
  EXPECT_EQ(config_.drives[2].capacity_bytes, 268435456u);
  EXPECT_EQ(config_.memory_bytes, 536870912u);
  EXPECT_EQ(config_.users[0].id, "i");
  ASSERT_TRUE(config_.encryption.keys.contains("k1"));
  EXPECT_EQ(config_.encryption.keys["k1"]->view(), std::string(32, '\0'));
  EXPECT_EQ(config_.encryption.default_key, "k1");
  EXPECT_EQ(config_.lifecycle.day_seconds, 2u);
  EXPECT_EQ(config_.lifecycle.scan_seconds, 1u);
  EXPECT_EQ(config_.storage_classes, std::vector<std::string>{"COLD"});
  EXPECT_TRUE(config_.encryption.allow_http);
  ASSERT_EQ(config_.notifications.targets.size(), 2u);
  const bool first = config_.notifications.targets[0].name == "hook";
  const api::EventTarget& hook = config_.notifications.targets[first ? 0 : 1];
  EXPECT_EQ(hook.kind, api::EventTargetKind::webhook);
  EXPECT_EQ(hook.url, "https://h.test/x");
  EXPECT_EQ(hook.token, "t");
  EXPECT_EQ(hook.certificate_authority, directory_.file("a.pem"));
  EXPECT_EQ(config_.notifications.targets[first ? 1 : 0].path, directory_.file("events"));
  EXPECT_EQ(config_.notifications.event_bridge, "lines");
  EXPECT_EQ(config_.notifications.queue_events_max, 7u);
  EXPECT_EQ(config_.notifications.queue_bytes_max, 8u);
  EXPECT_EQ(config_.connections_max, 9u);
  EXPECT_EQ(config_.memory_wait_ms, 700u);
  EXPECT_EQ(config_.slow_client_bytes_per_second, 11u);
  EXPECT_EQ(config_.slow_reader_bytes_per_second, 0u);
  EXPECT_TRUE(config_.unsafe_anonymous_reads);
  EXPECT_EQ(config_.secrets_key_file, directory_.file("s.key"));
  EXPECT_FALSE(config_.signature_v2);
}

TEST_F(ConfigTest, TargetsOfEventsAreChecked) {
  for (const char* text : {R"({"webhooks": {"a b": {"url": "http://h/"}}})", R"({"webhooks": {"a": {"url": "ftp://h/"}}})",
                           R"({"webhooks": {"a": {}}})", R"({"webhooks": {"a": {"url": "http://h/", "token": "x\ny"}}})",
                           R"({"directories": {"a": ""}})", R"({"directories": {"a": "/x"}, "webhooks": {"a": {"url": "http://h/"}}})",
                           R"({"event_bridge": "a"})", R"({"queues": {}})"}) {
    EXPECT_FALSE(load(R"({"drives": ["/d"], )" + user() + R"(, "notifications": )" + text + "}")) << text;
  }
}

TEST_F(ConfigTest, FlagsWinOverTheFile) {
  Flags flags;
  flags.listen = "127.0.0.1:7";
  flags.drives = {"/x{1...2}"};
  ASSERT_TRUE(load(R"({"listen": "127.0.0.1:1", "drives": ["/d"], )" + user() + "}", flags)) << why_;
  EXPECT_EQ(config_.listen, "127.0.0.1:7");
  ASSERT_EQ(config_.drives.size(), 2u);
  EXPECT_EQ(config_.drives[1].path, "/x2");
}

TEST_F(ConfigTest, TheEnvironmentSetsTheFirstUser) {
  ::setenv("GRANARY_ACCESS_KEY", "ENV", 1);
  EXPECT_FALSE(load(R"({"drives": ["/d"]})"));
  EXPECT_NE(why_.find("go together"), std::string::npos);
  ::setenv("GRANARY_SECRET_KEY", "87654321", 1);
  ASSERT_TRUE(load(R"({"drives": ["/d"]})")) << why_;
  EXPECT_EQ(config_.users[0].access_key, "ENV");
  ::unsetenv("GRANARY_ACCESS_KEY");
  ::unsetenv("GRANARY_SECRET_KEY");
}

struct Bad {
  const char* text;
  const char* says;
};

class BadConfig : public ConfigTest, public testing::WithParamInterface<Bad> {};

TEST_P(BadConfig, IsRefusedWithASentence) {
  EXPECT_FALSE(load(GetParam().text));
  EXPECT_NE(why_.find(GetParam().says), std::string::npos) << why_;
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadConfig,
    testing::Values(
        Bad{R"({"drive": ["/d"]})", "unknown key \"drive\""},
        Bad{R"({"encryption": {"keys": {"k": "AAAA"}}})", "base64 of 32 bytes"},
        Bad{R"({"encryption": {"keys": {}, "default_key": "k"}})", "none of its keys"}, Bad{"{", "is not JSON"},
        Bad{R"({"drives": "/d"})", "must be a list"}, Bad{R"({"memory_bytes": -1})", "whole number"},
        Bad{R"({"users": [{"access_key": "A", "secret_key": "12345678"}]})", "no drive"},
        Bad{R"({"drives": ["/d"]})", "no user"},
        Bad{R"({"drives": ["/d", "/d"], "users": [{"access_key": "A", "secret_key": "12345678"}]})", "named twice"},
        Bad{R"({"drives": ["/d{1..3}"]})", "FIRST...LAST"},
        Bad{R"({"drives": ["/d"], "secrets_key": "c2hvcnQ=", "users": [{"access_key": "A", "secret_key": "12345678"}]})", "32 bytes"},
        Bad{R"({"drives": ["/d"], "users": [{"access_key": "A", "secret_key": "short"}]})", "at least 8"},
        Bad{R"({"drives": ["/d"], "listen": "nowhere", "users": [{"access_key": "A", "secret_key": "12345678"}]})",
            "HOST:PORT"},
        Bad{R"({"drives": ["/d"], "memory_bytes": 1, "users": [{"access_key": "A", "secret_key": "12345678"}]})",
            "at least 268435456"},
        Bad{R"({"drives": ["/d"], "tls": {"listen": "a:1"}, "users": [{"access_key": "A", "secret_key": "12345678"}]})",
            "certificate and a key"}));

TEST(Braces, Expand) {
  std::vector<std::string> paths;
  std::string why;
  ASSERT_TRUE(expand_braces("/r{1...2}/d{08...10}", paths, why));
  EXPECT_EQ(paths, (std::vector<std::string>{"/r1/d08", "/r1/d09", "/r1/d10", "/r2/d08", "/r2/d09", "/r2/d10"}));
  EXPECT_FALSE(expand_braces("/d{2...1}", paths, why));
  EXPECT_FALSE(expand_braces("/d{1...99999999}", paths, why));
  EXPECT_FALSE(expand_braces("/d{1", paths, why));
}

}  // namespace
}  // namespace server
