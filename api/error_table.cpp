#include "api/error_table.h"

#include <array>
#include <cerrno>

#include "api/service.h"
#include "api/xml_writer.h"
#include "storage/base/check.h"

namespace api {
namespace {

using enum S3Error;

constexpr std::array kRows = std::to_array<ErrorRow>({
    {access_control_list_not_supported, "AccessControlListNotSupported", 400,
     "The bucket does not allow ACLs"},
    {access_denied, "AccessDenied", 403, "Access Denied"},
    {access_forbidden, "AccessForbidden", 403, "CORSResponse: CORS is not enabled for this bucket."},
    {annotation_limit_exceeded, "AnnotationLimitExceeded", 400,
     "The object has reached the maximum number of annotations."},
    {annotation_name_too_long, "AnnotationNameTooLong", 400,
     "The annotation name that you provided exceeds the maximum length of 512 bytes."},
    {authorization_header_malformed, "AuthorizationHeaderMalformed", 400,
     "The authorization header that you provided is not valid."},
    {authorization_query_parameters, "AuthorizationQueryParametersError", 400,
     "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
     "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."},
    {bad_digest, "BadDigest", 400,
     "The Content-MD5 or checksum value that you specified did not match what we received."},
    {bad_request, "BadRequest", 400, "Insufficient information. Origin request header needed."},
    {bucket_already_exists, "BucketAlreadyExists", 409,
     "The requested bucket name is not available. Select a different name and try again."},
    {bucket_already_owned_by_you, "BucketAlreadyOwnedByYou", 409,
     "The bucket that you tried to create already exists, and you own it."},
    {bucket_not_empty, "BucketNotEmpty", 409, "The bucket that you tried to delete is not empty."},
    {conditional_request_conflict, "ConditionalRequestConflict", 409,
     "A conflicting operation occurred during this conditional request. Retry it."},
    {entity_too_large, "EntityTooLarge", 400,
     "Your proposed upload exceeds the maximum allowed object size."},
    {entity_too_small, "EntityTooSmall", 400,
     "Your proposed upload is smaller than the minimum allowed object size."},
    {expired_token, "ExpiredToken", 400,
     "The provided token has expired."},
    {illegal_versioning_configuration, "IllegalVersioningConfigurationException", 400,
     "The Versioning element must be specified"},
    {incomplete_body, "IncompleteBody", 400,
     "You did not provide the number of bytes that the request declared, or its framing is broken."},
    // 507 is the one 5xx that no SDK retries: more requests do not make more space.
    {insufficient_storage, "InsufficientStorage", 507,
     "The store is out of space for new data. Reads and deletes still work."},
    {internal_error, "InternalError", 500, "We encountered an internal error. Please try again."},
    {invalid_access_key_id, "InvalidAccessKeyId", 403,
     "The AWS access key ID that you provided does not exist in our records."},
    {invalid_annotation_name, "InvalidAnnotationName", 400, "The annotation name that you provided is not valid."},
    {invalid_argument, "InvalidArgument", 400, "Invalid Argument"},
    {invalid_bucket_acl_with_object_ownership, "InvalidBucketAclWithObjectOwnership", 400,
     "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"},
    {invalid_bucket_name, "InvalidBucketName", 400, "The specified bucket is not valid."},
    {invalid_bucket_state, "InvalidBucketState", 409,
     "The request is not valid for the current state of the bucket."},
    {invalid_digest, "InvalidDigest", 400, "The Content-MD5 that you specified is not valid."},
    {invalid_encryption_algorithm, "InvalidEncryptionAlgorithmError", 400,
     "The encryption request that you specified is not valid. The valid value is AES256."},
    {invalid_location_constraint, "InvalidLocationConstraint", 400,
     "The specified location (Region) constraint is not valid."},
    {invalid_part, "InvalidPart", 400,
     "One or more of the specified parts could not be found. The part might not have been uploaded, or its "
     "entity "
     "tag might not match."},
    {invalid_part_order, "InvalidPartOrder", 400,
     "The list of parts was not in ascending order. Parts must be ordered by part number."},
    {invalid_policy_document, "InvalidPolicyDocument", 400,
     "The content of the form does not meet the conditions specified in the policy document."},
    {invalid_prefix, "InvalidPrefix", 400, "The annotation prefix that you provided is not valid."},
    {invalid_range, "InvalidRange", 416, "The requested range cannot be satisfied."},
    {invalid_request, "InvalidRequest", 400, "Invalid Request"},
    {invalid_retention_period, "InvalidRetentionPeriod", 400,
     "Default retention period must be a positive integer value."},
    {invalid_storage_class, "InvalidStorageClass", 400, "The storage class that you specified is not valid."},
    {invalid_tag, "InvalidTag", 400, "The tag set that you provided is not valid."},
    {invalid_target_bucket_for_logging, "InvalidTargetBucketForLogging", 400,
     "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for "
     "the log-delivery group."},
    {invalid_token, "InvalidToken", 400, "The provided token is malformed or otherwise not valid."},
    {invalid_uri, "InvalidURI", 400, "The specified URI could not be parsed."},
    {invalid_write_offset, "InvalidWriteOffset", 400,
     "The write offset value that you specified does not match the current object size."},
    {key_too_long, "KeyTooLongError", 400, "Your key is too long."},
    {kms_not_found, "KMS.NotFoundException", 400, "The KMS key that you specified does not exist."},
    {malformed_acl, "MalformedACLError", 400, "The ACL that you provided was not well formed."},
    {malformed_policy, "MalformedPolicy", 400,
     "This policy contains invalid Json"},
    {malformed_post_request, "MalformedPOSTRequest", 400,
     "The body of your POST request is not well-formed multipart/form-data."},
    {malformed_trailer, "MalformedTrailerError", 400,
     "The request contained trailing data that was not well-formed or did not conform to our published "
     "schema."},
    {malformed_xml, "MalformedXML", 400,
     "The XML that you provided was not well formed or did not validate against our published schema."},
    {max_message_length_exceeded, "MaxMessageLengthExceeded", 400, "Your request was too large."},
    {max_post_pre_data_length_exceeded, "MaxPostPreDataLengthExceeded", 400,
     "Your POST request fields preceding the upload file were too large."},
    {metadata_too_large, "MetadataTooLarge", 400,
     "Your metadata headers exceed the maximum allowed metadata size."},
    {method_not_allowed, "MethodNotAllowed", 405,
     "The specified method is not allowed against this resource."},
    {missing_content_length, "MissingContentLength", 411, "You must provide the Content-Length HTTP header."},
    {missing_request_body, "MissingRequestBodyError", 400, "Request body is empty."},
    {missing_security_header, "MissingSecurityHeader", 400,
     "Your request was missing a required header"},
    {no_such_annotation, "NoSuchAnnotation", 404, "The specified annotation does not exist."},
    {no_such_bucket, "NoSuchBucket", 404, "The specified bucket does not exist"},
    {no_such_bucket_policy, "NoSuchBucketPolicy", 404, "The bucket policy does not exist"},
    {no_such_cors_configuration, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"},
    {no_such_key, "NoSuchKey", 404, "The specified key does not exist."},
    {no_such_lifecycle_configuration, "NoSuchLifecycleConfiguration", 404,
     "The lifecycle configuration does not exist"},
    {no_such_object_lock_configuration, "NoSuchObjectLockConfiguration", 404,
     "The specified object does not have a ObjectLock configuration"},
    {no_such_public_access_block_configuration, "NoSuchPublicAccessBlockConfiguration", 404,
     "The public access block configuration was not found"},
    {no_such_tag_set, "NoSuchTagSet", 404, "The TagSet does not exist"},
    {no_such_upload, "NoSuchUpload", 404,
     "The specified multipart upload does not exist. The upload ID might not be valid, or the multipart "
     "upload "
     "might have been aborted or completed."},
    {no_such_version, "NoSuchVersion", 404, "The specified version does not exist."},
    {no_such_website_configuration, "NoSuchWebsiteConfiguration", 404,
     "The specified bucket does not have a website configuration"},
    {not_implemented, "NotImplemented", 501,
     "A header or parameter that you provided implies functionality that is not implemented."},
    {object_lock_configuration_not_found, "ObjectLockConfigurationNotFoundError", 404,
     "Object Lock configuration does not exist for this bucket"},
    {operation_aborted, "OperationAborted", 409,
     "A conflicting conditional operation is currently in progress against this resource. Try again."},
    {ownership_controls_not_found, "OwnershipControlsNotFoundError", 404,
     "The bucket ownership controls were not found"},
    {precondition_failed, "PreconditionFailed", 412,
     "At least one of the preconditions that you specified did not hold."},
    {quota_exceeded, "QuotaExceeded", 403, "The bucket's quota does not allow this write."},
    {replication_configuration_not_found, "ReplicationConfigurationNotFoundError", 404,
     "The replication configuration was not found"},
    {request_time_too_skewed, "RequestTimeTooSkewed", 403,
     "The difference between the request time and the server's time is too large."},
    {request_timeout, "RequestTimeout", 400,
     "Your socket connection to the server was not read from or written to within the timeout period."},
    {server_side_encryption_configuration_not_found, "ServerSideEncryptionConfigurationNotFoundError", 404,
     "The server side encryption configuration was not found"},
    {service_unavailable, "ServiceUnavailable", 503, "Service is unable to handle request."},
    {signature_does_not_match, "SignatureDoesNotMatch", 403,
     "The request signature that the server calculated does not match the signature that you provided. Check "
     "your "
     "secret key and signing method."},
    {slow_down, "SlowDown", 503, "Please reduce your request rate."},
    {unexpected_content, "UnexpectedContent", 400,
     "This request does not support content"},
    {unresolvable_grant_by_email_address, "UnresolvableGrantByEmailAddress", 400,
     "The email address you provided does not match any account on record"},
    {unsupported_media_type, "UnsupportedMediaType", 415, "The annotation payload is not valid UTF-8."},
    {too_many_parts, "TooManyParts", 400,
     "You have attempted to add more parts than the maximum of 10,000 that are allowed for this object."},
    {sha256_mismatch, "XAmzContentSHA256Mismatch", 400,
     "The provided 'x-amz-content-sha256' header does not match what was computed."},
});

constexpr bool rows_follow_the_enum() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].error) != i + 1) return false;
  }
  return kRows.back().error == sha256_mismatch;
}
static_assert(rows_follow_the_enum());

class S3Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "s3"; }
  std::string message(int value) const override {
    return std::string(error_row(static_cast<S3Error>(value)).code);
  }
};

S3Error error_from_store(storage::Errc code) {
  using storage::Errc;
  switch (code) {
    case Errc::not_found:
      return no_such_key;
    case Errc::conflict:
      return operation_aborted;
    case Errc::no_space:
      return insufficient_storage;
    case Errc::overloaded:
      return slow_down;
    case Errc::read_only:
    case Errc::shutting_down:
      return service_unavailable;
    case Errc::invalid_argument:
      return invalid_argument;
    case Errc::too_large:
      return entity_too_large;
    case Errc::bucket_not_found:
      return no_such_bucket;
    case Errc::bucket_exists:
      return bucket_already_exists;
    case Errc::bucket_not_empty:
      return S3Error::bucket_not_empty;
    case Errc::upload_not_found:
      return no_such_upload;
    case Errc::part_not_found:
      return invalid_part;
    case Errc::part_order:
      return invalid_part_order;
    case Errc::part_too_small:
      return entity_too_small;
    case Errc::precondition_failed:
      return S3Error::precondition_failed;
    case Errc::conditional_conflict:
      return conditional_request_conflict;
    case Errc::size_mismatch:
    case Errc::checksum_type_mismatch:
      return invalid_request;
    case Errc::version_not_found:
      return no_such_version;
    case Errc::object_locked:
      return access_denied;
    case Errc::annotation_not_found:
      return no_such_annotation;
    case Errc::annotation_limit:
      return annotation_limit_exceeded;
    case Errc::bound_exceeded:
      return quota_exceeded;
    case Errc::checksum_mismatch:
      return bad_digest;
    case Errc::snapshot_expired:
      return slow_down;
    // A success that arrives as an error, damage and lost drives are our faults, whatever the client does.
    case Errc::ok:
    case Errc::corrupt_record:
    case Errc::corrupt_data:
    case Errc::io_error:
    case Errc::drive_lost:
    case Errc::unsupported:
      return internal_error;
  }
  return internal_error;
}

S3Error error_from_body(BodyErrc code) {
  switch (code) {
    case BodyErrc::http_body_truncated:
    case BodyErrc::http_body_malformed:
      return incomplete_body;
    case BodyErrc::http_body_timeout:
      return request_timeout;
  }
  return internal_error;
}

}  // namespace

std::span<const ErrorRow> error_rows() { return kRows; }

const ErrorRow& error_row(S3Error error) {
  const auto index = static_cast<std::size_t>(error) - 1;
  CHECK(index < kRows.size());
  return kRows[index];
}

const boost::system::error_category& s3_category() noexcept {
  static const S3Category category;
  return category;
}

boost::system::error_code make_error_code(S3Error error) noexcept {
  return {static_cast<int>(error), s3_category()};
}

S3Error error_from(const boost::system::error_code& code) {
  if (code.category() == s3_category()) return static_cast<S3Error>(code.value());
  if (code.category() == storage::store_category())
    return error_from_store(static_cast<storage::Errc>(code.value()));
  if (code.category() == make_error_code(BodyErrc::http_body_truncated).category()) {
    return error_from_body(static_cast<BodyErrc>(code.value()));
  }
  // An errno of a drive: only a full one is news for the client.
  if (code == boost::system::errc::no_space_on_device) return insufficient_storage;
  return internal_error;
}

Failure Failure::with(std::string_view name, std::string_view value) && {
  extras_.emplace_back(name, value);
  return std::move(*this);
}

Failure Failure::with_header(std::string_view name, std::string_view value) && {
  headers_.append(name).append(": ").append(value).append("\r\n");
  return std::move(*this);
}

std::string_view Failure::message() const {
  return message_.empty() ? error_row(error_).message : std::string_view(message_);
}

std::string error_document(const Failure& failure, std::string_view resource, std::string_view request_id) {
  XmlWriter xml;
  xml.open("Error");
  xml.element("Code", error_row(failure.error()).code);
  xml.element("Message", failure.message());
  for (const auto& [name, value] : failure.extras()) xml.element(name, value);
  xml.element("Resource", resource);
  xml.element("RequestId", request_id);
  xml.element("HostId", host_id(request_id));
  xml.close("Error");
  return xml.take();
}

}  // namespace api
