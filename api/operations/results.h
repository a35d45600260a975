// Pieces of answers that several operations share.
#pragma once

#include "api/call.h"
#include "api/verified_body.h"
#include "api/xml_writer.h"
#include "storage/object_store.h"

namespace api {

// Checksum elements and ChecksumType of a whole object, where it has one.
void write_checksum(XmlWriter& xml, const storage::ObjectInfo& info);
// The element of one value (of a part).
void write_part_checksum(XmlWriter& xml, const storage::Checksum& checksum);
// Parts of the object: the N of its ETag; 0 when it was not made of parts.
std::size_t parts_count(const storage::ObjectInfo& info);

// The address of the call's object as this client reaches it.
std::string object_url(const Call& call);

// The failure behind an error that the store or its body reported.
Failure body_failure(const storage::Error& error, const VerifiedBody& body);

// x-amz-checksum-algorithm and -type of a Create. Errors: InvalidRequest.
Outcome<> read_checksum_wish(const Call& call, storage::UploadOptions& options);
// The answer to a Create.
Response created_upload(const Call& call, const storage::UploadInfo& upload);

// ?uploadId. Errors: NoSuchUpload, also for one that no server would have given.
Outcome<std::string> upload_id_parameter(const Call& call);

// Of listings that know no queries, where one must not be overlooked. Errors: InvalidArgument.
Outcome<> refuse_query(const Call& call);

// Prints `text` as it is, or percent-encoded when the caller asked for encoding-type=url.
class ListEncoder {
 public:
  // Errors: InvalidArgument for another type.
  static Outcome<ListEncoder> from(const Call& call);
  void element(XmlWriter& xml, std::string_view name, std::string_view text) const;
  void write_type(XmlWriter& xml) const;

 private:
  bool url_ = false;
};

}  // namespace api
