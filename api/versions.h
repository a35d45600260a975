// Versions on the wire: ids in the query, in headers and in errors, and what a delete marker means to whom.
#pragma once

#include <string>
#include <string_view>

#include "api/call.h"

namespace api {

// Whether `text` may be a version's id: "null", or what looks like an id of some store. Others never name a version.
bool is_version_id(std::string_view text);

// ?versionId: empty when absent. Errors: InvalidArgument for what can be no id.
Outcome<std::string> version_parameter(const Call& call);
Failure invalid_version_id(std::string_view name, std::string_view value);

// x-amz-version-id: on answers about objects of buckets that keep versions, or kept them.
void add_version_header(const Call& call, const storage::ObjectInfo& info, Response& response);
void add_version_header(const Call& call, std::string_view version_id, Response& response);

// What a delete marker is to whoever wants the object: absent (404) as the current version, without the method (405) by its
// own id.
Failure marker_failure(const Call& call, const storage::ObjectInfo& marker, bool by_id);
// What the store says about a version, with the names that go with it.
Failure version_failure(const Call& call, const storage::Error& error, std::string_view version_id);

// The version that the call names, which is no marker.
Task<Outcome<storage::ObjectInfoPtr>> find_version(Call& call, std::string version_id);
// Changes that version in place. An S3Error of `change` arrives unchanged.
// `companion`, which may be null, outlives the call.
Task<Outcome<storage::ObjectInfoPtr>> change_version(Call& call, std::string version_id, storage::VersionChange change,
                                                     storage::CommitCompanion* companion = nullptr);

}  // namespace api
