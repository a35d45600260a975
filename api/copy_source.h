// The source of CopyObject and UploadPartCopy: x-amz-copy-source, its conditions, and the right to read it.
#pragma once

#include "api/call.h"

namespace api {

// "/bucket/key?versionId=null", percent-decoded once, the first slash optional. Errors: InvalidArgument,
// NoSuchVersion.
Outcome<storage::ObjectKey> parse_copy_source(std::string_view header);

// Opens the source that the request names and judges its conditions. Errors: AccessDenied, InvalidArgument,
// NoSuchBucket, NoSuchKey, NoSuchVersion, PreconditionFailed.
Task<Outcome<std::unique_ptr<storage::OpenObject>>> open_copy_source(Call& call);

}  // namespace api
