// XmlWriter: prints S3's answers. Text is escaped so that every key survives: control characters become
// numeric references, quotes &quot;, as S3's own answers have them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace api {

inline constexpr std::string_view kS3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

class XmlWriter {
 public:
  XmlWriter();

  void open(std::string_view name);
  void open_root(std::string_view name);                               // with S3's namespace
  void open_with(std::string_view name, std::string_view attributes);  // attributes as they shall be printed
  void close(std::string_view name);
  void text(std::string_view text);
  void element(std::string_view name, std::string_view text);
  void element(std::string_view name, const char* text) { element(name, std::string_view(text)); }
  void element(std::string_view name, std::uint64_t number);
  void element(std::string_view name, bool) = delete;  // flag() prints one
  void flag(std::string_view name, bool value);
  void etag(std::string_view etag);  // quoted

  void reserve(std::size_t bytes) { out_.reserve(bytes); }  // for long documents
  std::size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void append_xml_escaped(std::string& out, std::string_view text);

}  // namespace api
