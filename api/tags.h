// Object tags: as a header, as XML, and their rules.
#pragma once

#include <string_view>

#include "api/error_table.h"
#include "storage/object_store.h"

namespace api {

struct XmlElement;
class XmlWriter;

// At most 10, names unique, 1 to 128 characters, values up to 256, of letters, digits, blanks and + - = . _ :
// / @ of any script. Errors: InvalidTag.
Outcome<> check_tags(const storage::NameValues& tags);
// <Tagging> of a bucket: at most 50, and none that begins with "aws:". Errors: MalformedXML, InvalidTag, BadRequest.
Outcome<storage::NameValues> parse_bucket_tagging(const XmlElement& tagging);
// "k=v&k2=v%202". Errors: InvalidArgument, InvalidTag.
Outcome<storage::NameValues> parse_tag_header(std::string_view header);
// <Tagging>. Errors: MalformedXML, InvalidTag.
Outcome<storage::NameValues> parse_tagging(const XmlElement& tagging);
void write_tagging(XmlWriter& xml, const storage::NameValues& tags);

}  // namespace api
