#include "api/ascii.h"
#include "api/encoding.h"
#include "api/service.h"

namespace api {
namespace {

class BodyCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "http_body"; }
  std::string message(int value) const override {
    switch (static_cast<BodyErrc>(value)) {
      case BodyErrc::http_body_truncated:
        return "the body was cut short";
      case BodyErrc::http_body_timeout:
        return "the body stalled";
      case BodyErrc::http_body_malformed:
        return "the body's framing is broken";
    }
    return "unknown error";
  }
};

}  // namespace

boost::system::error_code make_error_code(BodyErrc code) noexcept {
  static const BodyCategory category;
  return {static_cast<int>(code), category};
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const HeaderField& field : headers) {
    if (equals_caseless(field.name, name)) return field.value;
  }
  return std::nullopt;
}

void Response::add_header(std::string_view name, std::string_view value) {
  headers.append(name).append(": ").append(value).append("\r\n");
}

std::string host_id(std::string_view request_id) { return to_base64(request_id); }

}  // namespace api
