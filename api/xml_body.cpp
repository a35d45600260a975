#include "api/xml_body.h"

#include "api/limits.h"
#include "api/operations/results.h"

namespace api {
namespace {

// A verified body and how much of the memory it fills.
struct WholeBody {
  storage::io::Buffer buffer;
  std::size_t length = 0;

  std::string_view text() const { return {reinterpret_cast<const char*>(buffer.data()), length}; }
};

Task<Outcome<WholeBody>> read_whole(Call& call, XmlBodyNeeds needs) {
  BodyNeeds body_needs;
  body_needs.length_max = needs.length_max;
  body_needs.too_large = S3Error::max_message_length_exceeded;
  body_needs.checksum_headers = needs.checksum_headers;
  auto plan = plan_body(call.request, call.body, call.identity, body_needs);
  if (!plan) co_return plan.error();
  if (needs.integrity_required && !plan->has_integrity()) {
    co_return Failure(S3Error::invalid_request,
                      "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  // The last byte finds the end of a body without a length.
  const std::size_t expected = static_cast<std::size_t>(plan->length.value_or(needs.length_max)) + 1;
  const std::size_t wanted =
      std::min<std::size_t>(std::max<std::size_t>(expected, 4096), storage::io::kMaxBufferBytes);
  auto buffer = co_await call.store.request_pool().take(wanted, kBufferWaitMs);
  if (!buffer) co_return buffer.error();

  VerifiedBody body(call.body, std::move(*plan));
  const auto length = co_await storage::read_full(body, buffer->span());
  if (!length) co_return body_failure(length.error(), body);
  if (*length == buffer->size()) {
    // Full to the brim: only a body above every bound gets here, or one that ends exactly here.
    std::byte beyond[1];
    const auto more = co_await body.read(beyond);
    if (!more) co_return body_failure(more.error(), body);
    if (*more > 0) co_return S3Error::max_message_length_exceeded;
  }
  if (*length == 0 && !needs.may_be_empty) co_return S3Error::missing_request_body;
  WholeBody whole;
  whole.length = *length;
  whole.buffer = std::move(*buffer);
  co_return whole;
}

}  // namespace

Task<Outcome<XmlElement>> read_xml_body(Call& call, XmlBodyNeeds needs) {
  const auto whole = co_await read_whole(call, needs);
  if (!whole) co_return whole.error();
  if (whole->length == 0) co_return XmlElement{};
  co_return parse_xml(whole->text(), needs.root);
}

Task<Outcome<std::string>> read_text_body(Call& call, XmlBodyNeeds needs) {
  const auto whole = co_await read_whole(call, needs);
  if (!whole) co_return whole.error();
  co_return std::string(whole->text());
}

}  // namespace api
