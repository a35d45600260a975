#include "api/xml_writer.h"

#include <array>

#include "api/ascii.h"

namespace api {

namespace {

// What stands for a byte, or nothing for one that stands for itself.
std::string_view named_escape(char c) {
  switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    default: return {};
  }
}

// Bytes that stand for themselves: a look-up, since listings ask it for hundreds of thousands.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned byte = 0x20; byte < 256; ++byte) plain[byte] = byte != 0x7f;
  for (const char c : {'&', '<', '>', '"'}) plain[static_cast<unsigned char>(c)] = false;
  return plain;
}();

bool is_plain(char c) { return kPlain[static_cast<unsigned char>(c)]; }

}  // namespace

void append_xml_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out.append(text.substr(0, plain));
    if (plain == text.size()) return;
    const char c = text[plain];
    text.remove_prefix(plain + 1);
    if (const std::string_view named = named_escape(c); !named.empty()) {
      out += named;
      continue;
    }
    constexpr char kHex[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out += "&#x";
    if (byte >= 0x10) out += kHex[byte >> 4];
    out += kHex[byte & 15];
    out += ';';
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
