#include "api/events/event_record.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/encoding.h"
#include "api/http_date.h"
#include "api/service.h"

namespace api {
namespace {

using Json = nlohmann::ordered_json;

std::string print(const Json& json) {
  // Names of users may be any bytes: what is no UTF-8 is replaced, never refused.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_removal(EventKind kind) {
  return kind == EventKind::removed_delete || kind == EventKind::removed_marker || kind == EventKind::expiration_delete ||
         kind == EventKind::expiration_marker;
}

bool is_creation(EventKind kind) { return kind <= EventKind::created_complete; }

bool is_later_event(EventKind kind) { return kind >= EventKind::lifecycle_transition; }

std::string form_encoded(std::string_view key) {
  const std::string text = percent_encode(key, Slash::keep);
  std::string encoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.compare(at, 3, "%20") == 0) {
      encoded += '+';
      at += 2;
    } else {
      encoded += text[at];
    }
  }
  return encoded;
}

Json object_of(const EventSubject& subject) {
  Json object;
  object["key"] = form_encoded(subject.key);
  if (is_creation(subject.kind)) object["size"] = subject.version.size;
  if (subject.version.delete_marker) {
    if (!is_removal(subject.kind) || subject.kind == EventKind::removed_marker ||
        subject.kind == EventKind::expiration_marker) {
      object["eTag"] = "d41d8cd98f00b204e9800998ecf8427e";  // a marker is empty
    }
  } else if (!is_removal(subject.kind)) {
    object["eTag"] = subject.version.etag;
  }
  if (subject.version.version_id != "null") object["versionId"] = subject.version.version_id;
  if (is_creation(subject.kind) || is_removal(subject.kind)) object["sequencer"] = sequence_text(subject.sequence);
  return object;
}

struct BridgeName {
  std::string_view detail_type;  // empty: no such event
  std::string_view reason;
};

BridgeName bridge_name(EventKind kind) {
  switch (kind) {
    case EventKind::created_put:
      return {"Object Created", "PutObject"};
    case EventKind::created_post:
      return {"Object Created", "POST Object"};
    case EventKind::created_copy:
      return {"Object Created", "CopyObject"};
    case EventKind::created_complete:
      return {"Object Created", "CompleteMultipartUpload"};
    case EventKind::removed_delete:
    case EventKind::removed_marker:
      return {"Object Deleted", "DeleteObject"};
    case EventKind::expiration_delete:
    case EventKind::expiration_marker:
      return {"Object Deleted", "Lifecycle Expiration"};
    case EventKind::lifecycle_transition:
      return {"Object Storage Class Changed", ""};
    case EventKind::acl_put:
      return {"Object ACL Updated", ""};
    case EventKind::tagging_put:
      return {"Object Tags Added", ""};
    case EventKind::tagging_delete:
      return {"Object Tags Deleted", ""};
    default:
      return {};
  }
}

}  // namespace

std::string sequence_text(std::uint64_t sequence) { return fmt::format("{:016X}", sequence); }

std::string event_message(const EventFacts& facts, const EventSubject& subject, std::string_view rule_id) {
  Json record;
  record["eventVersion"] = is_later_event(subject.kind) ? "2.3" : "2.1";
  record["eventSource"] = "aws:s3";
  record["awsRegion"] = facts.region;
  record["eventTime"] = iso_date(facts.time_ms);
  record["eventName"] = event_name(subject.kind);
  record["userIdentity"]["principalId"] = facts.principal_id;
  record["requestParameters"]["sourceIPAddress"] = facts.source_address;
  record["responseElements"]["x-amz-request-id"] = facts.request_id;
  record["responseElements"]["x-amz-id-2"] = host_id(facts.request_id);
  Json& s3 = record["s3"];
  s3["s3SchemaVersion"] = "1.0";
  s3["configurationId"] = rule_id;
  s3["bucket"]["name"] = facts.bucket;
  s3["bucket"]["ownerIdentity"]["principalId"] = facts.bucket_owner;
  s3["bucket"]["arn"] = "arn:aws:s3:::" + std::string(facts.bucket);
  s3["object"] = object_of(subject);
  if (subject.kind == EventKind::lifecycle_transition) {
    record["lifecycleEventData"]["transitionEventData"]["destinationStorageClass"] =
        subject.version.attributes.storage_class;
  }
  Json message;
  message["Records"] = Json::array({std::move(record)});
  return print(message);
}

std::string event_bridge_message(const EventFacts& facts, const EventSubject& subject) {
  const BridgeName name = bridge_name(subject.kind);
  if (name.detail_type.empty()) return {};
  Json message;
  message["version"] = "0";
  message["id"] = sequence_text(subject.sequence);
  message["detail-type"] = name.detail_type;
  message["source"] = "aws.s3";
  message["account"] = facts.bucket_owner;
  message["time"] = iso_date(facts.time_ms);
  message["region"] = facts.region;
  message["resources"] = Json::array({"arn:aws:s3:::" + std::string(facts.bucket)});
  Json& detail = message["detail"];
  detail["version"] = "0";
  detail["bucket"]["name"] = facts.bucket;
  Json& object = detail["object"];
  object["key"] = subject.key;
  if (is_creation(subject.kind)) object["size"] = subject.version.size;
  if (!is_removal(subject.kind)) object["etag"] = subject.version.etag;
  if (subject.version.version_id != "null") object["version-id"] = subject.version.version_id;
  if (is_creation(subject.kind) || is_removal(subject.kind)) object["sequencer"] = sequence_text(subject.sequence);
  detail["request-id"] = facts.request_id;
  detail["requester"] = facts.principal_id;
  detail["source-ip-address"] = facts.source_address;
  if (!name.reason.empty()) detail["reason"] = name.reason;
  if (is_removal(subject.kind)) {
    const bool marker = subject.kind == EventKind::removed_marker || subject.kind == EventKind::expiration_marker;
    detail["deletion-type"] = marker ? "Delete Marker Created" : "Permanently Deleted";
  }
  if (subject.kind == EventKind::lifecycle_transition) {
    detail["destination-storage-class"] = subject.version.attributes.storage_class;
  }
  return print(message);
}

std::string event_test_message(const EventFacts& facts) {
  Json message;
  message["Service"] = "Amazon S3";
  message["Event"] = "s3:TestEvent";
  message["Time"] = iso_date(facts.time_ms);
  message["Bucket"] = facts.bucket;
  message["RequestId"] = facts.request_id;
  message["HostId"] = host_id(facts.request_id);
  return print(message);
}

}  // namespace api
