// The hidden bucket: where bytes of virtual objects lie that are too many for memory. Its name is none that a client can
// spell, so nothing in it is ever seen; it keeps no versions and has no quota.
//
//   spool/N                 an answer that is kept (kept_answers.h). Worth nothing after a restart
//   put/BUCKET-ID/KEY       an upload to a virtual object, on its way to take effect
#pragma once

#include <string>
#include <string_view>

#include "storage/object_store.h"

namespace api {

inline constexpr std::string_view kHiddenBucket = ".granary";
inline constexpr std::string_view kSpoolPrefix = "spool/";
inline constexpr std::string_view kUploadPrefix = "put/";

// Makes it where it is missing.
storage::Task<storage::Result<>> ensure_hidden_bucket(storage::ObjectStore& store);

// Removes what a former process left: all that is spooled, and uploads begun before `abandoned_before_ms`. Once, at the start.
storage::Task<storage::Result<>> sweep_hidden_bucket(storage::ObjectStore& store, std::int64_t abandoned_before_ms);

// Where the parts of an upload to `key` of a bucket lie.
storage::ObjectKey upload_place(const storage::BucketInfo& bucket, std::string_view key);

}  // namespace api
