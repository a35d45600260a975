// Reads the XML of a request into a tree. No DTD, no entities but the five of XML, bounded in depth and
// elements; names in S3's namespace or in none, anything else is an error. Attributes are ignored.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/error_table.h"

namespace api {

struct XmlElement {
  std::string name;  // without namespace
  std::string text;  // character data directly inside; empty when it is white space around children
  std::vector<XmlElement> children;

  const XmlElement* child(std::string_view name_wanted) const;  // the first, or nullptr
  std::size_t count(std::string_view name_wanted) const;
};

// Errors: MalformedXML, also when the root is not `root`. An empty `root` accepts any.
Outcome<XmlElement> parse_xml(std::string_view text, std::string_view root);

// The text of the child `name` of `parent`: nullopt when absent. Errors: MalformedXML when there are several
// or it has children.
Outcome<std::optional<std::string_view>> child_text(const XmlElement& parent, std::string_view name);

}  // namespace api
