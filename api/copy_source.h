// The source of CopyObject and UploadPartCopy: x-amz-copy-source, its conditions, and the right to read it.
#pragma once

#include "api/call.h"

namespace api {

// "/bucket/key?versionId=ID", percent-decoded once, the first slash optional.
//   version_id  if not null, set to the id; empty when none is named
// Errors: InvalidArgument.
Outcome<storage::ObjectKey> parse_copy_source(std::string_view header, std::string* version_id = nullptr);

// x-amz-copy-source-version-id, where the source's bucket keeps versions, or kept them.
Task<> add_source_version(Call& call, const storage::ObjectInfo& source, Response& response);

// Opens the source that the request names and judges its conditions. Errors: AccessDenied, InvalidArgument,
// NoSuchBucket, NoSuchKey, NoSuchVersion, PreconditionFailed.
Task<Outcome<std::unique_ptr<storage::OpenObject>>> open_copy_source(Call& call);

}  // namespace api
