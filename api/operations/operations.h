// The operations of S3, one function each. A handler answers, or gives the Failure that the service prints;
// it resumes on its caller's executor and keeps no state between calls.
#pragma once

#include "api/call.h"

namespace api {

Task<Outcome<Response>> list_buckets(Call& call);
Task<Outcome<Response>> create_bucket(Call& call);
Task<Outcome<Response>> head_bucket(Call& call);
Task<Outcome<Response>> delete_bucket(Call& call);
Task<Outcome<Response>> get_bucket_location(Call& call);
Task<Outcome<Response>> get_unconfigured(Call& call);  // what nobody configured: item by item as S3 answers
Task<Outcome<Response>> get_bucket_website(Call& call);
Task<Outcome<Response>> put_bucket_website(Call& call);
Task<Outcome<Response>> delete_bucket_website(Call& call);
Task<Outcome<Response>> get_request_payment(Call& call);
Task<Outcome<Response>> put_request_payment(Call& call);
Task<Outcome<Response>> get_accelerate_configuration(Call& call);
Task<Outcome<Response>> put_accelerate_configuration(Call& call);
Task<Outcome<Response>> get_bucket_logging(Call& call);
Task<Outcome<Response>> put_bucket_logging(Call& call);
Task<Outcome<Response>> get_bucket_notification(Call& call);
Task<Outcome<Response>> put_bucket_notification(Call& call);
Task<Outcome<Response>> get_bucket_cors(Call& call);
Task<Outcome<Response>> put_bucket_cors(Call& call);
Task<Outcome<Response>> delete_bucket_cors(Call& call);
Task<Outcome<Response>> get_bucket_tagging(Call& call);
Task<Outcome<Response>> put_bucket_tagging(Call& call);
Task<Outcome<Response>> delete_bucket_tagging(Call& call);
Task<Outcome<Response>> get_bucket_lifecycle(Call& call);
Task<Outcome<Response>> put_bucket_lifecycle(Call& call);
Task<Outcome<Response>> delete_bucket_lifecycle(Call& call);
Task<Outcome<Response>> get_bucket_encryption(Call& call);
Task<Outcome<Response>> put_bucket_encryption(Call& call);
Task<Outcome<Response>> delete_bucket_encryption(Call& call);
Task<Outcome<Response>> get_acl(Call& call);
Task<Outcome<Response>> put_acl(Call& call);
Task<Outcome<Response>> get_bucket_policy(Call& call);
Task<Outcome<Response>> put_bucket_policy(Call& call);
Task<Outcome<Response>> delete_bucket_policy(Call& call);
Task<Outcome<Response>> get_bucket_policy_status(Call& call);
Task<Outcome<Response>> get_ownership_controls(Call& call);
Task<Outcome<Response>> put_ownership_controls(Call& call);
Task<Outcome<Response>> delete_ownership_controls(Call& call);
Task<Outcome<Response>> get_public_access_block(Call& call);
Task<Outcome<Response>> put_public_access_block(Call& call);
Task<Outcome<Response>> delete_public_access_block(Call& call);

Task<Outcome<Response>> get_object(Call& call);  // and HEAD
// A GET of an object that was found in memory.
Outcome<Response> get_cached_object(Call& call, storage::CachedObject object);
Task<Outcome<Response>> put_object(Call& call);
Task<Outcome<Response>> post_object(Call& call);  // a form; it says itself who sent it
Task<Outcome<Response>> copy_object(Call& call);
Task<Outcome<Response>> rename_object(Call& call);
// PutObject with x-amz-write-offset-bytes. nullopt: the object is absent and the offset 0, so that the body is all of it.
Task<Outcome<std::optional<Response>>> append_object(Call& call, storage::WriteCondition condition);
Task<Outcome<Response>> delete_object(Call& call);
Task<Outcome<Response>> delete_objects(Call& call);
Task<Outcome<Response>> get_object_attributes(Call& call);
Task<Outcome<Response>> get_object_tagging(Call& call);
Task<Outcome<Response>> put_object_tagging(Call& call);
Task<Outcome<Response>> delete_object_tagging(Call& call);

Task<Outcome<Response>> list_objects(Call& call);  // V1 and V2
Task<Outcome<Response>> list_object_versions(Call& call);

Task<Outcome<Response>> get_bucket_versioning(Call& call);
Task<Outcome<Response>> put_bucket_versioning(Call& call);
Task<Outcome<Response>> get_object_lock_configuration(Call& call);
Task<Outcome<Response>> put_object_lock_configuration(Call& call);
Task<Outcome<Response>> get_object_retention(Call& call);
Task<Outcome<Response>> put_object_retention(Call& call);
Task<Outcome<Response>> get_object_legal_hold(Call& call);
Task<Outcome<Response>> put_object_legal_hold(Call& call);

Task<Outcome<Response>> create_multipart_upload(Call& call);
Task<Outcome<Response>> upload_part(Call& call);
Task<Outcome<Response>> upload_part_copy(Call& call);
Task<Outcome<Response>> complete_multipart_upload(Call& call);
Task<Outcome<Response>> abort_multipart_upload(Call& call);
Task<Outcome<Response>> list_parts(Call& call);
Task<Outcome<Response>> list_multipart_uploads(Call& call);

Task<Outcome<Response>> put_object_annotation(Call& call);
Task<Outcome<Response>> get_object_annotation(Call& call);
Task<Outcome<Response>> list_object_annotations(Call& call);
Task<Outcome<Response>> delete_object_annotation(Call& call);

}  // namespace api
