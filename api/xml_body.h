// Reads a request body that is a document, whole, into memory of the store's request pool, and parses it.
#pragma once

#include "api/call.h"
#include "api/verified_body.h"
#include "api/xml_reader.h"

namespace api {

struct XmlBodyNeeds {
  std::string_view root;  // required name of the root element
  std::size_t length_max = 0;
  bool checksum_headers = true;  // false where x-amz-checksum-* headers speak about an object, not this body
  bool integrity_required = false;  // refuse a body that nothing vouches for
  bool may_be_empty = false;        // an empty body gives an element without a name
};

// Nothing is parsed before the body is verified. Errors: MalformedXML, MissingRequestBodyError,
// MaxMessageLengthExceeded, those of plan_body() and VerifiedBody, SlowDown when memory is short.
Task<Outcome<XmlElement>> read_xml_body(Call& call, XmlBodyNeeds needs);
// The same for a body that is another text; needs.root counts for nothing.
Task<Outcome<std::string>> read_text_body(Call& call, XmlBodyNeeds needs);

}  // namespace api
