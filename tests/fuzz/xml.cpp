// Any bytes as the XML of a request: bounded, and never an entity expanded.
#include <cstdint>
#include <string_view>

#include "api/limits.h"
#include "api/xml_reader.h"
#include "storage/base/check.h"

namespace {

std::size_t count(const api::XmlElement& element, std::size_t depth) {
  CHECK(depth <= api::kXmlDepthMax);
  std::size_t total = 1;
  for (const api::XmlElement& child : element.children) total += count(child, depth + 1);
  return total;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = api::parse_xml(text, "");
  if (!parsed) return 0;
  CHECK(count(*parsed, 1) <= api::kXmlElementsMax);
  CHECK(text.find("<!DOCTYPE") == std::string_view::npos || text.find("<!--") != std::string_view::npos ||
        text.find("<![CDATA[") != std::string_view::npos || text.find("<?") != std::string_view::npos);
  return 0;
}
