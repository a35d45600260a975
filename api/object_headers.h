// What travels in the headers of an object: attributes on the way in, everything about a version on the way
// out.
#pragma once

#include "api/call.h"

namespace api {

// Content type and its kin, x-amz-meta-*, x-amz-tagging. Errors: InvalidArgument, InvalidTag,
// MetadataTooLarge.
Outcome<storage::Attributes> read_attributes(const Call& call);

// x-amz-storage-class; empty for STANDARD. It is a field that is kept and told, nothing more. Errors: InvalidStorageClass.
Outcome<std::string> read_storage_class(const Call& call);

// `Content-Encoding` without aws-chunked, which frames the transfer and is no property of the object.
std::string stored_content_encoding(std::string_view header);

// ETag, Last-Modified, attributes and metadata of `info`. `response-*` parameters override. Errors:
// InvalidArgument, InvalidRequest (overrides in an anonymous request).
Outcome<> add_object_headers(const Call& call, const storage::ObjectInfo& info, Response& response);

// x-amz-checksum-* and -type of a whole object.
void add_checksum_headers(const storage::ObjectInfo& info, Response& response);
void add_checksum_header(const storage::Checksum& checksum, Response& response);
// x-amz-expiration of a current version, where a lifecycle rule of the call's bucket expires it.
void add_expiration(const Call& call, const storage::ObjectInfo& info, Response& response);
void add_etag(std::string_view etag, Response& response);

}  // namespace api
