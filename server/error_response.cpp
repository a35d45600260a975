#include "server/error_response.h"

#include <fmt/format.h>

namespace server {

api::Response error_response(unsigned status, std::string_view code, std::string_view message, std::string_view request_id) {
  api::Response response;
  response.status = status;
  response.add_header("Content-Type", "application/xml");
  response.text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message><Resource>/</Resource>"
      "<RequestId>{}</RequestId><HostId>{}</HostId></Error>",
      code, message, request_id, api::host_id(request_id));
  response.content_length = response.text.size();
  return response;
}

}  // namespace server
