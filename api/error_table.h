// The error table: every failure that a client can see, its S3 code, HTTP status and sentence.
//
// S3Error is also a boost error_code of its own category, so that what a body turns out to be (a bad digest,
// broken framing) travels through ObjectStore::put unchanged and comes out as the right S3 answer.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/result.h"

namespace api {

enum class S3Error {
  access_control_list_not_supported = 1,
  access_denied,
  access_forbidden,
  annotation_limit_exceeded,
  annotation_name_too_long,
  authorization_header_malformed,
  authorization_query_parameters,
  bad_digest,
  bad_request,
  bucket_already_exists,
  bucket_already_owned_by_you,
  bucket_not_empty,
  conditional_request_conflict,
  entity_too_large,
  entity_too_small,
  expired_token,
  illegal_versioning_configuration,
  incomplete_body,
  insufficient_storage,
  internal_error,
  invalid_access_key_id,
  invalid_annotation_name,
  invalid_argument,
  invalid_bucket_acl_with_object_ownership,
  invalid_bucket_name,
  invalid_bucket_state,
  invalid_digest,
  invalid_encryption_algorithm,
  invalid_location_constraint,
  invalid_part,
  invalid_part_order,
  invalid_policy_document,
  invalid_prefix,
  invalid_range,
  invalid_request,
  invalid_retention_period,
  invalid_storage_class,
  invalid_tag,
  invalid_target_bucket_for_logging,
  invalid_token,
  invalid_uri,
  invalid_write_offset,
  key_too_long,
  kms_not_found,
  malformed_acl,
  malformed_policy,
  malformed_post_request,
  malformed_trailer,
  malformed_xml,
  max_message_length_exceeded,
  max_post_pre_data_length_exceeded,
  metadata_too_large,
  method_not_allowed,
  missing_content_length,
  missing_request_body,
  missing_security_header,
  no_such_annotation,
  no_such_bucket,
  no_such_bucket_policy,
  no_such_cors_configuration,
  no_such_key,
  no_such_lifecycle_configuration,
  no_such_object_lock_configuration,
  no_such_public_access_block_configuration,
  no_such_tag_set,
  no_such_upload,
  no_such_version,
  no_such_website_configuration,
  not_implemented,
  object_lock_configuration_not_found,
  operation_aborted,
  ownership_controls_not_found,
  precondition_failed,
  quota_exceeded,
  replication_configuration_not_found,
  request_time_too_skewed,
  request_timeout,
  server_side_encryption_configuration_not_found,
  service_unavailable,
  signature_does_not_match,
  slow_down,
  unexpected_content,
  unresolvable_grant_by_email_address,
  unsupported_media_type,
  too_many_parts,
  sha256_mismatch,
};

struct ErrorRow {
  S3Error error;
  std::string_view code;  // as in <Code>
  unsigned status;
  std::string_view message;
};

// All rows, in the order of the enum.
std::span<const ErrorRow> error_rows();
const ErrorRow& error_row(S3Error error);

const boost::system::error_category& s3_category() noexcept;
boost::system::error_code make_error_code(S3Error error) noexcept;

// What a failure below api/ means to a client: storage::Errc, BodyErrc, S3Error itself and errno values.
S3Error error_from(const boost::system::error_code& code);

// A failure with its particulars.
class Failure {
 public:
  Failure() : error_(S3Error::internal_error) {}
  Failure(S3Error failure_error) : error_(failure_error) {}  // NOLINT(google-explicit-constructor)
  Failure(S3Error failure_error, std::string failure_message)
      : error_(failure_error), message_(std::move(failure_message)) {}
  Failure(const boost::system::error_code& code)
      : error_(error_from(code)) {}  // NOLINT(google-explicit-constructor)

  // A further element of the error document, such as <Key>.
  Failure with(std::string_view name, std::string_view value) &&;
  // A header of the answer.
  Failure with_header(std::string_view name, std::string_view value) &&;

  S3Error error() const { return error_; }
  std::string_view message() const;
  const std::vector<std::pair<std::string, std::string>>& extras() const { return extras_; }
  const std::string& headers() const { return headers_; }

 private:
  S3Error error_;
  std::string message_;  // empty: the table's
  std::vector<std::pair<std::string, std::string>> extras_;
  std::string headers_;  // "Name: value\r\n" lines
};

// A value or a Failure; [[nodiscard]] like storage::Result.
template <class T = void>
class [[nodiscard]] Outcome : public boost::system::result<T, Failure> {
 public:
  using boost::system::result<T, Failure>::result;
};

inline Outcome<> done() { return Outcome<>(boost::system::in_place_value); }

// The error document of `failure`.
std::string error_document(const Failure& failure, std::string_view resource, std::string_view request_id);

}  // namespace api

template <>
struct boost::system::is_error_code_enum<api::S3Error> : std::true_type {};
