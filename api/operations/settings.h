// What the operations on a bucket's configuration share: reading the document, keeping its text with the bucket.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/call.h"
#include "api/xml_body.h"

namespace api {

// Set where who asks has to pay: others than the owner must say that they will.
inline constexpr std::string_view kRequesterPaysSetting = "requester-pays";

// The document of a PUT of a configuration. Errors: those of read_xml_body().
Task<Outcome<XmlElement>> read_setting_body(Call& call, std::string_view root);

// Keeps `text` as setting `name` of the call's bucket, or takes the setting away. The answer is empty, of `status`.
Task<Outcome<Response>> store_setting(Call& call, std::string name, std::optional<std::string> text, unsigned status);

// The setting of that name; nullopt when there is none. Lives as long as the call's bucket.
std::optional<std::string_view> find_setting(const Call& call, std::string_view name);

// The document of `root` as it is printed and kept: without layout, with S3's namespace.
std::string document_text(const XmlElement& root);
// 200 with a kept document as its body.
Response document_response(std::string_view text);

}  // namespace api
