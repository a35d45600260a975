#include <gtest/gtest.h>

#include "api/error_table.h"
#include "api/limits.h"
#include "api/service.h"
#include "api/xml_reader.h"
#include "api/xml_writer.h"

namespace {

using api::parse_xml;
using api::S3Error;

S3Error error_of(std::string_view text, std::string_view root = "Delete") {
  const auto parsed = parse_xml(text, root);
  return parsed ? S3Error::internal_error : parsed.error().error();
}

// Item 89.
TEST(XmlReader, NamespaceDeclarationAndLayoutDoNotMatter) {
  for (const char* text : {"<Delete><Object><Key>a&#x41;&amp;&#10;</Key></Object></Delete>",
                           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete "
                           "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
                           "  <Object>\n    <Key>aA&amp;&#xA;</Key>\n  </Object>\n</Delete>\n",
                           "<s:Delete "
                           "xmlns:s=\"http://s3.amazonaws.com/doc/2006-03-01/"
                           "\"><s:Object><s:Key><![CDATA[aA&]]>&#10;</s:Key></s:Object>"
                           "</s:Delete>"}) {
    const auto parsed = parse_xml(text, "Delete");
    ASSERT_TRUE(parsed) << text;
    const api::XmlElement* object = parsed->child("Object");
    ASSERT_NE(object, nullptr);
    const auto key = api::child_text(*object, "Key");
    ASSERT_TRUE(key && *key);
    EXPECT_EQ(**key, "aA&\n");
  }
}

// Items 89, 137.
TEST(XmlReader, Refused) {
  for (const char* text :
       {"", "x", "<Delete>", "<Delete></Delet>", "<Delete/><Delete/>", "<Other/>", "<delete/>",
        "<Delete xmlns=\"http://example.com/\"/>", "<!DOCTYPE Delete><Delete/>",
        "<!DOCTYPE d [<!ENTITY a \"b\">]><Delete>&a;</Delete>", "<Delete>&unknown;</Delete>",
        "<Delete>words<Object/></Delete>", "<Delete>\x01</Delete>", "<Delete>\xff</Delete>"}) {
    EXPECT_EQ(error_of(text), S3Error::malformed_xml) << text;
  }
  EXPECT_EQ(error_of(std::string_view("<Delete>\0</Delete>", 18)), S3Error::malformed_xml);
}

TEST(XmlReader, BillionLaughsEndAtTheDoctype) {
  std::string bomb = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a0 \"lol\">";
  for (int i = 1; i < 10; ++i) {
    bomb += "<!ENTITY a" + std::to_string(i) + " \"";
    for (int j = 0; j < 10; ++j) bomb += "&a" + std::to_string(i - 1) + ";";
    bomb += "\">";
  }
  EXPECT_EQ(error_of(bomb + "]><Delete>&a9;</Delete>"), S3Error::malformed_xml);
}

TEST(XmlReader, DepthAndElementsAreBounded) {
  std::string deep;
  for (std::size_t i = 0; i < api::kXmlDepthMax; ++i) deep += "<Delete>";
  std::string end;
  for (std::size_t i = 0; i < api::kXmlDepthMax; ++i) end += "</Delete>";
  EXPECT_TRUE(parse_xml(deep + end, "Delete"));
  EXPECT_EQ(error_of("<Delete>" + deep + end + "</Delete>"), S3Error::malformed_xml);
  std::string many = "<Delete>";
  for (std::size_t i = 0; i < api::kXmlElementsMax; ++i) many += "<a/>";
  EXPECT_EQ(error_of(many + "</Delete>"), S3Error::malformed_xml);
}

TEST(XmlReader, ChildText) {
  const auto parsed = parse_xml("<D><A>x</A><B>1</B><B>2</B><C><E/></C></D>", "D");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*api::child_text(*parsed, "A"), "x");
  EXPECT_EQ(*api::child_text(*parsed, "Z"), std::nullopt);
  EXPECT_FALSE(api::child_text(*parsed, "B"));
  EXPECT_FALSE(api::child_text(*parsed, "C"));
}

// Items 81, 90.
TEST(XmlWriter, Escapes) {
  api::XmlWriter xml;
  xml.element("Key", std::string_view("<&>\"'\r\n\t\x01\x7f\xc3\xa4", 12));
  xml.etag("abc");
  xml.flag("IsTruncated", false);
  EXPECT_EQ(xml.take(),
            "<?xml version=\"1.0\" "
            "encoding=\"UTF-8\"?>\n<Key>&lt;&amp;&gt;&quot;'&#xD;&#xA;&#x9;&#x1;&#x7F;\xc3\xa4</Key>"
            "<ETag>&quot;abc&quot;</ETag><IsTruncated>false</IsTruncated>");
}

TEST(ErrorTable, DocumentHasItsFiveElementsAndExtras) {
  const api::Failure failure = api::Failure(S3Error::no_such_key).with("Key", "a<b");
  const std::string document = api::error_document(failure, "/b/a<b", "REQUEST1");
  for (const char* part : {"<Error><Code>NoSuchKey</Code>",
                           "<Message>The specified key does not exist.</Message>", "<Key>a&lt;b</Key>",
                           "<Resource>/b/a&lt;b</Resource>", "<RequestId>REQUEST1</RequestId>", "<HostId>"}) {
    EXPECT_NE(document.find(part), std::string::npos) << part;
  }
  EXPECT_NE(document.find(api::host_id("REQUEST1")), std::string::npos);
  EXPECT_EQ(document.find("xmlns"), std::string::npos);
}

TEST(ErrorTable, CodesAndStatuses) {
  for (const api::ErrorRow& row : api::error_rows()) {
    EXPECT_GE(row.status, 400u) << row.code;
    EXPECT_FALSE(row.message.empty());
    EXPECT_EQ(api::error_from(make_error_code(row.error)), row.error);
  }
}

// Every error of the store means something to a client.
TEST(ErrorTable, StoreErrors) {
  using storage::Errc;
  const std::pair<Errc, S3Error> expected[] = {
      {Errc::not_found, S3Error::no_such_key},
      {Errc::conflict, S3Error::operation_aborted},
      {Errc::corrupt_record, S3Error::internal_error},
      {Errc::corrupt_data, S3Error::internal_error},
      {Errc::io_error, S3Error::internal_error},
      {Errc::drive_lost, S3Error::internal_error},
      {Errc::no_space, S3Error::insufficient_storage},
      {Errc::read_only, S3Error::service_unavailable},
      {Errc::overloaded, S3Error::slow_down},
      {Errc::shutting_down, S3Error::service_unavailable},
      {Errc::invalid_argument, S3Error::invalid_argument},
      {Errc::too_large, S3Error::entity_too_large},
      {Errc::unsupported, S3Error::internal_error},
      {Errc::snapshot_expired, S3Error::slow_down},
      {Errc::bound_exceeded, S3Error::quota_exceeded},
      {Errc::version_not_found, S3Error::no_such_version},
      {Errc::object_locked, S3Error::access_denied},
      {Errc::bucket_not_found, S3Error::no_such_bucket},
      {Errc::bucket_exists, S3Error::bucket_already_exists},
      {Errc::bucket_not_empty, S3Error::bucket_not_empty},
      {Errc::upload_not_found, S3Error::no_such_upload},
      {Errc::part_not_found, S3Error::invalid_part},
      {Errc::part_order, S3Error::invalid_part_order},
      {Errc::part_too_small, S3Error::entity_too_small},
      {Errc::precondition_failed, S3Error::precondition_failed},
      {Errc::conditional_conflict, S3Error::conditional_request_conflict},
      {Errc::size_mismatch, S3Error::invalid_request},
      {Errc::checksum_mismatch, S3Error::bad_digest},
      {Errc::checksum_type_mismatch, S3Error::invalid_request},
  };
  for (const auto& [code, error] : expected) {
    EXPECT_EQ(api::error_from(make_error_code(code)), error) << make_error_code(code).message();
  }
  EXPECT_EQ(api::error_from(make_error_code(api::BodyErrc::http_body_timeout)), S3Error::request_timeout);
  EXPECT_EQ(api::error_from(make_error_code(api::BodyErrc::http_body_malformed)), S3Error::incomplete_body);
  EXPECT_EQ(api::error_from({ENOSPC, boost::system::system_category()}), S3Error::insufficient_storage);
  EXPECT_EQ(api::error_from({EIO, boost::system::system_category()}), S3Error::internal_error);
}

}  // namespace
