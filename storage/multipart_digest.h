// The ETag and checksum of a multipart object, from those of its parts; no byte is read again.
//
// Source  S3's rules: the ETag is the MD5 of the parts' binary MD5s; a COMPOSITE checksum is the algorithm's digest of
//         the parts' raw digests; a FULL_OBJECT CRC is combined from the parts' CRCs and lengths.
#pragma once

#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/object_store.h"
#include "storage/records.pb.h"

namespace storage {

// 16 raw bytes.
std::string multipart_md5(const std::vector<const records::Part*>& parts);

// The checksum of the object under `algorithm` and `type`. Errc::checksum_type_mismatch if a part has none of that
// algorithm, or the algorithm has no such type.
Result<Checksum> multipart_checksum(const std::vector<const records::Part*>& parts, ChecksumAlgorithm algorithm,
                                    ChecksumType type);

}  // namespace storage
