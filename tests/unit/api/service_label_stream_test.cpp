// Streams of labels and labels that wait for their objects, on the wire.
#include "api/virtual/label_lines.h"
#include "tests/unit/api/service_fixture.h"

namespace tests {
namespace {

using api::LabelLines;

// All lines of a stream that arrives `step` bytes at a time: "line:key=payload" or "line!".
std::vector<std::string> lines_of(const std::string& text, std::size_t step) {
  LabelLines lines;
  std::vector<std::string> found;
  const auto take = [&] {
    while (auto record = lines.next()) {
      const std::string at = std::to_string(record->line);
      found.push_back(record->reason.empty() ? at + ":" + record->key + "=" + record->payload : at + "!");
    }
  };
  for (std::size_t at = 0; at < text.size(); at += step) {
    lines.feed(std::string_view(text).substr(at, step));
    take();
  }
  lines.finish();
  take();
  if (lines.format() == LabelLines::Format::bad) found.emplace_back("bad");
  return found;
}

TEST(LabelLines, JsonPayloadsAreTakenAsWritten) {
  const std::string text = "\n {\"key\":\"a\",\"payload\": {\"x\" :1} }\r\n\n{\"payload\":\"t\",\"key\":\"\\u0062\"}\n"
                           "nonsense\n{\"key\":\"\",\"payload\":1}\n{\"key\":\".granary/x\",\"payload\":1}\n{\"key\":\"c\"}\n"
                           "{\"key\":\"d\",\"payload\":null}";
  const std::vector<std::string> wanted{"2:a={\"x\" :1}", "4:b=\"t\"", "5!", "6!", "7!", "8!", "9:d=null"};
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, text.size()}) EXPECT_EQ(lines_of(text, step), wanted);
}

TEST(LabelLines, CsvIsReadByItsRfc) {
  const std::string text = "key,payload\r\na,1\r\n\"b,c\",\"say \"\"x\"\"\nagain\"\r\n\r\nd\r\ne,f,g\nh,\"x\"y\ni,j\"k\nl,\nm,last";
  const std::vector<std::string> wanted{"2:a=1", "3:b,c=say \"x\"\nagain", "6!", "7!", "8!", "9!", "10!", "11:m=last"};
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}, text.size()}) EXPECT_EQ(lines_of(text, step), wanted) << step;
  EXPECT_EQ(lines_of("a,1\n", 1), std::vector<std::string>{"bad"});
  EXPECT_EQ(lines_of("", 1), std::vector<std::string>{"bad"});
  EXPECT_EQ(lines_of("key,payload", 3), std::vector<std::string>{});
}

TEST(LabelLines, ALineOfAnyLengthEndsSomewhere) {
  const std::string text = "{\"key\":\"a\",\"payload\":\"" + std::string(3 * 1024 * 1024, 'x') +
                           "\"}\n{\"key\":\"b\",\"payload\":1}\n";
  EXPECT_EQ(lines_of(text, 100'000), (std::vector<std::string>{"1!", "2:b=1"}));
}

class LabelStreamTest : public ServiceTest {
 protected:
  LabelStreamTest() { call("PUT", "/bkt"); }
  std::string annotation(const std::string& key) {
    return call("GET", "/bkt/" + key + "?annotation&annotationName=truth").body;
  }
};

TEST_F(LabelStreamTest, LinesAreAppliedPendingOrRejected) {
  put("/bkt/a", "bytes");
  put("/bkt/b", "bytes");
  const std::string stream = "{\"key\":\"a\",\"payload\":{\"class\":\"cat\"}}\n{\"key\":\"b\",\"payload\":1}\nbroken\n"
                             "{\"key\":\"later\",\"payload\":{\n{\"key\":\"later\",\"payload\":{\"class\":\"dog\"}}\n";
  const Reply done = call("PUT", "/bkt/.granary/labels/truth", stream);
  EXPECT_EQ(done.status, 200u) << done.body;
  const Reply report = call("GET", "/bkt/.granary/labels/truth");
  EXPECT_EQ(report.body,
            "{\"name\":\"truth\",\"state\":\"done\",\"lines\":5,\"applied\":2,\"pending\":1,\"rejected\":2,\"errors\":["
            "{\"line\":3,\"reason\":\"not JSON\"},{\"line\":4,\"reason\":\"not JSON\"}]}");
  EXPECT_EQ(report.header("Content-Type"), "application/json");
  EXPECT_EQ(annotation("a"), "{\"class\":\"cat\"}");
  EXPECT_EQ(call("GET", "/bkt/.granary/pending/truth").body, "{\"key\":\"later\",\"payload\":{\"class\":\"dog\"}}\n");
  put("/bkt/later", "bytes");
  EXPECT_EQ(annotation("later"), "{\"class\":\"dog\"}");
  EXPECT_EQ(call("GET", "/bkt/.granary/pending/truth").body, "");
  EXPECT_EQ(call("GET", "/bkt/.granary/pending/truth").status, 200u);
  const Reply list = call("GET", "/bkt?list-type=2&prefix=.granary/labels/");
  EXPECT_EQ(list.element("Key"), ".granary/labels/truth");
  EXPECT_EQ(list.element("Size"), std::to_string(report.body.size()));
  EXPECT_EQ(list.element("ETag"), "&quot;" + report.header("ETag").substr(1, report.header("ETag").size() - 2) + "&quot;");
  EXPECT_EQ(call("GET", "/bkt?list-type=2").count("<Key>"), 3u);
}

TEST_F(LabelStreamTest, CsvCellsAreTheAnnotations) {
  put("/bkt/a", "bytes");
  EXPECT_EQ(call("PUT", "/bkt/.granary/labels/caption", "key,payload\na,\"a cat, asleep\"\nnobody,x\n").status, 200u);
  EXPECT_EQ(call("GET", "/bkt/a?annotation&annotationName=caption").body, "a cat, asleep");
  EXPECT_EQ(call("GET", "/bkt/.granary/pending/caption").body, "{\"key\":\"nobody\",\"payload\":\"x\"}\n");
  EXPECT_EQ(call("DELETE", "/bkt/.granary/pending/caption").status, 204u);
  EXPECT_EQ(call("GET", "/bkt/.granary/pending/caption").body, "");
}

TEST_F(LabelStreamTest, WhatIsNoStreamAppliesNothing) {
  put("/bkt/a", "bytes");
  EXPECT_EQ(call("PUT", "/bkt/.granary/labels/truth", "a,1\n").status, 400u);
  EXPECT_EQ(call("GET", "/bkt/.granary/labels/truth").status, 404u);
  EXPECT_EQ(call("PUT", "/bkt/.granary/labels/aws", "{\"key\":\"a\",\"payload\":1}").code(), "InvalidAnnotationName");
  EXPECT_EQ(call("DELETE", "/bkt/.granary/labels/truth").status, 405u);
  EXPECT_EQ(annotation("a").find("NoSuchAnnotation") != std::string::npos, true);
}

TEST_F(LabelStreamTest, ALaterStreamReplacesWhatItNames) {
  put("/bkt/a", "bytes");
  put("/bkt/b", "bytes");
  call("PUT", "/bkt/.granary/labels/truth", "{\"key\":\"a\",\"payload\":1}\n{\"key\":\"b\",\"payload\":1}\n");
  call("PUT", "/bkt/.granary/labels/truth", "{\"key\":\"a\",\"payload\":2}\n{\"key\":\"a\",\"payload\":3}\n");
  EXPECT_EQ(annotation("a"), "3");
  EXPECT_EQ(annotation("b"), "1");
  EXPECT_NE(call("GET", "/bkt/.granary/labels/truth").body.find("\"lines\":2,\"applied\":2"), std::string::npos);
}

TEST_F(LabelStreamTest, ManyLinesGoInManyTransactions) {
  std::string stream;
  for (int i = 0; i < 1500; ++i) stream += "{\"key\":\"k" + std::to_string(i) + "\",\"payload\":" + std::to_string(i) + "}\n";
  EXPECT_EQ(call("PUT", "/bkt/.granary/labels/truth", stream).status, 200u);
  EXPECT_NE(call("GET", "/bkt/.granary/labels/truth").body.find("\"lines\":1500,\"applied\":0,\"pending\":1500"),
            std::string::npos);
  put("/bkt/k1499", "bytes");
  EXPECT_EQ(annotation("k1499"), "1499");
}

}  // namespace
}  // namespace tests
