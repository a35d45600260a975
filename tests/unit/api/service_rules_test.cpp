// Ingest rules on the wire.
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

class RulesTest : public ServiceTest {
 protected:
  RulesTest() { call("PUT", "/bkt"); }
  Reply set_rules(const std::string& rules) { return call("PUT", "/bkt/.granary/rules", "{\"rules\": [" + rules + "]}"); }
  std::string labels(const std::string& key) {
    return call("GET", "/bkt/.granary/query/object.key%20%3D%20'" + key + "'").body;
  }
  bool has(const std::string& key, const std::string& text) { return labels(key).find(text) != std::string::npos; }
};

constexpr const char* kClassFromPath =
    R"({"name":"class-from-path","key":"^train/(?P<class>[^/]+)/","labels":{"class":"${class}","split":"train"}})";

TEST_F(RulesTest, AreKeptAndTakenAway) {
  EXPECT_EQ(call("GET", "/bkt/.granary/rules").body, "{\"rules\": []}");
  EXPECT_EQ(set_rules(kClassFromPath).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/.granary/rules").body, std::string("{\"rules\": [") + kClassFromPath + "]}");
  EXPECT_EQ(call("DELETE", "/bkt/.granary/rules").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/.granary/rules").body, "{\"rules\": []}");
}

TEST_F(RulesTest, BadOnesLeaveThoseThatStand) {
  ASSERT_EQ(set_rules(kClassFromPath).status, 200u);
  for (const char* bad :
       {R"({"name":"a","key":"("})", R"({"name":"a","key":"x","labels":{"c":"${d}"}})", R"({"name":"a"})", R"({"key":"x"})",
        R"({"name":"a","key":"x","labels":{"rule.x":"1"}})", R"({"name":"a","key":"x","labels":{"meta.x":"1"}})",
        R"({"name":"a","key":"x","check":["nonsense"]})", R"({"name":"a","key":"x","on_failure":"explode"})",
        R"({"name":"a","key":"x","other":1})", R"x({"name":"a","key":"(?=x)"})x", R"(7)", R"({"name":"a","key":"x","labels":{"c":1}})"}) {
    EXPECT_EQ(set_rules(bad).status, 400u) << bad;
  }
  EXPECT_EQ(call("PUT", "/bkt/.granary/rules", "[]").status, 400u);
  EXPECT_EQ(set_rules(R"({"name":"a","key":"x","check":["image"]})").code(), "NotImplemented");
  EXPECT_NE(call("GET", "/bkt/.granary/rules").body.find("class-from-path"), std::string::npos);
}

TEST_F(RulesTest, LabelWhatComesIn) {
  put("/bkt/train/cat/0", "before the rules");
  ASSERT_EQ(set_rules(std::string(kClassFromPath) + R"(,{"name":"more","key":"cat","labels":{"class":"animal"}})").status, 200u);
  put("/bkt/train/cat/1", "bytes");
  put("/bkt/other/1", "bytes");
  EXPECT_TRUE(has("train/cat/1", R"("labels":{"class":["animal","cat"],"split":"train"})")) << labels("train/cat/1");
  EXPECT_TRUE(has("other/1", R"("labels":{})"));
  EXPECT_TRUE(has("train/cat/0", R"("labels":{})")) << "new rules relabel nothing";
  TestRequest copy("PUT", "/bkt/train/dog/1");
  copy.set("x-amz-copy-source", "/bkt/train/cat/1");
  ASSERT_EQ(call(copy).status, 200u);
  EXPECT_TRUE(has("train/dog/1", R"("labels":{"class":"dog","split":"train"})"));
  const std::string upload = start_upload("/bkt/train/cow/1");
  const std::string etag = put_part("/bkt/train/cow/1", upload, 1, "part");
  ASSERT_EQ(call("POST", "/bkt/train/cow/1?uploadId=" + upload, complete_body({{1, etag}})).status, 200u);
  EXPECT_TRUE(has("train/cow/1", R"("class":"cow")"));
  EXPECT_EQ(call("GET", "/bkt/train/cow/1?tagging").count("<Tag>"), 0u);
}

TEST_F(RulesTest, ChecksLabelRejectOrSetApart) {
  ASSERT_EQ(set_rules(R"({"name":"l","key":"^l","check":["not_empty"]},)"
                      R"({"name":"r","key":"^r","check":["not_empty"],"on_failure":"reject"},)"
                      R"({"name":"q","key":"^q","check":["not_empty"],"on_failure":"quarantine"})")
                .status,
            200u);
  put("/bkt/l", "");
  EXPECT_TRUE(has("l", R"("rule.failed":"not_empty")"));
  put("/bkt/r", "old");
  const Reply refused = call("PUT", "/bkt/r", "");
  EXPECT_EQ(refused.code(), "InvalidRequest");
  EXPECT_EQ(refused.status, 400u);
  EXPECT_NE(refused.element("Message").find("rule r"), std::string::npos);
  EXPECT_EQ(call("GET", "/bkt/r").body, "old");
  put("/bkt/q", "");
  EXPECT_EQ(call("HEAD", "/bkt/q").status, 200u);
  EXPECT_EQ(call("GET", "/bkt?list-type=2").count("<Key>q</Key>"), 0u);
  EXPECT_EQ(call("GET", "/bkt?versions").count("<Key>q</Key>"), 1u);
  EXPECT_EQ(labels("q"), "");
  EXPECT_NE(call("GET", "/bkt/.granary/query/EXISTS%20rule.quarantined").body.find(R"("rule.quarantined":"q")"),
            std::string::npos);
}

TEST_F(RulesTest, ApplyToWhatIsThere) {
  put("/bkt/train/cat/0", "bytes");
  put("/bkt/empty", "");
  ASSERT_EQ(set_rules(std::string(kClassFromPath) + R"(,{"name":"r","key":"","check":["not_empty"],"on_failure":"reject"})")
                .status,
            200u);
  EXPECT_EQ(call("GET", "/bkt/.granary/rules/apply").status, 404u);
  EXPECT_EQ(call("PUT", "/bkt/.granary/rules/apply").status, 200u);
  EXPECT_NE(call("GET", "/bkt/.granary/rules/apply").body.find("running"), std::string::npos);
  run_label_work();
  EXPECT_EQ(call("GET", "/bkt/.granary/rules/apply").body, R"({"state":"done","objects":2,"total":2})");
  EXPECT_TRUE(has("train/cat/0", R"("class":"cat")"));
  EXPECT_TRUE(has("empty", R"("rule.failed":"not_empty")"));
}

}  // namespace
}  // namespace tests
