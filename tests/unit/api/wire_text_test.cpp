// Encodings, dates, ranges, conditions, tags, names of checksums.
#include <gtest/gtest.h>

#include "api/ascii.h"
#include "api/byte_range.h"
#include "api/checksum.h"
#include "api/conditions.h"
#include "api/copy_source.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/object_headers.h"
#include "api/tags.h"
#include "api/xml_reader.h"

namespace {

using api::RangeKind;
using api::S3Error;

TEST(Encoding, Base64) {
  EXPECT_EQ(api::to_base64(""), "");
  EXPECT_EQ(api::to_base64("f"), "Zg==");
  EXPECT_EQ(api::to_base64("fo"), "Zm8=");
  EXPECT_EQ(api::to_base64("foo"), "Zm9v");
  EXPECT_EQ(api::to_base64("\xff\xff\xfe"), "///+");
  EXPECT_EQ(api::to_base64url("\xff\xff\xfe\xff"), "___-_w");
  for (const std::string& raw : {std::string(), std::string("a"), std::string("ab"), std::string("abc"),
                                 std::string("\0\x80\xff", 3)}) {
    EXPECT_EQ(api::from_base64(api::to_base64(raw)), raw);
    EXPECT_EQ(api::from_base64url(api::to_base64url(raw)), raw);
  }
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "Z g=", "====", "Zm9=", "-_-_"}) {
    EXPECT_FALSE(api::from_base64(text)) << text;
  }
}

TEST(Encoding, Utf8) {
  for (const char* text : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(api::is_utf8(text)) << text;
  }
  for (const char* text :
       {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xff"}) {
    EXPECT_FALSE(api::is_utf8(text));
  }
  EXPECT_EQ(api::count_code_points("a\xc3\xa4\xf0\x9f\x98\x80"), 3u);
  EXPECT_EQ(api::latin1_to_utf8("a\xe4"), "a\xc3\xa4");
}

TEST(HttpDate, FormsRoundTrip) {
  constexpr std::int64_t kMs = 784111777000;
  EXPECT_EQ(api::http_date(kMs), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(api::iso_date(kMs + 5), "1994-11-06T08:49:37.005Z");
  EXPECT_EQ(api::amz_date(kMs), "19941106T084937Z");
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994", "Sun, 6 Nov 1994 08:49:37 +0000"}) {
    EXPECT_EQ(api::parse_http_date(text), kMs / 1000) << text;
  }
  EXPECT_EQ(api::parse_iso_date("1994-11-06T08:49:37.123Z"), kMs / 1000);
  EXPECT_EQ(api::parse_iso_date("1994-11-06T08:49:37Z"), kMs / 1000);
  EXPECT_EQ(api::parse_amz_date("19941106T084937Z"), kMs / 1000);
  EXPECT_EQ(api::http_date(951782400000), "Tue, 29 Feb 2000 00:00:00 GMT");
  for (const char* text :
       {"", "x", "Sun,", "Sun, 06 Nov 1994", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 PST", "19941106T084937", "Sun Nov"}) {
    EXPECT_FALSE(api::parse_http_date(text)) << text;
    EXPECT_FALSE(api::parse_amz_date(text)) << text;
    EXPECT_FALSE(api::parse_iso_date(text)) << text;
  }
}

void expect_slice(std::string_view header, std::uint64_t size, std::uint64_t offset, std::uint64_t length) {
  const auto answer = api::parse_range(header, size);
  EXPECT_EQ(answer.kind, RangeKind::slice) << header;
  EXPECT_EQ(answer.range.offset, offset) << header;
  EXPECT_EQ(answer.range.length, length) << header;
}

// Items 50 to 52, 147.
TEST(ByteRange, FormsOfTheHeader) {
  expect_slice("bytes=0-499", 1000, 0, 500);
  expect_slice("bytes=0-499", 100, 0, 100);
  expect_slice("bytes=99-", 100, 99, 1);
  expect_slice("bytes=-10", 100, 90, 10);
  expect_slice("bytes=-1000", 100, 0, 100);
  expect_slice("Bytes=0-0", 100, 0, 1);
  expect_slice("bytes=0-18446744073709551615", 100, 0, 100);
  for (const char* header : {"bytes=100-", "bytes=100-200", "bytes=-0"}) {
    EXPECT_EQ(api::parse_range(header, 100).kind, RangeKind::unsatisfiable) << header;
  }
  for (const char* header : {"bytes=0-0", "bytes=-5", "bytes=0-"}) {
    EXPECT_EQ(api::parse_range(header, 0).kind, RangeKind::unsatisfiable) << header;
  }
  for (const char* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "items=0-1", "bytes=a-b",
        "bytes=0-1x", "bytes=--1", "bytes=1", "bytes=99999999999999999999-"}) {
    EXPECT_EQ(api::parse_range(header, 100).kind, RangeKind::whole) << header;
  }
}

// Item 103.
TEST(ByteRange, ClosedForm) {
  const auto range = api::parse_closed_range("bytes=5-9");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->offset, 5u);
  EXPECT_EQ(range->length, 5u);
  for (const char* header : {"", "5-9", "bytes=5-", "bytes=-5", "bytes=9-5", "bytes=a-b", "bytes=0-1,2-3",
                             "bytes=0-18446744073709551615"}) {
    EXPECT_FALSE(api::parse_closed_range(header)) << header;
  }
}

// Items 43, 44.
TEST(Conditions, EntityTags) {
  for (const char* tag : {"\"x\"", "x", " \"x\" ", "W/\"x\""}) EXPECT_EQ(api::bare_etag(tag), "x") << tag;
  for (const char* list : {"*", "\"x\"", "x", "\"a\", \"x\"", "W/\"x\"", "a,x"})
    EXPECT_TRUE(api::etag_matches(list, "x")) << list;
  for (const char* list : {"", "\"y\"", "\"xx\"", ",", "\"\""})
    EXPECT_FALSE(api::etag_matches(list, "x")) << list;
}

// Item 100.
TEST(CopySource, Forms) {
  const auto key = [](std::string_view header) {
    const auto source = api::parse_copy_source(header);
    return source ? source->bucket + "|" + source->key : "error";
  };
  EXPECT_EQ(key("bkt/k"), "bkt|k");
  EXPECT_EQ(key("/bkt/a/b"), "bkt|a/b");
  EXPECT_EQ(key("bkt/a%20b+c"), "bkt|a b+c");
  EXPECT_EQ(key("bkt/a%2525"), "bkt|a%25");
  EXPECT_EQ(key("bkt%2Fk"), "bkt|k");
  EXPECT_EQ(key("bkt/k?versionId=null"), "bkt|k");
  EXPECT_EQ(key("bkt//k"), "bkt|/k");
  for (const char* header : {"", "/", "bkt", "bkt/", "/bkt", "//k", "bkt/%zz", "b/k", "bkt/k?x=1"}) {
    EXPECT_EQ(key(header), "error") << header;
  }
  const auto version = api::parse_copy_source("bkt/k?versionId=abc");
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().error(), S3Error::invalid_argument);
  std::string id;
  ASSERT_TRUE(api::parse_copy_source("bkt/k?versionId=" + std::string(32, 'v'), &id));
  EXPECT_EQ(id, std::string(32, 'v'));
  ASSERT_TRUE(api::parse_copy_source("bkt/k", &id));
}

// Items 25, 122.
TEST(ObjectHeaders, AwsChunkedIsNoEncodingOfTheObject) {
  EXPECT_EQ(api::stored_content_encoding("aws-chunked"), "");
  EXPECT_EQ(api::stored_content_encoding("gzip, aws-chunked"), "gzip");
  EXPECT_EQ(api::stored_content_encoding("AWS-Chunked,gzip,br"), "gzip, br");
}

// Items 114, 151.
TEST(Tags, Rules) {
  const auto parsed = api::parse_tag_header("class=cat&split=train%20set&note=&\xc3\xa4=%E4%BD%A0+x");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size(), 4u);
  EXPECT_EQ((*parsed)[1].second, "train set");
  EXPECT_EQ((*parsed)[3].second, "\xe4\xbd\xa0 x");
  std::string ten;
  for (int i = 0; i < 10; ++i) ten += "k" + std::to_string(i) + "=v&";
  EXPECT_TRUE(api::parse_tag_header(ten));
  const auto error = [](std::string_view header) {
    const auto tags = api::parse_tag_header(header);
    return tags ? S3Error::internal_error : tags.error().error();
  };
  EXPECT_EQ(error(ten + "k=v"), S3Error::invalid_tag);
  EXPECT_EQ(error("a=1&a=2"), S3Error::invalid_tag);
  EXPECT_EQ(error("=v"), S3Error::invalid_tag);
  EXPECT_EQ(error("a=%01"), S3Error::invalid_tag);
  EXPECT_EQ(error("a=%ff"), S3Error::invalid_tag);
  EXPECT_EQ(error("a=%"), S3Error::invalid_argument);
  EXPECT_EQ(error(std::string(129, 'k') + "=v"), S3Error::invalid_tag);
  EXPECT_EQ(error("k=" + std::string(257, 'v')), S3Error::invalid_tag);
  EXPECT_TRUE(api::parse_tag_header(std::string(128, 'k') + "=" + std::string(256, 'v')));
}

TEST(Tags, Document) {
  const auto parse = [](std::string_view text) {
    auto document = api::parse_xml(text, "Tagging");
    if (!document) return std::string("unparsable");
    auto tags = api::parse_tagging(*document);
    return tags ? std::to_string(tags->size()) : std::string(api::error_row(tags.error().error()).code);
  };
  EXPECT_EQ(parse("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"), "1");
  EXPECT_EQ(parse("<Tagging><TagSet/></Tagging>"), "0");
  EXPECT_EQ(parse("<Tagging/>"), "MalformedXML");
  EXPECT_EQ(parse("<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>"), "MalformedXML");
  EXPECT_EQ(parse("<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key></Tag></TagSet></Tagging>"), "MalformedXML");
}

// Item 34.
TEST(Checksum, Pairs) {
  using api::ChecksumAlgorithm;
  using api::ChecksumType;
  EXPECT_TRUE(api::checksum_pair_exists(ChecksumAlgorithm::crc32, ChecksumType::composite));
  EXPECT_TRUE(api::checksum_pair_exists(ChecksumAlgorithm::crc32c, ChecksumType::full_object));
  EXPECT_FALSE(api::checksum_pair_exists(ChecksumAlgorithm::crc64nvme, ChecksumType::composite));
  EXPECT_FALSE(api::checksum_pair_exists(ChecksumAlgorithm::sha1, ChecksumType::full_object));
  EXPECT_FALSE(api::checksum_pair_exists(ChecksumAlgorithm::sha256, ChecksumType::full_object));
  EXPECT_EQ(api::checksum_by_name("crc64nvme"), ChecksumAlgorithm::crc64nvme);
  EXPECT_FALSE(api::checksum_by_name("BLAKE3"));
  api::Checksum composite{ChecksumAlgorithm::crc32, ChecksumType::composite, std::string("\0\0\0\1", 4)};
  EXPECT_EQ(api::checksum_text(composite, 3), "AAAAAQ==-3");
}

}  // namespace
