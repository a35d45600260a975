// DeleteObjects: up to 1,000 keys in one request, one result for each inside a 200.
#include "api/ascii.h"
#include "api/conditions.h"
#include "api/events/change_events.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/object_lock.h"
#include "api/operations/operations.h"
#include "api/versions.h"
#include "api/virtual/virtual_object.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

// One <Object>, and what became of it before the store was asked.
struct Entry {
  std::string key;
  std::string version_id;
  storage::RemoveCondition condition;
  std::optional<Failure> refused;
  bool is_virtual = false;  // the store has no such object; its row of the table removes it
};

struct DeleteRequest {
  bool quiet = false;
  std::vector<Entry> entries;
};

Outcome<Entry> parse_entry(const XmlElement& object) {
  Entry entry;
  const auto key = child_text(object, "Key");
  const auto version = child_text(object, "VersionId");
  const auto etag = child_text(object, "ETag");
  const auto size = child_text(object, "Size");
  const auto time = child_text(object, "LastModifiedTime");
  if (!key || !version || !etag || !size || !time || !*key || (*key)->empty()) return S3Error::malformed_xml;
  entry.key = **key;
  entry.version_id = version->value_or("");
  if (auto checked = check_key(entry.key); !checked) entry.refused = checked.error();
  if (!entry.version_id.empty() && !is_version_id(entry.version_id))
    entry.refused.emplace(S3Error::no_such_version);
  if (*etag) entry.condition.if_match = std::string(bare_etag(**etag));
  if (*size) {
    entry.condition.size = parse_decimal(**size);
    if (!entry.condition.size) return S3Error::malformed_xml;
  }
  if (*time) {
    entry.condition.modified_s = parse_iso_date(**time);
    if (!entry.condition.modified_s) entry.condition.modified_s = parse_http_date(**time);
    if (!entry.condition.modified_s) return S3Error::malformed_xml;
  }
  return entry;
}

Outcome<DeleteRequest> parse_request(const XmlElement& document) {
  DeleteRequest request;
  const auto quiet = child_text(document, "Quiet");
  if (!quiet) return quiet.error();
  if (*quiet) {
    const std::string_view text = **quiet;
    if (!equals_caseless(text, "true") && !equals_caseless(text, "false")) return S3Error::malformed_xml;
    request.quiet = equals_caseless(text, "true");
  }
  for (const XmlElement& child : document.children) {
    if (child.name == "Quiet") continue;
    if (child.name != "Object" || request.entries.size() == kDeleteKeysMax) return S3Error::malformed_xml;
    auto entry = parse_entry(child);
    if (!entry) return entry.error();
    request.entries.push_back(std::move(*entry));
  }
  if (request.entries.empty()) return S3Error::malformed_xml;
  return request;
}

void write_error(XmlWriter& xml, const Entry& entry, const Failure& failure) {
  xml.open("Error");
  xml.element("Key", entry.key);
  if (!entry.version_id.empty()) xml.element("VersionId", entry.version_id);
  xml.element("Code", error_row(failure.error()).code);
  xml.element("Message", failure.message());
  xml.close("Error");
}

void write_deleted(XmlWriter& xml, const Entry& entry, const storage::Removed& removed) {
  xml.open("Deleted");
  xml.element("Key", entry.key);
  if (!entry.version_id.empty()) xml.element("VersionId", entry.version_id);
  if (removed.delete_marker) {
    xml.flag("DeleteMarker", true);
    xml.element("DeleteMarkerVersionId", removed.version_id);
  }
  xml.close("Deleted");
}

// One after the other: there are few, and each is a transaction of its own.
Task<> remove_virtual_entries(Call& call, DeleteRequest& request) {
  for (Entry& entry : request.entries) {
    if (!entry.is_virtual || entry.refused) continue;
    auto allowed = call.authorizer.check_virtual(call, Action::delete_object, entry.key);
    if (allowed) allowed = co_await remove_virtual(call, entry.key);
    if (!allowed) entry.refused = allowed.error();
  }
}

}  // namespace

Task<Outcome<Response>> delete_objects(Call& call) {
  XmlBodyNeeds needs;
  needs.root = "Delete";
  needs.length_max = kDeleteBodyBytesMax - 1;
  needs.integrity_required = true;
  auto document = co_await read_xml_body(call, needs);
  if (!document) co_return document.error();
  auto request = parse_request(*document);
  if (!request) co_return request.error();

  const bool bypass = bypasses_governance(call);
  std::vector<storage::RemoveRequest> removals;
  ManyChangeEvents events;
  for (Entry& entry : request->entries) {
    if (entry.refused) continue;
    entry.is_virtual = is_virtual_key(entry.key);
    if (entry.is_virtual) continue;
    if (auto allowed = call.authorizer.check_removal(call, entry.key, entry.version_id); !allowed) {
      entry.refused = allowed.error();
      continue;
    }
    storage::RemoveRequest& removal = removals.emplace_back();
    removal.key = entry.key;
    removal.version_id = entry.version_id;
    removal.condition = entry.condition;
    removal.bypass_governance = bypass;
    events.push_back(std::make_unique<ChangeEvents>(call, EventKind::removed_delete));
    if (entry.version_id.empty()) events.back()->or_marker(EventKind::removed_marker);
    removal.companion = events.back()->companion();
  }
  std::vector<storage::Result<storage::Removed>> results;
  co_await remove_virtual_entries(call, *request);
  if (!removals.empty()) results = co_await call.store.remove_many(call.target.bucket, std::move(removals));

  XmlWriter xml;
  xml.open_root("DeleteResult");
  std::size_t next = 0;
  for (const Entry& entry : request->entries) {
    if (entry.refused) {
      write_error(xml, entry, *entry.refused);
      continue;
    }
    if (entry.is_virtual) {
      if (!request->quiet) write_deleted(xml, entry, {});
      continue;
    }
    const storage::Result<storage::Removed>& result = results.at(next++);
    if (!result) {
      const bool locked = result.error() == storage::Errc::object_locked;
      write_error(xml, entry, locked ? locked_failure() : Failure(result.error()));
    } else if (!request->quiet) {
      write_deleted(xml, entry, *result);
    }
  }
  xml.close("DeleteResult");
  co_return xml_response(xml);
}

}  // namespace api
