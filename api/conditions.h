// Conditional requests: entity tags, dates, and what they make of a request.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/call.h"

namespace api {

// `tag` without quotes, W/ and surrounding blanks.
std::string_view bare_etag(std::string_view tag);
// Whether a list such as `"a", W/"b"`, a bare tag or `*` names `etag`.
bool etag_matches(std::string_view list, std::string_view etag);

enum class ReadVerdict { proceed, not_modified, precondition_failed };

// The four headers of a read, or of the source of a copy (`prefix` "x-amz-copy-source-") or of a rename ("x-amz-rename-source-").
//   condition  set to the name of the header that failed
ReadVerdict judge_read(const Call& call, std::string_view prefix, const storage::ObjectInfo& info,
                       std::string_view* condition);

// If-None-Match: * and If-Match of a write. Errors: NotImplemented for other forms.
Outcome<storage::WriteCondition> write_condition(const Call& call);

}  // namespace api
