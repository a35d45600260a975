#include "api/call.h"

#include <algorithm>

#include "api/ascii.h"
#include "api/user_directory.h"
#include "api/xml_writer.h"

namespace api {

Response xml_response(XmlWriter& xml) {
  Response response;
  response.text = xml.take();
  response.content_length = response.text.size();
  response.add_header("Content-Type", "application/xml");
  return response;
}

const Principal& Call::user() const {
  static const Principal kAnonymous = [] {
    Principal principal;
    principal.id = kAnonymousId;
    return principal;
  }();
  const Principal* const known = principal();
  return known != nullptr ? *known : kAnonymous;
}

Response empty_response(unsigned status) {
  Response response;
  response.status = status;
  return response;
}

void write_owner(XmlWriter& xml, std::string_view element, const ServiceOptions& options,
                 std::string_view id) {
  xml.open(element);
  xml.element("ID", id);
  if (options.directory != nullptr) {
    if (const std::string name = options.directory->display_name(id); !name.empty()) xml.element("DisplayName", name);
  }
  xml.close(element);
}

Failure invalid_argument(std::string_view name, std::string_view value, std::string message) {
  return Failure(S3Error::invalid_argument, std::move(message))
      .with("ArgumentName", name)
      .with("ArgumentValue", value);
}

Outcome<std::uint32_t> number_parameter(const Call& call, std::string_view name, std::uint32_t max,
                                        std::uint32_t fallback) {
  const auto text = call.target.parameter(name);
  if (!text || text->empty()) return fallback;
  const auto number = parse_decimal(*text);
  if (!number || *number > INT32_MAX) {
    return invalid_argument(name, *text,
                            "Provided " + std::string(name) + " not an integer or within integer range");
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(*number, max));
}

Outcome<std::optional<std::uint32_t>> part_number_parameter(const Call& call) {
  const auto text = call.target.parameter("partNumber");
  if (!text) return std::optional<std::uint32_t>{};
  const auto number = parse_decimal(*text);
  if (!number || *number < 1 || *number > storage::kPartNumberMax) {
    return invalid_argument("partNumber", *text,
                            "Part number must be an integer between 1 and 10000, inclusive");
  }
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*number));
}

}  // namespace api
