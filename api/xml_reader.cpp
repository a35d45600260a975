#include "api/xml_reader.h"

#include <expat.h>

#include <memory>

#include "api/limits.h"
#include "api/xml_writer.h"
#include "storage/base/check.h"

namespace api {
namespace {

constexpr XML_Char kSeparator = '\n';  // cannot occur in a name or in a namespace

struct Builder {
  XML_Parser parser = nullptr;
  XmlElement document;  // its one child is the root
  std::vector<XmlElement> open;
  std::size_t elements = 0;
  bool failed = false;

  void fail() {
    failed = true;
    XML_StopParser(parser, XML_FALSE);
  }
};

bool is_white_space(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

void on_start(void* data, const XML_Char* name, const XML_Char** /*attributes*/) {
  Builder& builder = *static_cast<Builder*>(data);
  if (builder.failed) return;
  std::string_view local(name);
  if (const std::size_t at = local.rfind(kSeparator); at != std::string_view::npos) {
    if (local.substr(0, at) != kS3Namespace) return builder.fail();
    local.remove_prefix(at + 1);
  }
  if (builder.open.size() >= kXmlDepthMax || ++builder.elements > kXmlElementsMax) return builder.fail();
  builder.open.push_back(XmlElement{std::string(local), {}, {}});
}

void on_end(void* data, const XML_Char* /*name*/) {
  Builder& builder = *static_cast<Builder*>(data);
  if (builder.failed) return;
  XmlElement element = std::move(builder.open.back());
  builder.open.pop_back();
  if (!element.children.empty()) {
    // Text between elements is layout; words there belong to no schema of S3.
    if (!is_white_space(element.text)) return builder.fail();
    element.text.clear();
  }
  XmlElement& parent = builder.open.empty() ? builder.document : builder.open.back();
  parent.children.push_back(std::move(element));
}

void on_text(void* data, const XML_Char* text, int length) {
  Builder& builder = *static_cast<Builder*>(data);
  if (builder.failed || builder.open.empty()) return;
  builder.open.back().text.append(text, static_cast<std::size_t>(length));
}

void on_doctype(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  static_cast<Builder*>(data)->fail();
}

struct FreeParser {
  void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};

}  // namespace

const XmlElement* XmlElement::child(std::string_view name_wanted) const {
  for (const XmlElement& element : children) {
    if (element.name == name_wanted) return &element;
  }
  return nullptr;
}

std::size_t XmlElement::count(std::string_view name_wanted) const {
  std::size_t found = 0;
  for (const XmlElement& element : children) found += element.name == name_wanted ? 1 : 0;
  return found;
}

Outcome<XmlElement> parse_xml(std::string_view text, std::string_view root) {
  // S3 speaks UTF-8; a declaration of another encoding is overridden here, not obeyed.
  const std::unique_ptr<std::remove_pointer_t<XML_Parser>, FreeParser> parser(
      XML_ParserCreateNS("UTF-8", kSeparator));
  CHECK(parser != nullptr);
  Builder builder;
  builder.parser = parser.get();
  XML_SetUserData(parser.get(), &builder);
  XML_SetElementHandler(parser.get(), on_start, on_end);
  XML_SetCharacterDataHandler(parser.get(), on_text);
  XML_SetStartDoctypeDeclHandler(parser.get(), on_doctype);
  if (text.size() > kDeleteBodyBytesMax) return S3Error::max_message_length_exceeded;
  const XML_Status status = XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE);
  if (status != XML_STATUS_OK || builder.failed || builder.document.children.size() != 1) {
    return S3Error::malformed_xml;
  }
  XmlElement& found = builder.document.children.front();
  if (!root.empty() && found.name != root) return S3Error::malformed_xml;
  return std::move(found);
}

Outcome<std::optional<std::string_view>> child_text(const XmlElement& parent, std::string_view name) {
  std::optional<std::string_view> text;
  for (const XmlElement& element : parent.children) {
    if (element.name != name) continue;
    if (text || !element.children.empty()) return S3Error::malformed_xml;
    text = element.text;
  }
  return text;
}

}  // namespace api
