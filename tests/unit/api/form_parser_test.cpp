// FormParser, fed at every cut.
#include "api/form_parser.h"

#include <gtest/gtest.h>

#include <cstring>

namespace {

using api::FormParser;

// What a form came to: "[name|filename|type]value;" for each part, and how it ended.
std::string run(std::string_view body, std::size_t step, std::string_view boundary = "XX") {
  FormParser parser(boundary);
  std::string seen;
  std::size_t at = 0;
  for (;;) {
    switch (parser.next()) {
      case FormParser::Step::more: {
        const auto room = parser.room();
        EXPECT_FALSE(room.empty());
        const std::size_t count = std::min({step, room.size(), body.size() - at});
        if (count == 0) {
          parser.end();
        } else {
          std::memcpy(room.data(), body.data() + at, count);
          parser.add(count);
          at += count;
        }
        break;
      }
      case FormParser::Step::part:
        seen += "[" + parser.part().name + "|" + parser.part().filename + "|" + parser.part().content_type + "]";
        break;
      case FormParser::Step::bytes:
        EXPECT_FALSE(parser.piece().empty());
        seen += parser.piece();
        break;
      case FormParser::Step::part_end:
        seen += ";";
        break;
      case FormParser::Step::done:
        return seen + "done";
      case FormParser::Step::malformed:
        EXPECT_EQ(parser.next(), FormParser::Step::malformed);
        return seen + "malformed";
    }
  }
}

void expect_form(std::string_view body, std::string_view expected) {
  for (const std::size_t step : {1u, 2u, 3u, 7u, 100u, 100'000u}) EXPECT_EQ(run(body, step), expected) << step;
}

std::string part(std::string_view disposition, std::string_view value) {
  return "--XX\r\nContent-Disposition: form-data; " + std::string(disposition) + "\r\n\r\n" + std::string(value) + "\r\n";
}

TEST(FormParser, FieldsAndFiles) {
  expect_form(part("name=\"key\"", "a b") + part("name=\"file\"; filename=\"x.txt\"", "bytes\r\n--X\r\nmore") + "--XX--\r\n",
              "[key||]a b;[file|x.txt|]bytes\r\n--X\r\nmore;done");
  expect_form(part("name=key", "") + "--XX--", "[key||];done");
  expect_form("preamble\r\n" + part("name=\"a\\\"b\"; filename=\"C:\\dir\\f\"", "v") + "--XX--epilogue",
              "[a\"b|C:\\dir\\f|]v;done");
  expect_form("--XX \r\ncontent-type: text/plain\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nv\r\n--XX--",
              "[n||text/plain]v;done");
}

TEST(FormParser, WhatIsNoForm) {
  expect_form("", "malformed");
  expect_form("--XX--", "done");
  expect_form("no form at all", "malformed");
  expect_form("--XX\r\n\r\nvalue\r\n--XX--", "malformed");
  expect_form("--XX\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nv\r\n--XX--", "malformed");
  expect_form("--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\nv\r\n--XX--", "malformed");
  expect_form("--XXjunk", "malformed");
  expect_form(part("name=\"a\"", "v") + "--XX", "[a||]v;malformed");
  EXPECT_EQ(run("--XX\r\n" + std::string(9000, 'h'), 100'000), "malformed") << "a head without end";
  EXPECT_TRUE(run(part("name=\"a\"", std::string(200'000, 'v')), 100'000).ends_with("malformed")) << "cut short";
}

TEST(FormParser, LongValuesPassInPieces) {
  const std::string value(300'000, '\r');
  EXPECT_EQ(run(part("name=\"file\"", value) + "--XX--", 100'000), "[file||]" + value + ";done");
}

TEST(FormParser, Boundaries) {
  EXPECT_EQ(api::form_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(api::form_boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), "a b");
  EXPECT_FALSE(api::form_boundary("multipart/form-data"));
  EXPECT_FALSE(api::form_boundary("multipart/form-data; boundary="));
  EXPECT_FALSE(api::form_boundary("multipart/mixed; boundary=a"));
  EXPECT_FALSE(api::form_boundary("multipart/form-data; boundary=" + std::string(201, 'x')));
}

}  // namespace
