// ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation.
#include <algorithm>

#include "api/access/bucket_access.h"
#include "api/access/request_acl.h"
#include "api/ascii.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"
#include "storage/sealed_dataset.h"

namespace api {
namespace {

std::string_view location_of(const Call& call, const storage::BucketInfo& bucket) {
  return bucket.location.empty() ? std::string_view(call.region()) : std::string_view(bucket.location);
}

// The LocationConstraint of a CreateBucket body. Errors: InvalidLocationConstraint, NotImplemented,
// MalformedXML.
Outcome<std::string> location_constraint(const Call& call, const XmlElement& document) {
  if (document.name.empty()) return std::string();
  for (const XmlElement& child : document.children) {
    if (child.name == "LocationConstraint") continue;
    // Tags, directory buckets and the like would make another bucket than was asked for.
    return Failure(S3Error::not_implemented).with("Header", child.name);
  }
  const auto text = child_text(document, "LocationConstraint");
  if (!text) return text.error();
  std::string location(text->value_or(""));
  const auto& locations = call.options.locations;
  if (location.empty() || location == call.region() ||
      std::find(locations.begin(), locations.end(), location) != locations.end()) {
    return location;
  }
  return Failure(S3Error::invalid_location_constraint).with("LocationConstraint", location);
}

// x-amz-bucket-object-lock-enabled. Errors: InvalidArgument.
Outcome<bool> lock_wanted(const Call& call) {
  const auto value = call.header("x-amz-bucket-object-lock-enabled");
  if (!value || equals_caseless(*value, "false")) return false;
  if (equals_caseless(*value, "true")) return true;
  return invalid_argument("x-amz-bucket-object-lock-enabled", *value);
}

Outcome<Response> created(const Call& call) {
  Response response;
  response.add_header("Location", "/" + call.target.bucket);
  return response;
}

// Access control list and object ownership as the headers have them. Errors: InvalidArgument,
// InvalidBucketAclWithObjectOwnership, those of acl_of_headers().
Outcome<> set_access(const Call& call, storage::BucketInfo& bucket) {
  AclParties parties;
  parties.owner_id = parties.bucket_owner_id = bucket.owner_id;
  parties.for_bucket = true;
  const AclHeaders headers = [&call](std::string_view name) { return call.header(name); };
  const auto acl = acl_of_headers(headers, parties, call.authorizer.users());
  if (!acl) return acl.error();
  const std::string text = *acl ? write_acl_text(**acl, bucket.owner_id) : std::string();
  if (const auto name = call.header("x-amz-object-ownership")) {
    Ownership ownership = Ownership::object_writer;
    if (!parse_ownership(*name, ownership)) {
      return invalid_argument("x-amz-object-ownership", *name, "Invalid x-amz-object-ownership header: " + std::string(*name));
    }
    if (ownership == Ownership::bucket_owner_enforced && !text.empty()) {
      return S3Error::invalid_bucket_acl_with_object_ownership;
    }
    bucket.settings[std::string(kOwnershipSetting)] = *name;
  }
  if (!text.empty()) bucket.settings[std::string(kAclSetting)] = text;
  return done();
}

}  // namespace

Task<Outcome<Response>> list_buckets(Call& call) {
  const auto limit = number_parameter(call, "max-buckets", kBucketsPageMax, kBucketsPageMax);
  if (!limit) co_return limit.error();
  if (*limit == 0) co_return invalid_argument("max-buckets", "0");
  const std::string prefix(call.target.parameter("prefix").value_or(""));
  const std::string region(call.target.parameter("bucket-region").value_or(""));
  std::string after;
  if (const auto token = call.target.parameter("continuation-token"); token && !token->empty()) {
    auto decoded = from_base64url(*token);
    if (!decoded || !is_bucket_name(*decoded)) co_return invalid_argument("continuation-token", *token);
    after = std::move(*decoded);
  }
  storage::BucketPage none;
  storage::Result<storage::BucketPage> page = std::move(none);
  if (!call.anonymous()) page = co_await call.store.list_buckets(call.user().id, prefix, after, *limit);
  if (!page) co_return page.error();

  XmlWriter xml;
  xml.open_root("ListAllMyBucketsResult");
  write_owner(xml, "Owner", call.options, call.user().id);
  xml.open("Buckets");
  for (const storage::BucketInfo& bucket : page->buckets) {
    if (!region.empty() && region != location_of(call, bucket)) continue;
    xml.open("Bucket");
    xml.element("Name", bucket.name);
    xml.element("CreationDate", iso_date(bucket.created_ms));
    xml.element("BucketRegion", location_of(call, bucket));
    xml.close("Bucket");
  }
  xml.close("Buckets");
  if (!prefix.empty()) xml.element("Prefix", prefix);
  if (page->next) xml.element("ContinuationToken", to_base64url(*page->next));
  xml.close("ListAllMyBucketsResult");
  co_return xml_response(xml);
}

Task<Outcome<Response>> create_bucket(Call& call) {
  XmlBodyNeeds needs;
  needs.root = "CreateBucketConfiguration";
  needs.length_max = kXmlBodyBytesMax;
  needs.may_be_empty = true;
  const auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  auto location = location_constraint(call, *document);
  if (!location) co_return location.error();

  storage::BucketInfo bucket;
  bucket.name = call.target.bucket;
  bucket.owner_id = call.user().id;
  if (auto set = set_access(call, bucket); !set) co_return set.error();
  const std::string acl(bucket_setting(bucket, kAclSetting));
  bucket.location = std::move(*location);
  bucket.created_ms = call.clock.wall_ms();
  auto lock = lock_wanted(call);
  if (!lock) co_return lock.error();
  if (*lock) {
    bucket.object_lock = true;
    bucket.versioning = storage::Versioning::enabled;
  }
  const auto made = co_await call.store.create_bucket(std::move(bucket));
  if (made) co_return created(call);
  if (made.error() != storage::Errc::bucket_exists) co_return made.error();

  const auto existing = co_await call.store.bucket(call.target.bucket);
  if (!existing) co_return existing.error();
  if ((*existing)->owner_id != call.user().id || !(*existing)->dataset_bucket.empty()) {
    co_return Failure(S3Error::bucket_already_exists).with("BucketName", call.target.bucket);
  }
  // Another access control list than the one there is would be another bucket.
  if (bucket_setting(**existing, kAclSetting) != acl) {
    co_return Failure(S3Error::bucket_already_exists).with("BucketName", call.target.bucket);
  }
  // The oldest region has always answered its owner with success; the others never did.
  if (call.region() == "us-east-1") co_return created(call);
  co_return Failure(S3Error::bucket_already_owned_by_you).with("BucketName", call.target.bucket);
}

Task<Outcome<Response>> head_bucket(Call& call) {
  Response response;
  response.head_only = true;
  response.add_header("x-amz-bucket-region", location_of(call, *call.bucket));
  response.add_header("x-amz-access-point-alias", "false");
  co_return response;
}

Task<Outcome<Response>> delete_bucket(Call& call) {
  const auto removed = co_await call.store.remove_bucket(call.target.bucket);
  if (!removed && removed.error() == storage::Errc::bucket_not_empty && call.bucket->datasets > 0) {
    const auto datasets = co_await call.store.datasets(call.target.bucket, {}, 1);
    if (datasets && !datasets->empty()) {
      co_return Failure(S3Error::bucket_not_empty, "The bucket has datasets, such as " + datasets->front()->name +
                                                       ": drop them before you delete it")
          .with("BucketName", call.target.bucket);
    }
  }
  if (!removed) co_return Failure(removed.error()).with("BucketName", call.target.bucket);
  co_return empty_response(204);
}

Task<Outcome<Response>> get_bucket_location(Call& call) {
  XmlWriter xml;
  xml.open_root("LocationConstraint");
  // us-east-1 is spelt as nothing, unless its bucket was made with the name said aloud.
  std::string_view location = location_of(call, *call.bucket);
  if (call.bucket->location.empty() && location == "us-east-1") location = {};
  xml.text(location);
  xml.close("LocationConstraint");
  co_return xml_response(xml);
}

}  // namespace api
