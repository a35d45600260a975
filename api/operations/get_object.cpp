// GetObject and HeadObject: whole, by range, by part, conditional.
#include <algorithm>

#include "api/ascii.h"
#include "api/byte_range.h"
#include "api/conditions.h"
#include "api/decrypted_object.h"
#include "api/encryption.h"
#include "api/object_headers.h"
#include "api/object_lock.h"
#include "api/operations/operations.h"
#include "api/versions.h"

namespace api {
namespace {

// Which bytes of the object go out, and how that is announced.
struct Selection {
  ByteRange range;
  bool partial = false;
  const storage::PartInfo* part = nullptr;  // the bytes are exactly this part
  bool by_part = false;
};

Outcome<Selection> select_part(const storage::ObjectInfo& info, std::uint32_t number) {
  Selection selection;
  selection.by_part = true;
  if (info.parts.empty()) {
    if (number != 1) return Failure(S3Error::invalid_part, "The requested partnumber is not satisfiable");
    selection.range = {0, info.size};
    selection.partial = info.size > 0;
    return selection;
  }
  for (const storage::PartInfo& part : info.parts) {
    if (part.number == number) {
      selection.range.length = part.size;
      selection.partial = info.size > 0;
      selection.part = &part;
      return selection;
    }
    selection.range.offset += part.size;
  }
  return Failure(S3Error::invalid_part, "The requested partnumber is not satisfiable");
}

Outcome<Selection> select_range(const storage::ObjectInfo& info, std::string_view header) {
  const RangeAnswer answer = parse_range(header, info.size);
  Selection selection;
  switch (answer.kind) {
    case RangeKind::whole:
      selection.range = {0, info.size};
      return selection;
    case RangeKind::slice:
      selection.range = answer.range;
      selection.partial = true;
      return selection;
    case RangeKind::unsatisfiable:
      break;
  }
  return Failure(S3Error::invalid_range)
      .with("RangeRequested", header)
      .with("ActualObjectSize", to_decimal(info.size))
      .with_header("Content-Range", "bytes */" + to_decimal(info.size));
}

// A part that a Range header happens to cover exactly: only then may a checksum go with a 206.
const storage::PartInfo* part_at(const storage::ObjectInfo& info, const ByteRange& range) {
  std::uint64_t offset = 0;
  for (const storage::PartInfo& part : info.parts) {
    if (offset == range.offset && part.size == range.length) return &part;
    if (offset >= range.offset) return nullptr;
    offset += part.size;
  }
  return nullptr;
}

Outcome<Selection> select(const Call& call, const storage::ObjectInfo& info) {
  const auto range = call.request.header("range");
  const auto part = part_number_parameter(call);
  if (!part) return part.error();
  if (*part) {
    if (range)
      return Failure(S3Error::invalid_request,
                     "Cannot specify both Range header and partNumber query parameter");
    return select_part(info, **part);
  }
  if (!range) {
    Selection whole;
    whole.range = {0, info.size};
    return whole;
  }
  auto selection = select_range(info, *range);
  if (selection && selection->partial) selection->part = part_at(info, selection->range);
  return selection;
}

void add_selection_headers(const Call& call, const storage::ObjectInfo& info, const Selection& selection,
                           Response& response) {
  if (selection.partial) {
    std::string& out = response.headers;
    out += "Content-Range: bytes ";
    // A part without bytes lies nowhere: it is announced like an unsatisfied range.
    if (selection.range.length > 0) {
      append_decimal(out, selection.range.offset);
      out += '-';
      append_decimal(out, selection.range.offset + selection.range.length - 1);
    } else {
      out += '*';
    }
    out += '/';
    append_decimal(out, info.size);
    out += "\r\n";
  }
  if (selection.by_part && !info.parts.empty()) {
    response.add_header("x-amz-mp-parts-count", to_decimal(info.parts.size()));
  }
  const auto mode = call.header("x-amz-checksum-mode");
  if (!mode || !equals_caseless(*mode, "ENABLED")) return;
  const bool whole = selection.range.length == info.size && selection.part == nullptr;
  if (whole && (!selection.partial || selection.by_part)) {
    add_checksum_headers(info, response);
  } else if (selection.part != nullptr) {
    add_checksum_header(selection.part->checksum, response);
  }
}

Response not_modified(const Call& call, const storage::ObjectInfo& info, std::string_view last_modified_line) {
  Response response = empty_response(304);
  add_etag(info.etag, response);
  response.headers += last_modified_line;
  add_version_header(call, info, response);
  return response;
}

// The answer but for its bytes.
Outcome<Response> describe(const Call& call, const storage::ObjectInfo& info, Selection& selection) {
  if (auto allowed = check_reader(call, info); !allowed) return allowed.error();
  Response response;
  if (auto added = add_object_headers(call, info, response); !added) return added.error();
  std::string_view condition;
  switch (judge_read(call, {}, info, &condition)) {
    case ReadVerdict::proceed:
      break;
    case ReadVerdict::precondition_failed:
      return Failure(S3Error::precondition_failed).with("Condition", condition);
    case ReadVerdict::not_modified: {
      const std::size_t at = response.headers.find("Last-Modified");
      const std::string_view headers(response.headers);
      return not_modified(call, info, headers.substr(at, headers.find('\n', at) - at + 1));
    }
  }
  auto selected = select(call, info);
  if (!selected) return selected.error();
  selection = *selected;
  response.status = selection.partial ? 206 : 200;
  response.content_length = selection.range.length;
  add_version_header(call, info, response);
  add_lock_headers(info, response);
  add_selection_headers(call, info, selection, response);
  add_encryption_headers(info.controls.encryption, response);
  add_expiration(call, info, response);
  return response;
}

// The same version, read as its client wrote it.
Task<Outcome<std::unique_ptr<storage::OpenObject>>> decrypted(Call& call,
                                                              std::unique_ptr<storage::OpenObject> object) {
  const std::string& envelope = object->info()->controls.encryption;
  if (envelope.empty()) co_return std::move(object);
  auto keys = co_await open_keys(call, envelope, "x-amz-");
  if (!keys) co_return keys.error();
  auto opened =
      std::make_unique<DecryptedObject>(std::move(object), std::move(*keys), call.store.request_pool());
  co_return std::unique_ptr<storage::OpenObject>(std::move(opened));
}

}  // namespace

Outcome<Response> get_cached_object(Call& call, storage::CachedObject object) {
  call.bucket = std::move(object.bucket);
  Selection selection;
  auto response = describe(call, *object.info, selection);
  if (response && response->status != 304) {
    response->cached = std::move(object.bytes);
    response->cached.bytes = response->cached.bytes.subspan(selection.range.offset, selection.range.length);
  }
  return response;
}

Task<Outcome<Response>> get_object(Call& call) {
  const auto version = version_parameter(call);
  if (!version) co_return version.error();
  Selection selection;
  if (call.head()) {
    const auto info = co_await find_version(call, *version);
    if (!info) co_return info.error();
    if (auto allowed = call.authorizer.check_version(call, **info); !allowed) co_return allowed.error();
    auto response = describe(call, **info, selection);
    if (response) response->head_only = true;
    co_return response;
  }
  auto object = co_await call.store.open(call.object_key(), *version);
  if (!object) co_return version_failure(call, object.error(), *version);
  if ((*object)->info()->delete_marker) co_return marker_failure(call, *(*object)->info(), !version->empty());
  if (auto allowed = call.authorizer.check_version(call, *(*object)->info()); !allowed) co_return allowed.error();
  auto response = describe(call, *(*object)->info(), selection);
  if (response && response->status != 304 && selection.range.length > 0) {
    auto readable = co_await decrypted(call, std::move(*object));
    if (!readable) co_return readable.error();
    response->stream = (*readable)->read(selection.range.offset, selection.range.length);
    response->object = std::move(*readable);
  }
  co_return response;
}

}  // namespace api
