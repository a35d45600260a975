// GET and HEAD of virtual objects.
#include "api/byte_range.h"
#include "api/ascii.h"
#include "api/conditions.h"
#include "api/encryption.h"
#include "api/object_headers.h"
#include "api/versions.h"
#include "api/virtual/kept_answers.h"
#include "api/virtual/virtual_object.h"

namespace api {
namespace {

struct Slice {
  ByteRange range;
  bool partial = false;
};

// Which bytes go out. A virtual object has one part, itself.
Outcome<Slice> select(const Call& call, std::uint64_t size) {
  Slice slice;
  slice.range = {0, size};
  const auto header = call.request.header("range");
  const auto part = part_number_parameter(call);
  if (!part) return part.error();
  if (*part) {
    if (header) return Failure(S3Error::invalid_request, "Cannot specify both Range header and partNumber query parameter");
    if (**part != 1) return Failure(S3Error::invalid_part, "The requested partnumber is not satisfiable");
    slice.partial = size > 0;
    return slice;
  }
  if (!header) return slice;
  const RangeAnswer answer = parse_range(*header, size);
  if (answer.kind == RangeKind::unsatisfiable) {
    return Failure(S3Error::invalid_range)
        .with("RangeRequested", *header)
        .with("ActualObjectSize", to_decimal(size))
        .with_header("Content-Range", "bytes */" + to_decimal(size));
  }
  if (answer.kind == RangeKind::slice) slice = {answer.range, true};
  return slice;
}

// The answer but for its bytes.
Outcome<Response> describe(const Call& call, const storage::ObjectInfo& info, std::string_view headers, Slice& slice) {
  Response response;
  if (auto added = add_object_headers(call, info, response); !added) return added.error();
  response.headers += headers;
  response.head_only = call.head();
  std::string_view condition;
  switch (judge_read(call, {}, info, &condition)) {
    case ReadVerdict::proceed:
      break;
    case ReadVerdict::precondition_failed:
      return Failure(S3Error::precondition_failed).with("Condition", condition);
    case ReadVerdict::not_modified:
      response.status = 304;
      return response;
  }
  const auto selected = select(call, info.size);
  if (!selected) return selected.error();
  slice = *selected;
  response.status = slice.partial ? 206 : 200;
  response.content_length = slice.range.length;
  if (slice.partial) {
    std::string range = "bytes " + to_decimal(slice.range.offset);
    range.append("-").append(to_decimal(slice.range.offset + slice.range.length - 1)).append("/").append(to_decimal(info.size));
    response.add_header("Content-Range", range);
  }
  return response;
}

bool wants_bytes(const Response& response) {
  return response.status != 304 && !response.head_only && response.content_length > 0;
}

Outcome<Response> answer_object(const Call& call, VirtualContent content) {
  Slice slice;
  auto response = describe(call, *content.object->info(), content.headers, slice);
  if (!response || !wants_bytes(*response)) return response;
  response->stream = content.object->read(slice.range.offset, slice.range.length);
  response->object = std::move(content.object);
  return response;
}

// nullopt: what was spooled has gone since it was found.
Task<Outcome<std::optional<Response>>> answer_kept(Call& call, KeptAnswerPtr kept) {
  Slice slice;
  auto response = describe(call, *kept->info, kept->headers, slice);
  if (!response) co_return response.error();
  if (!wants_bytes(*response)) co_return std::optional<Response>(std::move(*response));
  if (kept->text != nullptr) {
    const auto bytes = std::as_bytes(std::span(kept->text->data(), kept->text->size()));
    response->cached.bytes = bytes.subspan(slice.range.offset, slice.range.length);
    response->cached.owner = kept->text;
    co_return std::optional<Response>(std::move(*response));
  }
  auto opened = co_await call.answers->open(std::move(kept));
  if (!opened && opened.error() == storage::Errc::not_found) co_return std::optional<Response>();
  if (!opened) co_return opened.error();
  response->stream = (*opened)->read(slice.range.offset, slice.range.length);
  response->object = std::move(*opened);
  co_return std::optional<Response>(std::move(*response));
}

}  // namespace

Task<Outcome<Response>> get_virtual(Call& call) {
  const auto place = find_virtual(call.target.key);
  if (!place || place->row->read == nullptr) co_return S3Error::no_such_key;
  if (auto rest = check_rest(*place); !rest) co_return rest.error();
  const auto version = version_parameter(call);
  if (!version) co_return version.error();
  if (!version->empty() && *version != "null") co_return S3Error::no_such_version;
  const auto customer = read_customer_key(call);
  if (!customer) co_return customer.error();
  if (*customer) co_return Failure(S3Error::invalid_request, "The encryption parameters are not applicable to this object.");
  // An answer that is dropped just as it is wanted is made again.
  constexpr int kAttemptsMax = 3;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    KeptAnswerPtr kept = call.answers->find(call);
    if (kept == nullptr) {
      auto content = co_await place->row->read(call, std::string(place->rest));
      if (!content) co_return content.error();
      if (content->object != nullptr) co_return answer_object(call, std::move(*content));
      auto evaluated = co_await call.answers->evaluate(call, std::move(*content));
      if (!evaluated) co_return evaluated.error();
      kept = std::move(*evaluated);
    }
    auto answered = co_await answer_kept(call, std::move(kept));
    if (!answered) co_return answered.error();
    if (*answered) co_return std::move(**answered);
  }
  co_return S3Error::slow_down;
}

}  // namespace api
