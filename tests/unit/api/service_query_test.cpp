// Queries by listings and virtual objects, as a client sees them.
#include <nlohmann/json.hpp>
#include <sstream>

#include "api/encoding.h"
#include "tests/support/run_task.h"
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

using nlohmann::json;

class QueryTest : public ServiceTest {
 protected:
  QueryTest() { call("PUT", "/bkt"); }

  void tagged(const std::string& key, const std::string& tags, const std::string& body = "x") {
    TestRequest request("PUT", "/bkt/" + key, body);
    if (!tags.empty()) request.set("x-amz-tagging", tags);
    ASSERT_EQ(call(std::move(request)).status, 200U);
  }
  static std::string encoded(const std::string& text) { return api::percent_encode(text, api::Slash::keep); }
  static std::string of(const std::string& shape, const std::string& rest) { return "/bkt/.granary/" + shape + encoded(rest); }
  Reply ask(const std::string& query) { return call("GET", of("query/", query)); }
  std::uint64_t count(const std::string& query) {
    const Reply reply = call("GET", of("count/", query));
    EXPECT_EQ(reply.status, 200U) << reply.body;
    return reply.status == 200 ? json::parse(reply.body)["count"].get<std::uint64_t>() : 0;
  }
  std::vector<std::string> keys(const std::string& query) { return keys_of_lines(ask(query)); }
  static std::vector<std::string> keys_of_lines(const Reply& reply) {
    EXPECT_EQ(reply.status, 200U) << reply.body;
    std::vector<std::string> found;
    std::istringstream lines(reply.body);
    for (std::string line; std::getline(lines, line);) found.push_back(json::parse(line)["key"]);
    return found;
  }
  // A listing's keys and common prefixes, one after the other.
  std::vector<std::string> listed(const Reply& reply) {
    std::vector<std::string> found;
    for (const char* const name : {"<Key>", "<CommonPrefixes><Prefix>"}) {
      for (std::size_t at = reply.body.find(name); at != std::string::npos; at = reply.body.find(name, at + 1)) {
        const std::size_t begin = at + std::string(name).size();
        found.push_back(reply.body.substr(begin, reply.body.find('<', begin) - begin));
      }
    }
    return found;
  }
};

using Keys = std::vector<std::string>;

TEST_F(QueryTest, LinesTellAllOfAnObject) {
  TestRequest request("PUT", "/bkt/a b", "hello");
  request.set("x-amz-tagging", "split=train&class=cat").set("x-amz-meta-camera", "7").set("content-type", "text/plain");
  const Reply stored = call(std::move(request));
  const Reply reply = ask("split = 'train' AND meta.camera = '7'");
  EXPECT_EQ(reply.header("content-type"), "application/x-ndjson");
  ASSERT_TRUE(reply.body.ends_with("\n"));
  const json line = json::parse(reply.body);
  EXPECT_EQ(line["key"], "a b");
  EXPECT_EQ(line["version"], "null");
  EXPECT_EQ(line["size"], 5);
  EXPECT_EQ("\"" + line["etag"].get<std::string>() + "\"", stored.header("etag"));
  EXPECT_EQ(line["modified"], "2013-05-24T00:00:00.000Z");
  EXPECT_EQ(line["labels"], json::parse(R"({"split":"train","class":"cat","meta.camera":"7"})"));
  EXPECT_TRUE(reply.has_header("x-granary-plan"));
  EXPECT_EQ(keys("object.type = 'text/plain' AND object.size = 5 AND object.key LIKE 'a%'"), Keys{"a b"});
}

TEST_F(QueryTest, LabelsFollowTheObject) {
  tagged("a", "class=cat");
  tagged("b", "class=dog");
  tagged("c", "");
  EXPECT_EQ(count("class = 'cat'"), 1U);
  EXPECT_EQ(keys("class != 'cat'"), Keys{"b"});
  EXPECT_EQ(keys("NOT class = 'cat'"), (Keys{"b", "c"}));
  EXPECT_EQ(count("EXISTS class"), 2U);
  EXPECT_EQ(count("class IS NULL"), 1U);
  tagged("b", "class=cat");
  EXPECT_EQ(keys("class = 'cat'"), (Keys{"a", "b"}));
  EXPECT_EQ(count("class = 'dog'"), 0U);
  call("DELETE", "/bkt/a");
  EXPECT_EQ(keys("class = 'cat'"), Keys{"b"});
  EXPECT_EQ(count("EXISTS class"), 1U);
  EXPECT_EQ(count("NOT EXISTS nothing"), 2U);
  const Reply none = ask("class = 'cow'");
  EXPECT_EQ(none.status, 200U);
  EXPECT_EQ(none.body, "");
  call("PUT", "/bkt/b?tagging", "<Tagging><TagSet><Tag><Key>class</Key><Value>cow</Value></Tag></TagSet></Tagging>");
  EXPECT_EQ(keys("class = 'cow'"), Keys{"b"});
}

TEST_F(QueryTest, OnlyCurrentVersionsAreSeen) {
  call("PUT", "/bkt?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  tagged("k", "class=cat");
  tagged("k", "class=dog");
  EXPECT_EQ(count("class = 'cat'"), 0U);
  EXPECT_EQ(count("class = 'dog'"), 1U);
  const std::string marker = call("DELETE", "/bkt/k").header("x-amz-version-id");
  EXPECT_EQ(count("class = 'dog'"), 0U);
  EXPECT_EQ(count("NOT EXISTS x"), 0U);
  call("DELETE", "/bkt/k?versionId=" + marker);
  EXPECT_EQ(count("class = 'dog'"), 1U);
  const json line = json::parse(ask("class = 'dog'").body);
  EXPECT_GT(line["version"].get<std::string>().size(), 20U);
}

TEST_F(QueryTest, BadQueriesSayWhere) {
  const Reply reply = ask("class == 'cat'");
  EXPECT_EQ(reply.status, 400U);
  EXPECT_EQ(reply.code(), "InvalidArgument");
  EXPECT_NE(reply.element("Message").find("column 8"), std::string::npos) << reply.body;
  EXPECT_NE(reply.element("Message").find("expected"), std::string::npos);
  EXPECT_EQ(call("GET", "/bkt/.granary/query/").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bkt/.granary/query/%20").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bkt?list-type=2&query=").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", of("count/", "a = ")).code(), "InvalidArgument");
  EXPECT_EQ(call("GET", of("stats/", "class/")).code(), "InvalidArgument");
  EXPECT_EQ(call("GET", of("stats/", "class/a =")).code(), "InvalidArgument");
  EXPECT_EQ(call("GET", of("drift/", "class/1w")).code(), "InvalidArgument");
  EXPECT_EQ(call("GET", of("agreement/", "class")).code(), "InvalidArgument");
  EXPECT_EQ(call("GET", of("unlabelled/", "in")).code(), "InvalidArgument");
}

TEST_F(QueryTest, ListingsTakeQueries) {
  for (const char* const key : {"a/1", "a/2", "b/1", "b/2", "c", "d"}) tagged(key, "class=cat");
  for (const char* const key : {"a/3", "e/1", "z"}) tagged(key, "class=dog");
  const std::string list = "/bkt?list-type=2&query=" + encoded("class = 'cat'").replace(5, 3, "+");
  EXPECT_EQ(listed(call("GET", list)), (Keys{"a/1", "a/2", "b/1", "b/2", "c", "d"}));
  EXPECT_EQ(listed(call("GET", list + "&prefix=a/")), (Keys{"a/1", "a/2"}));
  EXPECT_EQ(listed(call("GET", list + "&delimiter=/")), (Keys{"c", "d", "a/", "b/"}));
  EXPECT_EQ(listed(call("GET", list + "&start-after=b/1")), (Keys{"b/2", "c", "d"}));
  const Reply first = call("GET", list + "&max-keys=2&delimiter=/");
  EXPECT_EQ(listed(first), (Keys{"a/", "b/"}));
  EXPECT_EQ(first.element("IsTruncated"), "true");
  EXPECT_EQ(first.element("KeyCount"), "2");
  EXPECT_TRUE(first.has_header("x-granary-plan"));
  const Reply second = call("GET", list + "&max-keys=2&delimiter=/&continuation-token=" + first.element("NextContinuationToken"));
  EXPECT_EQ(listed(second), (Keys{"c", "d"}));
  EXPECT_EQ(second.element("IsTruncated"), "false");
  Keys paged;
  std::string token;
  do {
    const Reply page = call("GET", list + "&max-keys=1" + (token.empty() ? "" : "&continuation-token=" + token));
    for (std::string& key : listed(page)) paged.push_back(std::move(key));
    token = page.element("NextContinuationToken");
  } while (!token.empty());
  EXPECT_EQ(paged, (Keys{"a/1", "a/2", "b/1", "b/2", "c", "d"}));
  EXPECT_EQ(call("GET", "/bkt?query=a%20=%201").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bkt?list-type=1&query=a%20=%201").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bkt?versions&query=a%20=%201").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", list + "&max-keys=0").element("KeyCount"), "0");
}

TEST_F(QueryTest, AKeptAnswerIsReadByRangesAndNeverMixed) {
  for (int i = 0; i < 50; ++i) tagged("k" + std::to_string(100 + i), "class=cat");
  const std::string target = of("query/", "class = 'cat'");
  const Reply head = call("HEAD", target);
  EXPECT_EQ(head.status, 200U);
  EXPECT_GT(head.content_length, 1000U);
  const std::string etag = head.header("etag");
  EXPECT_TRUE(etag.starts_with('"') && etag.ends_with('"'));
  EXPECT_NE(etag.size(), 34U) << "never what an MD5 looks like";
  EXPECT_EQ(head.header("accept-ranges"), "bytes");
  EXPECT_TRUE(head.has_header("last-modified"));
  const Reply whole = call("GET", target);
  EXPECT_EQ(whole.header("etag"), etag);
  EXPECT_EQ(whole.body.size(), head.content_length);

  tagged("k100", "class=dog");  // what follows is about the answer of before
  std::string joined;
  for (std::uint64_t at = 0; at < head.content_length; at += 1000) {
    TestRequest range("GET", target);
    range.set("range", "bytes=" + std::to_string(at) + "-" + std::to_string(at + 999)).set("if-match", etag);
    const Reply part = call(std::move(range));
    EXPECT_EQ(part.status, 206U);
    EXPECT_EQ(part.header("etag"), etag);
    joined += part.body;
  }
  EXPECT_EQ(joined, whole.body);
  const Reply present = call("GET", target);
  EXPECT_NE(present.header("etag"), etag) << "a new GET without conditions sees the present";
  EXPECT_LT(present.body.size(), whole.body.size());
  TestRequest stale("GET", target);
  EXPECT_EQ(call(stale.set("if-match", "\"0123-1\"")).status, 412U);
  TestRequest fresh("GET", target);
  EXPECT_EQ(call(fresh.set("if-none-match", present.header("etag"))).status, 304U);
  TestRequest beyond("GET", target);
  EXPECT_EQ(call(beyond.set("range", "bytes=1000000-")).status, 416U);
  // Ten minutes idle, and it is gone.
  clock_.advance(11 * 60 * 1000);
  const auto expire = [](api::Service& service) -> storage::Task<bool> {
    co_await service.flush_access_logs();
    co_return true;
  };
  run_task(context_, expire(*service_));
  TestRequest idle("GET", target);
  EXPECT_EQ(call(idle.set("if-match", etag)).status, 412U);
}

TEST_F(QueryTest, LargeAnswersAreSpooled) {
  // More than stays in memory.
  for (int i = 0; i < 130; ++i) {
    TestRequest request("PUT", "/bkt/" + std::string(900, 'k') + std::to_string(100 + i), "x");
    for (char name = 'a'; name < 'f'; ++name) request.set(std::string("x-amz-meta-") + name, std::string(250, 'm'));
    ASSERT_EQ(call(std::move(request)).status, 200U);
  }
  const std::string target = of("query/", "EXISTS meta.a OR object.size = 1");
  const Reply whole = call("GET", target);
  ASSERT_EQ(whole.status, 200U);
  EXPECT_EQ(whole.content_length, whole.body.size());
  EXPECT_GT(whole.body.size(), 256U * 1024);
  TestRequest range("GET", target);
  const Reply part = call(range.set("range", "bytes=500-999").set("if-match", whole.header("etag")));
  EXPECT_EQ(part.status, 206U);
  EXPECT_EQ(part.body, whole.body.substr(500, 500));
}

TEST_F(QueryTest, Statistics) {
  tagged("a", "class=cat&n=1");
  tagged("b", "class=cat");
  tagged("c", "class=dog");
  tagged("d", "");
  const json stats = json::parse(call("GET", of("stats/", "class")).body);
  EXPECT_EQ(stats, json::parse(R"({"name":"class","objects":4,"labelled":3,"unlabelled":1,"distinct":2,
    "values":[{"value":"cat","count":2},{"value":"dog","count":1}],"min":null,"max":null,"mean":null,"not_indexed":0})"));
  const json narrowed = json::parse(call("GET", of("stats/", "class/EXISTS n")).body);
  EXPECT_EQ(narrowed["objects"], 1);
  EXPECT_EQ(narrowed["values"], json::parse(R"([{"value":"cat","count":1}])"));
  const json sizes = json::parse(call("GET", of("stats/", "object.size")).body);
  EXPECT_EQ(sizes["mean"], 1);
  EXPECT_EQ(sizes["distinct"], 1);
  const json unknown = json::parse(call("GET", of("stats/", "\"no such\"")).body);
  EXPECT_EQ(unknown["unlabelled"], 4);
  const json labels = json::parse(call("GET", "/bkt/.granary/labels").body);
  EXPECT_EQ(labels, json::parse(R"({"labels":[{"name":"class","kinds":["string"],"values":2,"objects":3,"not_indexed":0},
    {"name":"n","kinds":["string"],"values":1,"objects":1,"not_indexed":0}]})"));
  const json agreement = json::parse(call("GET", of("agreement/", "class/n")).body);
  EXPECT_EQ(agreement["both"], 1);
  EXPECT_EQ(agreement["missing_prediction"], 3);
  EXPECT_EQ(agreement["missing_truth"], 1);
  const json drift = json::parse(call("GET", of("drift/", "class/1d")).body);
  EXPECT_EQ(drift["windows"][0]["objects"], 3);
  EXPECT_EQ(keys_of_lines(call("GET", of("unlabelled/", "class"))), Keys{"d"});
}

TEST_F(QueryTest, OtherKeysAndMethods) {
  EXPECT_EQ(call("GET", "/bkt/.granary/nothing").code(), "NoSuchKey");
  EXPECT_EQ(call("HEAD", "/bkt/.granary/nothing").status, 404U);
  EXPECT_EQ(call("PUT", "/bkt/.granary/nothing", "x").code(), "InvalidArgument");
  EXPECT_EQ(call("DELETE", "/bkt/.granary/nothing").code(), "InvalidArgument");
  const std::string target = of("count/", "a = 1");
  EXPECT_EQ(call("PUT", target, "x").code(), "MethodNotAllowed");
  EXPECT_EQ(call("DELETE", target).code(), "MethodNotAllowed");
  EXPECT_EQ(call("POST", target + "?uploads").code(), "MethodNotAllowed");
  EXPECT_EQ(call("PUT", target + "?tagging", "x").code(), "MethodNotAllowed");
  TestRequest copy("PUT", target);
  EXPECT_EQ(call(copy.set("x-amz-copy-source", "/bkt/k")).code(), "MethodNotAllowed");
  const std::string removal = "<Delete><Object><Key>.granary/count/a</Key></Object><Object><Key>k</Key></Object></Delete>";
  TestRequest several("POST", "/bkt?delete", removal);
  const Reply reply = call(std::move(several));
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.element("Code"), "MethodNotAllowed");
  EXPECT_EQ(reply.count("<Deleted>"), 1U);
  EXPECT_EQ(listed(call("GET", "/bkt?list-type=2")), Keys{});
  EXPECT_EQ(listed(call("GET", "/bkt?list-type=2&prefix=.granary/")), Keys{});
}

TEST_F(QueryTest, LongQueriesAreTaken) {
  tagged("k", "class=cat");
  std::string query = "class = 'cat'";
  while (query.size() < 40'000) query += " AND NOT class = '" + std::string(80, 'x') + "'";
  EXPECT_EQ(count(query), 1U);
  EXPECT_EQ(listed(call("GET", "/bkt?list-type=2&query=" + encoded(query))), Keys{"k"});
  EXPECT_EQ(call("GET", "/bkt/" + std::string(20'000, 'k')).code(), "InvalidURI");
}

TEST_F(QueryTest, AnswersLeaveOutWhatTheUserMayNotRead) {
  tagged("open/a", "class=cat&access=open");
  tagged("open/b", "class=cat");
  tagged("closed/c", "class=cat");
  const auto allow = [&](const std::string& statements) {
    const Reply reply = call("PUT", "/bkt?policy", R"({"Version":"2012-10-17","Statement":[)" + statements + "]}");
    ASSERT_EQ(reply.status, 204U) << reply.body;
  };
  const std::string who = R"("Effect":"Allow","Principal":{"AWS":"alt-id"},)";
  const std::string list = "{" + who + R"("Action":"s3:ListBucket","Resource":"arn:aws:s3:::bkt"})";
  const std::string query = of("query/", "class = 'cat'");
  const auto alt = [&](const std::string& target) { return call_as(alt_user(), TestRequest("GET", target)); };
  allow(list);
  EXPECT_EQ(alt(query).status, 403U) << "listing alone is not enough";
  const std::string ask_too = "{" + who + R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/.granary/*"})";
  allow(ask_too);
  EXPECT_EQ(alt(query).status, 403U) << "nor is asking alone";
  allow(list + "," + ask_too + ",{" + who + R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/open/*"})");
  EXPECT_EQ(keys_of_lines(alt(query)), (Keys{"open/a", "open/b"}));
  EXPECT_EQ(json::parse(alt(of("count/", "class = 'cat'")).body)["count"], 2);
  EXPECT_EQ(json::parse(alt(of("stats/", "class")).body)["objects"], 2);
  EXPECT_EQ(json::parse(alt("/bkt/.granary/labels").body)["labels"].size(), 2U);
  EXPECT_EQ(listed(alt("/bkt?list-type=2&query=class%20=%20'cat'")), (Keys{"open/a", "open/b"}));
  EXPECT_EQ(count("class = 'cat'"), 3U) << "the owner sees all";
  allow(list + "," + ask_too + ",{" + who + R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*",)" +
        R"("Condition":{"StringEquals":{"s3:ExistingObjectTag/access":"open"}}})");
  EXPECT_EQ(keys_of_lines(alt(query)), Keys{"open/a"});
  EXPECT_EQ(json::parse(alt("/bkt/.granary/labels").body)["labels"].size(), 2U);
  // Writes beneath .granary/ want more than the right to write everything.
  allow(list + ",{" + who + R"("Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::bkt/*"})");
  const std::string virtual_key = "/bkt/.granary/nothing";
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", virtual_key, "x")).status, 403U);
  EXPECT_EQ(call_as(alt_user(), TestRequest("DELETE", virtual_key)).status, 403U);
  allow(list + ",{" + who + R"("Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::bkt/.granary/*"})");
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", virtual_key, "x")).code(), "InvalidArgument");
  EXPECT_EQ(call_as(alt_user(), TestRequest("DELETE", virtual_key)).code(), "InvalidArgument");
}

}  // namespace
}  // namespace tests
