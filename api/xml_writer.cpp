#include "api/xml_writer.h"

#include "api/ascii.h"

namespace api {

void append_xml_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        continue;
      case '<':
        out += "&lt;";
        continue;
      case '>':
        out += "&gt;";
        continue;
      case '"':
        out += "&quot;";
        continue;
      default:
        break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      constexpr char kHex[] = "0123456789ABCDEF";
      out += "&#x";
      if (byte >= 0x10) out += kHex[byte >> 4];
      out += kHex[byte & 15];
      out += ';';
    } else {
      out += c;
    }
  }
}

XmlWriter::XmlWriter() {
  out_.reserve(1024);
  out_ += "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
}

void XmlWriter::open(std::string_view name) {
  out_ += '<';
  out_ += name;
  out_ += '>';
}

void XmlWriter::open_root(std::string_view name) {
  out_.append("<").append(name).append(" xmlns=\"").append(kS3Namespace).append("\">");
}

void XmlWriter::open_with(std::string_view name, std::string_view attributes) {
  out_.append("<").append(name).append(" ").append(attributes).append(">");
}

void XmlWriter::close(std::string_view name) {
  out_ += "</";
  out_ += name;
  out_ += '>';
}

void XmlWriter::text(std::string_view text) { append_xml_escaped(out_, text); }

void XmlWriter::element(std::string_view name, std::string_view text) {
  open(name);
  append_xml_escaped(out_, text);
  close(name);
}

void XmlWriter::element(std::string_view name, std::uint64_t number) {
  open(name);
  append_decimal(out_, number);
  close(name);
}

void XmlWriter::flag(std::string_view name, bool value) { element(name, value ? "true" : "false"); }

void XmlWriter::etag(std::string_view etag) {
  out_ += "<ETag>&quot;";
  append_xml_escaped(out_, etag);
  out_ += "&quot;</ETag>";
}

}  // namespace api
