// Datasets on the wire: sealing, telling and dropping; the bucket of a dataset; manifests, orders and tars.
#include <nlohmann/json.hpp>

#include <map>
#include <set>

#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

using nlohmann::json;

class DatasetServiceTest : public ServiceTest {
 protected:
  DatasetServiceTest() { EXPECT_EQ(call("PUT", "/bkt").status, 200u); }

  Reply put_tagged(const std::string& key, const std::string& body, const std::string& tags) {
    TestRequest request("PUT", "/bkt/" + key, body);
    request.set("x-amz-tagging", tags);
    return call(request);
  }
  Reply seal(const std::string& name, const std::string& description) {
    return call("PUT", "/bkt/.granary/datasets/" + name, description);
  }
  void fill() {
    for (int i = 0; i < 25; ++i) {
      const std::string key = "img/" + std::to_string(100 + i) + ".jpg";
      ASSERT_EQ(put_tagged(key, "bytes of " + key, "class=" + std::string(i % 5 == 0 ? "cat" : "dog")).status, 200u);
    }
    ASSERT_EQ(put_tagged("odd/name.with.dots.json", "{}", "class=cat").status, 200u);
    ASSERT_EQ(put_tagged(std::string(150, 'n') + "/x.png", std::string(3000, 'p'), "class=dog").status, 200u);
    ASSERT_EQ(put("/bkt/plain", "no tags").status, 200u);
  }

  static std::map<std::string, std::string> untar(const std::string& tar, std::vector<std::string>* order = nullptr) {
    std::map<std::string, std::string> members;
    std::string long_name;
    std::size_t at = 0;
    const auto octal = [&](std::size_t from, std::size_t width) { return std::stoull(tar.substr(at + from, width), nullptr, 8); };
    while (at + 512 <= tar.size() && tar[at] != '\0') {
      const std::size_t size = octal(124, 11);
      std::string name = tar.substr(at, 100);
      name = name.substr(0, name.find('\0'));
      const char type = tar[at + 156];
      std::string content = tar.substr(at + 512, size);
      at += 512 + (size + 511) / 512 * 512;
      if (type == 'x') {
        const std::size_t path = content.find(" path=");
        long_name = content.substr(path + 6, content.find('\n', path) - path - 6);
        continue;
      }
      if (!long_name.empty()) name = std::exchange(long_name, {});
      EXPECT_TRUE(members.emplace(name, std::move(content)).second) << name;
      if (order != nullptr) order->push_back(name);
    }
    EXPECT_EQ(tar.size(), at + 1024);
    return members;
  }
};

TEST_F(DatasetServiceTest, IsSealedToldAndDropped) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "class = 'cat'", "splits": {"train": 0.5, "test": 0.5}})").status, 200u);
  const Reply told = call("GET", "/bkt/.granary/datasets/d");
  ASSERT_EQ(told.status, 200u);
  EXPECT_EQ(told.header("Content-Type"), "application/json");
  const json info = json::parse(told.body);
  EXPECT_EQ(info["name"], "d");
  EXPECT_EQ(info["bucket"], "bkt");
  EXPECT_EQ(info["query"], "class = 'cat'");
  EXPECT_EQ(info["count"], 6);
  EXPECT_EQ(info["digest"].get<std::string>().size(), 64u);
  EXPECT_EQ(info["sealed_at"], "2013-05-24T00:00:00.000Z");
  EXPECT_EQ(info["parents"], json::array());
  EXPECT_EQ(info["group_by"], nullptr);
  const int train = info["splits"]["train"]["count"];
  EXPECT_EQ(info["splits"]["train"]["dataset"], "d-train");
  EXPECT_EQ(train + info["splits"]["test"]["count"].get<int>(), 6);
  EXPECT_EQ(json::parse(call("GET", "/bkt/.granary/datasets/d-train").body)["parents"], json::array({"d"}));

  const Reply head = call("HEAD", "/bkt/.granary/datasets/d");
  EXPECT_EQ(head.status, 200u);
  EXPECT_EQ(head.header("ETag"), told.header("ETag"));
  EXPECT_EQ(head.content_length, told.body.size());
  const Reply list = call("GET", "/bkt?list-type=2&prefix=.granary/datasets/");
  EXPECT_EQ(list.count("<Key>"), 3u);
  EXPECT_NE(list.body.find(".granary/datasets/d-train"), std::string::npos);
  EXPECT_EQ(call("GET", "/bkt?list-type=2").count(".granary"), 0u);

  EXPECT_EQ(call("DELETE", "/bkt").code(), "BucketNotEmpty");
  EXPECT_EQ(call("DELETE", "/bkt/.granary/datasets/d").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt/.granary/datasets/d").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/.granary/datasets/d").code(), "NoSuchKey");
  EXPECT_EQ(call("GET", "/d.bkt?list-type=2").code(), "NoSuchBucket");
  EXPECT_EQ(call("GET", "/d-train.bkt?list-type=2").status, 200u);
}

TEST_F(DatasetServiceTest, DeletingABucketThatHasDatasetsNamesOne) {
  ASSERT_EQ(put("/bkt/k", "x").status, 200u);
  ASSERT_EQ(seal("mine", R"({"keys": ["k"]})").status, 200u);
  ASSERT_EQ(call("DELETE", "/bkt/k").status, 204u);
  const Reply refused = call("DELETE", "/bkt");
  EXPECT_EQ(refused.status, 409u);
  EXPECT_EQ(refused.code(), "BucketNotEmpty");
  EXPECT_NE(refused.element("Message").find("mine"), std::string::npos);
  ASSERT_EQ(call("DELETE", "/bkt/.granary/datasets/mine").status, 204u);
  EXPECT_EQ(call("DELETE", "/bkt").status, 204u);
}

TEST_F(DatasetServiceTest, RefusesWhatItCannotSeal) {
  fill();
  for (const char* bad :
       {"", "x", "[]", "{}", R"({"query": ""})", R"({"query": "class ="})", R"({"query": "class = 'none'"})", R"({"what": 1})",
        R"({"keys": []})", R"({"keys": ["plain", "plain"]})", R"({"keys": ["nobody"]})", R"({"keys": "plain"})", R"({"keys": [1]})",
        R"({"query": "EXISTS class", "keys": ["plain"]})", R"({"dataset": "nobody"})",
        R"({"query": "EXISTS class", "splits": {"a": 0.9, "b": 0.2}})", R"({"query": "EXISTS class", "splits": {"a": -0.1}})",
        R"({"query": "EXISTS class", "splits": {"a": "x"}})", R"({"query": "EXISTS class", "splits": {"A": 0.5}})",
        R"({"query": "EXISTS class", "split_seed": -1})", R"({"query": "EXISTS class", "split_seed": 1.5})",
        R"({"query": "EXISTS class", "query": "EXISTS class"})", R"({"query": 1})"}) {
    const Reply reply = seal("bad", bad);
    EXPECT_EQ(reply.status, 400u) << bad;
    EXPECT_EQ(reply.code(), "InvalidArgument") << bad;
  }
  EXPECT_NE(seal("bad", R"({"query": "class ="})").element("Message").find("column 8"), std::string::npos);
  for (const char* name : {"Bad", "-bad", "bad-", "b.ad", "b_ad"}) {
    EXPECT_EQ(seal(name, R"({"keys": ["plain"]})").status, 400u) << name;
  }
  EXPECT_EQ(seal(std::string(62, 'x'), R"({"keys": ["plain"]})").status, 400u);
  EXPECT_EQ(json::parse(call("GET", "/bkt/.granary/datasets/bad").code().empty() ? "1" : "0"), 0);
  ASSERT_EQ(call("PUT", "/taken.bkt").status, 200u);
  EXPECT_EQ(seal("taken", R"({"keys": ["plain"]})").status, 409u);
  ASSERT_EQ(seal("d", R"({"keys": ["plain"]})").status, 200u);
  EXPECT_EQ(seal("d", R"({"keys": ["plain"]})").status, 409u);
  EXPECT_EQ(call("PUT", "/d.bkt").code(), "BucketAlreadyExists");
  EXPECT_EQ(call("GET", "/").count("<Bucket>"), 2u);
}

TEST_F(DatasetServiceTest, TheBucketOfADatasetIsReadOnly) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class"})").status, 200u);
  ASSERT_EQ(put_tagged("img/100.jpg", "changed", "class=bird").status, 200u);
  ASSERT_EQ(call("DELETE", "/bkt/img/101.jpg").status, 204u);
  EXPECT_EQ(call("HEAD", "/d.bkt").status, 200u);
  EXPECT_EQ(call("GET", "/d.bkt?location").status, 200u);
  const Reply v1 = call("GET", "/d.bkt?prefix=img/&delimiter=/");
  EXPECT_EQ(v1.count("<Key>"), 25u);
  const Reply v2 = call("GET", "/d.bkt?list-type=2&delimiter=/&max-keys=1");
  EXPECT_EQ(v2.element("IsTruncated"), "true");
  EXPECT_EQ(call("GET", "/d.bkt?list-type=2&query=class%20%3D%20'cat'").count("<Key>"), 6u);
  EXPECT_EQ(call("GET", "/d.bkt?list-type=2&query=class%20%3D%20'cat'&prefix=img/&max-keys=2").count("<Key>"), 2u);
  EXPECT_EQ(call("GET", "/d.bkt?list-type=2&query=").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/d.bkt?query=EXISTS%20class").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/d.bkt/.granary/count/EXISTS%20class").code(), "NoSuchKey");
  const Reply got = call("GET", "/d.bkt/img/100.jpg");
  EXPECT_EQ(got.body, "bytes of img/100.jpg");
  EXPECT_EQ(call("GET", "/d.bkt/img/101.jpg").body, "bytes of img/101.jpg");
  EXPECT_NE(call("GET", "/d.bkt/img/100.jpg?tagging").body.find("cat"), std::string::npos);
  TestRequest range("GET", "/d.bkt/img/100.jpg");
  range.set("range", "bytes=0-4");
  EXPECT_EQ(call(range).body, "bytes");
  TestRequest match("GET", "/d.bkt/img/100.jpg");
  match.set("if-none-match", got.header("ETag"));
  EXPECT_EQ(call(match).status, 304u);
  EXPECT_EQ(call("GET", "/d.bkt/nobody").code(), "NoSuchKey");
  EXPECT_EQ(call("GET", "/d.bkt?versions").count("<Version>"), 27u);
  EXPECT_EQ(call("GET", "/d.bkt?uploads").status, 200u);
  EXPECT_EQ(call("GET", "/d.bkt?policy").code(), "NoSuchBucketPolicy");
  EXPECT_EQ(call("GET", "/d.bkt?versioning").status, 200u);

  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"PUT", "/d.bkt/new"}, {"DELETE", "/d.bkt/img/100.jpg"}, {"DELETE", "/d.bkt"}, {"POST", "/d.bkt/new?uploads"},
           {"PUT", "/d.bkt/.granary/datasets/e"}, {"DELETE", "/d.bkt/.granary/manifest.csv"}, {"PUT", "/d.bkt/.granary/manifest.csv"}}) {
    EXPECT_EQ(call(method, target, method == "PUT" ? "x" : "").status, 405u) << method << ' ' << target;
  }
  EXPECT_EQ(call("PUT", "/d.bkt?policy", "{}").status / 100, 4u);
  TestRequest virtual_host("GET", "/img/100.jpg");
  virtual_host.headers.clear();
  virtual_host.set("host", "d.bkt.localhost");
  EXPECT_EQ(call(virtual_host).body, "bytes of img/100.jpg");
  // A copy out of it.
  TestRequest copy("PUT", "/bkt/copied");
  copy.set("x-amz-copy-source", "/d.bkt/img/101.jpg");
  EXPECT_EQ(call(copy).status, 200u);
  EXPECT_EQ(call("GET", "/bkt/copied").body, "bytes of img/101.jpg");
}

TEST_F(DatasetServiceTest, ManifestsHaveEverySampleAndExactLengths) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class"})").status, 200u);
  for (const std::string name : {"manifest.jsonl", "manifest.csv"}) {
    const Reply whole = call("GET", "/d.bkt/.granary/" + name);
    ASSERT_EQ(whole.status, 200u);
    EXPECT_EQ(whole.body.size(), whole.content_length);
    EXPECT_EQ(call("HEAD", "/d.bkt/.granary/" + name).content_length, whole.body.size());
    for (const std::size_t from : {std::size_t{0}, std::size_t{1}, std::size_t{57}, whole.body.size() / 2, whole.body.size() - 1}) {
      for (const std::size_t length : {std::size_t{1}, std::size_t{100}, std::size_t{5000}}) {
        TestRequest range("GET", "/d.bkt/.granary/" + name);
        range.set("range", "bytes=" + std::to_string(from) + "-" + std::to_string(from + length - 1));
        ASSERT_EQ(call(range).body, whole.body.substr(from, length)) << name << ' ' << from;
      }
    }
  }
  std::istringstream lines(call("GET", "/d.bkt/.granary/manifest.jsonl").body);
  std::string line;
  int index = 0;
  for (; std::getline(lines, line); ++index) {
    const json sample = json::parse(line);
    EXPECT_EQ(sample["index"], index);
    EXPECT_EQ(sample["version"], "null");
    EXPECT_TRUE(sample["labels"].contains("class"));
  }
  EXPECT_EQ(index, 27);
  EXPECT_TRUE(call("GET", "/d.bkt/.granary/manifest.csv").body.starts_with("index,key,version,size,etag,labels\r\n0,img/100.jpg,null,20,"));
  EXPECT_EQ(call("GET", "/d.bkt/.granary/manifest.csv").header("Content-Type"), "text/csv");
  EXPECT_EQ(call("GET", "/bkt/.granary/manifest.csv").code(), "NoSuchKey");
  const Reply list = call("GET", "/d.bkt?list-type=2&prefix=.granary/");
  EXPECT_EQ(list.count("<Key>"), 2u);
}

TEST_F(DatasetServiceTest, TarsHoldAllSamplesOfAnEpochOnce) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class"})").status, 200u);
  std::map<std::string, std::string> all;
  std::vector<std::string> order;
  for (const char* tar : {"000000.tar", "000001.tar", "000002.tar"}) {
    const Reply reply = call("GET", std::string("/d.bkt/.granary/shards/seed=1,size=10/") + tar);
    ASSERT_EQ(reply.status, 200u) << reply.body;
    EXPECT_EQ(reply.header("Content-Type"), "application/x-tar");
    EXPECT_EQ(reply.content_length, reply.body.size());
    for (auto& [name, content] : untar(reply.body, &order)) EXPECT_TRUE(all.emplace(name, content).second) << name;
  }
  EXPECT_EQ(call("GET", "/d.bkt/.granary/shards/seed=1,size=10/000003.tar").code(), "NoSuchKey");
  EXPECT_EQ(all.size(), 54u);
  EXPECT_EQ(all["img/107.jpg"], "bytes of img/107.jpg");
  EXPECT_EQ(all["odd/name_with_dots.json"], "{}");
  EXPECT_EQ(json::parse(all["odd/name_with_dots.labels.json"])["tags"]["class"], "cat");
  EXPECT_EQ(all[std::string(150, 'n') + "/x.png"], std::string(3000, 'p'));
  const json labels = json::parse(all["img/105.json"]);
  EXPECT_EQ(labels["key"], "img/105.jpg");
  EXPECT_EQ(labels["version"], "null");
  EXPECT_EQ(labels["labels"]["class"], "cat");
  EXPECT_EQ(labels["annotations"], json::object());
  EXPECT_EQ(labels["meta"], json::object());
  EXPECT_NE(order[0], "img/100.jpg");
  // In the order that order/ tells.
  std::istringstream lines(call("GET", "/d.bkt/.granary/order/seed=1").body);
  std::string line;
  for (std::size_t i = 0; std::getline(lines, line); ++i) {
    const json each = json::parse(line);
    EXPECT_EQ(each["position"], i);
    const std::string key = each["key"];
    if (key.starts_with("img/")) {
      EXPECT_EQ(order[2 * i], key);
    }
  }
  // The sealed order, without labels.
  std::vector<std::string> sealed;
  untar(call("GET", "/d.bkt/.granary/shards/order=sealed,labels=none/000000.tar").body, &sealed);
  EXPECT_EQ(sealed.size(), 27u);
  EXPECT_EQ(sealed[0], "img/100.jpg");
}

TEST_F(DatasetServiceTest, RangesOfATarAreItsBytes) {
  fill();
  ASSERT_EQ(put("/bkt/large.bin", std::string(700'000, 'L')).status, 200u);
  ASSERT_EQ(seal("d", R"({"query": "object.size > 0"})").status, 200u);
  const std::string target = "/d.bkt/.granary/batches/seed=3,rank=0,world=1/000000.tar";
  const Reply whole = call("GET", target);
  ASSERT_EQ(whole.status, 200u);
  EXPECT_EQ(whole.body, call("GET", target).body);
  const Reply head = call("HEAD", target);
  EXPECT_EQ(head.content_length, whole.body.size());
  EXPECT_EQ(head.header("ETag"), whole.header("ETag"));
  EXPECT_NE(head.header("ETag").size(), 34u);
  for (std::size_t from = 0; from < whole.body.size(); from += 7919) {
    TestRequest range("GET", target);
    range.set("range", "bytes=" + std::to_string(from) + "-" + std::to_string(from + 9999));
    range.set("if-match", whole.header("ETag"));
    const Reply part = call(range);
    ASSERT_EQ(part.status, 206u);
    ASSERT_EQ(part.body, whole.body.substr(from, 10'000)) << from;
  }
  TestRequest beyond("GET", target);
  beyond.set("range", "bytes=" + std::to_string(whole.body.size()) + "-");
  EXPECT_EQ(call(beyond).status, 416u);
  TestRequest match("GET", target);
  match.set("if-none-match", whole.header("ETag"));
  EXPECT_EQ(call(match).status, 304u);
}

TEST_F(DatasetServiceTest, RanksAndResumesSeeEverySampleOnce) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class"})").status, 200u);
  for (const int world : {1, 2, 4}) {
    std::multiset<std::string> seen;
    const auto read = [&](const std::string& p) {
      for (int number = 0;; ++number) {
        char name[16];
        std::snprintf(name, sizeof name, "%06d.tar", number);
        const Reply reply = call("GET", "/d.bkt/.granary/batches/" + p + "/" + name);
        if (reply.status == 404) break;
        ASSERT_EQ(reply.status, 200u) << reply.body;
        for (const auto& [member, content] : untar(reply.body)) seen.insert(member);
      }
    };
    const std::string common = "seed=5,epoch=2,labels=none,size=3,world=" + std::to_string(world);
    // Every rank reads its first batch, then all are killed and resume behind what all have read.
    for (int rank = 0; rank < world; ++rank) {
      const Reply first = call("GET", "/d.bkt/.granary/batches/" + common + ",rank=" + std::to_string(rank) + "/000000.tar");
      ASSERT_EQ(first.status, 200u);
      for (const auto& [member, content] : untar(first.body)) seen.insert(member);
    }
    const int start = 3 * world;
    for (int rank = 0; rank < world; ++rank) {
      read(common + ",rank=" + std::to_string(rank) + ",start=" + std::to_string(start));
    }
    EXPECT_EQ(seen.size(), 27u);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 27u);
  }
}

TEST_F(DatasetServiceTest, ParametersOutOfRangeAreRefused) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class"})").status, 200u);
  for (const char* p : {"seed", "seed=x", "size=0", "size=1000001", "colour=1", "seed=1,seed=1", "rank=1,world=1", "rank=0",
                        "balance=a,weight=b", "query=class%2520%253D", "balance=nobody", "weight=class", "order=up"}) {
    const Reply reply = call("GET", std::string("/d.bkt/.granary/shards/") + p + "/000000.tar");
    EXPECT_EQ(reply.status, 400u) << p;
    EXPECT_EQ(reply.code(), "InvalidArgument") << p;
  }
  EXPECT_EQ(call("GET", "/d.bkt/.granary/order/seed=1,rank=2,world=2").status, 400u);
  EXPECT_EQ(call("GET", "/d.bkt/.granary/shards/seed=1/0.tar").code(), "NoSuchKey");
  EXPECT_EQ(call("GET", "/d.bkt/.granary/shards/seed=1").code(), "NoSuchKey");
  EXPECT_EQ(call("GET", "/bkt/.granary/shards/seed=1/000000.tar").code(), "NoSuchKey");
}

TEST_F(DatasetServiceTest, FiltersAndDraws) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class"})").status, 200u);
  const auto cats = untar(call("GET", "/d.bkt/.granary/shards/query=class%20%253D%20'cat',labels=none/000000.tar").body);
  EXPECT_EQ(cats.size(), 6u);
  std::vector<std::string> drawn;
  untar(call("GET", "/d.bkt/.granary/batches/balance=class,seed=1,labels=none/000000.tar").body, &drawn);
  EXPECT_EQ(drawn.size(), 27u);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    EXPECT_NE(drawn[i].find("~" + std::to_string(i) + "."), std::string::npos) << drawn[i];
  }
}

TEST_F(DatasetServiceTest, EncryptedSamplesAreOpened) {
  const std::string large(600'000, 'e');
  for (const auto& [key, bytes] : {std::pair<std::string, std::string>{"small.jpg", "secret"}, {"large.jpg", large}}) {
    TestRequest request("PUT", "/bkt/" + key, bytes);
    request.set("x-amz-server-side-encryption", "AES256");
    ASSERT_EQ(call(request).status, 200u);
  }
  ASSERT_EQ(seal("d", R"({"keys": ["small.jpg", "large.jpg"]})").status, 200u);
  auto members = untar(call("GET", "/d.bkt/.granary/shards/seed=1,labels=none/000000.tar").body);
  EXPECT_EQ(members["small.jpg"], "secret");
  EXPECT_EQ(members["large.jpg"], large);
  EXPECT_EQ(call("GET", "/d.bkt/small.jpg").body, "secret");
}

TEST_F(DatasetServiceTest, TarsAreListedWithExactSizes) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class"})").status, 200u);
  const Reply list = call("GET", "/d.bkt?list-type=2&prefix=.granary/shards/seed=1,size=10/");
  ASSERT_EQ(list.count("<Key>"), 3u) << list.body;
  const Reply tar = call("HEAD", "/d.bkt/.granary/shards/seed=1,size=10/000000.tar");
  EXPECT_EQ(list.element("Size"), std::to_string(tar.content_length));
  EXPECT_EQ(list.element("ETag"), "&quot;" + tar.header("ETag").substr(1, tar.header("ETag").size() - 2) + "&quot;");
  const Reply page = call("GET", "/d.bkt?list-type=2&max-keys=2&prefix=.granary/shards/seed=1,size=10/");
  EXPECT_EQ(page.element("IsTruncated"), "true");
  EXPECT_EQ(call("GET", "/d.bkt?list-type=2&prefix=.granary/shards/").count("<Key>"), 0u);
}

TEST_F(DatasetServiceTest, DifferencesAreReadable) {
  fill();
  ASSERT_EQ(seal("one", R"({"query": "EXISTS class"})").status, 200u);
  ASSERT_EQ(put_tagged("img/100.jpg", "new bytes", "class=cat").status, 200u);
  ASSERT_EQ(call("PUT", "/bkt/img/101.jpg?tagging",
                 "<Tagging><TagSet><Tag><Key>class</Key><Value>bird</Value></Tag></TagSet></Tagging>").status, 200u);
  ASSERT_EQ(call("DELETE", "/bkt/img/102.jpg").status, 204u);
  ASSERT_EQ(put_tagged("img/zzz.jpg", "added", "class=cat").status, 200u);
  ASSERT_EQ(seal("two", R"({"query": "EXISTS class"})").status, 200u);
  const Reply diff = call("GET", "/bkt/.granary/diff/one/two");
  ASSERT_EQ(diff.status, 200u);
  EXPECT_EQ(diff.body,
            "{\"key\":\"img/100.jpg\",\"change\":\"content\"}\n"
            "{\"key\":\"img/101.jpg\",\"change\":\"labels\"}\n"
            "{\"key\":\"img/102.jpg\",\"change\":\"removed\"}\n"
            "{\"key\":\"img/zzz.jpg\",\"change\":\"added\"}\n");
  EXPECT_EQ(call("GET", "/bkt/.granary/diff/one/one").body, "");
  EXPECT_EQ(call("GET", "/bkt/.granary/diff/one/nobody").code(), "NoSuchKey");
}

TEST_F(DatasetServiceTest, ReadersLeaveReceipts) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class"})").status, 200u);
  json seen = json::parse(call("GET", "/bkt/.granary/seen/img/103.jpg").body);
  EXPECT_EQ(seen["key"], "img/103.jpg");
  ASSERT_EQ(seen["datasets"].size(), 1u);
  EXPECT_EQ(seen["datasets"][0]["name"], "d");
  EXPECT_EQ(seen["sessions"], json::array());
  call("HEAD", "/d.bkt/.granary/shards/seed=1,size=10/000000.tar");
  EXPECT_EQ(json::parse(call("GET", "/bkt/.granary/seen/img/103.jpg").body)["sessions"], json::array());
  for (const char* tar : {"000000.tar", "000001.tar", "000002.tar"}) {
    ASSERT_EQ(call("GET", std::string("/d.bkt/.granary/shards/seed=1,size=10/") + tar).status, 200u);
  }
  seen = json::parse(call("GET", "/bkt/.granary/seen/img/103.jpg").body);
  ASSERT_EQ(seen["sessions"].size(), 1u);
  EXPECT_EQ(seen["sessions"][0]["dataset"], "d");
  EXPECT_EQ(seen["sessions"][0]["order"], "seed=1,size=10");
  EXPECT_EQ(seen["sessions"][0]["from"], 0);
  EXPECT_EQ(seen["sessions"][0]["to"], 27);
  const Reply nobody = call("GET", "/bkt/.granary/seen/never-was");
  EXPECT_EQ(nobody.status, 200u);
  EXPECT_EQ(json::parse(nobody.body)["datasets"], json::array());
}

TEST_F(DatasetServiceTest, PoliciesGovernDatasets) {
  fill();
  ASSERT_EQ(seal("d", R"({"query": "EXISTS class", "splits": {"train": 0.5, "test": 0.5}})").status, 200u);
  TestRequest get("GET", "/d-train.bkt?list-type=2");
  EXPECT_EQ(call_as(alt_user(), get).status, 403u);
  // Who may read the bucket may read its datasets.
  const std::string allow = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject",
    "s3:ListBucket"],"Resource":["arn:aws:s3:::bkt","arn:aws:s3:::bkt/*"]})";
  ASSERT_EQ(call("PUT", "/bkt?policy", allow + "]}").status, 204u);
  EXPECT_EQ(call_as(alt_user(), get).status, 200u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/d-train.bkt/.granary/shards/seed=1/000000.tar")).status, 200u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/d-test.bkt/.granary/manifest.csv")).status, 200u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", "/d-test.bkt/x", "x")).status, 405u);
  // The test split is closed by name.
  ASSERT_EQ(call("PUT", "/bkt?policy", allow + R"(,{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":
    ["arn:aws:s3:::d-test.bkt","arn:aws:s3:::d-test.bkt/*"]}]})").status, 204u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/d-test.bkt?list-type=2")).status, 403u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/d-test.bkt/.granary/manifest.csv")).status, 403u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", "/d-test.bkt/x", "x")).status, 403u);
  EXPECT_EQ(call_as(alt_user(), get).status, 200u);
  // One sample that is closed closes the tar.
  ASSERT_EQ(call("PUT", "/bkt?policy", allow + R"(,{"Effect":"Deny","NotPrincipal":{"AWS":"nobody"},"Action":"s3:GetObject","Resource":
    "arn:aws:s3:::bkt/img/10*"}]})").status / 100, 4u);  // there is no such user
  ASSERT_EQ(call("PUT", "/bkt?policy", allow + R"(,{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":
    "arn:aws:s3:::bkt/img/10*"}]})").status, 204u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/d.bkt/.granary/shards/seed=1/000000.tar")).status, 403u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/d.bkt/img/101.jpg")).status, 403u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("GET", "/d.bkt/img/124.jpg")).status, 200u);
  EXPECT_EQ(call_as(alt_user(), TestRequest("PUT", "/bkt/.granary/datasets/mine", R"({"query":"EXISTS class"})")).status, 403u);
}

}  // namespace
}  // namespace tests
